"""JD's client: signature, table of errors, token, walks over lists that move, uncertain facts both ways."""

import hashlib
import json
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse, ConfigError, NeedsReauthorisation, Throttled, Unavailable
from orderpipe.platforms import Refused, TokenStore, Unanswered, Window, open_client
from orderpipe.platforms.china_time import time_text
from orderpipe.platforms.jd import CARRIERS, JdClient
from orderpipe.platforms.jd_gateway import parse_time, sign

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "vectors.json").read_text("utf-8"))["vectors"]
SECRETS = {
    "app_key": "ABCDEF0123456789ABCDEF0123456789",
    "app_secret": "appsecret-0f1e2d3c4b5a6978",
    "access_token": "token-6100b1c2d3e4f5",
    "refresh_token": "refresh-6101aa22bb33",
}
SEARCH, GET, SHIP = "jingdong.pop.order.enSearch", "jingdong.pop.order.enGet", "jingdong.pop.order.shipment"
APPLIED, SERVED = "jingdong.pop.afs.soa.refundapply.queryPageList", "jingdong.asc.query.list"
DONE = {"success": True, "englishErrCode": "success", "chineseErrCode": "成功", "numberCode": 10100000}
FRESH = {"access_token": "fresh-token", "refresh_token": "fresh-refresh", "expires_in": 31536000, "uid": "1"}


def answer(method, ending="_responce", **result):
    return {method.replace(".", "_") + ending: {"code": "0", **result}}


def searched(*orders, total=None, **verdict):
    total = len(orders) if total is None else total
    result = {"apiResult": {**DONE, **verdict}, "orderTotal": total, "orderInfoList": list(orders)}
    return answer(SEARCH, searchorderinfo_result=result)


def order(number, modified="2026-03-05 09:10:00", **fields):
    return {"orderId": str(number), "modified": modified, **fields}


def error(code, text="m"):
    return {"error_response": {"code": code, "zh_desc": text, "en_desc": "e"}}


def replies(*answers):
    """A handler that gives these answers in turn and then the last one for ever; exceptions are raised."""
    queue = list(answers)

    def handler(_asked, _request):
        given_ = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(given_, Exception):
            raise given_
        return given_

    return handler


def business(asked):
    """The business parameters of a call."""
    return json.loads(asked["360buy_param_json"])


@pytest.fixture
def shop():
    def make(base_url="http://gateway.test/jd", credentials=None, **settings):
        return Shop(
            id="jd-hz",
            platform="jd",
            name="测试京东店",
            timezone="Asia/Shanghai",
            currency="CNY",
            base_url=base_url,
            credentials=SECRETS if credentials is None else credentials,
            settings={"bu_id": "10000001", **settings},
        )

    return make


@pytest.fixture
def opened(script, shop, tokens, clock):
    """(client, other side) for a handler."""

    def make(handler, store=None, **choice):
        other_side = script(handler)
        client = JdClient(
            shop(**choice), tokens=store or tokens, clock=clock, http=other_side.http, sleep=other_side.slept.append
        )
        return client, other_side

    return make


def pull(client, window, kind="order"):
    return list(client.pull(kind, window))


def ids(pages):
    return [payload.source_id for page in pages for payload in page.payloads]


# Signature


@pytest.mark.parametrize(
    "vector", [pytest.param(v, id=v["id"]) for name in ("jd-routerjson-md5", "jd-spapi-md5") for v in VECTORS[name]]
)
def test_the_signature_equals_the_published_vector(vector):
    assert sign(vector["inputs"]["params"], vector["inputs"]["app_secret"]) == vector["signature"]


def naive_signature(pairs, secret):
    """The documentation's rule, one step after the other, on bytes."""
    joined = b""
    for key in sorted((name.encode("ascii") for name in pairs), reverse=False):
        if key != b"sign":
            joined = joined + key + pairs[key.decode("ascii")].encode("utf-8")
    digest = hashlib.new("md5", secret.encode("utf-8") + joined + secret.encode("utf-8")).digest()
    return "".join(f"{byte:02X}" for byte in digest)


@settings(max_examples=50)
@given(
    st.dictionaries(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12), st.text(max_size=30)),
    st.text(max_size=20),
)
def test_the_signature_equals_a_second_implementation(params, secret):
    pairs = {name: value.encode("utf-8", "ignore").decode() for name, value in params.items()}
    secret = secret.encode("utf-8", "ignore").decode()
    assert sign(pairs, secret) == naive_signature(pairs, secret)


def test_everything_that_is_sent_is_signed_and_nothing_else(opened, window):
    client, other_side = opened(replies(searched()))
    pull(client, window)
    sent = other_side.asked[0]
    assert sent["sign"] == naive_signature(sent, SECRETS["app_secret"])
    assert set(sent) == {"360buy_param_json", "access_token", "app_key", "method", "sign", "timestamp", "v"}


