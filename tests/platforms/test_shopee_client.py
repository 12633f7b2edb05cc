"""Shopee's client: signatures, errors, tokens, lists under shifts, details, escrow, uncertain facts, write-backs."""

import hashlib
import hmac
import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse, ConfigError, NeedsReauthorisation, PlatformError, Throttled, Unavailable
from orderpipe.platforms import PLATFORMS, Refused, Unanswered, Window, open_client
from orderpipe.platforms.shopee import ShopeeClient
from orderpipe.platforms.shopee_gateway import push_signature, sign
from orderpipe.platforms.shopee_lists import LONGEST

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "vectors.json").read_text("utf-8"))["vectors"]
SECRETS = {
    "partner_id": "2001887",
    "partner_key": "shpk4e6f74415265616c4b65",
    "shop_id": "14701711",
    "access_token": "access-0f1e2d3c4b5a",
    "refresh_token": "refresh-6978877665",
}
START = datetime(2026, 11, 9, 1, 0, tzinfo=UTC)
NOW = int(START.timestamp())
WINDOW = Window(START, START + timedelta(minutes=30))
Handler = Any


def make_shop(base_url: str = "http://gateway.test/shopee", credentials: dict | None = None, **settings: Any) -> Shop:
    return Shop(
        id="shopee-sg", platform="shopee", name="Demo", timezone="Asia/Singapore", currency="SGD", base_url=base_url,
        credentials=SECRETS if credentials is None else credentials, settings=settings,
    )  # fmt: skip


class Platform:
    """A scripted other side. answers: by API name, what to answer with or a function of (query, body); a list is
    answered in turn, its last for ever. A tuple is (status, content)."""

    def __init__(self, answers: dict[str, Any]):
        self.answers = {name: list(v) if isinstance(v, list) else [v] for name, v in answers.items()}
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.requests: list[httpx.Request] = []
        self.http = httpx.Client(transport=httpx.MockTransport(self._answer), trust_env=False)
        self.slept: list[float] = []

    def _answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.partition("/api/v2/")[2]
        query = dict(parse_qsl(request.url.query.decode(), keep_blank_values=True))
        body = json.loads(request.content) if request.content else None
        self.asked.append((name, query, body))
        self.requests.append(request)
        waiting = self.answers[name]
        found = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        found = found(query, body) if callable(found) else found
        status, content = found if isinstance(found, tuple) else (200, found)
        return httpx.Response(status, content=json.dumps(content) if isinstance(content, dict | list) else content)

    def count(self, name: str) -> int:
        return sum(asked[0] == name for asked in self.asked)

    def client(self, tokens, clock=None, credentials=None, **settings) -> ShopeeClient:
        shop = make_shop(credentials=credentials, **settings)
        return ShopeeClient(shop, tokens=tokens, clock=clock or Clock(), http=self.http, sleep=self.slept.append)


def ok(response: Any) -> dict[str, Any]:
    return {"error": "", "message": "", "request_id": "r1", "response": response}


def bad(error: str, message: str = "") -> dict[str, Any]:
    return {"error": error, "message": message, "request_id": "r1"}


def listed(*numbers: str, cursor: str = "") -> dict[str, Any]:
    rows = [{"order_sn": number, "order_status": "READY_TO_SHIP"} for number in numbers]
    return ok({"more": bool(cursor), "next_cursor": cursor, "order_list": rows})


def details(query: dict[str, str], body: Any) -> dict[str, Any]:
    numbers = query["order_sn_list"].split(",")
    return ok({"order_list": [order(number) for number in numbers]})


def order(number: str, **changes: Any) -> dict[str, Any]:
    item = {"promotion_type": "", "model_discounted_price": 25.9}
    return {
        "order_sn": number, "order_status": "READY_TO_SHIP", "update_time": NOW + 60, "pay_time": NOW,
        "item_list": [item], **changes,
    }  # fmt: skip


def escrows(query: dict[str, str], body: Any) -> dict[str, Any]:
    return ok([{"escrow_detail": {"order_sn": number, "order_income": {}}} for number in body["order_sn_list"]])


ORDERS = {
    "order/get_order_list": listed("A1", "A2"),
    "order/get_order_detail": details,
    "payment/get_escrow_detail_batch": escrows,
}
LIST, DETAIL, ESCROW = ORDERS
REFRESH = "auth/access_token/get"
GRANTED = {
    "error": "", "message": "", "request_id": "r", "access_token": "access-2", "refresh_token": "refresh-2",
    "expire_in": 14400, "partner_id": 2001887, "shop_id": 14701711,
}  # fmt: skip


def pulled(client: ShopeeClient, kind: str = "order", window: Window = WINDOW) -> dict[str, Any]:
    return {p.source_id: p for page in client.pull(kind, window) for p in page.payloads}


# Signatures


