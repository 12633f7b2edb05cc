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
from orderpipe.rules.language import UNMATCHED, Group, Rule, RuleSet, Test


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
    outcome: dict[str, str]
    steps: tuple[Step, ...]


def decide(rules: RuleSet, facts: Mapping[str, Any]) -> Decision:
    """Decide one order. facts by field name, as stored in decision.routes.facts (decimals as text) or as Python
    values; a field left out is unknown. Raises OrderpipeError when a fact has the wrong type."""
    known = {name: _fact(field, facts.get(name)) for name, field in rules.purpose.fields.items()}
    steps = []
    for rule in rules.rules:
        holds = _holds(rule.when, known)
        steps.append(Step(rule.id, holds, tuple(field.label for field in _asked(rule) if known[field.name] is None)))
        if holds:
            return Decision(rule.id, dict(rule.then), tuple(steps))
    return Decision(UNMATCHED, {}, tuple(steps))


def failed_examples(rules: RuleSet) -> list[str]:
    """A line for every example of the file that is decided by another rule than it says."""
    failures = []
    for example in rules.examples:
        found = decide(rules, example.facts).rule_id
        if found != example.rule:
            failures.append(f"{rules.path}:{example.line}: expected rule {example.rule}, decided by {found}")
    return failures


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
        case "text" if isinstance(value, str):
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


def _asked(rule: Rule) -> list[Field]:
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
