"""Lazada's lists and documents against a scripted other side: nothing is lost, nothing is changed."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderpipe.config import Shop
from orderpipe.errors import BadResponse
from orderpipe.platforms import Window
from orderpipe.platforms.lazada import LazadaClient
from orderpipe.platforms.lazada_lists import millis, parse_time

SECRETS = {"app_key": "100001", "app_secret": "s", "access_token": "a", "refresh_token": "r"}
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def asked_of(request):
    """(path after the base URL, all parameters)."""
    path = request.url.path.removeprefix("/rest")
    return path, dict(request.url.params) | dict(parse_qsl(request.content.decode()))


def replies(*answers):
    """A handler that gives these answers in turn and then the last one for ever."""
    queue = list(answers)
    return lambda asked, request: queue.pop(0) if len(queue) > 1 else queue[0]


@pytest.fixture
def opened(script, tokens, clock):
    """(client, other side) for a handler."""

    def make(handler, currency="MYR", **settings):
        other_side = script(handler)
        shop = Shop(
            id="lazada-my", platform="lazada", name="Store", timezone="Asia/Kuala_Lumpur", currency=currency,
            base_url="http://gateway.test/rest", credentials=SECRETS, settings=settings,
        )  # fmt: skip
        client = LazadaClient(shop, tokens=tokens, clock=clock, http=other_side.http, sleep=other_side.slept.append)
        return client, other_side

    return make


def pull(client, window, kind="order"):
    return list(client.pull(kind, window))


class MovingList:
    """Orders by id, oldest first, as the platform pages them; `changes` happen one before each list call."""

    def __init__(self, window, count, changes=(), per_second=1):
        self.window, self.changes = window, list(changes)
        self.orders = {str(10**14 + n): window.start + timedelta(seconds=n // per_second) for n in range(count)}
        self.first, self.off, self.swapped, self.asked = set(self.orders), 0, False, []

    def __call__(self, _asked, request):
        path, params = asked_of(request)
        if path == "/orders/items/get":
            ids = json.loads(params["order_ids"])
            assert len(ids) <= 50
            return {"code": "0", "data": [{"order_id": i, "order_items": [{"status": "pending"}]} for i in ids]}
        self.asked.append(params)
        self._change()
        start, end = (parse_time(params[name]) for name in ("update_after", "update_before"))
        rows = sorted((at, number) for number, at in self.orders.items() if start <= at <= end)
        offset, limit = int(params["offset"]), int(params["limit"])
        assert offset <= 5000 and limit <= 100 and params["sort_by"] == "updated_at"
        page = rows[offset : offset + limit]
        counts = [len(rows) + self.off, len(page)]
        counts = counts[::-1] if self.swapped else counts
        found = [
            {
                "order_id": int(number) if n % 2 else number,
                "updated_at": f"{at + timedelta(hours=8):%Y-%m-%d %H:%M:%S} +0800",
            }
            for n, (at, number) in enumerate(page)
        ]
        return {"code": "0", "data": {"countTotal": counts[0], "count": counts[1], "orders": found}}

    def _change(self):
        if not self.changes:
            return
        kind, place = self.changes.pop(0)
        if kind == "leaves":
            staying = sorted(number for number in self.first if self.orders[number] < self.window.end)
            if staying:
                self.orders[staying[place % len(staying)]] = self.window.end + timedelta(seconds=5)
        elif kind == "appears late":
            self.orders[str(2 * 10**14 + len(self.orders))] = self.window.start + timedelta(seconds=place % 1700)

    def staying(self):
        return {number for number in self.first if self.orders[number] <= self.window.end}


def walked(opened, window, listing, **settings):
    client, _ = opened(listing, **settings)
    pages, failure = [], None
    try:
        for page in client.pull("order", window):
            pages.append(page)
    except BadResponse as bad:
        failure = bad
    return pages, failure


def ids(pages):
    return [payload.source_id for page in pages for payload in page.payloads]


CHANGES = st.lists(
    st.one_of(st.tuples(st.sampled_from(["leaves", "appears late"]), st.integers(0, 2000)), st.just(("nothing", 0))),
    max_size=20,
)


@few
@given(count=st.integers(0, 23), size=st.integers(2, 7), changes=CHANGES)
def test_no_order_is_lost_however_the_list_moves_between_two_pages(opened, window, count, size, changes):
    listing = MovingList(window, count, changes)
    pages, failure = walked(opened, window, listing, page_size=size)
    assert len(ids(pages)) == len(set(ids(pages)))
    if failure is None:
        assert listing.staying() <= set(ids(pages))
    else:
        assert any(kind == "appears late" for kind, _ in changes)


@pytest.mark.parametrize("swapped", [False, True], ids=["countTotal is the total", "count is the total"])
def test_a_quiet_window_lands_exactly_what_the_platform_counts(opened, window, swapped):
    for count in (0, 1, 4, 5, 6, 23):
        listing = MovingList(window, count)
        listing.swapped = swapped
        pages, failure = walked(opened, window, listing, page_size=5)
        assert failure is None and pages[0].reported == count == len(ids(pages))


def test_a_list_without_a_count_is_no_list(opened, window):
    client, _ = opened(replies({"code": "0", "data": {"orders": []}}))
    with pytest.raises(BadResponse, match="no count"):
        pull(client, window)


def test_a_count_that_cannot_be_reached_leaves_the_window_open_but_lands_what_there_is(opened, window):
    listing = MovingList(window, 8)
    listing.off = 2
    pages, failure = walked(opened, window, listing, page_size=5)
    assert set(ids(pages)) == listing.first and pages[0].reported == 10
    assert failure.scope == "window" and "10 counted, 8 read" in str(failure)


@pytest.mark.parametrize("per_second", [9, 120])
def test_more_orders_than_can_be_skipped_are_read_in_shorter_stretches(opened, window, per_second):
    listing = MovingList(window, 9300, per_second=per_second)
    pages, failure = walked(opened, window, listing)
    assert failure is None and set(ids(pages)) == listing.first and pages[0].reported == 9300
    assert max(int(asked["offset"]) for asked in listing.asked) <= 4100
    client, _ = opened(listing)
    assert client.census("order", window).keys() == listing.first


@few
@given(count=st.integers(0, 60), leaving=st.lists(st.integers(0, 60), max_size=8), per_second=st.integers(1, 9))
def test_a_census_skips_nobody_when_orders_leave(opened, window, count, leaving, per_second):
    listing = MovingList(window, count, [("leaves", place) for place in leaving], per_second)
    client, _ = opened(listing, page_size=10)
    census = client.census("order", window)
    assert listing.staying() <= census.keys() <= listing.first
    assert listing.asked[0]["limit"] == "4" and {asked["offset"] for asked in listing.asked} == {"0"}


def test_reverse_orders_stand_under_result_and_get_the_currency_they_lack(opened, window):
    sent = []
    lines = '{"return_order_line_gmt_modified":1772672400000},{"return_order_line_gmt_modified":"1772672405123"}'
    row = '{"reverse_order_id": 704947701379284,"reverse_order_lines":[' + lines + "]}"
    answer = '{"code":"0","result":{"success":true,"total":1,"page_no":1,"items":[' + row + "]}}"
    client, _ = opened(lambda asked, request: sent.append(request) or answer)
    (page,) = pull(client, window, "refund")
    (payload,) = page.payloads
    assert page.reported == 1 and payload.source_id == "704947701379284"
    assert payload.source_updated_at == datetime(2026, 3, 5, 1, 0, 5, 123000, tzinfo=UTC)
    assert payload.payload == row[:-1] + ',"_currency":"MYR","_refund_unit":"cents"}'
    path, params = asked_of(sent[0])
    assert path == "/reverse/getreverseordersforseller"
    assert params["ReverseOrderLineModifiedTimeRangeStart"] == millis(window.start) == "1772672400000"
    assert (params["page_no"], params["page_size"]) == ("1", "100")


def test_a_list_of_reverse_orders_that_says_it_failed_is_not_an_empty_one(opened, window):
    client, _ = opened(replies({"code": "0", "result": {"success": False, "total": 0, "items": []}}))
    with pytest.raises(BadResponse, match="failed"):
        pull(client, window, "refund")


@pytest.mark.parametrize(
    ("currency", "settings", "unit"),
    [("MYR", {}, "cents"), ("VND", {}, "whole"), ("IDR", {}, "cents"), ("IDR", {"refund_unit": "whole"}, "whole")],
)
def test_the_unit_of_refunds_follows_currency_and_setting(opened, window, currency, settings, unit):
    case = {"reverse_order_id": 7, "reverse_order_lines": []}
    answer = {"code": "0", "result": {"success": True, "total": 1, "items": [case]}}
    client, _ = opened(replies(answer), currency=currency, **settings)
    document = json.loads(pull(client, window, "refund")[0].payloads[0].payload)
    assert (document["_currency"], document["_refund_unit"]) == (currency, unit)


def test_the_page_size_of_reverse_orders_is_a_setting(opened, window):
    sent = []
    answer = {"code": "0", "result": {"success": True, "total": 0, "items": []}}
    client, _ = opened(lambda asked, request: sent.append(asked_of(request)[1]) or answer, reverse_page_size=20)
    pull(client, window, "refund")
    assert sent[0]["page_size"] == "20"


@pytest.mark.parametrize("by_time", [False, True])
def test_listings_are_read_whole_unless_their_update_time_can_be_trusted(opened, window, by_time):
    sent = []
    product = {"item_id": 2807246166, "updated_time": "1653463851000", "status": "Active"}
    answer = {"code": "0", "data": {"total_products": "1", "products": [product]}}
    client, _ = opened(
        lambda asked, request: sent.append(asked_of(request)[1]) or answer, products_by_update_time=by_time
    )
    (page,) = pull(client, window, "product")
    assert page.reported == 1 and page.payloads[0].source_id == "2807246166"
    assert page.payloads[0].source_updated_at == datetime(2022, 5, 25, 7, 30, 51, tzinfo=UTC)
    assert json.loads(page.payloads[0].payload) == {**product, "_currency": "MYR"}
    assert ("update_after" in sent[0]) == by_time and sent[0]["limit"] == "50" and sent[0]["filter"] == "all"
    policy = client.policy("product")
    assert (policy.first is not None, bool(policy.every)) == (by_time, not by_time)


# ---- documents


def test_an_order_is_the_text_the_platform_sent_with_its_units_spliced_in(opened, window):
    row = '{ "order_id" :"491253082180001", "price": 1.10,"n":"\\u5f20 \\/","updated_at":"2026-03-05T09:10:07+08:00"}'
    units = '[{"order_item_id":491253082280001, "item_price":"39.90"} , {"order_item_id":491253082380001}]'
    listed = '{"code":"0","data":{"countTotal":1,"count":1,"orders":[' + row + "]}}"
    items = '{"code":"0","data": [{"order_id":491253082180001,"order_number":1,"order_items": ' + units + " }]}"
    client, _ = opened(replies(listed, items))
    (payload,) = pull(client, window)[0].payloads
    assert payload.payload == row[:-1] + ',"order_items":' + units + "}"
    assert payload.source_id == "491253082180001"
    assert payload.source_updated_at == datetime(2026, 3, 5, 1, 10, 7, tzinfo=UTC)
    assert "491253082280001" not in repr(payload)


def listed(*rows):
    return {"code": "0", "data": {"countTotal": len(rows), "count": len(rows), "orders": list(rows)}}


def units_of(*numbers):
    return {"code": "0", "data": [{"order_id": number, "order_items": [{}]} for number in numbers]}


def test_an_order_without_a_time_or_with_one_of_no_zone_lands_as_the_oldest_of_its_window(opened, window):
    rows = [{"order_id": 1}, {"order_id": 2, "updated_at": "2026-03-05 09:10:00"}]
    client, _ = opened(replies(listed(*rows), units_of(1, 2)))
    assert {p.source_updated_at for p in pull(client, window)[0].payloads} == {window.start}


def test_an_order_without_id_is_asked_for_again_and_lands_as_it_is_if_it_stays_so(opened, window):
    whole, broken = {"order_id": 1, "updated_at": "x"}, {"updated_at": "2026-03-05 09:10:00 +0800"}
    client, _ = opened(replies(listed(broken), listed(whole), units_of(1)))
    assert ids(pull(client, window)) == ["1"]
    client, _ = opened(replies(listed(broken)))
    (page,) = pull(client, window)
    assert [p.source_id for p in page.payloads] == [""] and json.loads(page.payloads[0].payload) == broken


def test_an_order_whose_units_are_missing_is_asked_for_again_and_keeps_the_window_open(opened, window):
    rows = [{"order_id": n, "updated_at": "2026-03-05 09:10:00 +0800"} for n in (1, 2)]
    client, _ = opened(replies(listed(*rows), units_of(1), units_of(2)))
    assert sorted(ids(pull(client, window))) == ["1", "2"]
    client, _ = opened(replies(listed(*rows), units_of(1)))
    pages = client.pull("order", window)
    assert ids([next(pages)]) == ["1"]
    with pytest.raises(BadResponse, match="no units for 1 orders"):
        next(pages)


def test_units_are_asked_for_fifty_orders_at_a_time(opened, window):
    listing = MovingList(window, 120)
    pages, failure = walked(opened, window, listing)
    assert failure is None and [len(page.payloads) for page in pages] == [50, 50, 20]
    assert [page.reported for page in pages] == [120, None, None]


@pytest.mark.parametrize(
    "text",
    ["2026-09-21 15:45:00 +0800", "2026-09-21T15:45:00+08:00", "2026-09-21T15:45:00+0800", "2026-09-21T07:45:00Z"],
)
def test_a_time_is_read_in_every_way_it_is_written(text):
    assert parse_time(text) == datetime(2026, 9, 21, 7, 45, tzinfo=UTC)


def test_a_window_reaches_outwards_to_whole_seconds(opened):
    listing = MovingList(Window(datetime(2026, 3, 5, 1, 0, tzinfo=UTC), datetime(2026, 3, 5, 1, 30, tzinfo=UTC)), 0)
    odd = Window(datetime(2026, 3, 5, 1, 0, 0, 400_000, tzinfo=UTC), datetime(2026, 3, 5, 1, 29, 59, 1, tzinfo=UTC))
    walked(opened, odd, listing)
    asked = listing.asked[0]
    assert (asked["update_after"], asked["update_before"]) == ("2026-03-05T09:00:00+08:00", "2026-03-05T09:30:00+08:00")
