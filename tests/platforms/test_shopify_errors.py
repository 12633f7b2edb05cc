"""The platform's signs and what each makes us do; pages, prices, tokens and long orders."""

import json
import socket
import traceback
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from orderpipe.errors import BadResponse, ConfigError, NeedsReauthorisation, Throttled, Unavailable
from orderpipe.platforms import Refused
from orderpipe.platforms.shopify import ShopifyClient

GRANT = {"access_token": "granted-token-1", "scope": "read_orders", "expires_in": 86399}
THROTTLE = {"maximumAvailable": 2000.0, "currentlyAvailable": 2000.0, "restoreRate": 100.0}


def cost(requested, available=2000.0):
    throttle = {**THROTTLE, "currentlyAvailable": available}
    return {"cost": {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": throttle}}


def order(number, lines_go_on=False):
    gid = f"gid://shopify/Order/{number}"
    lines = {"pageInfo": {"hasNextPage": lines_go_on, "endCursor": "line-20"}, "nodes": [{"id": "L1"}]}
    head = {"id": gid, "legacyResourceId": str(number), "updatedAt": "2026-03-05T01:10:22Z"}
    return json.dumps({**head, "lineItems": lines, "note": "Grüße"}, ensure_ascii=False, indent=1)


def page(*orders, cursor=None, requested=100):
    info = json.dumps({"hasNextPage": cursor is not None, "endCursor": cursor})
    nodes = ", ".join(orders)
    extensions = json.dumps(cost(requested))
    return f'{{"data": {{"orders": {{"pageInfo": {info}, "nodes": [ {nodes} ]}}}}, "extensions": {extensions}}}'


def failed(code, message="m", **more):
    return {"errors": [{"message": message, "extensions": {"code": code}}], **more}


class Shop:
    """Grants tokens and gives the scripted answers to GraphQL requests, in turn, the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.granted, self.tokens_seen, self.queries = list(answers), 0, [], []

    def __call__(self, asked, request):
        if request.url.path.endswith("/oauth/access_token"):
            self.granted += 1
            return {**GRANT, "access_token": f"granted-token-{self.granted}"}
        self.tokens_seen.append(request.headers["X-Shopify-Access-Token"])
        self.queries.append(asked["variables"])
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def opened(script, shopify_shop, tokens, clock):
    def make(shop, credentials=None, **settings):
        other_side = script(shop)
        client = ShopifyClient(
            shopify_shop(credentials=credentials, **settings),
            tokens=tokens,
            clock=clock,
            http=other_side.http,
            sleep=other_side.slept.append,
        )
        return client, other_side

    return make


def pull(client, window):
    return [payload for page in client.pull("order", window) for payload in page.payloads]


def test_orders_are_walked_to_the_last_page_as_the_exact_text_the_platform_sent(opened, window):
    shop = Shop(page(order(820982911946154508), cursor="c1"), page(order(2)))
    client, _ = opened(shop)
    first, second = pull(client, window)
    assert first.source_id == "820982911946154508" and second.source_id == "2"
    assert first.payload == order(820982911946154508)
    assert first.source_updated_at == datetime(2026, 3, 5, 1, 10, 22, tzinfo=UTC)
    assert [query["after"] for query in shop.queries] == [None, "c1"]
    bounds = "updated_at:>='2026-03-05T01:00:00Z' AND updated_at:<'2026-03-05T01:30:00Z'"
    assert {query["q"] for query in shop.queries} == {bounds}


def test_lines_beyond_the_first_twenty_are_added_without_touching_the_order(opened, window):
    def lines(names, cursor):
        info = {"hasNextPage": cursor is not None, "endCursor": cursor}
        nodes = [{"id": name, "sku": "杯 1"} for name in names]
        return {"data": {"order": {"id": "x", "lineItems": {"pageInfo": info, "nodes": nodes}}}}

    shop = Shop(page(order(7, lines_go_on=True)), lines(["L21", "L22"], "line-22"), lines(["L23"], None))
    client, _ = opened(shop)
    (payload,) = pull(client, window)
    own = order(7, lines_go_on=True)
    assert payload.payload.startswith(own[:-1])
    added = json.loads(payload.payload)["_moreLineItems"]
    assert [line["id"] for line in added] == ["L21", "L22", "L23"]
    assert {k: v for k, v in json.loads(payload.payload).items() if k != "_moreLineItems"} == json.loads(own)
    assert [query["after"] for query in shop.queries[1:]] == ["line-20", "line-22"]


def test_pages_grow_until_their_measured_price_meets_the_limit(opened, window):
    shop = Shop(page(order(1), cursor="c1", requested=187), page(order(2), cursor="c2", requested=890), page(order(3)))
    client, _ = opened(shop)
    pull(client, window)
    assert [query["first"] for query in shop.queries] == [25, 120, 121]


def test_a_page_that_costs_too_much_is_halved_at_once(opened, window):
    shop = Shop(failed("MAX_COST_EXCEEDED"), failed("MAX_COST_EXCEEDED"), page(order(1)))
    client, other_side = opened(shop)
    assert len(pull(client, window)) == 1
    assert [query["first"] for query in shop.queries] == [25, 12, 6] and other_side.slept == []


def test_a_throttled_query_waits_until_its_points_are_back(opened, window):
    throttled = failed("THROTTLED", "Throttled", extensions=cost(187, available=43.0))
    client, other_side = opened(Shop(throttled, page(order(1))))
    assert len(pull(client, window)) == 1
    needed = (187 - 43) / 100
    assert needed * 0.9 <= other_side.slept[0] <= needed * 1.25


def test_the_next_query_waits_for_points_before_it_is_sent(opened, window):
    def poor(*orders, cursor):
        text = page(*orders, cursor=cursor, requested=700)
        return text.replace('"currentlyAvailable": 2000.0', '"currentlyAvailable": 100.0')

    shop = Shop(poor(order(1), cursor="c1"), page(order(2)))
    client, other_side = opened(shop)
    assert len(pull(client, window)) == 2
    assert len(other_side.slept) == 1 and 5 <= other_side.slept[0] <= 7.5


def test_a_shop_that_stays_throttled_is_left_for_the_next_tick(opened, window):
    throttled = failed("THROTTLED", "Throttled", extensions=cost(1000, available=0.0))
    client, other_side = opened(Shop(throttled))
    with pytest.raises(Throttled) as caught:
        pull(client, window)
    assert caught.value.scope == "shop" and len(other_side.slept) < 20


@pytest.mark.parametrize(
    "failure",
    [
        (429, "", {"Retry-After": "2.0"}),
        (429, ""),
        (500, ""),
        (502, "<html>"),
        failed("INTERNAL_SERVER_ERROR"),
        failed("", "Internal error. Looks like something went wrong on our end."),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        '{"data": {"orders": {"pageInfo"',
        {"data": None},
        {"data": {"orders": {"nodes": []}}},
    ],
    ids=lambda failure: str(failure)[:50],
)
def test_a_passing_failure_is_mended_by_asking_again(opened, window, failure):
    client, _ = opened(Shop(failure, page(order(1))))
    assert len(pull(client, window)) == 1


def test_a_platform_that_keeps_failing_is_asked_for_smaller_pages_once_and_then_given_up(opened, window):
    shop = Shop((500, ""))
    client, _ = opened(shop)
    with pytest.raises(Unavailable, match="shopify-us"):
        pull(client, window)
    assert {query["first"] for query in shop.queries} == {25, 12} and len(shop.queries) <= 10


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        ((402, ""), Unavailable, "frozen"),
        ((403, ""), Unavailable, "forbidden"),
        ((404, ""), Unavailable, "no such shop"),
        ((423, ""), Unavailable, "locked"),
        (failed("SHOP_INACTIVE"), Unavailable, "inactive"),
        (failed("ACCESS_DENIED"), NeedsReauthorisation, "scopes"),
        (failed("", "This app is not approved to access the Customer object."), NeedsReauthorisation, "protected"),
        (failed("undefinedField"), BadResponse, "undefinedField"),
        ({"errors": "something"}, BadResponse, "GraphQL"),
        ((400, ""), BadResponse, "400"),
    ],
    ids=str,
)
def test_a_lasting_refusal_is_told_at_once_with_its_remedy(opened, window, answer, kind, text):
    shop = Shop(answer)
    client, _ = opened(shop)
    with pytest.raises(kind, match=text) as caught:
        pull(client, window)
    assert len(shop.queries) == 1 and caught.value.remedy


def test_data_that_comes_with_errors_is_never_taken_for_complete(opened, window):
    partial = json.loads(page(order(1))) | {"errors": [{"message": "oops", "path": ["orders"]}]}
    client, _ = opened(Shop(partial))
    with pytest.raises(BadResponse, match="part of the data") as caught:
        pull(client, window)
    assert caught.value.scope == "window"
    client, _ = opened(Shop(partial, page(order(1), order(2))))
    assert [payload.source_id for payload in pull(client, window)] == ["1", "2"]


def test_a_search_the_platform_did_not_understand_is_refused(opened, window):
    answer = json.loads(page(order(1)))
    answer["extensions"]["search"] = [{"path": ["orders"], "warnings": [{"field": "updated_att", "code": "x"}]}]
    client, _ = opened(Shop(answer))
    with pytest.raises(BadResponse, match="search"):
        pull(client, window)


def test_another_api_version_than_asked_for_is_told_once(opened, window):
    old = (200, page(order(1), cursor="c"), {"X-Shopify-API-Version": "2026-01"})
    client, _ = opened(Shop(old, (200, page(order(2)), {"X-Shopify-API-Version": "2026-01"})))
    assert len(pull(client, window)) == 2
    assert len(client.warnings) == 1 and "2026-01" in client.warnings[0]


# The token


def test_a_token_is_asked_for_once_and_used_until_shortly_before_it_expires(opened, window, tokens):
    shop = Shop(page(order(1)))
    client, _ = opened(shop)
    pull(client, window)
    pull(client, window)
    again, _ = opened(shop)
    pull(again, window)
    assert shop.granted == 1 and set(shop.tokens_seen) == {"granted-token-1"}
    (stored,) = json.loads(tokens.path.read_text()).values()
    life = datetime.fromisoformat(stored["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < life <= timedelta(hours=24)


def test_a_token_close_to_its_end_is_replaced_before_it_is_used(opened, window, monkeypatch):
    monkeypatch.setitem(GRANT, "expires_in", 240)
    shop = Shop(page(order(1)))
    client, _ = opened(shop)
    pull(client, window)
    pull(client, window)
    assert shop.granted == 2 and shop.tokens_seen == ["granted-token-1", "granted-token-2"]


def test_a_revoked_token_is_replaced_once_and_the_call_replayed(opened, window, tokens):
    at_use = []

    def only_the_second(request):
        token = request.headers["X-Shopify-Access-Token"]
        at_use.append(token in tokens.path.read_text())
        return page(order(1)) if token == "granted-token-2" else (401, "")

    shop = Shop(only_the_second)
    client, _ = opened(shop)
    assert len(pull(client, window)) == 1
    assert shop.granted == 2 and at_use == [True, True]


def test_a_shop_that_refuses_every_token_asks_for_a_person(opened, window):
    shop = Shop((401, ""))
    client, _ = opened(shop)
    with pytest.raises(NeedsReauthorisation, match="SHOPIFY_CLIENT_ID"):
        pull(client, window)
    assert shop.granted == 2 and len(shop.queries) == 2


def test_a_static_token_is_used_as_it_is(opened, window):
    shop = Shop(page(order(1)))
    client, _ = opened(shop, credentials={"access_token": "shpat_static"})
    pull(client, window)
    assert shop.tokens_seen == ["shpat_static"] and shop.granted == 0


@pytest.mark.parametrize(
    "failure",
    [(401, "token granted-token-1 bad"), httpx.ReadTimeout("x"), failed("X", "shpss-0123456789abcdef")],
    ids=["refused", "timeout", "quoted"],
)
def test_no_error_tells_a_secret(opened, window, shopify_secrets, failure):
    client, _ = opened(Shop(failure))
    with pytest.raises(Exception) as caught:
        pull(client, window)
    told = "".join(traceback.format_exception(caught.value)) + repr(client)
    assert "granted-token" not in told and shopify_secrets["client_secret"] not in told


def test_a_token_with_a_stray_line_break_is_reported_without_being_shown(shopify_shop, tokens, clock, window):
    """A real connection: the HTTP library itself refuses such a header and quotes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        base_url = f"http://127.0.0.1:{server.getsockname()[1]}"
        shop = shopify_shop(base_url, credentials={"access_token": "shpat_be\nfore"})
        client = ShopifyClient(shop, tokens=tokens, clock=clock, sleep=lambda _: None)
        with pytest.raises(ConfigError, match="header") as caught:
            pull(client, window)
        client.close()
    assert "shpat_be" not in "".join(traceback.format_exception(caught.value))


# Census and write-backs


def test_a_census_reads_three_fields_newest_first(opened, window, script):
    shop = Shop(page(order(1), cursor="c"), page(order(2)))
    client, other_side = opened(shop)
    assert set(client.census("order", window)) == {"1", "2"}
    asked = [asked for asked in other_side.asked if "query" in asked]
    assert all("reverse: true" in a["query"] and "totalPriceSet" not in a["query"] for a in asked)
    assert shop.queries[0]["first"] == 250


def test_a_listing_is_taken_off_and_put_back(opened):
    def done(status):
        product = {"id": "gid://shopify/Product/61", "status": status}
        return {"data": {"productUpdate": {"product": product, "userErrors": []}}}

    shop = Shop(done("DRAFT"), done("ACTIVE"))
    client, _ = opened(shop)
    assert client.suspend_listing("61")["status"] == "DRAFT"
    assert client.resume_listing("gid://shopify/Product/61", 5)["status"] == "ACTIVE"
    wanted = [{"id": "gid://shopify/Product/61", "status": status} for status in ("DRAFT", "ACTIVE")]
    assert [query["product"] for query in shop.queries] == wanted


def test_a_listing_the_platform_will_not_change_is_refused_for_good(opened):
    errors = [{"field": ["id"], "message": "Product does not exist"}]
    shop = Shop({"data": {"productUpdate": {"product": None, "userErrors": errors}}})
    client, _ = opened(shop)
    with pytest.raises(Refused, match="does not exist"):
        client.suspend_listing("61")
    assert len(shop.queries) == 1