@pytest.mark.parametrize("vector", [pytest.param(v, id=v["id"]) for v in VECTORS["shopee"]])
def test_the_signature_equals_the_published_vector(vector):
    of_shop = (vector.get("access_token", ""), str(vector.get("shop_id", "")))
    found = sign(vector["path"], vector["timestamp"], str(vector["partner_id"]), vector["partner_key"], *of_shop)
    assert found == vector["signature"]


@pytest.mark.parametrize("vector", [pytest.param(v, id=v["id"]) for v in VECTORS["shopee_push"]])
def test_the_signature_of_a_push_equals_the_published_vector(vector):
    body = vector["raw_body"].encode()
    assert push_signature(vector["callback_url"], body, vector["partner_key"]) == vector["signature"]
    assert push_signature(vector["callback_url"], body + b" ", vector["partner_key"]) != vector["signature"]


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@hypothesis_settings(max_examples=30)
@given(st.integers(1, 10**10), texts, st.integers(0, 2**31), texts, texts, st.integers(1, 10**12))
def test_the_signature_equals_a_second_implementation(partner_id, key, timestamp, path, token, shop_id):
    digest = hmac.HMAC((key or "k").encode("utf-8"), None, hashlib.sha256)
    for part in (str(partner_id), path, str(timestamp), token, str(shop_id)):
        digest.update(part.encode("utf-8"))
    wanted = "".join(f"{byte:02x}" for byte in digest.digest())
    assert sign(path, timestamp, str(partner_id), key or "k", token, str(shop_id)) == wanted


def test_calls_carry_what_the_documentation_asks_for(tokens):
    here = Platform(ORDERS)
    pulled(here.client(tokens))
    for (name, query, _), request in zip(here.asked, here.requests, strict=True):
        path = f"/api/v2/{name}"
        assert request.url.path == f"/shopee{path}", "the part before /api is the host's and not signed"
        of_shop = SECRETS["access_token"], SECRETS["shop_id"]
        stamp = int(query["timestamp"])
        assert query["sign"] == sign(path, stamp, SECRETS["partner_id"], SECRETS["partner_key"], *of_shop)
        assert abs(stamp - datetime.now(UTC).timestamp()) < 60
    listing, detail, escrow = (next(a for a in here.asked if a[0] == name) for name in (LIST, DETAIL, ESCROW))
    assert listing[1]["time_range_field"] == "update_time" and "cursor" not in listing[1]
    assert listing[1]["request_order_status_pending"] == detail[1]["request_order_status_pending"] == "true"
    for field in ("item_list", "recipient_address", "total_amount", "pay_time", "package_list"):
        assert field in detail[1]["response_optional_fields"].split(",")
    assert escrow[2] == {"order_sn_list": ["A1", "A2"]}


# Errors, with HTTP 200 and with 403

PASSING = [
    ("error_server", "Something wrong. Please try later."), ("error_inner", ""), ("error_network", "Inner http call"),
    ("error_system_busy", "Our system is taking some time to respond"), ("common.error_server", ""),
    ("error_data", "parse data failed"), ("error_param", "Inner error, please try later. [1]."),
    ("error_param", "request not from gateway"), ("error_limit", "Core server error."),
    ("error_rate_limit", "too fast"),
]  # fmt: skip


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize(("error", "message"), PASSING)
def test_a_failure_that_passes_is_waited_out(tokens, error, message, status):
    here = Platform({**ORDERS, LIST: [(status, bad(error, message)), (status, bad(error, message)), ORDERS[LIST]]})
    assert set(pulled(here.client(tokens))) == {"A1", "A2"}
    assert here.count(LIST) == 3


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize(
    ("error", "message", "kind", "scope", "calls", "remedy"),
    [
        ("error_server", "", Unavailable, "shop", 5, "next run"),
        ("error_param", "Inner error, please try later. [1].", Unavailable, "shop", 5, "next run"),
        ("error_rate_limit", "", Throttled, "shop", 5, "next run"),
        ("error_limit", "daily quota", Throttled, "shop", 1, "00:00 GMT+8"),
        ("error_sign", "Wrong sign.", NeedsReauthorisation, "shop", 2, "SHOPEE_PARTNER_KEY"),
        ("error_param", "Invalid timestamp", NeedsReauthorisation, "shop", 2, "clock"),
        ("shop_no_linked", "", NeedsReauthorisation, "shop", 1, "SHOPEE_REFRESH_TOKEN"),
        ("partner_shop_no_link", "", NeedsReauthorisation, "shop", 1, "SHOPEE_REFRESH_TOKEN"),
        ("common.shop_banned", "", NeedsReauthorisation, "shop", 1, "authorise"),
        ("shop_access_expired", "", NeedsReauthorisation, "shop", 1, "authorise"),
        ("error_auth", "Invalid partner_id or shopid.", NeedsReauthorisation, "shop", 1, "authorise"),
        ("error_permission", "", NeedsReauthorisation, "shop", 1, "permission"),
        ("error_perm", "Core server error.", NeedsReauthorisation, "shop", 1, "permission"),
        ("error_api_permission", "", NeedsReauthorisation, "shop", 1, "permission"),
        ("source_ip_undeclared", "", NeedsReauthorisation, "shop", 1, "IP list"),
        ("error_partner_key_expired", "", NeedsReauthorisation, "shop", 1, "SHOPEE_PARTNER_KEY"),
        ("order.order_list_invalid_time", "diff in 15days", Refused, "window", 1, "documentation"),
        ("error_auth", "Your shop can not use model level dts", Refused, "window", 1, "documentation"),
        ("error_param", "Wrong parameters, detail: page_size", Refused, "window", 1, "documentation"),
        ("never_seen_before", "?", Refused, "window", 1, "documentation"),
    ],
)
def test_an_error_means_what_the_documentation_says(tokens, status, error, message, kind, scope, calls, remedy):
    here = Platform({LIST: (status, bad(error, message))})
    with pytest.raises(PlatformError) as caught:
        pulled(here.client(tokens))
    assert (type(caught.value), caught.value.scope, here.count(LIST)) == (kind, scope, calls)
    assert remedy in str(caught.value) and "shopee-sg" in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((502, "<html>Bad Gateway</html>"), Unavailable),
        ((429, "slow down"), Throttled),
        ((200, "<html>"), BadResponse),
        ((200, '{"error":"","response":{"more":fal'), BadResponse),
        ((200, {"error": ""}), BadResponse),
        ((200, ok({"order_list": 7})), BadResponse),
        ((200, [1]), BadResponse),
        ((200, b'{"error":"","response":"\xff"}'), BadResponse),
    ],
)
def test_an_answer_that_is_none_is_tried_again_and_then_told(tokens, answer, error):
    here = Platform({LIST: answer})
    with pytest.raises(error):
        pulled(here.client(tokens))
    assert here.count(LIST) >= 4
    again = Platform({**ORDERS, LIST: [answer, ORDERS[LIST]]})
    assert set(pulled(again.client(tokens))) == {"A1", "A2"}