def test_times_are_china_time_and_the_first_year_is_no_time():
    at = datetime(2026, 3, 5, 1, 2, 31, tzinfo=UTC)
    assert time_text(at) == "2026-03-05 09:02:31" and parse_time(time_text(at)) == at
    for text in ("0001-01-01 00:00:00", "1970-01-01 00:00:00", "1970-01-01 08:00:00", "", "null", "2026-03-05"):
        with pytest.raises(ValueError):
            parse_time(text)


# The call


def test_a_search_asks_for_modified_times_oldest_first_with_values_as_text(opened, window):
    client, other_side = opened(replies(searched()))
    pull(client, window)
    params = business(other_side.asked[0])
    assert (params["start_date"], params["end_date"]) == ("2026-03-05 09:00:00", "2026-03-05 09:30:00")
    assert (params["dateType"], params["sortType"], params["page"], params["page_size"]) == ("0", "0", "1", "100")
    assert {"WAIT_SELLER_STOCK_OUT", "LOCKED", "PAUSE", "TRADE_CANCELED"} <= set(params["order_state"].split(","))
    assert {"orderId", "consigneeInfo", "itemInfoList", "venderRemark"} <= set(params["optional_fields"].split(","))
    assert all(isinstance(value, str) for value in params.values())


@pytest.mark.parametrize("ending", ["_responce", "_response"])
def test_the_root_may_be_spelt_either_way(opened, window, ending):
    body = searched(order(77))[SEARCH.replace(".", "_") + "_responce"]
    client, _ = opened(replies({SEARCH.replace(".", "_") + ending: body}))
    assert ids(pull(client, window)) == ["77"]


def test_a_payload_is_the_text_the_platform_sent_byte_for_byte(opened, window):
    row = '{ "orderId" :"287000000001", "n": 1.10,"memo":"\\u5f20 \\/ 张","modified":"2026-03-05 09:10:07"}'
    body = '{"code":"0","searchorderinfo_result":{"apiResult":{"success":true},"orderTotal":1,"orderInfoList":[ %s ]}}'
    client, _ = opened(replies('{"jingdong_pop_order_enSearch_responce":' + body % row + "}"))
    (page,) = pull(client, window)
    (payload,) = page.payloads
    assert payload.payload == row and payload.source_id == "287000000001" and page.reported == 1
    assert payload.source_updated_at == datetime(2026, 3, 5, 1, 10, 7, tzinfo=UTC)
    assert "张" not in repr(page)


def test_an_order_without_number_or_time_is_asked_for_again_and_lands_if_it_stays_so(opened, window):
    whole = order(77)
    client, _ = opened(replies(searched({"orderId": "77"}), searched(whole)))
    (payload,) = pull(client, window)[0].payloads
    assert payload.source_updated_at == datetime(2026, 3, 5, 1, 10, tzinfo=UTC)
    client, _ = opened(replies(searched({"orderId": "77"}, {"modified": "2026-03-05 09:10:00"})))
    payloads = pull(client, window)[0].payloads
    assert [p.source_id for p in payloads] == ["77", ""] and payloads[0].source_updated_at == window.start


# Errors, by the documentation's table


@pytest.mark.parametrize("code", ["43", "65", "66", "67", "69"])
def test_a_busy_platform_is_asked_again(opened, window, code):
    client, other_side = opened(replies(error(code), error(code), searched(order(1))))
    assert ids(pull(client, window)) == ["1"] and len(other_side.slept) == 2
    client, _ = opened(replies(error(code)))
    with pytest.raises(Unavailable) as caught:
        pull(client, window)
    assert caught.value.scope == "shop"


def test_a_used_up_quota_is_not_asked_again_before_tomorrow(opened, window):
    client, other_side = opened(replies(error("2")))
    with pytest.raises(Throttled, match="00:00"):
        pull(client, window)
    assert len(other_side.asked) == 1 and other_side.slept == []


