"""A cheap look at what is due in the outbox, from a process that lives long.

Reads the lake only; the connection is opened once and kept, since opening it costs more than the look.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Any

from orderpipe import clock, config

_lock = Lock()
_kept: dict[str, Any] = {}


@dataclass(frozen=True)
class Due:
    """What one receiver is owed now. batch names exactly this set of instructions in exactly this state."""

    count: int
    batch: str


def due(receiver: str) -> Due:
    """The instructions that are due for a receiver. Raises OrderpipeError when there is no lake yet."""
    query = """
        SELECT count(*), coalesce(bit_xor(hash(instruction_id, attempts)), 0)
        FROM outbox.instructions
        WHERE target = $1 AND status IN ('pending', 'sending') AND due_at <= $2
    """
    count, batch = _ask(query, [receiver, clock.from_environment().now()])
    return Due(count, f"{batch:016x}")


def _ask(query: str, parameters: list[Any]) -> tuple:
    from orderpipe import lake

    settings = config.load()
    home = str(settings.home.path)
    with _lock:
        if home not in _kept:
            _kept[home] = lake.connect(settings, read_only=True, vault=False)
        try:
            return _kept[home].execute(query, parameters).fetchone()
        except Exception:
            _kept.pop(home).close()  # whatever it was, the next look starts afresh
            raise
