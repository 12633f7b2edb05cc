"""What time it is. Production reads the system clock; a simulation can read the sandbox's clock instead.

`ORDERPIPE_CLOCK` holds `system` (default) or the URL of a sandbox clock (`…/_control/clock`), which answers
`{"now": "<ISO 8601 UTC>", "rate": <simulated seconds per real second>}`.
"""

import os
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """The time in UTC, from the system or from a sandbox clock read afresh on every call of `now`."""

    def __init__(self, source: str = "system"):
        self.source = source

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        if self.source == "system":
            return datetime.now(UTC)
        import httpx

        answer = httpx.get(self.source, timeout=10, trust_env=False).raise_for_status().json()
        return datetime.fromisoformat(answer["now"]).astimezone(UTC)

    def frozen(self) -> "Clock":
        """A clock that asked its source once and advances with the machine's own monotonic time from there."""
        return self if self.source == "system" else _Offset(self)


class _Offset(Clock):
    def __init__(self, clock: Clock):
        super().__init__(clock.source)
        self._start, self._mono = clock.now(), time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._mono)


def from_environment() -> Clock:
    """The clock named by `ORDERPIPE_CLOCK`."""
    return Clock(os.environ.get("ORDERPIPE_CLOCK") or "system")


def as_utc(moment: datetime) -> datetime:
    """A moment as aware UTC; one without a zone is taken to be UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