@pytest.mark.parametrize(
    ("code", "kind", "scope", "remedy"),
    [
        ("4", Refused, "window", "documentation"),
        ("5", Refused, "window", "documentation"),
        ("7", NeedsReauthorisation, "shop", "clock"),
        ("8", NeedsReauthorisation, "shop", "clock"),
        ("11", NeedsReauthorisation, "shop", "JD_APP_SECRET"),
        ("12", NeedsReauthorisation, "shop", "JD_APP_SECRET"),
        ("14", Refused, "window", "documentation"),
        ("15", Refused, "window", "documentation"),
        ("20", NeedsReauthorisation, "shop", "JD_APP_KEY"),
        ("21", NeedsReauthorisation, "shop", "JD_APP_KEY"),
        ("23", Refused, "shop", "support"),
        ("28", Refused, "window", "successor"),
        ("24", Refused, "window", "permission"),
        ("88", Refused, "window", "permission"),
        ("50", Refused, "window", "documentation"),
        ("62", Refused, "window", "documentation"),
        ("64", Refused, "window", "documentation"),
        ("71", Refused, "window", "documentation"),
        ("73", Refused, "window", "cloud"),
        ("80", NeedsReauthorisation, "shop", "whitelist"),
        ("83", Refused, "window", "decrypt"),
        ("87", Refused, "window", "decrypt"),
        ("999", Refused, "window", "documentation"),
        (12, NeedsReauthorisation, "shop", "JD_APP_SECRET"),
    ],
)
def test_a_final_error_is_not_asked_again_and_names_its_remedy(opened, window, code, kind, scope, remedy):
    client, other_side = opened(replies(error(code)))
    with pytest.raises(kind, match=remedy) as caught:
        pull(client, window)
    assert caught.value.scope == scope and len(other_side.asked) == 1 and "jd-hz" in str(caught.value)


def test_a_code_other_than_0_under_the_answers_own_root_is_judged_by_the_same_table(opened, window):
    busy = {SEARCH.replace(".", "_") + "_responce": {"code": "67"}}
    client, _ = opened(replies(busy, searched(order(1))))
    assert ids(pull(client, window)) == ["1"]


def test_a_failure_of_the_business_inside_code_0_is_a_failure(opened, window):
    failed = searched(success=False, chineseErrCode="系统繁忙", numberCode=10100099)
    client, _ = opened(replies(failed, searched(order(1))))
    assert ids(pull(client, window)) == ["1"]
    client, _ = opened(replies(failed))
    with pytest.raises(Refused, match="10100099, 系统繁忙"):
        pull(client, window)


@pytest.mark.parametrize("spoilt", ["", "{", "[]", "<html>", '{"a":1}', b"\xff\xfe", '{"error_response":1}'])
def test_an_unreadable_answer_is_asked_again_and_then_told(opened, window, spoilt):
    client, _ = opened(replies((200, spoilt), searched(order(1))))
    assert ids(pull(client, window)) == ["1"]
    client, _ = opened(replies((200, spoilt)))
    with pytest.raises(BadResponse, match="unreadable"):
        pull(client, window)


def test_the_edge_may_limit_and_fail(opened, window):
    client, other_side = opened(replies((429, "", {"Retry-After": "3"}), (502, "<html>"), searched(order(1))))
    assert ids(pull(client, window)) == ["1"] and other_side.slept[0] == 3
    client, _ = opened(replies(httpx.ConnectError("no")))
    with pytest.raises(Unavailable, match="no connection"):
        pull(client, window)


# Token


def is_renewal(request):
    return request.url.path.endswith("/oauth2/refresh_token")


@pytest.mark.parametrize("code", ["18", "19"])
def test_an_expired_token_is_renewed_once_and_kept(opened, window, tokens, code):
    def handler(asked, request):
        if is_renewal(request):
            assert dict(request.url.params) == {
                "app_key": SECRETS["app_key"],
                "app_secret": SECRETS["app_secret"],
                "grant_type": "refresh_token",
                "refresh_token": SECRETS["refresh_token"],
            }
            return FRESH
        return searched(order(1)) if asked["access_token"] == "fresh-token" else error(code)

    client, other_side = opened(handler)
    assert ids(pull(client, window)) == ["1"]
    assert len(other_side.asked) == 3
    client, other_side = opened(handler, TokenStore(tokens.path))
    pull(client, window)
    assert other_side.asked[0]["access_token"] == "fresh-token" and len(other_side.asked) == 1


def test_a_token_refused_after_renewal_sends_an_operator(opened, window):
    client, other_side = opened(lambda asked, request: FRESH if is_renewal(request) else error("19"))
    with pytest.raises(NeedsReauthorisation, match="JD_ACCESS_TOKEN, JD_REFRESH_TOKEN") as caught:
        pull(client, window)
    assert caught.value.scope == "shop" and len(other_side.asked) == 3


@pytest.mark.parametrize("refusal", [error("19"), {"code": 400, "msg": "x"}, {"error": "invalid"}, {}])
def test_a_refused_renewal_sends_an_operator(opened, window, refusal):
    client, _ = opened(lambda asked, request: refusal if is_renewal(request) else error("19"))
    with pytest.raises(NeedsReauthorisation, match="refused"):
        pull(client, window)


@pytest.mark.parametrize("failed", [error("67"), (502, "<html>"), "{", (503, "{}")])
def test_a_renewal_that_fails_is_tried_again(opened, window, failed):
    renewals = iter([failed, FRESH])

    def handler(asked, request):
        if is_renewal(request):
            return next(renewals)
        return searched(order(1)) if asked["access_token"] == "fresh-token" else error("19")

    client, _ = opened(handler)
    assert ids(pull(client, window)) == ["1"]


