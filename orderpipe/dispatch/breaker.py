"""A breaker for one receiver in one dispatch: when nobody is there, or nobody may come in, the rest of the batch waits.

Without it an hour of silence would cost every instruction in the outbox its attempts, thirty seconds each.
"""

from threading import Lock

from orderpipe.dispatch.outcome import Outcome


class Breaker:
    """Opens after `patience` attempts in a row that reached nobody, or after one that no other call could better."""

    def __init__(self, patience: int):
        self._patience, self._unreached, self._lock = patience, 0, Lock()
        self.error: str | None = None

    @property
    def open(self) -> bool:
        return self.error is not None

    def note(self, outcome: Outcome) -> None:
        """Take what an attempt came to into account."""
        with self._lock:
            self._unreached = 0 if outcome.reached else self._unreached + 1
            if outcome.halts or self._unreached >= self._patience:
                self.error = self.error or outcome.error or "没有收到应答"
