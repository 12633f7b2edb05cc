"""Files that only their owner reads, and that are whole or not there at all, whatever dies in between."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace the file by this text, mode 0600, in one atomic step; on the disk when this returns, but for its name
    (`sync`)."""
    temporary = path.with_name(f".{path.name}.tmp")
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def sync(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