def test_a_token_about_to_end_is_renewed_before_it_is_used(opened, window):
    renewed = []

    def handler(asked, request):
        if is_renewal(request):
            renewed.append(1)
            return {**FRESH, "access_token": f"token-{len(renewed)}", "expires_in": 60 if len(renewed) == 1 else 9999}
        return searched() if asked["access_token"].startswith("token-") and renewed else error("19")

    client, _ = opened(handler)
    pull(client, window)
    pull(client, window)
    assert len(renewed) == 2
    pull(client, window)
    assert len(renewed) == 2


@pytest.mark.parametrize(
    ("base_url", "choice", "host"),
    [
        ("https://api.jd.com", {}, "open-oauth.jd.com"),
        ("https://api-dev.jd.com", {}, "open-oauth.jd.com"),
        ("http://gateway.test/jd", {}, "gateway.test"),
        ("https://api.jd.com", {"oauth_url": "http://oauth.test"}, "oauth.test"),
        ("https://notjd.com", {}, "notjd.com"),
    ],
)
def test_tokens_are_renewed_at_the_platforms_own_host_or_beside_another_gateway(opened, window, base_url, choice, host):
    asked_hosts = []

    def handler(asked, request):
        asked_hosts.append(request.url.host)
        return FRESH if is_renewal(request) else error("19")

    client, _ = opened(handler, base_url=base_url, **choice)
    with pytest.raises(NeedsReauthorisation):
        pull(client, window)
    assert asked_hosts[1] == host


# Walks


class MovingList:
    """Orders by number, as the search pages them; `changes` happen one before each call."""

    def __init__(self, window, count, changes=()):
        self.window = window
        self.orders = {str(287 * 10**9 + n): window.start + timedelta(seconds=7 * n + 1) for n in range(count)}
        self.first = set(self.orders)
        self.changes = list(changes)
        self.count_is_off_by, self.deepest = 0, 100
        self.asked = []

    def __call__(self, asked, _request):
        params = business(asked)
        self.asked.append(params)
        self._change()
        start, end = parse_time(params["start_date"]), parse_time(params["end_date"])
        rows = sorted((modified, key) for key, modified in self.orders.items() if start <= modified <= end)
        if params["sortType"] == "1":
            rows.reverse()
        number, size = int(params["page"]), int(params["page_size"])
        page = rows[(number - 1) * size : number * size] if number <= self.deepest else []
        return searched(*(order(key, time_text(at)) for at, key in page), total=len(rows) + self.count_is_off_by)

    def _change(self):
        if not self.changes:
            return
        kind, place = self.changes.pop(0)
        if kind == "leaves":  # modified again: now newer than the window
            staying = sorted(key for key in self.first if self.orders[key] < self.window.end)
            if staying:
                self.orders[staying[place % len(staying)]] = self.window.end + timedelta(seconds=5)
        elif kind == "appears late":
            self.orders[str(3 * 10**11 + len(self.orders))] = self.window.start + timedelta(seconds=place % 1700)

    def staying(self):
        return {key for key in self.first if self.orders[key] <= self.window.end}


def walked(client, window):
    pages, failure = [], None
    try:
        for page in client.pull("order", window):
            pages.append(page)
    except BadResponse as caught:
        failure = caught
    return pages, failure


changes = st.lists(
    st.one_of(st.tuples(st.sampled_from(["leaves", "appears late"]), st.integers(0, 2000)), st.just(("nothing", 0))),
    max_size=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(0, 23), size=st.integers(1, 7), changes=changes)
def test_no_order_is_lost_however_the_list_moves_between_two_pages(opened, window, count, size, changes):
    listing = MovingList(window, count, changes)
    client, _ = opened(listing, page_size=size)
    pages, failure = walked(client, window)
    if failure is None:
        assert listing.staying() <= set(ids(pages))
    else:
        assert any(kind == "appears late" for kind, _ in changes)
    assert len(ids(pages)) == len(set(ids(pages)))


def test_a_quiet_window_lands_exactly_what_the_platform_counts(opened, window):
    for count in (0, 1, 4, 5, 6, 23):
        client, _ = opened(MovingList(window, count), page_size=5)
        pages, failure = walked(client, window)
        assert failure is None and pages[0].reported == count == len(ids(pages))


@pytest.mark.parametrize("off", [-9, -23])
def test_a_count_that_is_too_low_hides_nothing(opened, window, off):
    listing = MovingList(window, 23)
    listing.count_is_off_by = off
    client, _ = opened(listing, page_size=5)
    pages, failure = walked(client, window)
    assert failure is None and set(ids(pages)) == listing.first


