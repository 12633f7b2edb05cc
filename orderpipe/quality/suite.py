"""Quality suites: the rules of one staging table, read from config/quality/<table>.yaml and checked.

An entry: {id, expectation, arguments, severity, note, reason: {zh, en}}. severity critical puts the document into
quarantine, warning only reports it. note says why the rule exists, reason tells the operator what is wrong. Neither
is a template: a value of a row cannot get into them.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from orderpipe.marked_yaml import MarkedYaml, Node, suggestion
from orderpipe.quality import expression

SEVERITIES = ("critical", "warning")
_BOUND = "write a plain number or a time with its zone, as in 99.50 or 2005-01-01T00:00:00Z"
_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Rule:
    """One rule. arguments by Great Expectations' names; values are str, tuple of str, bool, Decimal or aware
    datetime; `expression` (a parsed Expression) stands in for `column` where a number is derived first."""

    id: str
    expectation: str
    arguments: dict[str, Any]
    severity: str
    note: str
    reason: dict[str, str]
    line: int

    @property
    def columns(self) -> set[str]:
        """The columns the rule reads."""
        names = {self.arguments[key] for key in ("column", "column_A", "column_B") if key in self.arguments}
        names.update(self.arguments.get("column_list", ()))
        return names | (expression.columns(self.arguments["expression"]) if "expression" in self.arguments else set())


@dataclass(frozen=True)
class Suite:
    """The rules of one staging table; table is its name without schema (`orders`)."""

    table: str
    path: Path
    rules: tuple[Rule, ...]


def load(path: Path, columns: Iterable[str] | None = None) -> Suite:
    """The suite in a file; the file's name is the table's. columns, where given, are those the table has.

    Raises ConfigError with file, line and remedy.
    """
    path = Path(path)
    reader = _Reader(MarkedYaml(path), None if columns is None else set(columns))
    return Suite(path.stem, path, reader.rules())


def load_all(folder: Path) -> dict[str, Suite]:
    """Every suite of a folder by table name."""
    return {path.stem: load(path) for path in sorted(Path(folder).glob("*.yaml"))}


class _Reader:
    """Turns the nodes of one file into rules."""

    def __init__(self, file: MarkedYaml, columns: set[str] | None):
        self.file, self.known_columns = file, columns

    def rules(self) -> tuple[Rule, ...]:
        rules: dict[str, Rule] = {}
        for node in self.file.items(self.file.root, "a suite"):
            rule = self.rule(node)
            if rule.id in rules:
                self.file.fail(rule.line, f"rule id {rule.id} stands twice", "give every rule its own id")
            rules[rule.id] = rule
        return tuple(rules.values())

    def rule(self, node: Node) -> Rule:
        entry = self.file.mapping(node, ("id", "expectation", "arguments", "severity", "note", "reason"))
        rule_id = self.file.text(entry["id"], "id")
        within = f"rule {rule_id}"
        if not _ID.fullmatch(rule_id):
            self.file.fail(entry["id"].line, f"id {rule_id!r} is not a name", "use a-z, 0-9 and _", within)
        severity = self.choice(entry["severity"], "severity", SEVERITIES, within)
        kind = self.choice(entry["expectation"], "expectation", _EXPECTATIONS, within)
        reason = self.file.mapping(entry["reason"], ("zh", "en"), within=within)
        rule = Rule(
            id=rule_id,
            expectation=kind,
            arguments=self.arguments(kind, entry["arguments"], within),
            severity=severity,
            note=self.file.text(entry["note"], "note", within),
            reason={language: self.file.text(text, "reason", within) for language, text in reason.items()},
            line=node.line,
        )
        for column in sorted(rule.columns - (self.known_columns or rule.columns)):
            at = entry["arguments"].line
            self.file.fail(at, f"the table has no column {column!r}", suggestion(column, self.known_columns), within)
        return rule

    def arguments(self, kind: str, node: Node, within: str) -> dict[str, Any]:
        required, optional = _EXPECTATIONS[kind]
        entries = self.file.mapping(node, required, optional, within)
        values = {name: _ARGUMENTS[name](self, entry, within) for name, entry in entries.items()}
        if "min_value" in optional:
            self.check_bounds(kind, values, node.line, within)
        if "expression" in optional and ("column" in values) == ("expression" in values):
            self.file.fail(node.line, "needs either column or expression", "write one of them", within)
        if "expression" in values and any(isinstance(values.get(b), datetime) for b in ("min_value", "max_value")):
            self.file.fail(node.line, "an expression gives a number, not a time", "compare seconds(column)", within)
        return values

    def check_bounds(self, kind: str, values: dict[str, Any], line: int, within: str) -> None:
        bounds = [values[name] for name in ("min_value", "max_value") if name in values]
        if not bounds:
            self.file.fail(line, "has no bound", "write min_value, max_value or both", within)
        if len({type(bound) for bound in bounds}) > 1 or bounds != sorted(bounds):
            self.file.fail(
                line, "min_value is not below max_value", "use two numbers or two times, the lower first", within
            )
        whole = all(isinstance(bound, Decimal) and bound == int(bound) for bound in bounds)
        if kind == "ExpectColumnValueLengthsToBeBetween" and not whole:
            self.file.fail(line, "a length is a whole number", "write min_value: 1", within)

    def choice(self, node: Node, what: str, allowed: Iterable[str], within: str) -> str:
        value = self.file.text(node, what, within)
        if value not in allowed:
            self.file.fail(node.line, f"unknown {what} {value!r}", suggestion(value, allowed), within)
        return value

    def column(self, node: Node, within: str) -> str:
        name = self.file.text(node, "a column", within)
        if not _ID.fullmatch(name):
            self.file.fail(node.line, f"{name!r} is not a column name", "use a-z, 0-9 and _", within)
        return name

    def column_list(self, node: Node, within: str) -> tuple[str, ...]:
        names = tuple(self.column(item, within) for item in self.file.items(node, "column_list", within))
        if len(set(names)) < 2 or len(set(names)) < len(names):
            self.file.fail(node.line, "column_list needs at least two different columns", "add a column", within)
        return names

    def value_set(self, node: Node, within: str) -> tuple[str, ...]:
        return tuple(self.file.text(item, "a value", within) for item in self.file.items(node, "value_set", within))

    def bound(self, node: Node, within: str):
        if node.kind in ("time", "text"):
            try:
                time = datetime.fromisoformat(node.value)
            except ValueError:
                time = None
            if time is None or time.tzinfo is None:
                self.file.fail(node.line, f"{node.shown} is no bound", _BOUND, within)
            return time
        number = self.file.number(node, "a bound", within)
        if number.as_tuple().exponent < -4:
            self.file.fail(node.line, "a bound has more than 4 decimals", "round it", within)
        return number

    def flag(self, node: Node, within: str) -> bool:
        return self.file.boolean(node, "or_equal", within)

    def derived(self, node: Node, within: str) -> expression.Expression:
        try:
            return expression.parse(self.file.text(node, "expression", within))
        except ValueError as error:
            self.file.fail(node.line, f"expression: {error}", "see docs/configuration.md", within)


_ARGUMENTS: dict[str, Callable[[_Reader, Node, str], Any]] = {
    "column": _Reader.column,
    "column_A": _Reader.column,
    "column_B": _Reader.column,
    "column_list": _Reader.column_list,
    "expression": _Reader.derived,
    "value_set": _Reader.value_set,
    "min_value": _Reader.bound,
    "max_value": _Reader.bound,
    "or_equal": _Reader.flag,
}

# Great Expectations' name → arguments that must be there, arguments that may be there.
_EXPECTATIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ExpectColumnValuesToNotBeNull": (("column",), ()),
    "ExpectColumnValuesToBeInSet": (("column", "value_set"), ()),
    "ExpectColumnValuesToBeBetween": ((), ("column", "expression", "min_value", "max_value")),
    "ExpectColumnValueLengthsToBeBetween": (("column",), ("min_value", "max_value")),
    "ExpectColumnValuesToBeUnique": (("column",), ()),
    "ExpectCompoundColumnsToBeUnique": (("column_list",), ()),
    "ExpectColumnPairValuesAToBeGreaterThanB": (("column_A", "column_B"), ("or_equal",)),
}