def test_a_dash_is_no_error(tokens):
    here = Platform({**ORDERS, LIST: {**listed("A1"), "error": "-", "message": "-"}})
    assert set(pulled(here.client(tokens))) == {"A1"}


def test_no_secret_that_the_platform_echoes_comes_out(tokens):
    echo = " ".join(SECRETS.values())
    here = Platform({LIST: bad("error_param", f"Wrong parameters: {echo}")})
    with pytest.raises(Refused) as caught:
        pulled(here.client(tokens))
    for name, value in SECRETS.items():
        assert value not in str(caught.value) and value not in repr(here.client(tokens)), name


@pytest.mark.parametrize("name", ["partner_id", "partner_key", "shop_id", "access_token"])
def test_a_credential_that_is_missing_or_no_number_is_named(tokens, name):
    with pytest.raises(ConfigError, match=name):
        Platform({}).client(tokens, credentials={**SECRETS, name: ""})
    if name.endswith("_id"):
        with pytest.raises(ConfigError, match="not a number"):
            Platform({}).client(tokens, credentials={**SECRETS, name: "12a"})


def test_the_platform_is_in_the_register(tokens):
    assert PLATFORMS["shopee"] is ShopeeClient
    assert open_client(make_shop(), tokens=tokens, clock=Clock()).kinds == ("order", "refund", "product")


# Tokens


def only(token: str) -> Handler:
    """Lists for whoever comes with this access token."""

    def answer(query: dict[str, str], body: Any) -> Any:
        if query["access_token"] != token:
            return 403, bad("invalid_acceess_token", "Invalid access_token.")
        return listed()

    return answer


@pytest.mark.parametrize(
    "refusal",
    [
        bad("error_auth", "Invalid access_token."), bad("common.error_auth", "Invalid access_token."),
        bad("invalid_acceess_token"), bad("invalid_access_token"),
    ],
)  # fmt: skip
def test_an_expired_token_is_renewed_once_and_the_new_pair_is_kept(tokens, refusal):
    here = Platform({LIST: [(403, refusal), listed()], REFRESH: GRANTED})
    client = here.client(tokens)
    list(client.pull("order", WINDOW))
    _, query, body = next(asked for asked in here.asked if asked[0] == REFRESH)
    assert body == {"refresh_token": SECRETS["refresh_token"], "partner_id": 2001887, "shop_id": 14701711}
    path, stamp = f"/api/v2/{REFRESH}", int(query["timestamp"])
    assert query["sign"] == sign(path, stamp, SECRETS["partner_id"], SECRETS["partner_key"]), "the public form"
    assert set(query) == {"partner_id", "timestamp", "sign"}
    again = Platform({LIST: only("access-2")})
    list(again.client(tokens).pull("order", WINDOW))
    assert again.count(LIST) == 1


def test_a_refresh_token_works_once_and_the_next_one_is_used(tokens):
    second = {**GRANTED, "access_token": "access-3", "refresh_token": "refresh-3"}
    refusal = (403, bad("invalid_acceess_token"))
    here = Platform({LIST: [refusal, listed(), refusal, listed()], REFRESH: [GRANTED, second]})
    client = here.client(tokens)
    list(client.pull("order", WINDOW))
    list(client.pull("order", WINDOW))
    sent = [body["refresh_token"] for name, _, body in here.asked if name == REFRESH]
    assert sent == [SECRETS["refresh_token"], "refresh-2"]


