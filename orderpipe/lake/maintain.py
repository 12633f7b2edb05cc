"""Hourly maintenance of both lakes, under the writer lease: fewer, larger files; old snapshots and orphans away."""

from collections.abc import Callable

from orderpipe.config import Settings
from orderpipe.lake.connection import CATALOGS, data_dir
from orderpipe.lake.lease import lease

KEEP_SNAPSHOTS = "7 days"


def maintain(con, settings: Settings, say: Callable[[str], None] = lambda text: None) -> dict[str, tuple[int, int]]:
    """Rewrite, merge and clean. Gives the number of data files before and after, by lake.

    Files younger than a day stay, so that no reader loses one under its feet. Fetching the results as counts keeps
    their time columns out of Python.
    """
    counted: dict[str, tuple[int, int]] = {}
    steps = (
        "CALL ducklake_flush_inlined_data('{0}')",
        "CALL ducklake_rewrite_data_files('{0}', delete_threshold => 0.05)",
        "CALL ducklake_merge_adjacent_files('{0}', max_file_size => 16000000)",
        f"SELECT count(*) FROM ducklake_expire_snapshots('{{0}}', older_than => now() - INTERVAL '{KEEP_SNAPSHOTS}')",
        "SELECT count(*) FROM ducklake_cleanup_old_files('{0}', older_than => now() - INTERVAL '1 day')",
        "SELECT count(*) FROM ducklake_delete_orphaned_files('{0}', older_than => now() - INTERVAL '1 day')",
    )
    with lease(settings.home.lock("writer"), "maintenance", timeout=600):
        for catalog in CATALOGS:
            before = _files(settings, catalog)
            for step in steps:
                con.execute(step.format(catalog)).fetchall()
            counted[catalog] = before, _files(settings, catalog)
            say(f"{catalog}: {counted[catalog][0]} files before, {counted[catalog][1]} after")
    return counted


def _files(settings: Settings, catalog: str) -> int:
    return sum(1 for _ in data_dir(settings, catalog).rglob("*.parquet"))
