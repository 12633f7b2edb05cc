"""A stage reads both lakes as they stood at one moment."""

from dataclasses import replace
from pathlib import Path

import pytest

from orderpipe.errors import ConfigError
from orderpipe.lake import connect, open_writer, snapshot
from orderpipe.lake.reference import load_reference


@pytest.fixture
def other(settings, con):
    """A second writer on the same home."""
    second = open_writer(settings)
    yield second
    second.close()


def _versions(con):
    return con.execute("SELECT count(*) FROM flow.reference").fetchone()[0]


def test_what_others_commit_meanwhile_shows_after_the_block_only(con, other):
    with snapshot(con):
        before = _versions(con)
        other.execute("INSERT INTO flow.reference VALUES ('meanwhile', '1')")
        assert _versions(other) == before + 1
        assert _versions(con) == before
        con.execute("CREATE OR REPLACE TABLE work.seen AS FROM flow.reference")
    assert _versions(con) == before + 1
    assert con.execute("SELECT count(*) FROM work.seen").fetchone() == (before,)


def test_an_exception_takes_scratch_tables_back_and_the_connection_goes_on(con):
    con.execute("CREATE OR REPLACE TABLE work.kept AS SELECT 1 AS one")
    with pytest.raises(ZeroDivisionError), snapshot(con):
        con.execute("CREATE OR REPLACE TABLE work.kept AS SELECT 2 AS one")
        raise ZeroDivisionError
    assert con.execute("SELECT one FROM work.kept").fetchone() == (1,)


def test_reference_files_are_read_again_when_a_block_that_read_them_failed(new_settings):
    settings = new_settings()
    con = open_writer(settings)
    with pytest.raises(ZeroDivisionError), snapshot(con):
        load_reference(con, settings)
        raise ZeroDivisionError
    load_reference(con, settings)
    assert con.execute("SELECT count(*) FROM ref.goods").fetchone()[0] > 0
    con.close()


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_senseless_number_of_threads_is_refused(settings, text):
    with pytest.raises(ConfigError, match="ORDERPIPE_THREADS"):
        connect(replace(settings, env={**settings.env, "ORDERPIPE_THREADS": text}))


def test_the_number_of_threads_is_the_operator_s(settings, con, tmp_path: Path):
    assert con.execute("SELECT current_setting('threads')").fetchone() == (1,)
    chosen = connect(replace(settings, env={**settings.env, "ORDERPIPE_THREADS": "3"}))
    assert chosen.execute("SELECT current_setting('threads')").fetchone() == (3,)
    chosen.close()