@pytest.mark.parametrize("expire_in", [600, NOW + 10**6])
def test_a_token_that_is_about_to_end_is_renewed_before_it_does(tokens, expire_in):
    """expire_in is documented in seconds, and shown as a moment in one sample."""
    near = datetime.now(UTC).timestamp() + 200 if expire_in > 10**9 else 200
    third = {**GRANTED, "access_token": "access-3", "refresh_token": "refresh-3"}
    here = Platform({LIST: [(403, bad("invalid_acceess_token")), listed(), only("access-3")],
                     REFRESH: [{**GRANTED, "expire_in": near}, third]})  # fmt: skip
    client = here.client(tokens)
    list(client.pull("order", WINDOW))
    list(client.pull("order", WINDOW))
    assert here.count(REFRESH) == 2 and here.count(LIST) == 3


@pytest.mark.parametrize(
    "refusal", [bad("error_auth", "Invalid refresh_token."), bad("refresh_token_expired"),
                bad("error_shop_refresh_token"), bad("shop_access_expired"), bad("something_new")],
)  # fmt: skip
def test_a_grant_that_is_gone_needs_a_person(tokens, refusal):
    here = Platform({LIST: (403, bad("invalid_acceess_token")), REFRESH: (403, refusal)})
    with pytest.raises(NeedsReauthorisation, match="SHOPEE_ACCESS_TOKEN, SHOPEE_REFRESH_TOKEN"):
        pulled(here.client(tokens))
    assert here.count(REFRESH) == 1


def test_a_renewal_that_fails_in_passing_is_repeated(tokens):
    here = Platform({
        LIST: lambda query, body: only("access-2")(query, body),
        REFRESH: [bad("error_server"), (502, "<html>"), GRANTED],
    })  # fmt: skip
    list(here.client(tokens).pull("order", WINDOW))
    assert here.count(REFRESH) == 3


def test_a_token_refused_even_when_new_needs_a_person(tokens):
    here = Platform({LIST: (403, bad("invalid_acceess_token")), REFRESH: GRANTED})
    with pytest.raises(NeedsReauthorisation):
        pulled(here.client(tokens))
    assert here.count(REFRESH) == 1


# Lists


class Moving:
    """A list of orders behind an offset cursor, newest first; `moves` says after how many pages its first row is
    changed, which takes it out of the range."""

    def __init__(self, count: int, moves: int = 0, low: bool = True, high: bool = True):
        self.rows = {f"B{n:03d}": NOW + n for n in range(count)}
        self.moves, self.low, self.high = moves, low, high

    def page(self, query: dict[str, str], body: Any) -> dict[str, Any]:
        start, end = int(query["time_from"]), int(query["time_to"])
        assert 0 < end - start <= 15 * 86400
        size, first = int(query["page_size"]), int(query.get("cursor", "c0")[1:])
        inside = [
            key for key, at in self.rows.items()
            if (at > start or (self.low and at == start)) and (at < end or (self.high and at == end))
        ]  # fmt: skip
        inside.sort(key=lambda key: -self.rows[key])
        found = inside[first : first + size]
        more = first + size < len(inside)
        if self.moves and found:
            self.moves -= 1
            self.rows[inside[0]] = end + 100
        return listed(*found, cursor=f"c{first + size}" if more else "")

    def details(self, query: dict[str, str], body: Any) -> dict[str, Any]:
        numbers = query["order_sn_list"].split(",")
        return ok({"order_list": [order(key, update_time=self.rows[key]) for key in numbers]})

    def answers(self) -> dict[str, Any]:
        return {LIST: self.page, DETAIL: self.details, ESCROW: escrows}


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_rows_that_move_between_pages_hide_nobody(tokens, moves):
    world = Moving(47, moves)
    here = Platform(world.answers())
    before = set(world.rows)
    found = pulled(here.client(tokens, page_size=10))
    left = {key for key, at in world.rows.items() if at > WINDOW.end.timestamp()}
    assert before - left <= set(found) <= before
    census = here.client(tokens).census("order", WINDOW)
    assert set(census) == before - left
    assert census == {key: found[key].source_updated_at for key in census}


def test_a_list_that_never_settles_keeps_its_window_open(tokens):
    world, found = Moving(7), {}

    def page(query: dict[str, str], body: Any) -> dict[str, Any]:
        world.rows[f"C{len(world.rows)}"] = NOW + len(world.rows)  # shows up late
        return world.page(query, body)

    here = Platform({**world.answers(), LIST: page})
    with pytest.raises(BadResponse, match="did not settle"):
        for found_page in here.client(tokens, page_size=3).pull("order", WINDOW):
            found |= {p.source_id: p for p in found_page.payloads}
    assert len(found) > 7, "what was met lands"


