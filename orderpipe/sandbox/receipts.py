"""What the receivers got: every effect in the world, how often it was asked for, and whether it exists twice.

An effect is one thing in the world: a pick order, a waybill, a message, a shipped trade, a delisted item.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Effect:
    """One effect. key: the sender's own reference. requests: how often it was asked for. duplicates: how many more of
    it the world holds than the one it should."""

    kind: str
    key: str
    at: int
    body: str
    requests: int = 1
    duplicates: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


class Receipts:
    """Effects by receiver, in the order they came to be; and how many requests each receiver refused."""

    def __init__(self) -> None:
        self._effects: dict[str, dict[tuple[str, str], Effect]] = {}
        self._requests: dict[str, int] = {}
        self._refused: dict[str, int] = {}

    def note(self, where: str, kind: str, key: str, at: int, body: str, **facts: Any) -> Effect:
        """Record a request that asks for an effect; a known one counts another request. Returns the effect."""
        self._requests[where] = self._requests.get(where, 0) + 1
        effects = self._effects.setdefault(where, {})
        if effect := effects.get((kind, key)):
            effect.requests += 1
        else:
            effect = effects[kind, key] = Effect(kind, key, at, body, facts=facts)
        return effect

    def known(self, where: str, kind: str, key: str) -> Effect | None:
        return self._effects.get(where, {}).get((kind, key))

    def refuse(self, where: str) -> None:
        """Record a request that was refused and had no effect."""
        self._refused[where] = self._refused.get(where, 0) + 1

    def of(self, where: str) -> list[Effect]:
        return list(self._effects.get(where, {}).values())

    def counts(self, where: str) -> dict[str, int]:
        """Totals of one receiver: effects, requests that had or repeated one, refused requests, duplicates."""
        effects = self.of(where)
        return {
            "effects": len(effects),
            "requests": self._requests.get(where, 0),
            "refused": self._refused.get(where, 0),
            "duplicates": sum(effect.duplicates for effect in effects),
        }