def test_a_count_that_cannot_be_reached_leaves_the_window_open_but_lands_what_there_is(opened, window):
    listing = MovingList(window, 8)
    listing.count_is_off_by = 2
    client, _ = opened(listing, page_size=5)
    pages, failure = walked(client, window)
    assert set(ids(pages)) == listing.first and pages[0].reported == 10
    assert failure.scope == "window" and "10 counted, 8 read" in str(failure) and "jd-hz" in str(failure)


def test_a_window_with_more_than_the_list_shows_is_cut_until_it_shows_all(opened, window):
    listing = MovingList(window, 230)
    client, _ = opened(listing, page_size=1)
    pages, failure = walked(client, window)
    assert failure is None and set(ids(pages)) == listing.first and pages[0].reported == 230
    assert max(int(params["page"]) for params in listing.asked) <= 100


def test_one_second_with_more_than_the_list_shows_is_told(opened, window):
    listing = MovingList(window, 0)
    listing.orders = {str(10**11 + n): window.start for n in range(101)}
    client, _ = opened(listing, page_size=1)
    with pytest.raises(BadResponse, match="one second holds more"):
        pull(client, window)


def test_a_search_never_spans_more_than_a_month(opened):
    window = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 15, tzinfo=UTC))
    listing = MovingList(window, 9)
    client, _ = opened(listing)
    pages, _ = walked(client, window)
    assert set(ids(pages)) == listing.first
    spans = [parse_time(p["end_date"]) - parse_time(p["start_date"]) for p in listing.asked]
    assert len(spans) == 3 and max(spans) <= timedelta(days=31)


def test_a_census_finds_the_same_orders_without_believing_the_count(opened, window):
    listing = MovingList(window, 123)
    listing.count_is_off_by = -100
    client, _ = opened(listing)
    assert client.census("order", window) == listing.orders
    assert {params["sortType"] for params in listing.asked} == {"1"}
    assert {params["page_size"] for params in listing.asked} == {"40"}


def test_a_census_also_cuts_what_is_too_much_to_show(opened, window, monkeypatch):
    monkeypatch.setattr("orderpipe.platforms.jd_lists.DEEPEST", 3)
    listing = MovingList(window, 200)
    listing.deepest = 3
    client, _ = opened(listing)
    assert client.census("order", window) == listing.orders


# After-sale cases


def application(number, applied="2026-03-05 09:10:00", **fields):
    return {"id": number, "orderId": "77", "applyTime": applied, "applyRefundSum": 23480.0, "status": 0, **fields}


def service(number, applied="2026-03-05 09:10:00", **fields):
    return {"applyId": 5, "serviceId": number, "orderId": "78", "applyTime": applied, **fields}


def cases(applications=(), services=(), counts=(0, 0)):
    """A handler of both lists of cases, one page each."""

    def handler(asked, _request):
        first = business(asked).get("pageIndex", business(asked).get("pageNumber")) == "1"
        if asked["method"] == APPLIED:
            rows = list(applications) if first else []
            total = len(applications) + counts[0]
            return answer(APPLIED, queryResult={"success": True, "totalCount": total, "result": rows})
        total = len(services) + counts[1]
        return answer(SERVED, pageResult={"totalCount": total, "data": list(services) if first else None})

    return handler


def test_cases_come_from_both_lists_as_far_back_as_they_may_still_change(opened, window):
    rows = [application(900000001, checkTime="2026-03-05 09:20:00"), application(2, checkTime="0001-01-01 00:00:00")]
    client, other_side = opened(cases(rows, [service(41, updateDate="2026-03-05 09:25:00")]))
    (page,) = pull(client, window, "refund")
    assert {(p.source_id, f"{p.source_updated_at:%H:%M}") for p in page.payloads} == {
        ("900000001", "01:20"), ("2", "01:10"), ("41", "01:25"),
    }  # fmt: skip
    assert page.reported == 3 and json.loads(page.payloads[0].payload) == rows[0]
    asked = [business(asked) for asked in other_side.asked if asked["method"] == APPLIED]
    assert sorted((params["applyTimeStart"], params["applyTimeEnd"]) for params in asked) == [
        ("2026-02-03 09:00:00", "2026-03-05 09:00:00"),
        ("2026-03-05 09:00:00", "2026-03-05 09:30:00"),
    ]
    assert all(params["pageSize"] == "50" and "buId" not in params for params in asked)


def test_the_service_list_is_asked_for_in_the_merchants_name(opened, window):
    client, other_side = opened(cases(), refund_lookback_days=0, operate_pin="jd_boss", operate_nick="老板")
    pull(client, window, "refund")
    params = next(business(asked) for asked in other_side.asked if asked["method"] == SERVED)
    assert (params["buId"], params["operatePin"], params["operateNick"]) == ("10000001", "jd_boss", "老板")
    assert params["applyTimeBegin"] == "2026-03-05 09:00:00"


