"""What differs between two versions of the rules of one purpose, rule by rule."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from orderpipe.rules import words
from orderpipe.rules.language import Rule, RuleSet


@dataclass(frozen=True)
class Difference:
    """One difference. kind: added, removed, moved, when, then or setting. name: the rule's id, or the setting.

    before, after: the rule, its condition or outcome as a rule file writes it, or the setting's value; of a rule that
    moved, where it stood and stands: `first`, or `after <id>`. Empty where there is none. In the order of the new file.
    """

    kind: str
    name: str
    before: str
    after: str


def compare(old: RuleSet, new: RuleSet) -> list[Difference]:
    """Everything that two rule sets decide by and that differs; none when they are the same version. Notes, comments
    and examples decide nothing."""
    before, after = ({rule.id: rule for rule in rules.rules} for rules in (old, new))
    staying = [name for name in after if name in before]
    moved = _moved([name for name in before if name in after], staying)
    found = [
        Difference("setting", name, _number(old.settings.get(name)), _number(new.settings.get(name)))
        for name in sorted({*old.settings, *new.settings})
        if old.settings.get(name) != new.settings.get(name)
    ]
    found += [Difference("removed", name, _whole(rule), "") for name, rule in before.items() if name not in after]
    for name, rule in after.items():
        if name not in before:
            found.append(Difference("added", name, "", f"{_place(new, name)}: {_whole(rule)}"))
            continue
        if name in moved:
            found.append(Difference("moved", name, _place(old, name), _place(new, name)))
        for kind, text in (("when", words.when_text), ("then", words.then_text)):
            if text(before[name]) != text(rule):
                found.append(Difference(kind, name, text(before[name]), text(rule)))
    return found


def _whole(rule: Rule) -> str:
    return f"when {words.when_text(rule)} then {words.then_text(rule)}"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _place(rules: RuleSet, name: str) -> str:
    ids = [rule.id for rule in rules.rules]
    at = ids.index(name)
    return f"after {ids[at - 1]}" if at else "first"


def _moved(old: Sequence[str], new: Sequence[str]) -> set[str]:
    """The fewest ids that must move to turn one order into the other: all but a longest run that keeps its order."""
    rank = {name: number for number, name in enumerate(old)}
    ends: list[int] = []  # the smallest rank that a run of each length can end with
    run: list[int] = []  # how long a run that ends at each id is
    for name in new:
        at = bisect_left(ends, rank[name])
        ends[at : at + 1] = [rank[name]]
        run.append(at + 1)
    length, kept = len(ends), set()
    for name, own in zip(reversed(new), reversed(run), strict=True):
        if own == length:
            kept.add(name)
            length -= 1
    return set(new) - kept
