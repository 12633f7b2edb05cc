"""Times as Chinese platforms write them: yyyy-MM-dd HH:mm:ss in GMT+8, without saying so."""

from datetime import UTC, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8))
_LENGTH = len("2026-11-11 00:00:00")


def time_text(at: datetime) -> str:
    """An aware time as the platforms write it."""
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def parse_time(text: str) -> datetime:
    """A time of a platform as aware UTC. Raises ValueError."""
    if len(text) != _LENGTH or text[10] != " ":
        raise ValueError("not a time")
    return datetime.fromisoformat(text).replace(tzinfo=CHINA).astimezone(UTC)  # far quicker than strptime
