"""Douyin: signatures, the walk over moving lists, the table of errors, tokens, write-backs, each uncertain reading."""

import hashlib
import hmac
import json
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse, ConfigError, NeedsReauthorisation, Throttled, Unavailable
from orderpipe.platforms import PLATFORMS, Refused, Unanswered, Window
from orderpipe.platforms.douyin import DouyinClient
from orderpipe.platforms.douyin_gateway import is_push_signature, marshal, sign, spi_sign

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "vectors.json").read_text("utf-8"))["vectors"]
SECRETS = {
    "app_key": "7000000000000000001",
    "app_secret": "11111111-2222-3333-4444-555555555555",
    "shop_id": "4463798",
    "access_token": "access-0a1b2c3d4e5f",
    "refresh_token": "refresh-5f4e3d2c1b0a",
}
LIST, CASES, DETAIL = "order.searchList", "afterSale.List", "order.orderDetail"
SHIP, REFRESH, CREATE = "order.logisticsAddMultiPack", "token.refresh", "token.create"


def vectors(*schemes):
    found = [pytest.param(vector, id=vector["id"]) for scheme in schemes for vector in VECTORS[scheme]]
    assert found
    return found


def ok(data):
    return {"code": 10000, "msg": "success", "sub_code": "", "sub_msg": "", "log_id": "L1", "data": data}


def error(code, sub_code="", sub_msg=""):
    return {"code": code, "msg": "m", "sub_code": sub_code, "sub_msg": sub_msg, "log_id": "L9"}


def orders(*rows, total=None):
    return ok({"page": 0, "size": 100, "total": len(rows) if total is None else total, "shop_order_list": list(rows)})


def granted(access="fresh-access", refresh="fresh-refresh", expires_in=604800):
    return ok({"access_token": access, "refresh_token": refresh, "expires_in": expires_in, "shop_id": 4463798})


EMPTY = orders()
EXPIRED = error(40003, "isv.access-token-expired", "access_token已过期")
NONE = {"page": 0, "size": 100, "total": 0, "shop_order_list": None}


@pytest.fixture
def shop():
    def make(credentials=None, base_url="http://gateway.test/douyin", **settings):
        return Shop(
            id="douyin-hz", platform="douyin", name="测试小店", timezone="Asia/Shanghai", currency="CNY",
            base_url=base_url, credentials=SECRETS if credentials is None else credentials, settings=settings,
        )  # fmt: skip

    return make


@pytest.fixture
def opened(script, shop, tokens, clock):
    """(client, other side) for a handler(method, params, query) or a list of answers, the last one repeated."""

    def make(handler, credentials=None, **settings):
        queue = list(handler) if isinstance(handler, list) else []

        def answer(asked, request):
            query = dict(request.url.params)
            asked["_method"], asked["_query"], asked["_headers"] = query["method"], query, request.headers
            if not queue:
                found = handler(query["method"], asked, query)
            else:
                found = queue.pop(0) if len(queue) > 1 else queue[0]
            if isinstance(found, Exception):
                raise found
            return found

        side = script(answer)
        client = DouyinClient(
            shop(credentials, **settings), tokens=tokens, clock=clock, http=side.http, sleep=side.slept.append
        )
        return client, side

    return make


def methods(side):
    return [asked["_method"] for asked in side.asked]


def pull(client, window, kind="order"):
    return list(client.pull(kind, window))


# Signatures


@pytest.mark.parametrize("vector", vectors("douyin-v2-hmac-sha256", "douyin-v2-md5"))
def test_call_signature_equals_the_published_vector(vector):
    given = vector["inputs"]
    assert marshal(given["param_object"]) == given["param_json"]
    keys = (given["app_key"], given["method"], given["param_json"], str(given["timestamp"]), given["app_secret"])
    assert sign(*keys, given["sign_method"]) == vector["signature"]


@pytest.mark.parametrize("vector", vectors("douyin-spi-md5", "douyin-spi-hmac-sha256"))
def test_inbound_call_signature_equals_the_published_vector(vector):
    given = vector["inputs"]
    method = vector["scheme"].removeprefix("douyin-spi-")
    keys = (given["app_key"], given["param_json"], given["timestamp"], given["app_secret"])
    assert spi_sign(*keys, method) == vector["signature"]


@pytest.mark.parametrize("vector", vectors("douyin-message-push"))
def test_push_signature_equals_the_published_vector(vector):
    given = vector["inputs"]
    keys = (given["app_key"], given["body"], given["app_secret"])
    assert is_push_signature(vector["signature"], *keys)
    raw = hashlib.md5("".join(keys).encode()).hexdigest()
    assert is_push_signature(raw, *keys)  # the other SDKs hash the body as it is
    assert not is_push_signature(raw[::-1], *keys)


