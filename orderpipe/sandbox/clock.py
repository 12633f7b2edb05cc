"""The sandbox's clock: real (rate 1), accelerated (rate R) or stepped (rate 0); and how platforms write time."""

import time
from datetime import UTC, datetime, timedelta, timezone

GMT8 = timezone(timedelta(hours=8))


class Clock:
    """Simulated time in seconds since 1970 (UTC). It never runs backwards: what has happened cannot unhappen.

    start: first reading, epoch seconds. rate: simulated seconds per real second; 0 means the clock only moves by
    `step` and `set`.
    """

    def __init__(self, start: float, rate: float = 1.0):
        self.rate = rate
        self._base = float(start)
        self._mark = time.monotonic()

    def now(self) -> float:
        """Simulated epoch seconds."""
        return self._base + (time.monotonic() - self._mark) * self.rate

    @staticmethod
    def real() -> float:
        """Seconds of the machine's own monotonic clock."""
        return time.monotonic()

    def step(self, seconds: float) -> None:
        """Move forward by so many simulated seconds. Raises ValueError for a negative step."""
        if seconds < 0:
            raise ValueError("the clock does not run backwards: step must be >= 0")
        self._restart(self.now() + seconds)

    def set(self, at: float) -> None:
        """Jump forward to a moment. Raises ValueError when it lies in the past."""
        if at < self.now():
            raise ValueError("the clock does not run backwards: that moment has passed")
        self._restart(at)

    def set_rate(self, rate: float) -> None:
        """Change the pace from now on. Raises ValueError for a negative rate."""
        if rate < 0:
            raise ValueError("rate must be >= 0")
        self._restart(self.now())
        self.rate = rate

    def tolerance(self, seconds: float) -> float:
        """A platform's timestamp tolerance, widened so that an accelerated clock still leaves a caller five real
        seconds between reading the time and being read."""
        return max(seconds, 5 * self.rate)

    def _restart(self, base: float) -> None:
        self._base, self._mark = base, time.monotonic()


def iso(at: float | None) -> str | None:
    """Epoch seconds as ISO 8601 UTC with Z, second resolution; None stays None."""
    return None if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def parse_iso(text: str) -> float:
    """ISO 8601 text as epoch seconds; text without an offset is UTC. Raises ValueError."""
    return epoch(datetime.fromisoformat(text))


def epoch(at: datetime) -> float:
    """A moment as epoch seconds; one without an offset is UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def gmt8(at: float | None) -> str | None:
    """Epoch seconds as `yyyy-MM-dd HH:mm:ss` in GMT+8, as Chinese platforms write it; None stays None."""
    return None if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at + 28800))


def parse_gmt8(text: str) -> int:
    """`yyyy-MM-dd HH:mm:ss` in GMT+8 as epoch seconds. Raises ValueError for any other shape."""
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=GMT8).timestamp())
