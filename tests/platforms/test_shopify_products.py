"""Products of a Shopify shop: pulled by update time, completed where a page holds too few variants."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from orderpipe.clock import Clock
from orderpipe.errors import BadResponse
from orderpipe.platforms import Window
from orderpipe.platforms.shopify import PAGINATION_CAP, ShopifyClient


@pytest.fixture
def live(sandbox, tokens, shopify_shop):
    """A sandbox and a client on its Shopify shop."""

    def start(**settings):
        box = sandbox()
        credentials = {name: box.credentials[f"SHOPIFY_{name}".upper()] for name in ("client_id", "client_secret")}
        shop = shopify_shop(f"{box.url}/shopify/demo", credentials=credentials, **settings)
        clock = Clock(f"{box.url}/_control/clock")
        return box, ShopifyClient(shop, tokens=tokens, clock=clock, sleep=lambda seconds: None)

    return start


@pytest.fixture
def scripted(script, shopify_shop, tokens, clock):
    """A client whose other side answers every query with what `answer` gives for its variables."""

    def make(answer, **settings):
        def handler(asked, request):
            if request.url.path.endswith("/oauth/access_token"):
                return {"access_token": "t", "expires_in": 86399}
            return answer(asked["query"], asked["variables"])

        other_side = script(handler)
        shop = shopify_shop(**settings)
        client = ShopifyClient(shop, tokens=tokens, clock=clock, http=other_side.http, sleep=other_side.slept.append)
        return client, other_side

    return make


def now(box):
    return datetime.fromisoformat(box.now()).astimezone(UTC)


def everything(box, client):
    return Window(now(box) - client.policy("product").span, now(box))


def pulled(client, window):
    return {payload.source_id: payload for page in client.pull("product", window) for payload in page.payloads}


def product(number, variants=1, more=None):
    return {
        "id": f"gid://shopify/Product/{number}",
        "legacyResourceId": str(number),
        "updatedAt": "2026-03-05T01:10:00Z",
        "variants": {
            "pageInfo": {"hasNextPage": more is not None, "endCursor": more},
            "nodes": [{"id": f"gid://shopify/ProductVariant/{n}"} for n in range(variants)],
        },
    }


def page(*nodes, after=None):
    return {"data": {"products": {"pageInfo": {"hasNextPage": after is not None, "endCursor": after}, "nodes": nodes}}}


def test_every_product_is_pulled_and_the_census_agrees(live):
    box, client = live(page_size=5)
    window = everything(box, client)
    found = pulled(client, window)
    assert len(found) > 20
    assert client.census("product", window) == {key: payload.source_updated_at for key, payload in found.items()}
    assert min(payload.source_updated_at for payload in found.values()) < now(box) - timedelta(days=30)


@pytest.mark.parametrize("kind", ["throttle", "expired_token", "http_502_html", "truncated_body", "partial_data"])
def test_a_fault_that_passes_costs_no_product(live, kind):
    box, client = live(page_size=10)
    window = everything(box, client)
    whole = client.census("product", window)
    box.fault("shopify", kind, times=1)
    assert pulled(client, window).keys() == whole.keys()
    assert box.control("GET", "faults")[0]["fired"] == 1


def test_a_product_updated_between_two_pages_hides_no_other(live):
    box, client = live(page_size=10)
    window = everything(box, client)
    whole = client.census("product", window)
    box.fault("shopify", "shifted_page", times=3)
    assert pulled(client, window).keys() == whole.keys()


def test_after_taking_a_product_down_it_is_pulled_as_draft_and_after_resuming_as_active(live):
    box, client = live()
    number = min(pulled(client, everything(box, client)))
    for act, status in ((client.suspend_listing, "DRAFT"), (client.resume_listing, "ACTIVE")):
        since = now(box)
        box.step(60)
        act(number)
        box.step(600)
        found = pulled(client, Window(since, now(box) - client.policy("product").lag))
        assert {key: json.loads(payload.payload)["status"] for key, payload in found.items()} == {number: status}


def test_variants_beyond_the_page_stand_in_the_document_once_and_in_order(scripted, window):
    def answer(query, variables):
        if "MoreVariants" not in query:
            return page(product(8632910390007, 2, more="c1"), product(8632910390014))
        assert variables["id"] == "gid://shopify/Product/8632910390007"
        place = {"c1": ([2, 3], "c2"), "c2": ([4], None)}[variables["after"]]
        nodes = [{"id": f"gid://shopify/ProductVariant/{n}", "price": "1.10"} for n in place[0]]
        part = {"pageInfo": {"hasNextPage": place[1] is not None, "endCursor": place[1]}, "nodes": nodes}
        return {"data": {"product": {"id": variables["id"], "variants": part}}}

    client, _ = scripted(answer)
    found = {key: json.loads(payload.payload) for key, payload in pulled(client, window).items()}
    assert [v["id"][-1] for v in found["8632910390007"]["_moreVariants"]] == ["2", "3", "4"]
    assert "_moreVariants" not in found["8632910390014"]


def test_a_product_gone_while_its_variants_are_read_leaves_the_window_open(scripted, window):
    def answer(query, variables):
        return {"data": {"product": None}} if "MoreVariants" in query else page(product(1, 2, more="c1"))

    client, _ = scripted(answer)
    with pytest.raises(BadResponse):
        pulled(client, window)


def test_a_window_with_too_many_products_says_which_setting_helps(scripted, window):
    def answer(query, variables):
        start = int(variables["after"] or 0)
        nodes = [product(start + n) for n in range(variables["first"])]
        return page(*nodes, after=str(start + len(nodes)))

    client, other_side = scripted(answer, page_size=250)
    with pytest.raises(BadResponse, match="product_window_span_minutes"):
        for _ in client.pull("product", window):
            pass
    assert len(other_side.asked) >= PAGINATION_CAP // 250


def test_the_first_window_of_products_reaches_back_to_the_shops_beginning(scripted):
    client, _ = scripted(lambda query, variables: page(), window_span_minutes=30)
    assert client.policy("product").first >= timedelta(days=3650)
    assert client.policy("product").span >= timedelta(days=3650)
    assert client.policy("order").first is None and client.policy("order").span == timedelta(minutes=30)