def naive_json(value):
    """The documentation's rules for param_json, one after the other."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode())
        return "{" + ",".join(naive_json(name) + ":" + naive_json(value[name]) for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(naive_json(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
    escaped = {"\u2028": "\\u2028", "\u2029": "\\u2029"}
    out = ""
    for char in value:
        if char in short:
            out += short[char]
        elif char in escaped:
            out += escaped[char]
        else:
            out += f"\\u{ord(char):04x}" if ord(char) < 32 else char
    return '"' + out + '"'


def naive_sign(app_key, method, param_json, timestamp, secret, sign_method):
    pattern = b""
    for name, value in (("app_key", app_key), ("method", method), ("param_json", param_json), ("timestamp", timestamp)):
        pattern += name.encode() + value.encode()
    pattern = secret.encode() + pattern + b"v2" + secret.encode()
    if sign_method == "md5":
        return hashlib.new("md5", pattern).hexdigest()
    return hmac.HMAC(secret.encode(), pattern, "sha256").digest().hex()


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
documents = st.recursive(
    st.booleans() | st.integers(-(10**18), 10**18) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.dictionaries(texts, documents, max_size=4), st.sampled_from(["hmac-sha256", "md5"]))
@example({"b": [{"z": 1, "a": "</&>\u2028\\/"}], "a": {"10": 1, "9": 2}}, "md5")
def test_call_signature_equals_a_second_implementation(params, method):
    assert marshal(params) == naive_json(params)
    keys = ("k1", "order.searchList", marshal(params), "1772674200", "secret")
    assert sign(*keys, method) == naive_sign(*keys, method)


def test_a_call_carries_its_signature_and_sends_the_text_it_signed(opened, window):
    client, side = opened([EMPTY])
    pull(client, window)
    (asked,) = side.asked
    query = asked["_query"]
    params = {name: value for name, value in asked.items() if not name.startswith("_")}
    assert params == {
        "update_time_start": int(window.start.timestamp()), "update_time_end": int(window.end.timestamp()),
        "order_by": "update_time", "order_asc": True, "page": 0, "size": 100,
    }  # fmt: skip
    keys = (SECRETS["app_key"], LIST, naive_json(params), query["timestamp"], SECRETS["app_secret"])
    assert query["sign"] == naive_sign(*keys, "hmac-sha256")
    assert (query["v"], query["access_token"], query["sign_method"]) == ("2", SECRETS["access_token"], "hmac-sha256")
    assert asked["_headers"]["content-type"] == "application/json"


def test_without_a_sign_method_the_platform_expects_md5(opened, window):
    client, side = opened([EMPTY], sign_method="md5")
    pull(client, window)
    query = side.asked[0]["_query"]
    assert "sign_method" not in query and len(query["sign"]) == 32


@pytest.mark.parametrize("asked_for", [True, False])
def test_the_legacy_error_fields_can_be_switched_off(opened, window, asked_for):
    client, side = opened([{**EMPTY, "err_no": 0, "message": "success"}], no_old_err_code=asked_for)
    assert pull(client, window)[0].reported == 0
    assert side.asked[0]["_headers"].get("x-open-no-old-err-code") == ("1" if asked_for else None)


def test_a_setting_nobody_knows_is_refused_before_any_call(opened):
    for name in ("sign_method", "token_grant"):
        with pytest.raises(ConfigError, match=name):
            opened([EMPTY], **{name: "odd"})


# The walk


class MovingList:
    """Orders by id, oldest first, as the platform pages them; `changes` happen one before each list call."""

    def __init__(self, window, count, changes=(), depth=10_000):
        self.window, self.depth = window, depth
        self.orders = {str(10**18 + n): window.start + timedelta(seconds=11 * n * n % 1799) for n in range(count)}
        self.first = set(self.orders)
        self.changes = list(changes)
        self.count_is_off_by = 0
        self.exclusive_start = False

    def __call__(self, method, asked, query):
        if self.changes:
            self._change(*self.changes.pop(0))
        start, end = (datetime.fromtimestamp(asked[f"update_time_{bound}"], UTC) for bound in ("start", "end"))
        rows = sorted(
            (at, number)
            for number, at in self.orders.items()
            if start <= at <= end and not (self.exclusive_start and at == start)
        )
        first, size = asked["page"] * asked["size"], asked["size"]
        if first + size > self.depth:
            return error(40004, "isv.parameter-invalid", "page*size")
        found = [{"order_id": number, "update_time": int(at.timestamp())} for at, number in rows[first : first + size]]
        return orders(*found, total=max(0, len(rows) + self.count_is_off_by))

    def _change(self, kind, place):
        if kind == "leaves":  # modified again: now newer than the window
            staying = sorted(number for number in self.first if self.orders[number] < self.window.end)
            if staying:
                self.orders[staying[place % len(staying)]] = self.window.end + timedelta(seconds=5)
        elif kind == "appears late":
            self.orders[str(2 * 10**18 + len(self.orders))] = self.window.start + timedelta(seconds=place % 1700)

    def staying(self):
        return {number for number in self.first if self.orders[number] <= self.window.end}


@pytest.fixture
def walk(opened, window):
    """walk(listing, …): what was read of it, the failure it ended with, and the other side."""

    def run(listing, **settings):
        client, side = opened(listing, **settings)
        pages, failure = [], None
        try:
            for page in client.pull("order", window):
                pages.append(page)
        except BadResponse as caught:
            failure = caught
        return pages, failure, side

    return run


def ids(pages):
    return {payload.source_id for page in pages for payload in page.payloads}


changes = st.lists(st.tuples(st.sampled_from(["leaves", "appears late", "nothing"]), st.integers(0, 2000)), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 40), st.integers(1, 11), changes)
def test_no_order_is_lost_while_the_list_moves(walk, window, count, size, changes):
    listing = MovingList(window, count, changes)
    pages, failure, _ = walk(listing, page_size=size)
    if failure is None:
        assert ids(pages) >= listing.staying()
    else:  # only rows that keep appearing can stop a window from settling
        assert any(kind == "appears late" for kind, _ in changes)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 120), st.integers(2, 9), st.integers(2, 4), changes.map(lambda c: [x for x in c if x[0] == "leaves"])
)
def test_a_list_deeper_than_paging_reaches_is_cut_in_two(walk, window, count, size, pages_deep, changes):
    listing = MovingList(window, count, changes, depth=size * pages_deep)
    pages, failure, _ = walk(listing, page_size=size, deep_paging_limit=size * pages_deep)
    assert failure is None and ids(pages) >= listing.staying()


def test_ten_thousand_rows_deep_is_the_default_limit(walk, window):
    listing = MovingList(window, 250, depth=10_000)
    _, failure, side = walk(listing, page_size=100)
    assert failure is None and max(asked["page"] for asked in side.asked) == 2
    _, failure, side = walk(MovingList(window, 250, depth=200), page_size=100, deep_paging_limit=200)
    assert failure is None and max(asked["page"] for asked in side.asked) <= 1


def test_more_orders_in_one_second_than_paging_reaches_is_an_error_not_a_gap(walk, window):
    listing = MovingList(window, 30, depth=10)
    listing.orders = dict.fromkeys(listing.orders, window.start + timedelta(seconds=3))
    pages, failure, _ = walk(listing, page_size=5, deep_paging_limit=10)
    assert pages == [] and failure.scope == "window" and "deep_paging_limit" in str(failure)


def test_an_order_that_appears_late_does_not_push_another_one_out_of_sight(walk, window):
    """A row lands in front while the last pages have been read: 1 count, pages 2 and 3, then the change, page 1."""
    listing = MovingList(window, 15, [("nothing", 0)] * 3 + [("appears late", 0)])
    pages, failure, _ = walk(listing, page_size=5)
    assert failure is None and ids(pages) == set(listing.orders)


def test_orders_that_only_leave_the_window_cost_no_third_walk(walk, window):
    """Read backwards, a row that leaves can only be read twice; read forwards, its neighbour would be skipped."""
    listing = MovingList(window, 15, [("nothing", 0)] * 4 + [("leaves", 0)])
    pages, failure, side = walk(listing, page_size=5)
    assert failure is None and ids(pages) >= listing.staying()
    assert [asked["page"] for asked in side.asked] == [0, 2, 3, 2, 1, 0, 0, 2, 1, 0]


def test_a_window_of_one_page_costs_one_call(walk, window):
    pages, _, side = walk(MovingList(window, 99))
    assert len(side.asked) == 1 and pages[0].reported == 99


def test_a_count_that_cannot_be_reached_leaves_the_window_open_but_lands_what_there_is(walk, window):
    listing = MovingList(window, 8)
    listing.count_is_off_by = 2
    pages, failure, _ = walk(listing, page_size=5)
    assert ids(pages) == listing.first and pages[0].reported == 10
    assert failure.scope == "window" and "10 counted, 8 read" in str(failure) and "douyin-hz" in str(failure)


def test_a_count_too_low_does_not_hide_the_newest_orders(walk, window):
    listing = MovingList(window, 23)
    listing.count_is_off_by = -9
    pages, failure, _ = walk(listing, page_size=5)
    assert failure is None and ids(pages) == listing.first


def test_an_answer_without_a_count_is_no_answer(opened, window):
    client, _ = opened([ok({"page": 0, "size": 100, "shop_order_list": []})])
    with pytest.raises(BadResponse, match="total"):
        pull(client, window)


@pytest.mark.parametrize("rows", [None, []])
def test_an_empty_page_may_hold_no_list(opened, window, rows):
    client, _ = opened([ok({**NONE, "shop_order_list": rows})])
    assert pull(client, window)[0].payloads == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 60), st.integers(1, 12), st.booleans(), st.booleans())
def test_a_census_finds_the_same_orders_by_another_walk(opened, window, count, size, exclusive, crowded):
    listing = MovingList(window, count)
    if crowded:  # many orders in one second
        listing.orders = {
            n: window.start + timedelta(seconds=5 + i // 30) for i, n in enumerate(sorted(listing.orders))
        }
    else:
        listing.orders = {n: at + timedelta(seconds=1) for n, at in listing.orders.items()}
    listing.exclusive_start = exclusive  # whether the bounds belong to the range is not documented
    client, side = opened(listing, page_size=size)
    listing.count_is_off_by = 77  # it does without the count
    assert client.census("order", window) == listing.orders
    assert {asked["size"] for asked in side.asked} == {max(2, size * 2 // 5)}


# Documents


def test_a_payload_is_the_text_the_platform_sent_byte_for_byte(opened, window):
    row = '{ "order_id" : "6917750000000000001", "n": 1.10,"w":"\\u5f20 \\/ 张", "update_time":1772672407,"x":{"a":[]}}'
    client, _ = opened(['{"code":10000,"data":{"total":1,"shop_order_list":[ ' + row + " ]}}"])
    (payload,) = pull(client, window)[0].payloads
    assert payload.payload == row
    assert payload.source_id == "6917750000000000001"
    assert payload.source_updated_at == datetime(2026, 3, 5, 1, 0, 7, tzinfo=UTC)


def test_ids_of_nineteen_digits_are_exact_and_old_ones_end_in_a_letter(opened, window):
    rows = [{"order_id": number, "update_time": 1772672407} for number in ("9223372036854775807", "4690000000000001A")]
    client, _ = opened([orders(*rows, {"order_id": 6917750000000000003, "update_time": 1772672407})])
    assert ids(pull(client, window)) == {"9223372036854775807", "4690000000000001A", "6917750000000000003"}


@pytest.mark.parametrize(
    "broken", [{"order_id": "7"}, {"update_time": 1772672407}, {"order_id": "7", "update_time": 0}]
)
def test_a_row_that_lost_its_id_or_time_for_a_moment_is_asked_for_again(opened, window, broken):
    whole = {"order_id": "7", "update_time": 1772672407}
    client, _ = opened([orders(broken), orders(whole)])
    (payload,) = pull(client, window)[0].payloads
    assert json.loads(payload.payload) == whole


@pytest.mark.parametrize("broken", [{"order_id": "7"}, {"order_id": None}, {"order_id": "7", "update_time": 10**30}, 5])
def test_a_row_that_stays_broken_lands_all_the_same(opened, window, broken):
    client, _ = opened([orders(broken)])
    (payload,) = pull(client, window)[0].payloads
    assert payload.source_updated_at == window.start and json.loads(payload.payload) == broken


def test_after_sale_cases_have_their_own_id_and_time(opened, window):
    case = {"aftersale_info": {"aftersale_id": "140000000000000001", "update_time": 1772672407}, "order_info": {}}
    client, side = opened([ok({"total": 1, "has_more": False, "items": [case]})])
    (payload,) = pull(client, window, "refund")[0].payloads
    assert (payload.source_id, payload.source_updated_at.second) == ("140000000000000001", 7)
    (asked,) = side.asked
    assert asked["_method"] == CASES and asked["order_by"] == ["update_time asc"]
    assert asked["update_start_time"] == int(window.start.timestamp())
    assert client.census("refund", window) == {payload.source_id: payload.source_updated_at}


def test_there_is_no_other_kind_and_windows_are_short(opened, window):
    client, _ = opened([EMPTY])
    assert client.kinds == ("order", "refund") and PLATFORMS["douyin"] is DouyinClient
    with pytest.raises(ValueError, match="settlement"):
        pull(client, window, "settlement")
    assert client.policy("order").span == timedelta(minutes=30)


# Errors


@pytest.mark.parametrize(
    "failure",
    [
        error(20000, "isp.service-error"),
        error(20001, "isp.service-error"),
        error(60000, "isv.traffic-limited"),
        (502, "<html>Bad Gateway</html>"),
        (500, ""),
        (429, "slow down", {"Retry-After": "2"}),
        '{"code":10000,"data":{"total"',
        '{"code":10000,"data":{"total":"many","shop_order_list":[]}}',
        '{"total":0}',
        b'{"code":10000,"data":{"total":0,"shop_order_list":[]},"msg":"\xff"}',
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
    ids=lambda failure: str(failure)[:50],
)
def test_a_passing_failure_of_the_platform_is_mended_by_asking_again(opened, window, failure):
    client, side = opened([failure, failure, EMPTY])
    assert pull(client, window)[0].reported == 0
    assert len(side.slept) == 2


@pytest.mark.parametrize("code", [50001, 90000])
def test_a_doubtful_failure_is_tried_once_more_and_no_oftener(opened, window, code):
    client, side = opened([error(code, "isp.unknown"), EMPTY])
    assert pull(client, window)[0].reported == 0
    client, side = opened([error(code, "isp.unknown")])
    with pytest.raises(Unavailable):
        pull(client, window)
    assert len(side.asked) == 2


@pytest.mark.parametrize(
    ("failure", "kind", "scope"),
    [
        (error(20000, "isp.service-error"), Unavailable, "shop"),
        (error(60000, "isv.traffic-limited"), Throttled, "shop"),
        ((503, "down"), Unavailable, "shop"),
        ("<html>login</html>", BadResponse, "window"),
    ],
)
def test_a_lasting_failure_ends_after_a_few_tries(opened, window, failure, kind, scope):
    client, side = opened([failure])
    with pytest.raises(kind) as caught:
        pull(client, window)
    assert 3 <= len(side.asked) <= 5
    assert caught.value.scope == scope and "douyin-hz" in str(caught.value) and caught.value.remedy


@pytest.mark.parametrize(
    ("failure", "kind", "scope", "remedy"),
    [
        (error(10001), BadResponse, "window", "next run"),
        (error(30001, "isv.app-permissions-insufficient"), NeedsReauthorisation, "shop", "permission"),
        (error(30001, "dop.authorization-closed"), NeedsReauthorisation, "shop", "authorise"),
        (error(30002), Refused, "shop", "whitelist"),
        (error(40002, "isv.missing-parameter"), Refused, "window", "documentation"),
        (error(40003, "isv.signature-invalid"), NeedsReauthorisation, "shop", "DOUYIN_APP_SECRET"),
        (error(40003, "isv.timestamp-invalid"), NeedsReauthorisation, "shop", "clock"),
        (error(40004, "isv.parameter-invalid"), Refused, "window", "documentation"),
        (error(50001, "dop.token-generate-failed:x"), NeedsReauthorisation, "shop", "DOUYIN_ACCESS_TOKEN"),
        (error(50002, "isv.business-failed", "why"), Refused, "window", "documentation"),
        (error(70000, "isp.api-service-off"), Refused, "window", "announcements"),
        (error(80000), Refused, "shop", "security|console"),
        (error(12345), Refused, "window", "documentation"),
    ],
    ids=lambda value: str(value.get("code")) if isinstance(value, dict) else None,
)
def test_a_fault_that_asking_again_cannot_mend_is_told_at_once(opened, window, failure, kind, scope, remedy):
    client, side = opened([failure])
    with pytest.raises(kind, match=remedy) as caught:
        pull(client, window)
    assert len(side.asked) == 1 and caught.value.scope == scope and "L9" in str(caught.value)


@pytest.mark.parametrize(
    "failure",
    [
        error(40003, "isv.access-token-invalid", f"token {SECRETS['access_token']} bad"),
        error(40003, "isv.signature-invalid", f"secret {SECRETS['app_secret']} wrong"),
        error(40004, "isv.parameter-invalid", f"bad {SECRETS['refresh_token']}"),
        httpx.ReadTimeout(f"no answer to ?access_token={SECRETS['access_token']}"),
        f"<html>{SECRETS['access_token']}</html>",
    ],
    ids=["token", "signature", "argument", "timeout", "html"],
)
def test_no_error_tells_a_secret(opened, window, failure):
    client, _ = opened(
        lambda method, asked, query: granted("a2-0123456789", "r2-0123456789") if "token" in method else failure
    )
    with pytest.raises(Exception) as caught:
        pull(client, window)
    told = "".join(traceback.format_exception(caught.value)) + repr(client) + repr(caught.value)
    for name in ("app_secret", "access_token", "refresh_token"):
        assert SECRETS[name] not in told


# Tokens


@pytest.mark.parametrize("reason", ["expired", "no-existed", "invalid"])
def test_a_refused_token_is_refreshed_once_and_the_call_replayed(opened, window, tokens, reason):
    at_first_use = []

    def handler(method, asked, query):
        if method == REFRESH:
            assert "access_token" not in query
            assert (asked["grant_type"], asked["refresh_token"]) == ("refresh_token", SECRETS["refresh_token"])
            return granted()
        if query["access_token"] == "fresh-access":
            at_first_use.append("fresh-refresh" in tokens.path.read_text())
            return EMPTY
        return error(40003, f"isv.access-token-{reason}")

    client, side = opened(handler)
    assert pull(client, window)[0].reported == 0
    assert at_first_use == [True]  # the new pair was on disk before it was first sent
    pull(client, window)
    assert methods(side).count(REFRESH) == 1


def test_a_token_with_less_than_an_hour_left_is_refreshed_before_it_is_used(opened, window):
    answers = {REFRESH: iter([granted("a1", "r1", 3000), granted("a2", "r2", 604800)])}

    def handler(method, asked, query):
        if method == REFRESH:
            return next(answers[REFRESH])
        return EXPIRED if query["access_token"] == SECRETS["access_token"] else EMPTY

    client, side = opened(handler)
    pull(client, window)
    pull(client, window)
    pull(client, window)
    assert methods(side) == [LIST, REFRESH, LIST, REFRESH, LIST, LIST]
    assert side.asked[3]["refresh_token"] == "r1" and side.asked[4]["_query"]["access_token"] == "a2"


def test_a_fresh_token_that_is_refused_too_does_not_loop(opened, window):
    client, side = opened(lambda method, asked, query: granted() if method == REFRESH else EXPIRED)
    with pytest.raises(NeedsReauthorisation, match="DOUYIN_ACCESS_TOKEN"):
        pull(client, window)
    assert methods(side) == [LIST, REFRESH, LIST]


@pytest.mark.parametrize(
    "refusal", [error(50001, "dop.token-generate-failed:used"), error(30001, "dop.authorization-closed")]
)
def test_a_refresh_that_is_refused_asks_for_a_person(opened, window, refusal):
    client, side = opened(lambda method, asked, query: refusal if method == REFRESH else EXPIRED)
    with pytest.raises(NeedsReauthorisation, match="DOUYIN_REFRESH_TOKEN") as caught:
        pull(client, window)
    assert caught.value.scope == "shop" and methods(side) == [LIST, REFRESH]


@pytest.mark.parametrize("passing", [error(20000), error(60000), "<html>"])
def test_a_refresh_that_fails_for_a_moment_is_tried_again(opened, window, passing):
    queue = [passing, granted()]

    def handler(method, asked, query):
        if method == REFRESH:
            return queue.pop(0)
        return EMPTY if query["access_token"] == "fresh-access" else EXPIRED

    client, _ = opened(handler)
    assert pull(client, window)[0].reported == 0


def test_a_token_without_a_refresh_token_asks_for_a_person(opened, window):
    client, side = opened([EXPIRED], credentials={**SECRETS, "refresh_token": ""})
    with pytest.raises(NeedsReauthorisation, match="DOUYIN_ACCESS_TOKEN"):
        pull(client, window)
    assert len(side.asked) == 1


OWN = {name: SECRETS[name] for name in ("app_key", "app_secret", "shop_id")}


def test_an_application_of_the_sellers_own_needs_no_token_to_begin_with(opened, window, tokens):
    def handler(method, asked, query):
        if method == CREATE:
            assert "access_token" not in query
            assert {name: asked[name] for name in ("code", "grant_type", "shop_id")} == {
                "code": "", "grant_type": "authorization_self", "shop_id": "4463798"
            }  # fmt: skip
            return granted()
        return EMPTY if query["access_token"] == "fresh-access" else error(40003, "isv.access-token-no-existed")

    client, side = opened(handler, credentials=OWN, token_grant="self_use")
    assert pull(client, window)[0].reported == 0
    pull(client, window)
    assert methods(side) == [LIST, CREATE, LIST, LIST]


@pytest.mark.parametrize("reissues", [True, False])
def test_asking_for_a_token_again_may_give_the_live_one_or_a_new_one(opened, window, reissues):
    """Until shortly before its end the platform is said to give the live token again: either way no call is wasted."""
    issued = []

    def handler(method, asked, query):
        if method == CREATE:
            if reissues or not issued or issued[-1] in spent:
                issued.append(f"token-{len(issued)}")
            return granted(issued[-1], "unused", 1800)
        return EXPIRED if query["access_token"] in spent | {"no-token-yet"} else EMPTY

    spent = set()
    client, side = opened(handler, credentials=OWN, token_grant="self_use")
    for _ in range(3):
        pull(client, window)
    assert methods(side).count(CREATE) == 1  # half an hour is left: nothing to ask for
    spent.add("token-0")
    pull(client, window)
    assert methods(side).count(CREATE) == 2 and side.asked[-1]["_query"]["access_token"] == "token-1"


def test_a_seller_who_took_the_authorisation_back_is_named(opened, window):
    closed = error(30001, "dop.authorization-closed")
    client, _ = opened(
        lambda method, asked, query: closed if method == CREATE else EXPIRED, credentials=OWN, token_grant="self_use"
    )
    with pytest.raises(NeedsReauthorisation, match="DOUYIN_SHOP_ID"):
        pull(client, window)


def test_a_missing_credential_is_named_with_its_remedy(opened):
    for missing, chosen in (("access_token", {}), ("shop_id", {"token_grant": "self_use"}), ("app_secret", {})):
        with pytest.raises(ConfigError, match=rf"{missing} is missing.*environment variable"):
            opened([EMPTY], credentials={**SECRETS, missing: ""}, **chosen)


# Write-backs


def detail(status, lines=((1, 2, 2, 0),), parcels=(), kind=1):
    """order.orderDetail: lines as (id, order_status, pieces, after-sale status), parcels as (number, {line: count})."""
    return ok({
        "shop_order_detail": {
            "order_id": "77",
            "order_status": status,
            "sku_order_list": [
                {"order_id": str(number), "order_status": state, "item_num": pieces,
                 "after_sale_info": {"after_sale_status": case, "after_sale_type": kind}}
                for number, state, pieces, case in lines
            ],
            "logistics_info": [
                {"tracking_no": tracking, "product_info": [
                    {"sku_order_id": str(line), "product_count": count} for line, count in packed.items()]}
                for tracking, packed in parcels
            ],
        }
    })  # fmt: skip


SENT = ok({"pack_list": [{"pack_id": "P1"}]})


def packed(asked):
    (pack,) = asked["pack_list"]
    return {piece["shipped_order_id"]: piece["shipped_num"] for piece in pack["shipped_order_info"]}


def test_a_shipment_sends_what_is_left_of_the_order_in_one_parcel(opened):
    lines = ((1, 2, 2, 0), (2, 2, 1, 12), (3, 3, 1, 0), (4, 2, 5, 28), (5, 4, 1, 51))
    client, side = opened([detail(101, lines, [("YT1", {3: 1, 4: 2})]), SENT])
    receipt = client.confirm_shipment("77", "shunfeng", "SF139")
    assert receipt == {
        "status": "sent",
        "already_shipped": False,
        "request_id": receipt["request_id"],
        "pack_ids": ["P1"],
    }
    asked = side.asked[1]
    assert packed(asked) == {"1": 2, "4": 3}
    assert (asked["order_id"], asked["request_id"]) == ("77", receipt["request_id"])
    assert (asked["pack_list"][0]["company_code"], asked["pack_list"][0]["logistics_code"]) == ("shunfeng", "SF139")
    assert not any("reject" in name for name in asked)  # a pending refund is never overruled


def test_price_protection_does_not_keep_goods_from_being_sent(opened):
    client, side = opened([detail(2, ((1, 2, 2, 12),), kind=6), SENT])
    client.confirm_shipment("77", "shunfeng", "SF139")
    assert packed(side.asked[1]) == {"1": 2}


def test_a_parcel_of_chosen_lines(opened):
    client, side = opened([detail(2, ((1, 2, 2, 0), (2, 2, 1, 0))), SENT])
    client.confirm_shipment("77", "shunfeng", "SF139", {"2": 1})
    assert packed(side.asked[1]) == {"2": 1}


@pytest.mark.parametrize(
    "lost",
    [httpx.ReadTimeout("slow"), (502, "<html>"), error(20000), error(20001), error(50001), error(90000), error(10001)],
    ids=str,
)
def test_a_shipment_whose_answer_was_lost_is_read_before_it_is_sent_again(opened, lost):
    client, side = opened([detail(2), lost, detail(3, ((1, 3, 2, 0),), [("SF139", {1: 2})])])
    assert client.confirm_shipment("77", "shunfeng", "SF139") == {"status": "3", "already_shipped": True}
    assert methods(side) == [DETAIL, SHIP, DETAIL]


def test_a_shipment_that_did_not_arrive_is_sent_again_under_the_same_request_id(opened):
    client, side = opened([detail(2), httpx.ReadTimeout("slow"), detail(2), SENT])
    assert client.confirm_shipment("77", "shunfeng", "SF139")["status"] == "sent"
    first, second = (asked for asked in side.asked if asked["_method"] == SHIP)
    assert first["request_id"] == second["request_id"] and len(first["request_id"]) == 32
    another, other_side = opened([detail(2), SENT])
    assert another.confirm_shipment("77", "shunfeng", "SF139")["request_id"] == first["request_id"]
    another, other_side = opened([detail(2), SENT])
    assert another.confirm_shipment("77", "shunfeng", "SF140")["request_id"] != first["request_id"]
    assert len(other_side.asked) == 2


def test_a_shipment_that_never_gets_an_answer_stays_unknown(opened):
    client, side = opened(lambda method, asked, query: httpx.ReadTimeout("slow") if method == SHIP else detail(2))
    with pytest.raises(Unanswered):
        client.confirm_shipment("77", "shunfeng", "SF139")
    assert methods(side).count(SHIP) == 3


@pytest.mark.parametrize(("status", "parcels"), [(3, ()), (5, ()), (101, [("SF139", {1: 1})])])
def test_a_parcel_the_platform_knows_already_is_not_sent_again(opened, status, parcels):
    client, side = opened([detail(status, parcels=parcels)])
    assert client.confirm_shipment("77", "shunfeng", "SF139") == {"status": str(status), "already_shipped": True}
    assert methods(side) == [DETAIL]


def test_a_request_id_used_before_counts_as_done(opened):
    client, _ = opened([detail(2), error(40004, "isv.idempotent-id-existed")])
    assert client.confirm_shipment("77", "shunfeng", "SF139")["already_shipped"] is True


def test_a_refused_shipment_counts_as_done_only_when_the_order_is_shipped(opened):
    refused = error(50002, "isv.order-status-invalid", "status")
    client, _ = opened([detail(2), refused, detail(3)])
    assert client.confirm_shipment("77", "shunfeng", "SF139")["already_shipped"] is True
    client, side = opened([detail(2), refused, detail(2)])
    with pytest.raises(Refused, match="order-status-invalid"):
        client.confirm_shipment("77", "shunfeng", "SF139")
    assert methods(side).count(SHIP) == 1


@pytest.mark.parametrize(
    ("answer", "reason"), [(detail(105), "holds"), (detail(4), "status 4"), (detail(2, ()), "nothing")]
)
def test_an_order_that_must_not_be_shipped_is_refused_without_a_call(opened, answer, reason):
    client, side = opened([answer])
    with pytest.raises(Refused, match=reason):
        client.confirm_shipment("77", "shunfeng", "SF139")
    assert methods(side) == [DETAIL]


def test_listings_are_suspended_and_resumed_by_a_whole_number(opened):
    client, side = opened([ok(None)])
    assert client.suspend_listing("3600000000000000001") == {"product_id": "3600000000000000001", "listed": False}
    assert client.resume_listing("3600000000000000001", 12)["listed"] is True
    assert methods(side) == ["product.setOffline", "product.setOnline"]
    assert [asked["product_id"] for asked in side.asked] == [3600000000000000001] * 2


# Against the sandbox, over real HTTP


@pytest.fixture
def shop_of(sandbox, shop, tokens):
    """A client of a new sandbox's Douyin shop, and the sandbox."""
    clients = []

    def start(credentials=None, **settings):
        world = sandbox(shops="douyin-hz")
        known = {name: world.credentials[f"DOUYIN_{name}".upper()] for name in SECRETS}
        clients.append(
            DouyinClient(
                shop({**known, **(credentials or {})}, f"{world.url}/douyin", **settings),
                tokens=tokens,
                clock=Clock(f"{world.url}/_control/clock"),
                sleep=lambda seconds: None,
            )
        )
        return clients[-1], world

    yield start
    for client in clients:
        client.close()