@pytest.mark.parametrize("low", [True, False])
@pytest.mark.parametrize("high", [True, False])
def test_bounds_that_belong_to_the_range_or_not_lose_no_edge(tokens, low, high):
    world = Moving(0, low=low, high=high)
    world.rows = {"FIRST": NOW, "LAST": NOW + 1800 - 1, "END": NOW + 1800}
    here = Platform(world.answers())
    assert {"FIRST", "LAST"} <= set(pulled(here.client(tokens)))
    assert {"FIRST", "LAST"} <= set(here.client(tokens).census("order", WINDOW))


def test_a_long_window_is_asked_for_in_stretches_that_overlap(tokens):
    here = Platform({LIST: listed()})
    long = Window(START - timedelta(days=40), START)
    assert pulled(here.client(tokens), window=long) == {}
    spans = [(int(q["time_from"]), int(q["time_to"])) for _, q, _ in here.asked]
    assert spans[0][0] <= long.start.timestamp() and spans[-1][1] >= long.end.timestamp()
    assert all(end - start <= LONGEST for start, end in spans)
    assert all(later[0] < earlier[1] for earlier, later in itertools.pairwise(spans))


@pytest.mark.parametrize("cursors", [["x", "x"], [""]])
def test_a_cursor_that_leads_nowhere_is_told_and_not_followed_for_ever(tokens, cursors):
    pages = [ok({"more": True, "next_cursor": cursor, "order_list": []}) for cursor in cursors]
    here = Platform({LIST: pages})
    with pytest.raises(BadResponse, match="does not say where"):
        pulled(here.client(tokens))
    assert here.count(LIST) == len(cursors)


def test_an_empty_list_may_be_null(tokens):
    here = Platform({LIST: ok({"more": False, "next_cursor": None, "order_list": None})})
    (page,) = here.client(tokens).pull("order", WINDOW)
    assert (page.payloads, page.reported) == ([], None)


def test_a_row_without_a_number_keeps_the_window_open(tokens):
    here = Platform({LIST: ok({"more": False, "order_list": [{"order_status": "UNPAID"}]})})
    with pytest.raises(BadResponse, match="no id"):
        pulled(here.client(tokens))


def test_windows_are_cut_as_the_documentation_allows(tokens):
    client = Platform({}).client(tokens)
    assert client.policy("order").span <= timedelta(days=15) and client.policy("order").lag >= timedelta(minutes=1)
    with pytest.raises(ValueError, match="settlement"):
        client.policy("settlement")


# Details and escrow


def test_details_are_asked_for_by_fifty_and_escrow_by_twenty(tokens):
    here = Platform(Moving(120).answers())
    assert len(pulled(here.client(tokens))) == 120
    asked = sorted(len(q["order_sn_list"].split(",")) for name, q, _ in here.asked if name == DETAIL)
    assert asked == [20, 50, 50]
    assert max(len(body["order_sn_list"]) for name, _, body in here.asked if name == ESCROW) == 20


def test_a_payload_is_the_orders_own_text_with_its_escrow(tokens):
    own = '{"order_sn":"A1", "update_time":1794186060 ,"order_status":"PAID","x":25.90,"id":9007199254740993}'
    money = '{"order_sn":"A1","order_income":{"escrow_amount":1.10}}'
    here = Platform({
        LIST: listed("A1"), DETAIL: f'{{"error":"","response":{{"order_list":[{own}]}}}}',
        ESCROW: f'{{"error":"","response":[{{"escrow_detail":{money}}}]}}',
    })  # fmt: skip
    payload = pulled(here.client(tokens))["A1"]
    assert payload.payload == f'{own[:-1]},"_escrow":{money}}}'
    assert payload.source_updated_at == datetime.fromtimestamp(1794186060, UTC)
    bare = here.client(tokens, escrow="never")
    assert pulled(bare)["A1"].payload == own


def test_an_unknown_number_spoils_no_other_and_is_told(tokens):
    def answer(query: dict[str, str], body: Any) -> Any:
        if "A3" in query["order_sn_list"].split(","):
            return 403, bad("error_not_found", "Wrong parameters, detail: the order is not found.")
        return details(query, body)

    here = Platform({LIST: listed(*(f"A{n}" for n in range(9))), DETAIL: answer, ESCROW: escrows})
    found = {}
    with pytest.raises(BadResponse, match="1 documents are listed and not to be had, the first of them A3"):
        for page in here.client(tokens).pull("order", WINDOW):
            found |= {p.source_id: p for p in page.payloads}
    assert set(found) == {f"A{n}" for n in range(9)} - {"A3"}


def test_an_order_left_out_of_the_details_is_asked_for_again(tokens):
    partial = ok({"order_list": [order("A2"), order("STRANGER")]})
    here = Platform({**ORDERS, DETAIL: [partial, details]})
    assert set(pulled(here.client(tokens))) == {"A1", "A2"}
    assert [q["order_sn_list"] for name, q, _ in here.asked if name == DETAIL] == ["A1,A2", "A1"]


