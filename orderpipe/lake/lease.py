"""One writer at a time: a lock on a file, freed by the kernel when its holder dies, kill -9 included.

Two writers on a SQLite catalog fail with "database is locked" in a third of their commits, whatever the busy
timeout; the lease makes them take turns instead (docs/decisions/0001-ducklake.md).
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from orderpipe.errors import LeaseTimeout


@contextlib.contextmanager
def lease(path: Path, purpose: str, timeout: float = 120) -> Iterator[None]:
    """Hold the lock on `path` for the block. `purpose` tells others who holds it.

    timeout is in seconds; 0 tries once. Raises LeaseTimeout naming the holder.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(path, timeout=timeout, mode=0o600)
    note = path.with_suffix(".holder")
    try:
        lock.acquire(poll_interval=0.05)
    except Timeout:
        raise LeaseTimeout(
            f"another writer holds the lease ({_holder(note)})",
            where=str(path),
            remedy="wait for it to finish; if it hangs, stop that process and try again",
        ) from None
    try:
        note.write_text(json.dumps({"pid": os.getpid(), "purpose": purpose, "since": time.strftime("%H:%M:%S")}))
        yield
    finally:
        lock.release()


def _holder(note: Path) -> str:
    try:
        holder = json.loads(note.read_text())
        return f"{holder['purpose']}, process {holder['pid']}, since {holder['since']}"
    except (OSError, ValueError, KeyError):
        return "holder unknown"