def window_until_now(world):
    now = datetime.fromisoformat(world.now())
    return Window(now - timedelta(hours=1), now)


def test_a_shipment_lost_on_the_way_back_has_one_effect(shop_of):
    client, world = shop_of()
    (number,) = world.orders("douyin-hz", state="paid")
    world.fault("douyin", "timeout_after_write", match="logisticsAdd")
    assert client.confirm_shipment(number, "shunfeng", "SF139") == {"status": "3", "already_shipped": True}
    assert client.confirm_shipment(number, "shunfeng", "SF139")["already_shipped"] is True
    (effect,) = world.receipts()["douyin"]
    assert (effect["kind"], effect["requests"], effect["duplicates"]) == ("shipment", 1, 0)


def test_a_parcel_per_line_and_a_refund_that_is_never_overruled(shop_of):
    client, world = shop_of()
    (number, waiting) = world.orders("douyin-hz", 2, state="paid", skus=["TEE-RED-M", "SOCK-5"])
    first = world.truth()[0]["lines"][0]["platform_line_id"]
    client.confirm_shipment(number, "shunfeng", "SF1", {first: 1})
    client.confirm_shipment(number, "yuantong", "YT2")
    world.advance(waiting, "refund_requested", what="line")
    with pytest.raises(Refused, match="refund-pending"):
        client.confirm_shipment(waiting, "shunfeng", "SF3")
    orders_now = {order["platform_order_no"]: order["status"] for order in world.truth()}
    assert orders_now == {number: "shipped", waiting: "after_sale"}


@pytest.mark.parametrize("grant", ["refresh", "self_use"])
def test_a_token_that_ends_is_renewed_by_either_grant(shop_of, tokens, grant):
    client, world = shop_of(token_grant=grant)
    world.orders("douyin-hz", 3)
    world.fault("douyin", "expired_token")
    window = window_until_now(world)
    assert len(pull(client, window)[0].payloads) == 3
    assert world.control("GET", "credentials")["DOUYIN_ACCESS_TOKEN"] in tokens.path.read_text()
    world.control("POST", "credentials", shop="douyin-hz", do="revoke")
    with pytest.raises(NeedsReauthorisation):
        pull(client, window)


def test_listings_of_the_sandbox_go_off_and_on_sale(shop_of):
    client, world = shop_of()
    world.orders("douyin-hz")
    (payload,) = pull(client, window_until_now(world))[0].payloads
    product = json.loads(payload.payload)["sku_order_list"][0]["product_id_str"]
    client.suspend_listing(product)
    assert [listing["product_id"] for listing in world.control("GET", "truth/listings")] == [product]
    client.resume_listing(product, 5)
    assert world.control("GET", "truth/listings") == []
    with pytest.raises(Refused, match="product-not-exist"):
        client.suspend_listing("1")
