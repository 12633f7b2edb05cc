"""No trade is lost while the list moves under the walk. The other side here is a list that changes between calls."""

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderpipe.errors import BadResponse
from orderpipe.platforms.china_time import parse_time, time_text
from orderpipe.platforms.taobao import TaobaoClient


class MovingList:
    """Trades by tid, newest first, as the platform pages them; `changes` happen one before each list call."""

    def __init__(self, window, count, changes=()):
        self.window = window
        self.trades = {str(10**18 + n): window.start + timedelta(seconds=7 * n + 1) for n in range(count)}
        self.first = set(self.trades)
        self.changes = list(changes)
        self.count_is_off_by = 0

    def __call__(self, asked, _request):
        if asked["method"] == "taobao.trade.fullinfo.get":
            trade = {"tid": int(asked["tid"]), "modified": time_text(self.trades[asked["tid"]])}
            return {"trade_fullinfo_get_response": {"trade": trade}}
        self._change()
        start, end = parse_time(asked["start_modified"]), parse_time(asked["end_modified"])
        rows = [(modified, tid) for tid, modified in self.trades.items() if start <= modified <= end]
        rows.sort(reverse=True)
        number, size = int(asked["page_no"]), int(asked["page_size"])
        page = rows[(number - 1) * size : number * size]
        body = {"request_id": "r1"}
        if page:
            body["trades"] = {"trade": [{"tid": int(tid), "modified": time_text(m)} for m, tid in page]}
        if asked["use_has_next"] == "true":
            body["has_next"] = number * size < len(rows)
        else:
            body["total_results"] = len(rows) + self.count_is_off_by
        return {"trades_sold_increment_get_response": body}

    def _change(self):
        if not self.changes:
            return
        kind, place = self.changes.pop(0)
        if kind == "leaves":  # modified again: now newer than the window
            staying = sorted(tid for tid in self.first if self.trades[tid] < self.window.end)
            if staying:
                self.trades[staying[place % len(staying)]] = self.window.end + timedelta(seconds=5)
        elif kind == "appears late":
            tid = str(2 * 10**18 + len(self.trades))
            self.trades[tid] = self.window.start + timedelta(seconds=place % 1700)

    def staying(self):
        return {tid for tid in self.first if self.trades[tid] <= self.window.end}


@pytest.fixture
def walk(script, taobao_shop, tokens, clock, window):
    def run(listing, size):
        other_side = script(listing)
        client = TaobaoClient(
            taobao_shop(page_size=size), tokens=tokens, clock=clock, http=other_side.http, sleep=other_side.slept.append
        )
        pages, failure = [], None
        try:
            for page in client.pull("order", window):
                pages.append(page)
        except BadResponse as error:
            failure = error
        return pages, failure

    return run


def ids(pages):
    return [payload.source_id for page in pages for payload in page.payloads]


changes = st.lists(
    st.one_of(st.tuples(st.sampled_from(["leaves", "appears late"]), st.integers(0, 2000)), st.just(("nothing", 0))),
    max_size=25,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(0, 23), size=st.integers(1, 7), changes=changes)
def test_no_trade_is_lost_however_the_list_moves_between_two_pages(walk, window, count, size, changes):
    listing = MovingList(window, count, changes)
    pages, failure = walk(listing, size)
    late = sum(kind == "appears late" for kind, _ in changes)
    if failure is None:
        assert listing.staying() <= set(ids(pages))
    else:
        assert late >= 1  # only rows that keep appearing can stop a window from settling
    assert len(ids(pages)) == len(set(ids(pages)))


def test_a_quiet_window_lands_exactly_what_the_platform_counts(walk, window):
    for count in (0, 1, 4, 5, 6, 23):
        pages, failure = walk(MovingList(window, count), size=5)
        assert failure is None
        assert pages[0].reported == count == len(ids(pages))
        assert all(page.reported is None for page in pages[1:])


def test_a_trade_that_appears_late_does_not_push_another_one_out_of_sight(walk, window):
    """A row lands in front while the last page has already been read: 1 count, page 3, then the change, page 2."""
    listing = MovingList(window, 15, [("nothing", 0)] * 2 + [("appears late", 1700)])
    pages, failure = walk(listing, size=5)
    assert failure is None and set(ids(pages)) == set(listing.trades)


def test_trades_that_only_leave_the_window_cost_no_third_walk(walk, window):
    """Read backwards, a row that leaves can only be read twice; read forwards, its neighbour would be skipped."""
    listing = MovingList(window, 15, [("nothing", 0)] * 3 + [("leaves", 12)])
    counted = []
    pages, failure = walk(lambda asked, request: counted.append(asked) or listing(asked, request), size=5)
    assert failure is None and listing.staying() <= set(ids(pages))
    assert sum(asked.get("use_has_next") == "false" for asked in counted) == 2


@pytest.mark.parametrize("size", [5, 20])
def test_a_count_that_is_too_low_does_not_hide_the_oldest_trades(walk, window, size):
    listing = MovingList(window, 23)
    listing.count_is_off_by = -9
    pages, failure = walk(listing, size)
    assert failure is None and set(ids(pages)) == listing.first
    assert pages[0].reported == 14


def test_a_count_that_cannot_be_reached_leaves_the_window_open_but_lands_what_there_is(walk, window):
    listing = MovingList(window, 8)
    listing.count_is_off_by = 2
    pages, failure = walk(listing, size=5)
    assert set(ids(pages)) == listing.first and pages[0].reported == 10
    assert failure.scope == "window" and "10 counted, 8 read" in str(failure) and "taobao-hz" in str(failure)


def test_ids_of_nineteen_digits_are_exact(walk, window):
    listing = MovingList(window, 0)
    listing.trades = {"9223372036854775807": window.start, "3304928840071234567": window.start}
    pages, _ = walk(listing, size=5)
    assert sorted(ids(pages)) == ["3304928840071234567", "9223372036854775807"]
    assert all(json.loads(p.payload)["tid"] == int(p.source_id) for p in pages[0].payloads)


def test_a_census_finds_the_same_trades_without_asking_for_the_count(script, taobao_shop, tokens, clock, window):
    listing = MovingList(window, 23)
    other_side = script(listing)
    client = TaobaoClient(taobao_shop(page_size=10), tokens=tokens, clock=clock, http=other_side.http)
    assert client.census("order", window) == listing.trades
    assert {asked["use_has_next"] for asked in other_side.asked} == {"true"}
