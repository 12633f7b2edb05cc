"""docs/data_dictionary.md says what the lake holds: no more, no less, and nothing else than the dictionary says."""

import dataclasses
import re

import pytest

from orderpipe import config
from orderpipe.lake import open_writer
from orderpipe.lake.dictionary import tables
from orderpipe.lake.dictionary_page import PAGE, render

TABLE = re.compile(r"^### `(?P<name>[\w.]+)`")
COLUMN = re.compile(r"^\| `(?P<name>\w+)` \| (?P<type>.+?) \| (?P<note>.+) \|$")


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A writer connection on a lake that was made just now."""
    settings = dataclasses.replace(config.load(tmp_path_factory.mktemp("home")), env={"ORDERPIPE_PII_KEY": "0" * 64})
    con = open_writer(settings)
    yield con
    con.close()


def on_the_page() -> dict[tuple[str, str], tuple[str, str]]:
    """(table, column) → (type, meaning), read from the committed page."""
    found, table = {}, ""
    for line in PAGE.read_text("utf-8").splitlines():
        if match := TABLE.match(line):
            table = match["name"]
        elif match := COLUMN.match(line):
            found[table, match["name"]] = match["type"], match["note"]
    return found


def test_the_committed_page_is_what_the_dictionary_says():
    remedy = "run python -m orderpipe.lake.dictionary_page"
    assert PAGE.read_text("utf-8") == render(tables().values()), remedy


def test_every_column_of_every_real_table_is_on_the_page_with_its_type_and_a_meaning(lake):
    real = {
        (table, column): kind
        for table, column, kind in lake.execute(
            """SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns()
               WHERE database_name IN ('lake', 'vault')"""
        ).fetchall()
    }
    described = on_the_page()
    assert real.keys() == described.keys()
    spelt = {("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")}
    other = {at: (kind, described[at][0]) for at, kind in real.items() if kind != described[at][0]}
    assert set(other.values()) <= spelt
    assert [at for at, (_, note) in described.items() if not note.strip(" .-…")] == []


def test_the_page_and_the_comments_in_the_database_agree(lake):
    comments = {
        (table, column): comment
        for table, column, comment in lake.execute(
            """SELECT schema_name || '.' || table_name, column_name, comment FROM duckdb_columns()
               WHERE database_name IN ('lake', 'vault')"""
        ).fetchall()
    }
    assert comments == {at: note.replace("\\|", "|") for at, (_, note) in on_the_page().items()}