BUNDLE = [{"promotion_type": "bundle_deal", "model_discounted_price": 0}]


@pytest.mark.parametrize(
    ("setting", "asked"),
    [("paid", ["PAID", "BUNDLE", "COD"]), ("bundles", ["BUNDLE"]), ("never", [])],
)
def test_the_money_is_asked_for_as_the_shop_is_set(tokens, setting, asked):
    orders = [
        order("PAID"), order("BUNDLE", item_list=BUNDLE), order("COD", cod=True, pay_time=None),
        order("UNPAID", order_status="UNPAID", pay_time=None), order("GONE", order_status="CANCELLED", pay_time=0),
    ]  # fmt: skip
    numbers = [o["order_sn"] for o in orders]
    here = Platform({LIST: listed(*numbers), DETAIL: ok({"order_list": orders}), ESCROW: escrows})
    found = pulled(here.client(tokens, escrow=setting))
    assert [key for key in numbers if "_escrow" in json.loads(found[key].payload)] == asked


def test_escrow_may_be_asked_for_one_by_one(tokens):
    single = "payment/get_escrow_detail"

    def answer(query: dict[str, str], body: Any) -> Any:
        if query["order_sn"] == "A2":
            return bad("order_not_found")
        return ok({"order_sn": query["order_sn"], "order_income": {}})

    here = Platform({**ORDERS, single: answer})
    found = pulled(here.client(tokens, escrow_call="single"))
    assert here.count(single) == 2 and here.count(ESCROW) == 0
    assert "_escrow" in found["A1"].payload and "_escrow" not in found["A2"].payload


def test_an_order_without_escrow_spoils_no_other(tokens):
    def answer(query: dict[str, str], body: Any) -> Any:
        if "A2" in body["order_sn_list"]:
            return bad("common.error_not_found", "supplier order item income not found")
        return escrows(query, body)

    here = Platform({**ORDERS, ESCROW: answer})
    found = pulled(here.client(tokens))
    assert "_escrow" in found["A1"].payload and "_escrow" not in found["A2"].payload


