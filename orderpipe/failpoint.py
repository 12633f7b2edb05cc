"""Points in the code where a process may die, and must not lose or double anything by it.

A test names one in ORDERPIPE_FAIL_POINT (`name`, or `name:3` for the third time it is reached): the process kills
itself there as if by kill -9. Without the variable nothing happens.
"""

import os
import signal

POINTS = (
    "land.before_commit", "land.committed",
    "callbacks.spooled", "callbacks.landed",
    "pool.vault_committed", "pool.committed",
    "decide.before_commit", "decide.committed",
    "claim.before_commit", "claim.committed",
    "send.before", "send.after",
    "record.before_commit", "record.committed",
)  # fmt: skip

_reached: dict[str, int] = {}


def reach(name: str) -> None:
    """Die here when the environment says so. Raises KeyError for a name that POINTS does not list."""
    wanted = os.environ.get("ORDERPIPE_FAIL_POINT")
    if not wanted:
        return
    if name not in POINTS:
        raise KeyError(name)
    point, _, times = wanted.partition(":")
    if point == name:
        _reached[name] = _reached.get(name, 0) + 1
        if _reached[name] >= int(times or 1):
            os.kill(os.getpid(), signal.SIGKILL)