def test_without_the_merchants_number_the_service_list_is_asked_for_never_silently(opened, window):
    client, _ = opened(cases(), bu_id="")
    with pytest.raises(ConfigError, match="bu_id"):
        pull(client, window, "refund")
    client, other_side = opened(cases([application(1)]), bu_id="", after_sale_service=False)
    assert set(ids(pull(client, window, "refund"))) == {"1"}
    assert {asked["method"] for asked in other_side.asked} == {APPLIED}


def test_two_lists_may_give_one_number_to_two_cases(opened, window):
    client, _ = opened(cases([application(41)], [service(41)]), refund_lookback_days=0)
    (page,) = pull(client, window, "refund")
    assert ids([page]) == ["41", "41"] and page.reported == 1


def test_a_list_of_cases_that_holds_back_rows_leaves_the_window_open(opened, window):
    client, _ = opened(cases([application(41)], counts=(1, 0)), refund_lookback_days=0)
    with pytest.raises(BadResponse, match="2 counted, 1 read"):
        pull(client, window, "refund")


def test_a_census_of_cases_covers_both_lists(opened, window):
    client, _ = opened(cases([application(1)], [service(2, updateDate="2026-03-05 09:25:00")]))
    found = client.census("refund", window)
    assert {key: f"{at:%H:%M}" for key, at in found.items()} == {"1": "01:10", "2": "01:25"}


# Facts the documentation leaves open, both ways


def test_the_unit_of_a_refund_sum_is_marked_only_where_it_is_yuan(opened, window):
    client, _ = opened(cases([application(1)]), refund_lookback_days=0)
    (page,) = pull(client, window, "refund")
    assert "_applyRefundSumUnit" not in page.payloads[0].payload
    client, _ = opened(cases([application(1)], [service(2)]), refund_lookback_days=0, refund_sum_unit="yuan")
    (page,) = pull(client, window, "refund")
    assert json.loads(page.payloads[0].payload) == {"_applyRefundSumUnit": "yuan", **application(1)}
    assert json.loads(page.payloads[1].payload) == service(2)


def test_receivers_come_encrypted_or_in_clear(opened, window):
    client, other_side = opened(replies(searched()))
    pull(client, window)
    plain = answer("jingdong.pop.order.search", searchorderinfo_result={"apiResult": DONE, "orderTotal": 0})
    client, other_plain = opened(replies(plain), receiver="plain")
    pull(client, window)
    assert other_side.asked[0]["method"] == SEARCH
    assert other_plain.asked[0]["method"] == "jingdong.pop.order.search"


@pytest.mark.parametrize("states", [["ALL"], ["WAIT_SELLER_STOCK_OUT", "LOCKED"]])
def test_the_states_to_ask_for_can_be_told(opened, window, states):
    client, other_side = opened(replies(searched()), order_states=states)
    pull(client, window)
    assert business(other_side.asked[0])["order_state"] == ",".join(states)


@pytest.mark.parametrize("choice", [{"refund_sum_unit": "dollar"}, {"receiver": "masked"}])
def test_a_setting_nobody_knows_is_refused_before_any_call(shop, tokens, clock, choice):
    with pytest.raises(ConfigError, match=next(iter(choice))):
        open_client(shop(**choice), tokens=tokens, clock=clock)


def test_a_missing_credential_is_named_with_its_remedy(shop, tokens, clock):
    secrets = {name: value for name, value in SECRETS.items() if name != "app_secret"}
    with pytest.raises(ConfigError, match="app_secret is missing"):
        open_client(shop(credentials=secrets), tokens=tokens, clock=clock)


def test_the_platform_has_orders_and_cases_but_no_list_of_wares(opened, window):
    client, _ = opened(replies(searched()))
    assert client.kinds == ("order", "refund")
    with pytest.raises(ValueError, match="product"):
        pull(client, window, "product")


# Secrets


@pytest.mark.parametrize(
    "failure",
    [
        error("19", "token token-6100b1c2d3e4f5 expired"),
        error("12", "secret appsecret-0f1e2d3c4b5a6978 wrong"),
        searched(success=False, chineseErrCode="bad token-6100b1c2d3e4f5"),
        httpx.ReadTimeout("no answer"),
        (200, "<html>token-6100b1c2d3e4f5</html>"),
    ],
    ids=["token", "signature", "business", "timeout", "html"],
)
def test_no_error_tells_a_secret(opened, window, failure):
    client, _ = opened(replies(failure))
    with pytest.raises(Exception) as caught:
        pull(client, window)
    told = "".join(traceback.format_exception(caught.value)) + repr(client) + repr(caught.value)
    for name in ("app_secret", "access_token", "refresh_token"):
        assert SECRETS[name] not in told


# Write-backs