@pytest.mark.parametrize(
    "settings", [{"escrow": "all"}, {"escrow_call": 1}, {"return_page_base": 2}, {"ship_method": "drone"}]
)
def test_a_setting_nobody_knows_is_told(tokens, settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Platform({}).client(tokens, **settings)


# Returns

RETURNS = "returns/get_return_list"


class Returns:
    """Returns behind page numbers that begin at `base`; page 0 is refused where it does not exist and `strict`."""

    def __init__(self, count: int, base: int, strict: bool = False):
        self.rows = [{"return_sn": f"26{n:04d}", "update_time": NOW + n} for n in range(count)]
        self.base, self.strict = base, strict

    def page(self, query: dict[str, str], body: Any) -> dict[str, Any]:
        number, size = int(query["page_no"]), int(query["page_size"])
        if number < self.base and self.strict:
            return bad("error_param", "Wrong parameters, detail: page_no.")
        first = max(number - self.base, 0) * size
        inside = [
            r for r in self.rows if int(query["update_time_from"]) <= r["update_time"] <= int(query["update_time_to"])
        ]
        found = inside[first : first + size]
        return {**ok({"more": first + size < len(inside), "return": found}), "error": "-"}


@pytest.mark.parametrize(("base", "strict"), [(0, False), (1, False), (1, True)])
@pytest.mark.parametrize("setting", ["auto", "right"])
def test_returns_are_complete_whichever_page_is_the_first(tokens, base, strict, setting):
    here = Platform({RETURNS: Returns(23, base, strict).page})
    client = here.client(tokens, page_size=5, return_page_base=base if setting == "right" else "auto")
    found = pulled(client, "refund")
    assert len(found) == 23 and found["260000"].source_updated_at == START
    assert set(client.census("refund", WINDOW)) == set(found)


def test_a_return_without_a_number_lands_for_quarantine(tokens):
    here = Platform({RETURNS: ok({"more": False, "return": [{"status": "REQUESTED", "update_time": 0}]})})
    (page,) = here.client(tokens).pull("refund", WINDOW)
    assert [(p.source_id, p.source_updated_at) for p in page.payloads] == [("", WINDOW.start)]


# Listings

ITEMS, BASE, MODELS = "product/get_item_list", "product/get_item_base_info", "product/get_model_list"


def items(query: dict[str, str], body: Any) -> dict[str, Any]:
    first, size, total = int(query["offset"]), int(query["page_size"]), 7
    rows = [{"item_id": n, "item_status": "NORMAL", "update_time": NOW + n} for n in range(100, 100 + total)]
    more = first + size < total
    page = {"item": rows[first : first + size], "total_count": total, "has_next_page": more}
    return ok(page | ({"next_offset": first + size} if more else {}))


def base_info(query: dict[str, str], body: Any) -> dict[str, Any]:
    numbers = [int(n) for n in query["item_id_list"].split(",") if n != "106"]
    return ok({"item_list": [{"item_id": n, "has_model": n % 2 == 0, "update_time": NOW + n} for n in numbers]})


@pytest.mark.parametrize("by_modified", [True, False])
def test_listings_come_with_their_models(tokens, by_modified):
    here = Platform({ITEMS: items, BASE: base_info, MODELS: ok({"model": [{"model_id": 1}]})})
    client = here.client(tokens, page_size=3, items_by_modified=by_modified)
    found = pulled(client, "product")
    assert set(found) == {str(n) for n in range(100, 107)}
    assert json.loads(found["100"].payload)["_model_list"] == {"model": [{"model_id": 1}]}
    assert "_model_list" not in json.loads(found["101"].payload)
    gone = json.loads(found["106"].payload)
    assert (gone["item_status"], gone["_currency"]) == ("NORMAL", "SGD"), "what is gone is known by its row"
    assert all(("update_time_from" in q) is by_modified for name, q, _ in here.asked if name == ITEMS)
    first = next(request for request in here.requests if request.url.path.endswith(ITEMS))
    assert first.url.params.get_list("item_status")[:2] == ["NORMAL", "UNLIST"]
    assert set(client.census("product", WINDOW)) == set(found)
    assert client.policy("product").every == (timedelta(0) if by_modified else timedelta(hours=1))
    assert ShopeeClient.policy_of(make_shop(items_by_modified=by_modified), "product") == client.policy("product")


# Write-backs

PARAMETER, SHIP, UNLIST = "logistics/get_shipping_parameter", "logistics/ship_order", "product/unlist_item"


def one(status: str, *packages: tuple[str, str]) -> dict[str, Any]:
    rows = [{"package_number": number, "logistics_status": state} for number, state in packages]
    return ok({"order_list": [{"order_sn": "A1", "order_status": status, "package_list": rows}]})


READY = one("READY_TO_SHIP", ("OFG1", "LOGISTICS_READY"))
OWN = ok({"info_needed": {"non_integrated": ["tracking_no"]}})
PICKUP = {"address_list": [
    {"address_id": 1, "time_slot_list": [{"pickup_time_id": "a"}]},
    {"address_id": 2, "address_flag": ["pickup_address"],
     "time_slot_list": [{"pickup_time_id": "b"}, {"pickup_time_id": "c", "flags": ["recommended"]}]},
]}  # fmt: skip
BOTH = ok({"info_needed": {"dropoff": [], "pickup": ["address_id", "pickup_time_id"]}, "pickup": PICKUP})


@pytest.mark.parametrize(
    ("parameter", "settings", "sent"),
    [
        (OWN, {}, {"order_sn": "A1", "non_integrated": {"tracking_number": "SF1"}}),
        (BOTH, {}, {"order_sn": "A1", "dropoff": {}}),
        (BOTH, {"ship_method": "pickup"}, {"order_sn": "A1", "pickup": {"address_id": 2, "pickup_time_id": "c"}}),
        (BOTH, {"ship_method": "pickup", "pickup_address_id": 1},
         {"order_sn": "A1", "pickup": {"address_id": 1, "pickup_time_id": "a"}}),
        (ok({"info_needed": {"dropoff": ["branch_id", "sender_real_name"]}}),
         {"dropoff_branch_id": 7, "sender_real_name": "Ann"},
         {"order_sn": "A1", "dropoff": {"branch_id": 7, "sender_real_name": "Ann"}}),
    ],
)  # fmt: skip
def test_a_parcel_is_arranged_as_its_channel_wants(tokens, parameter, settings, sent):
    here = Platform({DETAIL: READY, PARAMETER: parameter, SHIP: ok({})})
    receipt = here.client(tokens, **settings).confirm_shipment("A1", "SF", "SF1")
    assert [body for name, _, body in here.asked if name == SHIP] == [sent]
    assert receipt["status"] == "sent" and receipt["already_shipped"] is False


def test_a_split_order_names_its_packages_and_skips_those_arranged(tokens):
    split = one(
        "READY_TO_SHIP", ("P1", "LOGISTICS_REQUEST_CREATED"), ("P2", "LOGISTICS_READY"), ("P3", "LOGISTICS_READY")
    )
    here = Platform({DETAIL: split, PARAMETER: BOTH, SHIP: ok({})})
    here.client(tokens).confirm_shipment("A1", "SF", "SF1")
    assert [body["package_number"] for name, _, body in here.asked if name == SHIP] == ["P2", "P3"]


@pytest.mark.parametrize("status", ["PROCESSED", "SHIPPED", "TO_CONFIRM_RECEIVE", "COMPLETED", "TO_RETURN"])
def test_what_is_arranged_already_is_not_arranged_again(tokens, status):
    here = Platform({DETAIL: one(status)})
    assert here.client(tokens).confirm_shipment("A1", "SF", "SF1") == {"status": status, "already_shipped": True}


@pytest.mark.parametrize("unclear", [(502, "<html>"), bad("error_server"), (200, "{")])
def test_an_unclear_end_is_read_before_it_is_sent_again(tokens, unclear):
    done = Platform({DETAIL: [READY, one("PROCESSED")], PARAMETER: OWN, SHIP: unclear})
    assert done.client(tokens).confirm_shipment("A1", "SF", "SF1")["already_shipped"] is True
    assert done.count(SHIP) == 1
    lost = Platform({DETAIL: READY, PARAMETER: OWN, SHIP: [unclear, ok({})]})
    assert lost.client(tokens).confirm_shipment("A1", "SF", "SF1")["status"] == "sent"
    assert lost.count(SHIP) == 2
    never = Platform({DETAIL: READY, PARAMETER: OWN, SHIP: unclear})
    with pytest.raises(Unanswered):
        never.client(tokens).confirm_shipment("A1", "SF", "SF1")
    assert never.count(SHIP) == 3


def test_a_refused_shipment_is_done_only_if_the_order_says_so(tokens):
    refusal = bad("logistics.error_status", "logistic status not ready to ship")
    done = Platform({DETAIL: [READY, one("SHIPPED")], PARAMETER: OWN, SHIP: refusal})
    assert done.client(tokens).confirm_shipment("A1", "SF", "SF1") == {"status": "SHIPPED", "already_shipped": True}
    not_done = Platform({DETAIL: READY, PARAMETER: OWN, SHIP: refusal})
    with pytest.raises(Refused):
        not_done.client(tokens).confirm_shipment("A1", "SF", "SF1")
    assert not_done.count(SHIP) == 1


@pytest.mark.parametrize(
    ("parameter", "settings", "error", "match"),
    [
        (OWN, {"ship_method": "pickup"}, Refused, "only non_integrated"),
        (ok({"info_needed": {}}), {}, Refused, "only none"),
        (ok({"info_needed": {"dropoff": ["branch_id"]}}), {}, ConfigError, "dropoff_branch_id"),
        (ok({"info_needed": {"dropoff": ["horoscope"]}}), {}, Refused, "horoscope"),
        (ok({"info_needed": {"pickup": ["address_id"]}}), {}, Refused, "no address"),
        (bad("error_status", "The order has been cancelled."), {}, Refused, "cancelled"),
    ],
)
def test_what_a_channel_wants_and_nobody_knows_is_told(tokens, parameter, settings, error, match):
    here = Platform({DETAIL: READY, PARAMETER: parameter, SHIP: ok({})})
    with pytest.raises(error, match=match):
        here.client(tokens, **settings).confirm_shipment("A1", "SF", "SF1")
    assert here.count(SHIP) == 0


def test_an_order_nobody_knows_is_not_shipped(tokens):
    here = Platform({DETAIL: ok({"order_list": []})})
    with pytest.raises(Refused, match="does not know the order"):
        here.client(tokens).confirm_shipment("A1", "SF", "SF1")


@pytest.mark.parametrize("unlist", [True, False])
def test_a_listing_is_taken_down_and_put_up_again(tokens, unlist):
    here = Platform({UNLIST: ok({"success_list": [{"item_id": 7, "unlist": unlist}], "failure_list": []})})
    client = here.client(tokens)
    receipt = client.suspend_listing("7") if unlist else client.resume_listing("7", 5)
    assert receipt == {"item_id": "7", "unlist": unlist, "request_id": "r1"}
    assert here.asked[0][2] == {"item_list": [{"item_id": 7, "unlist": unlist}]}


@pytest.mark.parametrize(
    ("answer", "error", "match"),
    [
        (
            ok({"failure_list": [{"item_id": 7, "failed_reason": "item is in promotion"}]}),
            Refused,
            "out of the promotion",
        ),
        (ok({"failure_list": [{"item_id": 7, "failed_reason": "Product not found"}]}), Refused, "not found"),
        (ok({"failure_list": [{"item_id": 7, "failed_reason": "Failed, please try later"}]}), Unavailable, "try later"),
        (ok({"success_list": [{"item_id": 8}], "failure_list": None}), Refused, "not confirmed"),
        (bad("error_in_item_promotion_unlsit_lock", "Can't unlist"), Refused, "unlsit"),
        (bad("error_item_not_found", "Product not found"), Refused, "not found"),
        ({"error": "", "request_id": "r"}, Refused, "not confirmed"),
    ],
)
def test_a_listing_that_stays_up_is_told_though_error_is_empty(tokens, answer, error, match):
    with pytest.raises(error, match=match):
        Platform({UNLIST: answer}).client(tokens).suspend_listing("7")


# Pace


def test_calls_are_spread_and_slow_down_when_told_so(tokens):
    here = Platform({LIST: [bad("error_rate_limit"), listed()]})
    client = here.client(tokens, calls_per_second=2)
    for _ in range(8):
        list(client.pull("order", WINDOW))
    assert any(pause > 0 for pause in here.slept)
    quick = Platform({LIST: listed()})
    list(quick.client(tokens).pull("order", WINDOW))
    assert quick.slept == []
