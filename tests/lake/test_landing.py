"""Landing: every document once, numbered without gaps, together with the window it came in."""

import hashlib
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderpipe.lake.landing import PulledWindow, land

AT = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def window(
    *documents: tuple[str, str], shop: str = "taobao-hz", kind: str = "order", at: datetime = AT, error: str = ""
):
    """A pulled window with (id, text) documents, all modified at `at`."""
    rows = [(source_id, at, text) for source_id, text in documents]
    return PulledWindow("taobao", shop, kind, at, at + HOUR, 1, rows, len(rows), 1, error)


@pytest.fixture
def lands(new_settings):
    """lands(*windows) lands them in a new home; .rows(query) reads it."""
    from orderpipe.lake import open_writer

    settings = new_settings()
    con = open_writer(settings)

    def lands(*windows, run_id="r1", now=AT):
        return land(con, settings, windows, run_id=run_id, now=now)

    lands.rows = lambda query: con.execute(query).fetchall()
    lands.con = con
    yield lands
    con.close()


def test_a_document_that_comes_twice_lands_once(lands):
    assert lands(window(("1", "{}"), ("2", "{}"), ("1", "{}"))) == [2]
    assert lands(window(("1", "{}"), at=AT), window(("1", "{}"))) == [0, 0]
    assert lands(window(("1", '{"new": 1}')), window(("1", '{"new": 1}')), run_id="r2") == [1, 0]
    assert lands.rows("SELECT seq, source_id, payload, run_id FROM vault.raw.payloads ORDER BY seq") == [
        (1, "1", "{}", "r1"), (2, "2", "{}", "r1"), (3, "1", '{"new": 1}', "r2"),
    ]  # fmt: skip


def test_the_same_text_of_another_shop_or_kind_is_another_document(lands):
    assert lands(window(("1", "{}"))) == [1]
    assert lands(window(("1", "{}"), shop="other"), window(("1", "{}"), kind="refund")) == [1, 1]


def test_a_listing_that_is_again_as_it_was_before_a_change_is_news(lands):
    five, four = ("1", '{"stock": 5}'), ("1", '{"stock": 4}')
    assert [lands(window(stock, kind="product"))[0] for stock in (five, five, four, four, five, five)] == [
        1, 0, 1, 0, 1, 0,
    ]  # fmt: skip
    assert [lands(window(state))[0] for state in (five, four, five)] == [1, 1, 0]  # an order's version is one for ever


def test_a_document_is_kept_byte_for_byte_with_its_hash(lands):
    text = '{"备注": "“引号”", "tid": 4823456789012345678, "x":  1.50}'
    lands(window(("1", text)))
    assert lands.rows("SELECT payload, payload_hash FROM vault.raw.payloads") == [
        (text, hashlib.sha256(text.encode()).hexdigest())
    ]


def test_documents_of_a_window_that_failed_land_and_the_window_stays_open(lands):
    assert lands(window(("1", "{}"), error="taobao-hz: 1 did not come")) == [1]
    ledger = "SELECT status, landed, reported, attempts, error, closed_at FROM vault.raw.pull_windows"
    assert lands.rows(ledger) == [("open", 1, 1, 1, "taobao-hz: 1 did not come", None)]
    again = window(("1", "{}"), ("2", "{}"))
    again.attempts = 2
    assert lands(again, now=AT + HOUR) == [1]
    assert lands.rows(ledger) == [("closed", 2, 2, 2, None, AT + HOUR)]


def test_an_empty_window_is_recorded_and_writes_no_document(lands):
    assert lands(window()) == [0]
    assert lands.rows("SELECT status, landed FROM vault.raw.pull_windows") == [("closed", 0)]
    assert lands.rows("SELECT count(*) FROM vault.raw.payloads") == [(0,)]


def test_nothing_of_a_landing_stays_when_its_window_cannot_be_recorded(lands, monkeypatch):
    lands(window(("1", "{}")))

    def full(handle: int) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr("os.fsync", full)
        lands(window(("2", "{}"), at=AT + HOUR))
    assert lands.rows("SELECT count(*) FROM vault.raw.payloads") == [(1,)]
    assert lands.rows("SELECT count(*) FROM vault.raw.pull_windows") == [(1,)]
    assert lands(window(("2", "{}"), at=AT + HOUR)) == [1]
    assert lands.rows("SELECT max(seq), count(*) FROM vault.raw.payloads") == [(2, 2)]


@hypothesis_settings(max_examples=12, deadline=None)
@given(
    calls=st.lists(
        st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=5), max_size=3),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_numbers_have_no_gaps_whatever_comes_in_whatever_pieces(con, settings, calls):
    (before,) = con.execute("SELECT coalesce(max(seq), 0) FROM vault.raw.payloads").fetchone()
    shop = f"shop-{before}-{id(calls)}"
    distinct = set()
    for number, windows in enumerate(calls):
        pulled = [
            PulledWindow("taobao", shop, "order", AT + number * HOUR, AT + (number + 1) * HOUR + n * HOUR, 1,
                         [(str(i), AT + v * HOUR, f'{{"v": {v}}}') for i, v in documents], len(documents), 1)
            for n, documents in enumerate(windows)
        ]  # fmt: skip
        new = {pair for documents in windows for pair in documents} - distinct
        assert sum(land(con, settings, pulled, run_id="r", now=AT) if pulled else []) == len(new)
        distinct |= new
    rows = con.execute("SELECT seq, source_id, payload FROM vault.raw.payloads WHERE shop_id = $1", [shop]).fetchall()
    assert sorted(seq for seq, _, _ in rows) == [before + n + 1 for n in range(len(distinct))]
    assert {(source_id, payload) for _, source_id, payload in rows} == {(str(i), f'{{"v": {v}}}') for i, v in distinct}


def test_one_transaction_cannot_write_to_both_lakes(lands):
    """Why contacts commit before core: the engine refuses the other way, and would tell us if that ever changed."""
    lands.con.execute("BEGIN")
    lands.con.execute("INSERT INTO vault.raw.pull_windows (shop_id) VALUES ('x')")
    with pytest.raises(duckdb.Error, match="single transaction"):
        lands.con.execute("INSERT INTO lake.flow.touched (order_id) VALUES (1)")
    lands.con.execute("ROLLBACK")