SENT = answer(SHIP, sopjosshipment_result=DONE)
REFUSED = answer(SHIP, sopjosshipment_result={"success": False, "chineseErrCode": "订单已锁定", "numberCode": 10400001})


def order_is(state):
    return answer(GET, orderDetailInfo={"apiResult": DONE, "orderInfo": {"orderId": "77", "orderState": state}})


def test_a_shipment_is_confirmed_with_the_carriers_id(opened):
    client, other_side = opened(replies(SENT))
    assert client.confirm_shipment("77", "SF", "SF139") == {"status": "sent", "already_shipped": False}
    (asked,) = other_side.asked
    assert business(asked) == {"orderId": "77", "logiCoprId": "467", "logiNo": "SF139"}


@pytest.mark.parametrize(
    ("code", "choice", "sent"),
    [
        ("sf", {}, "467"), ("999", {}, "999"), ("JDL", {"carrier_ids": {"JDL": 2087}}, "2087"),
        ("SF", {"carrier_ids": {"SF": "1"}}, "1"),
    ],
)  # fmt: skip
def test_carriers_ids_can_be_corrected(opened, code, choice, sent):
    client, other_side = opened(replies(SENT), **choice)
    client.confirm_shipment("77", code, "SF139")
    assert business(other_side.asked[0])["logiCoprId"] == sent
    assert all(number.isdigit() for number in CARRIERS.values())


def test_a_courier_nobody_translated_is_refused_before_any_call(opened):
    client, other_side = opened(replies(SENT))
    with pytest.raises(ConfigError, match="carrier_ids"):
        client.confirm_shipment("77", "PIGEON", "1")
    assert other_side.asked == []


@pytest.mark.parametrize(
    "lost", [httpx.ReadTimeout("slow"), (502, "<html>"), error("67"), error("70"), answer(SHIP), answer(SHIP, a={})]
)
def test_a_shipment_without_a_clear_answer_is_read_before_it_is_sent_again(opened, lost):
    client, other_side = opened(replies(lost, order_is("WAIT_GOODS_RECEIVE_CONFIRM")))
    receipt = client.confirm_shipment("77", "SF", "SF139")
    assert receipt["already_shipped"] is True and receipt["status"] == "WAIT_GOODS_RECEIVE_CONFIRM"
    assert other_side.count(SHIP) == 1 and other_side.count(GET) == 1


def test_a_shipment_that_did_not_arrive_is_sent_again(opened):
    client, other_side = opened(replies(httpx.ReadTimeout("slow"), order_is("WAIT_SELLER_STOCK_OUT"), SENT))
    assert client.confirm_shipment("77", "SF", "SF139")["status"] == "sent"
    assert other_side.count(SHIP) == 2


def test_an_order_that_is_being_shipped_is_read_again_and_never_sent_again(opened):
    waiting = order_is("WAIT_SELLER_STOCK_OUT")
    client, other_side = opened(replies(error("70"), waiting, order_is("FINISHED_L")))
    assert client.confirm_shipment("77", "SF", "SF139")["already_shipped"] is True
    client, other_side = opened(replies(error("70"), waiting))
    with pytest.raises(Unanswered, match="being shipped"):
        client.confirm_shipment("77", "SF", "SF139")
    assert other_side.count(SHIP) == 1 and other_side.count(GET) == 3


def test_a_shipment_that_never_gets_an_answer_stays_unknown(opened):
    def handler(asked, _request):
        if asked["method"] == SHIP:
            raise httpx.ReadTimeout("slow")
        return order_is("WAIT_SELLER_STOCK_OUT")

    client, other_side = opened(handler)
    with pytest.raises(Unanswered):
        client.confirm_shipment("77", "SF", "SF139")
    assert other_side.count(SHIP) == 3


@pytest.mark.parametrize("refused", [REFUSED, error("71"), error("64")])
def test_a_refused_shipment_counts_as_done_only_when_the_order_is_shipped(opened, refused):
    client, _ = opened(replies(refused, order_is("FINISHED_L")))
    assert client.confirm_shipment("77", "SF", "SF139")["already_shipped"] is True
    client, other_side = opened(replies(refused, order_is("LOCKED")))
    with pytest.raises(Refused, match="LOCKED"):
        client.confirm_shipment("77", "SF", "SF139")
    assert other_side.count(SHIP) == 1


def test_wares_are_taken_off_the_shelf_and_put_back(opened):
    done = answer("jingdong.ware.write.upOrDown", success=True)
    client, other_side = opened(replies(done))
    assert client.suspend_listing("61")["ware_id"] == "61"
    client.resume_listing("61", 12)
    assert [(business(a)["wareId"], business(a)["opType"]) for a in other_side.asked] == [("61", "2"), ("61", "1")]
    client, _ = opened(replies(answer("jingdong.ware.write.upOrDown", success=False)))
    with pytest.raises(Refused):
        client.suspend_listing("61")


