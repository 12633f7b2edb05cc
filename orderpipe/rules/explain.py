"""Rules evaluated in Python, one set of facts at a time: why an order was decided as it was.

Written apart from compile.py on purpose: tests hold the two against each other, and a stored decision can be derived
again from its stored facts and the rules of its version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from orderpipe.errors import OrderpipeError
from orderpipe.rules.fields import Field
from orderpipe.rules.language import UNMATCHED, Group, Rule, RuleSet, Test, asked
from orderpipe.rules.purposes import FIRST


@dataclass(frozen=True)
class Step:
    """One rule that was tried. holds: True, False, or None for unknown. undecided: labels of the facts that were
    unknown and were asked."""

    rule: str
    holds: bool | None
    undecided: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """The rule that decided (`unmatched` when none did), its outcome, and the rules tried on the way."""

    rule_id: str
    outcome: dict[str, Any]
    steps: tuple[Step, ...]


def decide(rules: RuleSet, facts: Mapping[str, Any]) -> Decision:
    """Decide by the first rule that matches. facts by field name, as stored with a decision (decimals and days as
    text) or as Python values; a field left out is unknown. Raises OrderpipeError when a fact has the wrong type."""
    known = known_facts(rules, facts)
    steps = []
    for rule in rules.rules:
        steps.append(_step(rule, known))
        if steps[-1].holds:
            return Decision(rule.id, dict(rule.then), tuple(steps))
    return Decision(UNMATCHED, {}, tuple(steps))


def matches(rules: RuleSet, facts: Mapping[str, Any]) -> list[Rule]:
    """The rules that count for these facts: the first that matches, or every one, of a tier the first only."""
    known = known_facts(rules, facts)
    found: list[Rule] = []
    tiers = set()
    for rule in rules.rules:
        tier = rule.then.get(rules.purpose.group)
        if (tier is None or tier not in tiers) and _holds(rule.when, known):
            found.append(rule)
            tiers.add(tier)
            if rules.purpose.mode == FIRST:
                break
    return found


@dataclass(frozen=True)
class Failure:
    """An example that is decided by other rules than it says. line: in the file; steps: the rules that were tried."""

    line: int
    expected: tuple[str, ...]
    found: tuple[str, ...]
    steps: tuple[Step, ...]


def failures(rules: RuleSet) -> list[Failure]:
    """The examples of the file that are decided by other rules than they say."""
    failed = []
    for example in rules.examples:
        found = tuple(rule.id for rule in matches(rules, example.facts))
        if found != example.rules:
            if rules.purpose.mode == FIRST:
                steps = decide(rules, example.facts).steps
            else:
                disputed = set(found) ^ set(example.rules)
                steps = tuple(try_rule(rules, rule, example.facts) for rule in rules.rules if rule.id in disputed)
            failed.append(Failure(example.line, example.rules or (UNMATCHED,), found or (UNMATCHED,), steps))
    return failed


def failed_examples(rules: RuleSet) -> list[str]:
    """A line for every example of the file that is decided by other rules than it says."""
    return [
        f"{rules.path}:{failure.line}: expected rule {', '.join(failure.expected)}, "
        f"decided by {', '.join(failure.found)}"
        for failure in failures(rules)
    ]


def known_facts(rules: RuleSet, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a rule set's catalogue as the evaluator compares them, None where unknown."""
    fields = rules.purpose.fields
    known: dict[str, Any] = dict.fromkeys(fields)
    known.update((name, _fact(fields[name], value)) for name, value in facts.items() if name in fields)
    return known


def try_rule(rules: RuleSet, rule: Rule, facts: Mapping[str, Any]) -> Step:
    """Whether one rule of a rule set holds for these facts by itself, whatever the others say."""
    known = known_facts(rules, facts)
    return _step(rule, known)


def _step(rule: Rule, known: Mapping[str, Any]) -> Step:
    unknown = tuple(field.label for field in asked(rule) if known[field.name] is None)
    return Step(rule.id, _holds(rule.when, known), unknown)


def _holds(node: Group | Test, facts: Mapping[str, Any]) -> bool | None:
    if isinstance(node, Test):
        return _test(node, facts[node.field.name])
    results = [_holds(item, facts) for item in node.items]
    if node.kind == "all":
        return False if False in results else None if None in results else True
    either = True if True in results else None if None in results else False
    if node.kind == "any" or either is None:
        return either
    return not either


def _test(test: Test, fact: Any) -> bool | None:
    if test.op == "is_null":
        return (fact is None) == test.value
    if fact is None:
        return None
    value = test.value
    match test.op:
        case "eq":
            return fact == value
        case "ne":
            return fact != value
        case "in":
            return fact in value
        case "not_in":
            return fact not in value
        case "gt":
            return fact > value
        case "gte":
            return fact >= value
        case "lt":
            return fact < value
        case "lte":
            return fact <= value
        case "between":
            return value[0] <= fact <= value[1]
        case "starts_with":
            return fact.startswith(value)
        case "contains":
            if value in fact:
                return True
            return None if isinstance(fact, list) and None in fact else False
    raise AssertionError(f"language.py admits {test.op}, the evaluator does not know it")


def _fact(field: Field, value: Any) -> Any:
    """The fact as the evaluator compares it: str, Decimal, bool, list of str and None, or None."""
    match field.type:
        case _ if value is None:
            return None
        case "text" | "date" if isinstance(value, str):
            return value
        case "boolean" if isinstance(value, bool):
            return value
        case "integer" | "number" if isinstance(value, (int, str, Decimal)) and not isinstance(value, bool):
            try:
                return Decimal(value)
            except InvalidOperation:
                pass
        case "text_list" if isinstance(value, list) and all(item is None or isinstance(item, str) for item in value):
            return value
    raise OrderpipeError(
        f"fact {field.name} must be a {field.type}, is a {type(value).__name__}", remedy="give facts as they are stored"
    )
