"""Items of a Taobao shop: every list is read, none is lost while they move, and details come as they were sent."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orderpipe.clock import Clock
from orderpipe.errors import BadResponse
from orderpipe.platforms import Window
from orderpipe.platforms.china_time import parse_time, time_text
from orderpipe.platforms.taobao import ITEM_FIELDS, ITEMS, TaobaoClient

GOODS = list(csv.DictReader((Path(__file__).parents[2] / "config" / "goods.csv").read_text("utf-8-sig").splitlines()))
BANNERS = (None, "for_shelved", "sold_out", "violation_off_shelf")


class Shelves:
    """Items by num_iid: (modified, banner; None when on sale), paged as the platform pages them. before: called with
    the number of list calls so far, before each of them."""

    def __init__(self, items, before=lambda shelves, calls: None):
        self.items, self.before, self.calls, self.gone = dict(items), before, 0, set()
        self.count_is_off_by = 0

    def __call__(self, asked, _request):
        if asked["method"] == "taobao.items.seller.list.get":
            assert asked["fields"] == ITEM_FIELDS and "sku" in ITEM_FIELDS.split(",")
            numbers = asked["num_iids"].split(",")
            assert len(numbers) <= 20
            found = [self.document(n) for n in numbers if n in self.items and n not in self.gone]
            return {"items_seller_list_get_response": {"items": {"item": found}} if found else {"request_id": "r"}}
        self.before(self, self.calls)
        self.calls += 1
        assert "use_has_next" not in asked
        column, direction = asked["order_by"].split(":")
        assert column == "modified" and int(asked["page_size"]) <= 200 and int(asked["page_no"]) <= 101
        low = parse_time(asked["start_modified"]) if "start_modified" in asked else datetime.min.replace(tzinfo=UTC)
        high = parse_time(asked["end_modified"]) if "end_modified" in asked else datetime.max.replace(tzinfo=UTC)
        rows = [
            (modified, number)
            for number, (modified, banner) in self.items.items()
            if banner == asked.get("banner") and low <= modified <= high
        ]
        rows.sort(reverse=direction == "desc")
        page, size = int(asked["page_no"]), int(asked["page_size"])
        shown = [
            {"num_iid": int(number), "modified": time_text(modified)}
            for modified, number in rows[(page - 1) * size : page * size]
        ]
        body = {"total_results": len(rows) + (self.count_is_off_by if asked.get("banner") is None else 0)}
        root = asked["method"].removeprefix("taobao.").replace(".", "_") + "_response"
        return {root: body | ({"items": {"item": shown}} if shown else {})}

    def document(self, number):
        modified, banner = self.items[number]
        return {"num_iid": int(number), "modified": time_text(modified), "approve_status": banner or "onsale"}


@pytest.fixture
def opened(script, taobao_shop, tokens, clock):
    def make(shelves, **settings):
        other_side = script(shelves)
        shop = taobao_shop(**settings)
        return TaobaoClient(shop, tokens=tokens, clock=clock, http=other_side.http, sleep=other_side.slept.append)

    return make


def shelf(window, count, banner=None, first=610_000_000_000):
    return {str(first + n): (window.start + timedelta(seconds=7 * n + 1), banner) for n in range(count)}


def pulled(client, window):
    found, reported = {}, None
    for page in client.pull("product", window):
        found |= {payload.source_id: payload for payload in page.payloads}
        reported = page.reported if page.reported is not None else reported
    return found, reported


def test_items_of_every_list_are_pulled_and_the_census_agrees(opened, window):
    items = {
        number: entry
        for n, banner in enumerate(BANNERS)
        for number, entry in shelf(window, 13, banner, 610_000_000_000 + 1000 * n).items()
    }
    client = opened(Shelves(items), page_size=5)
    found, reported = pulled(client, window)
    assert {number: payload.source_updated_at for number, payload in found.items()} == {
        number: modified for number, (modified, _) in items.items()
    }
    assert reported == len(items) == 52
    assert client.census("product", window) == {number: modified for number, (modified, _) in items.items()}


def test_items_outside_the_window_are_left_out_unless_lists_are_read_whole(opened, window):
    old = {"610000009999": (window.start - timedelta(days=300), None)}
    by_time = opened(Shelves(shelf(window, 3) | old))
    assert len(pulled(by_time, window)[0]) == 3
    assert by_time.policy("product").every == timedelta(0)
    whole = opened(Shelves(shelf(window, 3) | old), items_by_modified=False)
    assert len(pulled(whole, window)[0]) == 4 == len(whole.census("product", window))
    assert whole.policy("product").every == timedelta(hours=1)
    assert whole.policy("order").every == timedelta(0)


def test_the_first_window_reaches_back_to_the_shops_beginning_whatever_orders_are_set_to(opened, window):
    policy = opened(Shelves({}), window_span_minutes=30, window_lag_minutes=9).policy("product")
    assert policy.first >= timedelta(days=3650) and policy.span >= timedelta(days=3650)
    assert policy.lag == timedelta(minutes=1)
    assert opened(Shelves({}), product_window_span_minutes=60).policy("product").span == timedelta(hours=1)


@pytest.mark.parametrize("at", range(6))
def test_an_item_that_changes_between_two_pages_hides_no_other(opened, window, at):
    def leave(shelves, calls):
        if calls == at:
            number = min(shelves.items, key=lambda n: shelves.items[n])
            shelves.items[number] = (window.end + timedelta(minutes=1), None)

    items = shelf(window, 15)
    found, _ = pulled(opened(Shelves(items, leave), page_size=5), window)
    staying = {number for number in items if items[number][0] != min(entry[0] for entry in items.values())}
    assert staying <= set(found)


@pytest.mark.parametrize("at", range(6))
def test_an_item_that_appears_late_hides_no_other(opened, window, at):
    def appear(shelves, calls):
        if calls == at:
            shelves.items["610000009999"] = (window.end - timedelta(seconds=1), None)

    items = shelf(window, 15)
    found, _ = pulled(opened(Shelves(items, appear), page_size=5), window)
    assert set(items) <= set(found)


def test_an_item_gone_before_its_details_are_read_leaves_the_window_short(opened, window):
    shelves = Shelves(shelf(window, 4))
    shelves.gone.add("610000000002")
    found, reported = pulled(opened(shelves), window)
    assert reported == 4 and len(found) == 3


def test_an_item_that_two_lists_show_counts_once(opened, window):
    items = shelf(window, 3)

    def move(shelves, calls):
        if calls == 1:  # after the list of those on sale was read
            number = "610000000000"
            shelves.items[number] = (shelves.items[number][0], "for_shelved")

    found, reported = pulled(opened(Shelves(items, move)), window)
    assert len(found) == reported == 3


def test_a_count_that_cannot_be_reached_leaves_the_window_open_but_lands_what_there_is(opened, window):
    shelves = Shelves(shelf(window, 4))
    shelves.count_is_off_by = 2
    client, landed = opened(shelves), []
    with pytest.raises(BadResponse, match="6 counted, 4 read"):
        for page in client.pull("product", window):
            landed += page.payloads
    assert len(landed) == 4


def test_a_list_longer_than_its_pages_says_which_setting_helps(opened, window):
    items = {str(610_000_000_000 + n): (window.start, None) for n in range(102)}
    with pytest.raises(BadResponse, match="product_window_span_minutes"):
        pulled(opened(Shelves(items), page_size=1), window)
    assert all(listing.pages == 101 for listing in ITEMS)


def test_ids_of_nineteen_digits_are_exact_and_an_item_without_id_lands_without(opened, window, script):
    class Broken(Shelves):
        def document(self, number):
            item = super().document(number)
            return item if number.startswith("9") else {"title": "no id"}

    items = {"9223372036854775807": (window.start, None), "610000000001": (window.start, None)}
    found, reported = pulled(opened(Broken(items)), window)
    assert set(found) == {"9223372036854775807", ""} and reported == 2
    assert json.loads(found["9223372036854775807"].payload)["num_iid"] == 9223372036854775807


@pytest.fixture
def live(sandbox, tokens, taobao_shop):
    """A sandbox and a client on its Taobao shop."""

    def start(**settings):
        box = sandbox()
        names = {
            "app_key": "APP_KEY",
            "app_secret": "APP_SECRET",
            "session": "SESSION",
            "refresh_token": "REFRESH_TOKEN",
        }
        credentials = {name: box.credentials[f"TAOBAO_{variable}"] for name, variable in names.items()}
        shop = taobao_shop(f"{box.url}/taobao", credentials=credentials, **settings)
        clock = Clock(f"{box.url}/_control/clock")
        return box, TaobaoClient(shop, tokens=tokens, clock=clock, sleep=lambda seconds: None)

    return start


def now(box):
    return datetime.fromisoformat(box.now()).astimezone(UTC)


def everything(box, client):
    return Window(now(box) - client.policy("product").span, now(box))


FAULTS = ["throttle", "business_busy", "expired_token", "http_502_html", "truncated_body", "duplicate_rows"]


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_that_passes_costs_no_item(live, kind):
    box, client = live(page_size=7)
    box.fault("taobao", kind, times=1)
    found, reported = pulled(client, everything(box, client))
    assert len(found) == reported == len({row["taobao_num_iid"] for row in GOODS})
    assert found.keys() == client.census("product", everything(box, client)).keys()
    assert box.control("GET", "faults")[0]["fired"] >= 1


def test_an_item_touched_between_two_pages_is_found_by_the_next_window(live):
    box, client = live(page_size=7)
    first = Window(now(box) - timedelta(days=3650), now(box) - timedelta(minutes=1))
    whole = set(pulled(client, first)[0])
    box.fault("taobao", "shifted_page", times=3)
    found = set(pulled(client, first)[0])
    assert box.control("GET", "faults")[0]["fired"] >= 2
    box.step(120)
    found |= set(pulled(client, Window(first.end - timedelta(minutes=3), now(box)))[0])
    assert found == whole


def test_after_taking_an_item_down_it_is_pulled_as_not_on_sale_and_after_resuming_as_on_sale(live):
    box, client = live()
    number = min(pulled(client, everything(box, client))[0])
    for act, status in ((client.suspend_listing, "instock"), (lambda n: client.resume_listing(n, 5), "onsale")):
        since = now(box)
        box.step(60)
        act(number)
        box.step(120)
        found, _ = pulled(client, Window(since, now(box) - client.policy("product").lag))
        assert {key: json.loads(payload.payload)["approve_status"] for key, payload in found.items()} == {
            number: status
        }
