"""The REST orders list by raw HTTP: cursors that are stable under changes, filters, limits, faults."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest


class Rest:
    """A caller of orders.json with a token of its own."""

    def __init__(self, world: Any, talk: Any, base: str = "/shopify/demo"):
        self.world, self.http = world, world.http
        self.url = f"{world.url}{base}/admin/api/2023-10/orders.json"
        self.token = talk.grant().json()["access_token"]

    def get(self, url: str = "", token: str = "", **query: Any) -> httpx.Response:
        headers = {"X-Shopify-Access-Token": token or self.token}
        return self.http.get(url or self.url, params=query or None, headers=headers)

    def pages(self, **query: Any) -> Iterator[list[dict[str, Any]]]:
        answer = self.get(**query)
        while True:
            assert answer.status_code == 200, answer.text
            yield answer.json()["orders"]
            if "next" not in answer.links:
                return
            answer = self.get(answer.links["next"]["url"])

    def ids(self, **query: Any) -> list[str]:
        return [str(order["id"]) for page in self.pages(**query) for order in page]


@pytest.fixture
def rest(sandbox, caller):
    def start(base: str = "/shopify/demo", **options: Any) -> Rest:
        world = sandbox(shops="shopify-us", **options)
        world.control("POST", "settings", index_lag={"shopify-us": 0})
        return Rest(world, caller(world), base)

    return start


ASCENDING = {"status": "any", "order": "updated_at asc", "updated_at_min": "2000-01-01T00:00:00+00:00"}


@pytest.mark.parametrize("base", ["/shopify/demo", ""])
def test_a_walk_brings_every_order_once_in_order(rest, base):
    talk = rest(base)
    made = talk.world.orders("shopify-us", 23, spread=600, state="paid")
    pages = list(talk.pages(limit=10, **ASCENDING))
    assert [len(page) for page in pages] == [10, 10, 3]
    rows = [row for page in pages for row in page]
    assert sorted(str(row["id"]) for row in rows) == sorted(made)
    moments = [datetime.fromisoformat(row["updated_at"]) for row in rows]
    assert moments == sorted(moments)


def test_a_document_says_what_is_true(rest):
    talk = rest()
    [number] = talk.world.orders("shopify-us", state="paid")
    [[row]] = talk.pages(**ASCENDING)
    [true] = talk.world.truth()
    assert (str(row["id"]), row["total_price"], row["financial_status"]) == (number, true["payable_amount"], "paid")
    assert row["updated_at"].endswith("-05:00")
    assert datetime.fromisoformat(row["updated_at"]) == datetime.fromisoformat(true["modified"])
    assert [line["sku"] for line in row["line_items"]] == [line["sku"] for line in true["lines"]]


def test_a_cursor_is_the_last_rows_value_and_id_and_goes_both_ways(rest):
    talk = rest()
    talk.world.orders("shopify-us", 9, spread=600)
    first = talk.get(limit=4, **ASCENDING)
    info = httpx.URL(first.links["next"]["url"]).params["page_info"]
    place = json.loads(base64.urlsafe_b64decode(info + "=="))
    assert place["last_id"] == first.json()["orders"][-1]["id"] and place["direction"] == "next"
    assert place["order"] == "updated_at asc" and len(place["last_value"]) == len("2026-11-09 02:00:00")
    second = talk.get(first.links["next"]["url"])
    assert talk.get(second.links["previous"]["url"]).json() == first.json()
    assert "previous" not in first.links


def test_a_row_that_changes_between_pages_moves_to_the_end_and_none_is_skipped(rest):
    talk = rest()
    made = talk.world.orders("shopify-us", 12, spread=600)
    walk = talk.pages(limit=4, **ASCENDING)
    seen = [str(row["id"]) for row in next(walk)]
    talk.world.step(5)
    moved = made[0] if made[0] not in seen else made[6]
    talk.world.advance(moved, "paid")
    talk.world.advance(seen[0], "paid")
    seen += [str(row["id"]) for page in walk for row in page]
    assert set(seen) == set(made) and seen[-1] in (moved, seen[0]) and len(seen) == 13


def test_many_rows_of_one_second_are_paged_by_id(rest):
    talk = rest()
    made = talk.world.orders("shopify-us", 25)
    assert talk.ids(limit=10, **ASCENDING) == sorted(made, key=int)


def test_filters(rest):
    talk = rest()
    a, b = talk.world.orders("shopify-us", 2, state="paid")
    talk.world.step(100)
    talk.world.advance(a, "closed")
    now = talk.world.now()
    assert set(talk.ids(status="any")) == {a, b} and talk.ids() == [b] and talk.ids(status="cancelled") == [a]
    assert talk.ids(status="any", updated_at_min=now[:19] + "Z") == [a]
    assert talk.ids(status="any", updated_at_max="2026-11-09T02:00:50Z") == [b]
    assert talk.ids(status="any", created_at_min=now[:19] + "Z") == []
    assert talk.ids(status="any", order="id desc") == sorted((a, b), key=int, reverse=True)
    assert talk.ids(status="any", since_id=min(a, b, key=int)) == [max(a, b, key=int)]
    assert set(talk.get(status="any", fields="id,name").json()["orders"][0]) == {"id", "name"}


def test_what_is_wrong_is_refused_in_the_platforms_words(rest):
    talk = rest()
    assert talk.get(token="wrong").status_code == 401
    assert talk.get(page_info="nonsense").status_code == 400
    assert talk.get(order="colour asc").status_code == 400
    assert talk.get(updated_at_min="yesterday").status_code == 400
    talk.world.orders("shopify-us", 3)
    link = httpx.URL(talk.get(limit=1, status="any").links["next"]["url"])
    both = talk.get(page_info=link.params["page_info"], status="any")
    assert both.status_code == 400 and "page_info is present" in both.json()["errors"]["status"]
    url = talk.url.replace("demo", "other")
    assert talk.get(url, status="any").status_code == 404


def test_the_bucket_holds_forty_calls_and_leaks_two_a_second(rest):
    talk = rest()
    answers = [talk.get(status="any") for _ in range(60)]
    assert answers[0].headers["X-Shopify-Shop-Api-Call-Limit"] == "1/40"
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and refused[0].headers["Retry-After"] == "2.0" and answers[39].status_code == 200
    talk.world.step(20)
    assert talk.get(status="any").headers["X-Shopify-Shop-Api-Call-Limit"] == "1/40"


def test_faults_of_its_own(rest):
    talk = rest()
    talk.world.orders("shopify-us", 6)
    talk.world.fault("shopify_rest", "duplicate_rows")
    assert len(talk.ids(status="any")) == 7
    talk.world.fault("shopify_rest", "short_page")
    assert len(talk.ids(status="any", limit=3)) == 5
    talk.world.fault("shopify_rest", "missing_field")
    assert "created_at" not in talk.get(status="any").json()["orders"][0]
    for kind, status in (("throttle", 429), ("business_busy", 503), ("http_500", 500)):
        talk.world.fault("shopify_rest", kind)
        assert talk.get(status="any").status_code == status
    talk.world.step(30)
    talk.world.fault("shopify_rest", "shifted_page")
    assert len(set(talk.ids(limit=2, **ASCENDING))) == 6


def test_an_order_that_commits_late_is_not_in_the_list_yet(rest):
    talk = rest()
    talk.world.fault("shopify", "late_commit", seconds=120)
    [late, prompt] = talk.world.orders("shopify-us", 2)
    assert talk.ids(status="any") == [prompt]
    talk.world.step(120)
    assert set(talk.ids(status="any")) == {late, prompt}