@pytest.mark.parametrize("method", ["jingdong.stock.write.updateSkuStock", "jingdong.ware.stock.sku.set"])
def test_stock_is_set_by_the_method_of_the_settings(opened, method):
    choice = {} if method == "jingdong.stock.write.updateSkuStock" else {"stock_method": method}
    client, other_side = opened(replies(answer(method, success=True)), **choice)
    client.set_stock("100012", 7)
    (asked,) = other_side.asked
    assert asked["method"] == method and business(asked) == {"skuId": "100012", "stockNum": "7"}


# Against the sandbox, over real HTTP


@pytest.fixture
def live(sandbox, shop, tokens):
    """(client, sandbox) of a new sandbox's JD shop."""
    world = sandbox(shops="jd-hz")
    names = ("app_key", "app_secret", "access_token", "refresh_token")
    credentials = {name: world.credentials[f"JD_{name}".upper()] for name in names}
    client = JdClient(
        shop(f"{world.url}/jd", credentials=credentials, page_size=2, throttle_budget_seconds=5),
        tokens=tokens,
        clock=Clock(f"{world.url}/_control/clock"),
        sleep=lambda seconds: None,
    )
    yield client, world
    client.close()


def last_hour(world):
    now = datetime.fromisoformat(world.now()).astimezone(UTC)
    return Window(now - timedelta(hours=1), now)


def test_every_order_and_case_of_the_sandbox_is_pulled_and_counted_twice(live):
    client, world = live
    world.orders("jd-hz", 7, state="paid", cod=False)
    world.orders("jd-hz", 2)
    world.orders("jd-hz", 3, state="refund_requested", cod=False, skus=["CUP-500-BL"])
    for number in world.orders("jd-hz", 3, state="shipped", cod=False, skus=["CUP-500-BL"]):
        world.advance(number, "refund_requested")
    world.step(1)
    window = last_hour(world)
    true = {o["platform_order_no"]: datetime.fromisoformat(o["modified"]) for o in world.truth() if o["listed"]}
    (page,) = client.pull("order", window)
    assert {p.source_id: p.source_updated_at for p in page.payloads} == true == client.census("order", window)
    assert page.reported == 13
    (page,) = client.pull("refund", window)
    cases = {refund["platform_refund_id"] for o in world.truth() for refund in o["refunds"]}
    assert set(ids([page])) == cases == client.census("refund", window).keys() and page.reported == 6


def test_a_shipment_has_its_effect_once_whatever_happens_to_the_answer(live):
    client, world = live
    (number,) = world.orders("jd-hz", state="paid")
    world.fault("jd", "timeout_after_write", match="shipment")
    assert client.confirm_shipment(number, "SF", "SF139")["already_shipped"] is True
    assert client.confirm_shipment(number, "SF", "SF139")["already_shipped"] is True
    (effect,) = world.receipts()["jd"]
    assert (effect["key"], effect["duplicates"], effect["tracking"]) == (number, 0, "SF139")


@pytest.mark.parametrize(("state", "shown"), [("refund_requested", "LOCKED"), ("forbid_consign", "PAUSE")])
def test_an_order_that_was_stopped_meanwhile_is_not_shipped(live, state, shown):
    client, world = live
    (number,) = world.orders("jd-hz", state="paid", cod=False)
    world.advance(number, state)
    with pytest.raises(Refused, match=shown):
        client.confirm_shipment(number, "SF", "SF139")
    assert world.receipts()["counts"]["jd"]["effects"] == 0


def test_wares_of_the_sandbox_go_off_the_shelf_and_come_back(live):
    client, world = live
    world.orders("jd-hz", state="paid", skus=["CUP-500-BL"])
    world.step(1)
    (page,) = client.pull("order", last_hour(world))
    item = json.loads(page.payloads[0].payload)["itemInfoList"][0]
    client.suspend_listing(item["wareId"])
    assert [row["product_id"] for row in world.control("GET", "truth/listings")] == [item["wareId"]]
    client.resume_listing(item["wareId"], 5)
    assert world.control("GET", "truth/listings") == []
    assert client.set_stock(item["skuId"], 5) == {"sku_id": item["skuId"], "quantity": 5}


def test_a_token_of_the_sandbox_is_renewed_until_the_seller_takes_the_consent_back(live):
    client, world = live
    world.control("POST", "credentials", shop="jd-hz", do="expire")
    assert pull(client, last_hour(world))[0].reported == 0
    assert client._jd._auth.token().access_token == world.control("GET", "credentials")["JD_ACCESS_TOKEN"]
    world.control("POST", "credentials", shop="jd-hz", do="revoke")
    with pytest.raises(NeedsReauthorisation, match="JD_REFRESH_TOKEN"):
        pull(client, last_hour(world))
