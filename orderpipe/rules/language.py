"""The rule language: YAML in, a checked tree out, or an error that names file, line, rule and what is allowed.

    rules:
      - id: east_no_glass
        when: {all: [{region: {eq: 华东}}, {any_glass: {eq: false}}]}
        then: {warehouse: HZ}
        note: why this rule exists
    settings: {merge_window_minutes: 60}
    examples:
      - {facts: {country: CN, region: 华东, any_glass: false}, rule: east_no_glass}

`all`: every entry holds. `any`: at least one holds. `not`: none of them holds. Groups nest; several groups or
operators in one mapping must all hold. `when: {}` always holds. Rules are tried from top to bottom. An example of a
rule file in which every match counts says `rules: [first, second]`, or `rules: [unmatched]`.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from orderpipe.errors import OrderpipeError
from orderpipe.marked_yaml import MarkedYaml, Node, suggestion
from orderpipe.rules.fields import Field
from orderpipe.rules.purposes import FIRST, Outcome, Purpose

GROUPS = ("all", "any", "not")
UNMATCHED = "unmatched"
MAX_RULES, MAX_TESTS, MAX_VALUES = 1000, 200, 5000
RULE_ID = "[a-z][a-z0-9_]{0,63}"
_COMPARE = ("eq", "ne", "in", "not_in", "gt", "gte", "lt", "lte", "between", "is_null")
OPERATORS = {
    "text": ("eq", "ne", "in", "not_in", "contains", "starts_with", "is_null"),
    "number": _COMPARE,
    "integer": _COMPARE,
    "date": _COMPARE,
    "boolean": ("eq", "ne", "is_null"),
    "text_list": ("contains", "is_null"),
}


@dataclass(frozen=True)
class Test:
    """One comparison. value: str (also for dates), Decimal, bool, or a tuple of them for in, not_in and between."""

    field: Field
    op: str
    value: Any


@dataclass(frozen=True)
class Group:
    """kind all, any or not over tests and groups; all of nothing holds."""

    kind: str
    items: tuple["Group | Test", ...]


@dataclass(frozen=True)
class Rule:
    """A rule: when the condition is known to hold, then is the outcome; what `then` leaves out is None."""

    id: str
    when: Group
    then: dict[str, Any]
    note: str
    line: int


@dataclass(frozen=True)
class Example:
    """Facts (those left out are unknown) and the ids of the rules that must count for them, as in the file; none when
    nothing may match."""

    facts: dict[str, Any]
    rules: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class RuleSet:
    """A checked rule file. canonical: what decides, as one text: order, ids, conditions and outcomes, without notes,
    comments and examples. version: its hash. The same version always decides the same facts the same way."""

    path: Path
    purpose: Purpose
    rules: tuple[Rule, ...]
    examples: tuple[Example, ...]
    canonical: str
    version: str
    settings: Mapping[str, int]

    @cached_property
    def asked(self) -> tuple[Field, ...]:
        """The facts any rule asks, in the order of the catalogue."""
        names = {field.name for rule in self.rules for field in asked(rule)}
        return tuple(field for field in self.purpose.fields.values() if field.name in names)


def load(path: Path, purpose: Purpose) -> RuleSet:
    """Read and check a rule file. Raises ConfigError with file, line, rule and remedy."""
    reader = _Reader(MarkedYaml(Path(path)), purpose)
    rules, examples, settings = reader.file_entries()
    return _rule_set(Path(path), purpose, rules, examples, settings)


def restore(canonical: str, purpose: Purpose) -> RuleSet:
    """The rule set a canonical text stands for, as decision.rule_versions keeps it: without notes and examples.

    Raises OrderpipeError when the text asks a fact that the catalogue no longer has.
    """
    plain = json.loads(canonical)
    try:
        rules = tuple(
            Rule(
                entry["id"],
                _restored(entry["when"], purpose),
                {outcome: entry["then"].get(outcome) for outcome in purpose.outcomes},
                "",
                0,
            )
            for entry in plain["rules"]
        )
    except KeyError as gone:
        raise OrderpipeError(
            f"the rules ask {gone}, which is no fact any more",
            where=f"{purpose.name} rules",
            remedy="activate a file that does not ask it",
        ) from None
    return _rule_set(Path(f"{purpose.name}.yaml"), purpose, rules, (), plain["settings"])


def asked(rule: Rule) -> list[Field]:
    """The fields a rule asks, in the order of the file, each once."""
    found: dict[str, Field] = {}
    nodes: list[Group | Test] = [rule.when]
    while nodes:
        node = nodes.pop(0)
        if isinstance(node, Test):
            found[node.field.name] = node.field
        else:
            nodes[:0] = node.items
    return list(found.values())


def _rule_set(path: Path, purpose: Purpose, rules: tuple[Rule, ...], examples, settings: Mapping[str, int]) -> RuleSet:
    canonical = json.dumps(
        {"purpose": purpose.name, "rules": [_plain_rule(rule) for rule in rules], "settings": dict(settings)},
        ensure_ascii=False, sort_keys=True, separators=(",", ":"),
    )  # fmt: skip
    version = hashlib.sha256(canonical.encode()).hexdigest()[:16]
    return RuleSet(path, purpose, rules, examples, canonical, version, settings)


class _Reader:
    """Turns the nodes of one file into rules and examples."""

    def __init__(self, file: MarkedYaml, purpose: Purpose):
        self.file, self.purpose = file, purpose
        self.tests = 0  # of the rule being read

    def file_entries(self) -> tuple[tuple[Rule, ...], tuple[Example, ...], dict[str, int]]:
        entries = self.file.mapping(self.file.root, ("rules",), ("examples", "settings"))
        nodes = self.file.items(entries["rules"], "rules")
        if len(nodes) > MAX_RULES:
            self.file.fail(
                entries["rules"].line, f"{len(nodes)} rules", f"use at most {MAX_RULES}; join values by in: […]"
            )
        rules: dict[str, Rule] = {}
        catch_all = None
        for node in nodes:
            rule = self.rule(node)
            within = f"rule {rule.id}"
            if rule.id in rules:
                self.file.fail(rule.line, "the id stands twice", "give every rule its own id", within)
            if catch_all and self.purpose.mode == FIRST:
                remedy = f"move it above {catch_all.id} (line {catch_all.line})"
                self.file.fail(rule.line, "can never match: a rule above matches everything", remedy, within)
            if not rule.when.items:
                catch_all = rule
            rules[rule.id] = rule
        examples = entries.get("examples")
        nodes = self.file.items(examples, "examples") if examples else []
        settings = self.settings(entries.get("settings"))
        return tuple(rules.values()), tuple(self.example(node, (*rules, UNMATCHED)) for node in nodes), settings

    def settings(self, node: Node | None) -> dict[str, int]:
        """The settings of the file, those it leaves out at their defaults."""
        known = self.purpose.settings
        given = self.file.mapping(node, (), tuple(known), "settings") if node else {}
        values = {name: setting.default for name, setting in known.items()}
        for name, value in given.items():
            number = self.whole(value, name, "settings")
            if not known[name].low <= number <= known[name].high:
                remedy = f"use {known[name].low} to {known[name].high}"
                self.file.fail(value.line, f"{name} is {number}", remedy, "settings")
            values[name] = number
        return values

    def rule(self, node: Node) -> Rule:
        entry = self.file.mapping(node, ("id", "when", "then", "note"))
        rule_id = self.file.text(entry["id"], "id")
        within = f"rule {rule_id}"
        if not re.fullmatch(RULE_ID, rule_id) or rule_id == UNMATCHED:
            self.file.fail(entry["id"].line, f"{rule_id!r} cannot be an id", "use a-z, 0-9 and _", within)
        self.tests = 0
        return Rule(
            id=rule_id,
            when=self.condition(entry["when"], within),
            then=self.outcome(entry["then"], within),
            note=self.file.text(entry["note"], "note", within),
            line=node.line,
        )

    def outcome(self, node: Node, within: str) -> dict[str, Any]:
        known = self.purpose.outcomes.values()
        required = tuple(o.name for o in known if o.required)
        entries = self.file.mapping(node, required, tuple(o.name for o in known if not o.required), within)
        values = {o.name: self.outcome_value(o, entries[o.name], within) if o.name in entries else None for o in known}
        if self.purpose.above:
            more, less = self.purpose.above
            if values[more] <= values[less]:
                self.file.fail(entries[more].line, f"{more} must be greater than {less}", "raise it", within)
        return values

    def outcome_value(self, outcome: Outcome, node: Node, within: str) -> Any:
        if outcome.type == "boolean":
            return self.file.boolean(node, outcome.name, within)
        if outcome.type == "integer":
            number = self.whole(node, outcome.name, within)
            if not outcome.low <= number <= outcome.high:
                self.file.fail(node.line, f"{outcome.name} is {number}", f"use {outcome.low} to {outcome.high}", within)
            return number
        value = self.file.text(node, outcome.name, within)
        if outcome.choices is not None and value not in outcome.choices:
            self.file.fail(node.line, f"unknown {outcome.name} {value!r}", suggestion(value, outcome.choices), within)
        return value

    def whole(self, node: Node, what: str, within: str) -> int:
        number = self.file.number(node, what, within)
        if number != int(number):
            self.file.fail(node.line, f"{what} must be a whole number, is {number}", "round it", within)
        return int(number)

    def condition(self, node: Node, within: str) -> Group:
        """The mapping under `when`: groups only."""
        entries = self.file.mapping(node, (), GROUPS, within)
        groups = tuple(self.group(kind, items, within) for kind, items in entries.items())
        return groups[0] if len(groups) == 1 else Group("all", groups)

    def group(self, kind: str, node: Node, within: str) -> Group:
        return Group(kind, tuple(self.entry(item, within) for item in self.file.items(node, kind, within)))

    def entry(self, node: Node, within: str) -> Group | Test:
        """An entry of a group: one field with its operators, or a nested group."""
        names = tuple(node.value) if node.kind == "mapping" else ()
        if names and set(names) <= set(GROUPS):
            return self.condition(node, within)
        if len(names) != 1:
            shown = f"{len(names)} fields" if names else node.shown
            self.file.fail(node.line, f"an entry must be one {{field: {{op: value}}}}, is {shown}", "split it", within)
        field = self.purpose.fields.get(names[0])
        if field is None:
            remedy = suggestion(names[0], (*self.purpose.fields, *GROUPS))
            self.file.fail(node.value[names[0]].line, f"unknown field {names[0]!r}", remedy, within)
        operators = node.value[names[0]]
        allowed = OPERATORS[field.type]
        entries = self.file.mapping(operators, (), allowed, f"{within}, field {field.name} ({field.type})")
        if not entries:
            self.file.fail(operators.line, f"field {field.name} has no operator", suggestion("", allowed), within)
        tests = tuple(self.test(field, op, value, within) for op, value in entries.items())
        return tests[0] if len(tests) == 1 else Group("all", tests)

    def test(self, field: Field, op: str, node: Node, within: str) -> Test:
        self.tests += 1
        if self.tests > MAX_TESTS:
            self.file.fail(node.line, f"more than {MAX_TESTS} comparisons", "use in: […] or split the rule", within)
        what = f"{field.name}.{op}"
        if op == "is_null":
            return Test(field, op, self.file.boolean(node, what, within))
        if op not in ("in", "not_in", "between"):
            return Test(field, op, self.value(field, node, what, within, op))
        values = tuple(self.value(field, item, what, within, op) for item in self.file.items(node, what, within))
        if len(values) > MAX_VALUES:
            self.file.fail(node.line, f"{what} has {len(values)} values", f"use at most {MAX_VALUES}", within)
        if op == "between" and (len(values) != 2 or values[0] > values[1]):
            self.file.fail(node.line, f"{what} needs two values, the lower first", "write [10, 20]", within)
        return Test(field, op, values)

    def value(self, field: Field, node: Node, what: str, within: str, op: str = "eq") -> Any:
        """A single value of the field's type (of a list: of its entries)."""
        if field.type == "boolean":
            return self.file.boolean(node, what, within)
        if field.type == "integer":
            return Decimal(self.whole(node, what, within))
        if field.type == "number":
            return self.file.number(node, what, within)
        if field.type == "date":
            return self.day(node, what, within)
        text = self.file.text(node, what, within)
        if field.choices and op not in ("contains", "starts_with") and text not in field.choices:
            self.file.fail(node.line, f"{what}: {text!r} never occurs", suggestion(text, field.choices), within)
        return text

    def day(self, node: Node, what: str, within: str) -> str:
        """A day as 2026-11-11."""
        if node.kind in ("time", "text") and re.fullmatch(r"\d{4}-\d\d-\d\d", node.value):
            try:
                return date.fromisoformat(node.value).isoformat()
            except ValueError:
                pass  # told below: there is no such day
        self.file.fail(node.line, f"{what} must be a day, is {node.shown}", "write it as 2026-11-11", within)

    def example(self, node: Node, rules: tuple[str, ...]) -> Example:
        names = "rule" if self.purpose.mode == FIRST else "rules"
        entry = self.file.mapping(node, ("facts", names))
        within = f"example at line {node.line}"
        expected = [entry[names]] if self.purpose.mode == FIRST else self.file.items(entry[names], names, within)
        ids = [self.file.text(item, names, within) for item in expected]
        for rule, item in zip(ids, expected, strict=True):
            if rule not in rules:
                self.file.fail(item.line, f"unknown rule {rule!r}", suggestion(rule, rules), within)
        facts = self.file.mapping(entry["facts"], (), tuple(self.purpose.fields), within)
        return Example(
            {name: self.fact(name, value, within) for name, value in facts.items()},
            tuple(rule for rule in rules if rule in ids and rule != UNMATCHED),
            node.line,
        )

    def fact(self, name: str, node: Node, within: str) -> Any:
        field = self.purpose.fields[name]
        if node.kind == "null":
            return None
        if field.type == "text_list":
            return [self.value(field, item, name, within) for item in self.file.items(node, name, within)]
        return self.value(field, node, name, within)


def _restored(plain: Mapping[str, Any], purpose: Purpose) -> Group | Test:
    ((name, inner),) = plain.items()
    if name in GROUPS:
        return Group(name, tuple(_restored(item, purpose) for item in inner))
    ((op, value),) = inner.items()
    field = purpose.fields[name]

    def typed(item: Any) -> Any:
        return Decimal(item) if field.type in ("number", "integer") and op != "is_null" else item

    return Test(field, op, tuple(map(typed, value)) if isinstance(value, list) else typed(value))


def _plain_rule(rule: Rule) -> dict[str, Any]:
    """What is left out stays out, so that an outcome that rules gain later changes no version of before."""
    said = {name: value for name, value in rule.then.items() if value is not None}
    return {"id": rule.id, "when": _plain(rule.when), "then": said}


def _plain(node: Group | Test) -> Any:
    if isinstance(node, Group):
        return {node.kind: [_plain(item) for item in node.items]}
    return {node.field.name: {node.op: _plain_value(node.value)}}


def _plain_value(value: Any) -> Any:
    """Decimals as text, 10.0 and 10.00 alike, so that spelling does not change the version."""
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return format(value.normalize() + Decimal(0), "f") if isinstance(value, Decimal) else value
