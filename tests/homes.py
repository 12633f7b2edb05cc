"""Homes with empty lakes, ready made: making their tables takes longer than most tests."""

import atexit
import contextlib
import os
import shutil
import sqlite3
import tempfile
from functools import cache
from pathlib import Path

from orderpipe import config
from orderpipe.lake import open_writer


def empty_home(home: Path) -> None:
    """Put one there. Nothing in it depends on key or configuration."""
    made = _template()
    shutil.copytree(made, home)
    for catalog in home.glob("*/catalog.sqlite"):  # which knows its folder by its full name
        with contextlib.closing(sqlite3.connect(catalog)) as con, con:
            con.execute("UPDATE ducklake_metadata SET value = replace(value, ?, ?)", (str(made), str(home)))


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="orderpipe-home-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = folder / "home"
    umask = os.umask(0o077)  # as the command sets it
    try:
        open_writer(
            config.Settings(config.Home(home), config.ROOT / "config", {"ORDERPIPE_PII_KEY": "00" * 32})
        ).close()
    finally:
        os.umask(umask)
    return home
