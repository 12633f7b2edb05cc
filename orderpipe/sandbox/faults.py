"""Things that go wrong on request: which call fails, how, and how often it has.

A fault is armed through the control endpoint and fires on the calls it matches, `times` often or with a
`probability`, after skipping the first `after` of them.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any

# Kinds the HTTP layer plays by itself, the same for every platform.
BEFORE_WORK = ("http_429", "http_500", "http_502_html", "hang")
AFTER_WORK = ("timeout_after_write", "truncated_body", "malformed_json")
TRANSPORT = frozenset(BEFORE_WORK + AFTER_WORK)


@dataclass(slots=True)
class Fault:
    """One armed fault. match: text the method name must contain; None matches all. options: what the kind takes
    besides (seconds, field, delta, worked)."""

    id: int
    where: str
    kind: str
    times: int | None = 1
    probability: float | None = None
    match: str | None = None
    after: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    fired: int = 0

    def describe(self) -> dict[str, Any]:
        names = ("id", "where", "kind", "times", "probability", "match", "after", "options", "seen", "fired")
        return {name: getattr(self, name) for name in names}


class Faults:
    """The armed faults, in the order they were armed. Probabilities draw from the seed."""

    def __init__(self, seed: int):
        self._armed: list[Fault] = []
        self._rng = Random(f"{seed}/faults")
        self._serial = 0

    def arm(self, where: str, kind: str, **choice: Any) -> Fault:
        """Arm one. Raises ValueError for a share outside 0..1 or a count below 0."""
        probability, times = choice.pop("probability", None), choice.pop("times", None)
        if probability is not None and not 0 <= probability <= 1:
            raise ValueError("probability must lie between 0 and 1")
        if times is None and probability is None:
            times = 1
        after, match = int(choice.pop("after", 0)), choice.pop("match", None)
        if after < 0 or (times is not None and times < 0):
            raise ValueError("times and after must not be negative")
        self._serial += 1
        fault = Fault(self._serial, where, kind, times, probability, match, after, choice)
        self._armed.append(fault)
        return fault

    def clear(self) -> None:
        self._armed.clear()

    def describe(self) -> list[dict[str, Any]]:
        return [fault.describe() for fault in self._armed]

    def take(self, where: str, kind: str, method: str) -> Fault | None:
        """The first armed fault of that kind that fires on this call; asking counts as a call."""
        for fault in self._armed:
            if fault.where == where and fault.kind == kind and (fault.match is None or fault.match in method):
                fault.seen += 1
                if fault.seen > fault.after and self._fires(fault):
                    fault.fired += 1
                    return fault
        return None

    def _fires(self, fault: Fault) -> bool:
        if fault.times is not None and fault.fired >= fault.times:
            return False
        return fault.probability is None or self._rng.random() < fault.probability
