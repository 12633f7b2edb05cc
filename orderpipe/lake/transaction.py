"""What a stage reads and writes in one piece: a snapshot of both lakes, a durable transaction on one of them.

DuckLake commits through SQLite, which is fsynced, but leaves its Parquet files in the page cache: a power cut after
COMMIT would leave a catalog that names truncated files. All files of a transaction exist before COMMIT, so they are
fsynced there.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from orderpipe.config import Settings
from orderpipe.lake.connection import data_dir


@contextlib.contextmanager
def snapshot(con) -> Iterator[None]:
    """Everything the block reads of the lakes is of one moment, and DuckLake asks its catalogs for that moment once
    instead of once for every statement. The block may fill scratch tables; an exception takes those back as well,
    but not variables (`SET VARIABLE`)."""
    con.execute("BEGIN")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        _roll_back(con)
        raise


@contextlib.contextmanager
def transaction(con, settings: Settings, catalog: str, message: str) -> Iterator[None]:
    """Run the block in one transaction on `catalog` (vault or lake) and commit durably.

    The caller holds the writer lease. message is kept with the snapshot. Any exception rolls everything back.
    """
    folder = data_dir(settings, catalog)
    before = _files(folder)
    con.execute("BEGIN")
    try:
        yield
        con.execute(f"CALL {catalog}.set_commit_message('orderpipe', $message)", {"message": message})
        _sync(_files(folder) - before)
        con.execute("COMMIT")
    except BaseException:
        _roll_back(con)
        raise


def _roll_back(con) -> None:
    import duckdb

    with contextlib.suppress(duckdb.Error):  # the first error is the one to report
        con.execute("ROLLBACK")


def _files(folder: Path) -> set[str]:
    found: set[str] = set()
    for base, _, names in os.walk(folder):
        found.update(os.path.join(base, name) for name in names)
    return found


def _sync(paths: set[str]) -> None:
    for path in sorted(paths | {os.path.dirname(path) for path in paths}):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
