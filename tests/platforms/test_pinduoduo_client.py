"""Pinduoduo's client: signature, table of errors, token, walks over lists that move, uncertain facts both ways."""

import hashlib
import json
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderpipe.config import Shop
from orderpipe.errors import BadResponse, ConfigError, NeedsReauthorisation, Throttled, Unavailable
from orderpipe.platforms import Refused, TokenStore, Unanswered, Window, open_client
from orderpipe.platforms.china_time import CHINA
from orderpipe.platforms.pinduoduo import PinduoduoClient
from orderpipe.platforms.pinduoduo_gateway import parse_time, sign

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "vectors.json").read_text("utf-8"))["vectors"]
SECRETS = {
    "client_id": "d41d8cd98f00b204e9800998ecf8427e",
    "client_secret": "clientsecret-0f1e2d3c4b5a6978",
    "access_token": "token-6100b1c2d3e4f5",
    "refresh_token": "refresh-6101aa22bb33",
}
LIST = "pdd.order.number.list.increment.get"
REFUND_LIST = "pdd.refund.list.increment.get"
INFORMATION = "pdd.order.information.get"
SEND = "pdd.logistics.online.send"
REFRESH = "pdd.pop.auth.token.refresh"
ROOT = "order_sn_increment_get_response"
EMPTY = {ROOT: {"total_count": 0, "order_sn_list": [], "request_id": "1"}}
GRANT = {
    "access_token": "fresh-token", "refresh_token": "fresh-refresh", "expires_in": 86400, "owner_id": "1",
    "refresh_token_expires_in": 2592000, "scope": [LIST],
}  # fmt: skip
FRESH = {"pop_auth_token_refresh_response": GRANT}


def error(code, msg="m", sub_msg=""):
    return {"error_response": {"error_code": code, "error_msg": msg, "sub_code": str(code), "sub_msg": sub_msg,
                               "request_id": "17726742000000002"}}  # fmt: skip


EXPIRED = error(10019, "access_token已过期")


def gmt8(moment):
    return moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def clock_text():
    return {"time_get_response": {"time": gmt8(datetime.now(UTC))}}


def replies(*answers):
    """A handler that gives these answers in turn and then the last one for ever; it knows the time besides."""
    queue = list(answers)

    def handler(asked, _request):
        if asked["type"] == "pdd.time.get":
            return clock_text()
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handler


@pytest.fixture
def opened(script, tokens, clock):
    """(client, other side) for a handler; the comparison of clocks is left out unless asked for."""

    def make(handler, store=None, credentials=None, base_url="http://gateway.test/pinduoduo", **settings):
        other_side = script(handler)
        shop = Shop(
            id="pinduoduo-hz", platform="pinduoduo", name="杭州家居专营店", timezone="Asia/Shanghai", currency="CNY",
            base_url=base_url, credentials=SECRETS if credentials is None else credentials,
            settings={"check_clock": False, **settings},
        )  # fmt: skip
        client = PinduoduoClient(
            shop, tokens=store or tokens, clock=clock, http=other_side.http, sleep=other_side.slept.append
        )
        return client, other_side

    return make


def pull(client, window, kind="order"):
    return list(client.pull(kind, window))


def count(other_side, api):
    return sum(asked["type"] == api for asked in other_side.asked)


# Signature and time


@pytest.mark.parametrize("vector", VECTORS["pdd-md5"], ids=lambda vector: vector["id"])
def test_the_signature_equals_the_published_vector(vector):
    assert sign(vector["inputs"]["params"], vector["inputs"]["secret"]) == vector["signature"]


def naive_signature(params, secret):
    """The documentation's steps one after the other, on bytes."""
    kept = sorted((k.encode(), v.encode()) for k, v in params.items() if v != "" and k != "sign")
    joined = b"".join(part for pair in kept for part in pair)
    return "".join(f"{byte:02X}" for byte in hashlib.new("md5", secret.encode() + joined + secret.encode()).digest())


names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
values = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, values, max_size=8), values)
def test_the_signature_equals_a_second_implementation(params, secret):
    assert sign(params, secret) == naive_signature(params, secret)


def test_a_call_carries_the_common_parameters_as_text_and_signs_what_it_sends(opened, window):
    sent = []
    client, _ = opened(lambda _asked, request: sent.append(request) or EMPTY)
    pull(client, window)
    (request,) = sent
    fields = {name: value for name, (value,) in parse_qs(request.content.decode(), strict_parsing=True).items()}
    assert str(request.url) == "http://gateway.test/pinduoduo/api/router" and request.method == "POST"
    assert (fields["type"], fields["data_type"], fields["version"]) == (LIST, "JSON", "V1")
    assert abs(int(fields["timestamp"]) - datetime.now(UTC).timestamp()) < 60
    assert fields["access_token"] == SECRETS["access_token"]
    assert fields["sign"] == naive_signature(fields, SECRETS["client_secret"])
    assert "sign_method" not in fields and "" not in fields.values()


def test_a_time_is_read_in_both_forms():
    assert parse_time("2026-03-05 10:00:05") == parse_time("1772676005") == datetime(2026, 3, 5, 2, 0, 5, tzinfo=UTC)
    for text in ("", "null", "9" * 30, "2026-03-05", "-5", "１２３"):
        with pytest.raises(ValueError):
            parse_time(text)


# Lists that move


class MovingList:
    """Orders by number, oldest first or newest first, as the platform pages them; `changes` happen one before each
    list call. It refuses what the platform refuses."""

    def __init__(self, window, count, changes=(), descending=False):
        self.window, self.descending = window, descending
        self.orders = {f"260305-{n:015d}": window.start + timedelta(seconds=7 * n + 1) for n in range(count)}
        self.first = set(self.orders)
        self.changes = list(changes)
        self.count_is_off_by = 0

    def __call__(self, asked, _request):
        if asked["type"] != LIST:
            return error(10017)
        self._change()
        start, end = int(asked["start_updated_at"]), int(asked["end_updated_at"])
        number, size = int(asked["page"]), int(asked["page_size"])
        if end - start > 1800 or size > 100 or (asked["order_status"], asked["refund_status"]) != ("5", "5"):
            return error(10000)
        rows = [(at, sn) for sn, at in self.orders.items() if start <= at.timestamp() <= end]
        rows.sort(reverse=self.descending)
        page = [
            {"order_sn": sn, "updated_at": gmt8(at), "item_list": []}
            for at, sn in rows[(number - 1) * size : number * size]
        ]
        body = {"request_id": "r1", "order_sn_list": page}
        if asked["use_has_next"] == "true":
            body["has_next"] = number * size < len(rows)
        else:
            body["total_count"] = len(rows) + self.count_is_off_by
        return {ROOT: body}

    def _change(self):
        if not self.changes:
            return
        kind, place = self.changes.pop(0)
        if kind == "leaves":  # updated again: now newer than the window
            staying = sorted(sn for sn in self.first if self.orders[sn] < self.window.end)
            if staying:
                self.orders[staying[place % len(staying)]] = self.window.end + timedelta(seconds=5)
        elif kind == "appears late":
            self.orders[f"260304-{len(self.orders):015d}"] = self.window.start + timedelta(seconds=place % 1700)

    def staying(self):
        return {sn for sn in self.first if self.orders[sn] <= self.window.end}


def ids(pages):
    return [payload.source_id for page in pages for payload in page.payloads]


def walk(client, window):
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
@given(n=st.integers(0, 23), size=st.integers(1, 7), changes=changes, descending=st.booleans())
def test_no_order_is_lost_however_the_list_moves_between_two_pages(opened, window, n, size, changes, descending):
    listing = MovingList(window, n, changes, descending)
    client, _ = opened(listing, page_size=size)
    pages, failure = walk(client, window)
    if failure is None:
        assert listing.staying() <= set(ids(pages))
    else:
        assert any(kind == "appears late" for kind, _ in changes)  # nothing else can stop a window from settling
    assert len(ids(pages)) == len(set(ids(pages)))


@pytest.mark.parametrize("descending", [True, False])
def test_pages_are_read_from_the_last_to_the_first_after_one_count(opened, window, descending):
    client, other_side = opened(MovingList(window, 23, descending=descending), page_size=10)
    pages, failure = walk(client, window)
    assert failure is None and pages[0].reported == 23 == len(ids(pages))
    first_walk = [(asked["use_has_next"], asked["page"]) for asked in other_side.asked[:4]]
    assert first_walk == [("false", "1"), ("true", "3"), ("true", "2"), ("true", "1")]


def test_a_window_of_any_length_is_read_half_an_hour_at_a_time(opened, window):
    long = Window(window.start, window.start + timedelta(minutes=75, microseconds=1))
    listing = MovingList(long, 0)
    spread = [0, 600, 1799, 1800, 1801, 3600, 4500]
    listing.orders = {f"260305-{n:015d}": long.start + timedelta(seconds=at) for n, at in enumerate(spread)}
    client, other_side = opened(listing)
    pages, failure = walk(client, long)
    assert failure is None and set(ids(pages)) == set(listing.orders)
    assert pages[0].reported == len(spread), "an order at the border of two stretches counts once"
    assert len(other_side.asked) == 3
    assert client.census("order", long) == listing.orders


def test_a_count_that_cannot_be_reached_leaves_the_window_open_but_lands_what_there_is(opened, window):
    listing = MovingList(window, 8)
    listing.count_is_off_by = 2
    client, _ = opened(listing, page_size=5)
    pages, failure = walk(client, window)
    assert set(ids(pages)) == listing.first and pages[0].reported == 10
    assert failure.scope == "window" and "10 counted, 8 read" in str(failure) and "pinduoduo-hz" in str(failure)


def test_a_count_that_is_too_low_hides_nothing(opened, window):
    listing = MovingList(window, 23)
    listing.count_is_off_by = -9
    client, _ = opened(listing, page_size=5)
    pages, failure = walk(client, window)
    assert failure is None and set(ids(pages)) == listing.first


def test_a_census_never_asks_for_the_count(opened, window):
    listing = MovingList(window, 95)
    client, other_side = opened(listing)
    assert client.census("order", window) == listing.orders
    assert {asked["use_has_next"] for asked in other_side.asked} == {"true"}
    assert {asked["page_size"] for asked in other_side.asked} == {"40"}


def test_an_answer_without_count_closes_no_window(opened, window):
    client, _ = opened(replies({ROOT: {"order_sn_list": [], "has_next": False}}))
    with pytest.raises(BadResponse, match="total_count"):
        pull(client, window)


# Errors


@pytest.mark.parametrize(
    "failure",
    [
        error(50000), error(50002), error(52001), error(52002), error(52102), error(52103), error(70031), error(52101),
        (502, "<html>Bad Gateway</html>"), (500, ""), (429, "slow down", {"Retry-After": "2"}),
        '{"order_sn_increment_get_response": {"total_count"', '{"some_other_response": {}}',
        '{"order_list_get_response": {"total_count": 0, "order_list": []}}',
        httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut short"),
    ],
    ids=lambda failure: str(failure)[:48],
)  # fmt: skip
def test_a_passing_failure_is_mended_by_asking_again(opened, window, failure):
    client, other_side = opened(replies(failure, failure, EMPTY))
    assert pull(client, window)[0].reported == 0
    assert len(other_side.slept) == 2


@pytest.mark.parametrize(
    ("failure", "kind", "scope"),
    [
        (error(50000), Unavailable, "shop"),
        (error(70031), Throttled, "shop"),
        (httpx.ConnectError("refused"), Unavailable, "shop"),
        ((503, "down"), Unavailable, "shop"),
        ("<html>login</html>", BadResponse, "window"),
    ],
)
def test_a_lasting_failure_ends_after_a_few_tries(opened, window, failure, kind, scope):
    client, other_side = opened(replies(failure))
    with pytest.raises(kind) as caught:
        pull(client, window)
    assert 3 <= len(other_side.asked) <= 8
    assert caught.value.scope == scope and "pinduoduo-hz" in str(caught.value) and caught.value.remedy


def test_a_quota_is_waited_out_in_steps_within_the_budget(opened, window):
    client, other_side = opened(replies(error(70031)), throttle_budget_seconds=25)
    with pytest.raises(Throttled):
        pull(client, window)
    assert other_side.slept == [10, 10]
    client, other_side = opened(replies(error(70031), EMPTY), throttle_wait_seconds=1)
    pull(client, window)
    assert other_side.slept == [1]


@pytest.mark.parametrize(
    ("failure", "kind", "remedy", "scope"),
    [
        (error(20004), NeedsReauthorisation, "PINDUODUO_CLIENT_SECRET", "shop"),
        (error(10016), NeedsReauthorisation, "PINDUODUO_CLIENT_ID", "shop"),
        (error(20005), NeedsReauthorisation, "whitelist", "shop"),
        (error(20031), NeedsReauthorisation, "PINDUODUO_ACCESS_TOKEN", "shop"),
        (error(20032), NeedsReauthorisation, "PINDUODUO_REFRESH_TOKEN", "shop"),
        (error(20034), NeedsReauthorisation, "authorise", "shop"),
        (error(20035), NeedsReauthorisation, "authorise", "shop"),
        (error(10001, "公共参数错误:timestamp"), NeedsReauthorisation, "clock", "shop"),
        (error(10000), Refused, "documentation", "window"),
        (error(10001, "公共参数错误:type"), Refused, "documentation", "window"),
        (error(10017), Refused, "documentation", "window"),
        (error(21001), Refused, "documentation", "window"),
        (error(30000), Refused, "documentation", "window"),
        (error(50001, sub_msg="订单状态不允许"), Refused, "documentation", "window"),
        (error(52004), Refused, "documentation", "window"),
        (error(70032), Refused, "support", "shop"),
        (error(70034), Refused, "support", "shop"),
        (error(70035), Refused, "support", "shop"),
        (error(70036), Refused, "online", "shop"),
        (error(70033), Unavailable, "next run", "shop"),
        (error(99999), Refused, "documentation", "window"),
    ],
    ids=lambda value: str(value.get("error_response", {}).get("error_code")) if isinstance(value, dict) else None,
)
def test_a_failure_that_asking_again_cannot_mend_is_told_at_once(opened, window, failure, kind, remedy, scope):
    client, other_side = opened(replies(failure))
    with pytest.raises(kind, match=remedy) as caught:
        pull(client, window)
    assert len(other_side.asked) == 1 and caught.value.scope == scope


def test_the_sub_message_is_told_where_there_is_one(opened, window):
    client, _ = opened(replies(error(50001, "业务服务错误", "订单状态不允许")))
    with pytest.raises(Refused, match="订单状态不允许"):
        pull(client, window)


# The access token


def needs_fresh(asked, _request):
    if asked["type"] == REFRESH:
        assert "access_token" not in asked and asked["refresh_token"] == SECRETS["refresh_token"]
        return FRESH
    return EMPTY if asked["access_token"] == "fresh-token" else EXPIRED


def test_an_expired_token_is_refreshed_once_and_the_call_replayed(opened, window, tokens):
    at_first_use = []

    def handler(asked, request):
        if asked.get("access_token") == "fresh-token":
            at_first_use.append(tokens.path.exists() and "fresh-refresh" in tokens.path.read_text())
        return needs_fresh(asked, request)

    client, other_side = opened(handler)
    assert pull(client, window)[0].reported == 0
    assert at_first_use == [True]  # the new pair was on disk before it was first sent
    pull(client, window)
    assert count(other_side, REFRESH) == 1


class DiesAfterWriting(TokenStore):
    def set(self, shop_id, token):
        super().set(shop_id, token)
        raise KeyboardInterrupt


def test_a_process_killed_between_refresh_and_first_use_has_lost_nothing(opened, window, tokens):
    dying, _ = opened(needs_fresh, store=DiesAfterWriting(tokens.path))
    with pytest.raises(KeyboardInterrupt):
        pull(dying, window)
    restarted, other_side = opened(needs_fresh, store=TokenStore(tokens.path))
    assert pull(restarted, window)[0].reported == 0
    assert count(other_side, REFRESH) == 0


def test_a_token_near_its_end_is_renewed_before_it_is_used(opened, window):
    """Lifetimes differ by the kind of app: only expires_in counts."""
    short = {"pop_auth_token_refresh_response": {**GRANT, "expires_in": 200}}

    def handler(asked, _request):
        if asked["type"] == REFRESH:
            return short if asked["refresh_token"] == SECRETS["refresh_token"] else FRESH
        return EXPIRED if asked["access_token"] == SECRETS["access_token"] else EMPTY

    client, other_side = opened(handler)
    pull(client, window)
    assert count(other_side, REFRESH) == 1
    pull(client, window)  # 200 s are less than the margin
    assert count(other_side, REFRESH) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(10019), NeedsReauthorisation), (error(20034), NeedsReauthorisation), (error(52002), Unavailable),
        (error(70031), Unavailable), ("<html>", BadResponse), ({"token_refresh": GRANT}, BadResponse),
    ],
    ids=str,
)  # fmt: skip
def test_a_refresh_that_fails_tells_whether_a_person_must_act(opened, window, answer, kind):
    client, _ = opened(lambda asked, _: answer if asked["type"] == REFRESH else EXPIRED)
    with pytest.raises(kind) as caught:
        pull(client, window)
    assert caught.value.scope == "shop"


def test_a_token_that_cannot_be_refreshed_asks_for_a_person(opened, window):
    without = {name: value for name, value in SECRETS.items() if name != "refresh_token"}
    client, other_side = opened(replies(EXPIRED), credentials=without)
    with pytest.raises(NeedsReauthorisation, match="PINDUODUO_ACCESS_TOKEN"):
        pull(client, window)
    assert len(other_side.asked) == 1


def test_a_fresh_token_that_is_refused_too_does_not_loop(opened, window):
    client, other_side = opened(lambda asked, _: FRESH if asked["type"] == REFRESH else EXPIRED)
    with pytest.raises(NeedsReauthorisation):
        pull(client, window)
    assert len(other_side.asked) == 3


@pytest.mark.parametrize("missing", ["client_id", "client_secret", "access_token"])
def test_a_missing_credential_is_named(opened, missing):
    with pytest.raises(ConfigError, match=f"{missing} is missing"):
        opened(replies(EMPTY), credentials={name: value for name, value in SECRETS.items() if name != missing})


def test_no_error_tells_a_secret(opened, window):
    for secret in SECRETS.values():
        for failure in (error(10000, sub_msg=f"bad {secret}"), error(20034, secret), f"<html>{secret}</html>"):
            client, _ = opened(replies(failure))
            with pytest.raises(Exception) as caught:
                pull(client, window)
            told = "".join(traceback.format_exception(caught.value)) + repr(client) + repr(caught.value)
            assert secret not in told


# Documents


def test_a_payload_is_the_text_the_platform_sent_byte_for_byte(opened, window):
    order = (
        '{ "order_sn":"260305-123456789012345" ,"pay_amount": 82.80,"goods_id":9007199254740993,'
        '"memo":"\\u5f20 \\/ 张","updated_at":"2026-03-05 09:10:07","item_list":[{"goods_price":29.9}]}'
    )
    client, _ = opened(replies(f'{{"{ROOT}": {{"total_count":1,"order_sn_list":[ {order} ],"request_id":"r"}}}}'))
    (payload,) = pull(client, window)[0].payloads
    assert payload.payload == order and "82.80" not in repr(payload)
    assert payload.source_id == "260305-123456789012345"
    assert payload.source_updated_at == datetime(2026, 3, 5, 1, 10, 7, tzinfo=UTC)


def listed(*rows):
    return {ROOT: {"total_count": len(rows), "order_sn_list": list(rows)}}


def test_an_order_without_number_and_time_still_lands(opened, window):
    client, _ = opened(replies(listed({"item_list": [], "pay_amount": 1})))
    (payload,) = pull(client, window)[0].payloads
    assert (payload.source_id, payload.source_updated_at) == ("", window.start)


WHOLE = {"order_sn": "260305-1", "updated_at": "2026-03-05 09:10:00", "item_list": [{"goods_count": 1}]}


def informed(asked, _request):
    if asked["type"] == INFORMATION:
        number = asked["order_sn"]
        return {"order_info_get_response": {"order_info": {**WHOLE, "order_sn": number, "detail": True}}}
    return listed(WHOLE, {"order_sn": "260305-2", "updated_at": "2026-03-05 09:10:00"})


def test_a_list_of_numbers_only_is_completed_by_each_orders_details(opened, window):
    client, other_side = opened(informed)
    payloads = {p.source_id: json.loads(p.payload) for p in pull(client, window)[0].payloads}
    assert "detail" not in payloads["260305-1"] and payloads["260305-2"]["detail"] is True
    assert count(other_side, INFORMATION) == 1


def test_the_details_of_every_order_are_asked_for_where_a_shop_says_so(opened, window):
    client, other_side = opened(informed, order_detail="always")
    assert all(json.loads(p.payload)["detail"] for p in pull(client, window)[0].payloads)
    assert count(other_side, INFORMATION) == 2
    with pytest.raises(ConfigError, match="order_detail"):
        opened(informed, order_detail="sometimes")


def refund_page(*rows):
    return {"refund_increment_get_response": {"total_count": len(rows), "refund_list": list(rows)}}


def test_cases_are_asked_for_by_the_status_that_means_all_or_one_by_one(opened, window):
    """That 1 means all is not in the documentation's list of values."""

    def by_status(asked, _request):
        n = int(asked["after_sales_status"])
        return refund_page({"id": 31 * 10**11 + n, "updated_time": "1772672405", "after_sales_status": n})

    client, other_side = opened(by_status)
    assert ids(pull(client, window, "refund")) == ["3100000000001"]
    (asked,) = other_side.asked
    assert (asked["type"], asked["after_sales_type"], asked["after_sales_status"]) == (REFUND_LIST, "1", "1")
    assert "use_has_next" not in asked and int(asked["end_updated_at"]) - int(asked["start_updated_at"]) == 1800

    client, _ = opened(by_status, after_sales_statuses=[2, 3, 10])
    (page,) = pull(client, window, "refund")
    assert page.reported == 3 and ids([page]) == ["3100000000002", "3100000000003", "3100000000010"]
    assert set(client.census("refund", window)) == set(ids([page]))


def test_a_case_of_either_time_form_lands_and_is_counted_again(opened, window):
    rows = [
        {"id": 3100000000001, "updated_time": "1772672405"},
        {"id": "3100000000002", "updated_time": "2026-03-05 09:00:06"},
        {"refund_amount": "1.00"},
    ]
    client, _ = opened(replies(refund_page(*rows)))
    (page,) = pull(client, window, "refund")
    times = {p.source_id: p.source_updated_at for p in page.payloads}
    second = datetime(2026, 3, 5, 1, 0, tzinfo=UTC)
    assert times == {
        "3100000000001": second + timedelta(seconds=5), "3100000000002": second + timedelta(seconds=6),
        "": window.start,
    }  # fmt: skip
    del times[""]
    assert client.census("refund", window) == times and page.reported == 3


def test_a_long_list_of_cases_is_read_backwards_without_has_next(opened, window):
    def paged(asked, _request):
        number, size = int(asked["page"]), int(asked["page_size"])
        rows = [{"id": n, "updated_time": "1772672405"} for n in range(1, 251)]
        answer = refund_page(*rows[(number - 1) * size : number * size])
        answer["refund_increment_get_response"]["total_count"] = 250
        return answer

    client, other_side = opened(paged)
    (page,) = pull(client, window, "refund")
    assert page.reported == 250 == len(ids([page]))
    assert [asked["page"] for asked in other_side.asked[:4]] == ["1", "3", "2", "1"]
    assert len(client.census("refund", window)) == 250


# Windows and clocks


def test_windows_are_half_an_hour_and_overlap_by_five_minutes_up_to_now(opened):
    """The documentation's three minutes can be read in two ways: the overlap serves both, a setting one."""
    client, _ = opened(replies(EMPTY))
    policy = client.policy("order")
    assert (policy.span, policy.overlap, policy.lag) == (timedelta(minutes=30), timedelta(minutes=5), timedelta(0))
    client, _ = opened(replies(EMPTY), window_lag_minutes=3)
    assert client.policy("refund").lag == timedelta(minutes=3)
    with pytest.raises(ValueError, match="product"):
        client.policy("product")


@pytest.mark.parametrize(("ahead", "stopped"), [(-3600, False), (0, False), (200, False), (300, True)])
def test_a_clock_ahead_of_the_platforms_closes_no_window(opened, window, ahead, stopped):
    def handler(asked, _request):
        theirs = datetime.now(UTC) - timedelta(seconds=ahead)
        return {"time_get_response": {"time": gmt8(theirs)}} if asked["type"] == "pdd.time.get" else EMPTY

    client, other_side = opened(handler, check_clock=True)
    if stopped:
        with pytest.raises(NeedsReauthorisation, match="ahead"):
            pull(client, window)
        assert count(other_side, LIST) == 0
    else:
        pull(client, window)
        pull(client, window)
        assert count(other_side, "pdd.time.get") == 1


# Write-backs

SENT = {"logistics_online_send_response": {"is_success": True, "request_id": "r3"}}
PLACE = ("260305-123456789012345", "44", "SF139")


def order_is(status, tracking=""):
    info = {"order_sn": PLACE[0], "order_status": status, "tracking_number": tracking}
    return {"order_info_get_response": {"order_info": info}}


def test_a_shipment_is_confirmed_with_the_numeric_courier(opened):
    client, other_side = opened(replies(SENT), logistics_ids={"SF": 44})
    assert client.confirm_shipment(PLACE[0], "SF", "SF139", lines=["1"])["already_shipped"] is False
    client.confirm_shipment(*PLACE)
    for asked in other_side.asked:
        assert (asked["order_sn"], asked["logistics_id"], asked["tracking_number"]) == PLACE
    with pytest.raises(ConfigError, match="logistics_ids"):
        client.confirm_shipment(PLACE[0], "ZTO", "Z1")


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("slow"), (502, "<html>"), error(50000), error(52001)], ids=str)
def test_a_shipment_whose_answer_was_lost_is_read_before_it_is_sent_again(opened, lost):
    client, other_side = opened(replies(lost, order_is(2, "SF139")))
    receipt = client.confirm_shipment(*PLACE)
    assert receipt == {"status": "2", "tracking_number": "SF139", "already_shipped": True}
    assert count(other_side, SEND) == 1


def test_a_shipment_that_did_not_arrive_is_sent_again(opened):
    client, other_side = opened(replies(httpx.ReadTimeout("slow"), order_is(1), SENT))
    assert client.confirm_shipment(*PLACE)["status"] == "sent"
    assert count(other_side, SEND) == 2


def test_a_shipment_turned_away_by_the_quota_is_simply_sent_again(opened):
    client, other_side = opened(replies(error(70031), SENT))
    assert client.confirm_shipment(*PLACE)["status"] == "sent"
    assert count(other_side, INFORMATION) == 0


def test_a_shipment_that_never_gets_an_answer_stays_unknown(opened):
    def handler(asked, _request):
        if asked["type"] == SEND:
            raise httpx.ReadTimeout("slow")
        return order_is(1)

    client, other_side = opened(handler)
    with pytest.raises(Unanswered):
        client.confirm_shipment(*PLACE)
    assert count(other_side, SEND) == 3


@pytest.mark.parametrize(
    "refused",
    [error(50001, sub_msg="订单已发货"), {"logistics_online_send_response": {"is_success": False}}],
    ids=["error", "false"],
)
def test_a_refused_shipment_counts_as_done_only_when_the_order_is_shipped(opened, refused):
    client, _ = opened(replies(refused, order_is(3, "SF139")))
    assert client.confirm_shipment(*PLACE)["already_shipped"] is True
    client, other_side = opened(replies(refused, order_is(1)))
    with pytest.raises(Refused):
        client.confirm_shipment(*PLACE)
    assert count(other_side, SEND) == 1


def test_goods_are_taken_off_sale_and_put_back(opened):
    done = {"goods_sale_status_set_response": {"is_success": True, "request_id": 5}}
    client, other_side = opened(replies(done))
    assert client.suspend_listing("600123456789")["is_onsale"] == "0"
    client.resume_listing("600123456789", 12)
    assert [(asked["goods_id"], asked["is_onsale"]) for asked in other_side.asked] == [
        ("600123456789", "0"), ("600123456789", "1"),
    ]  # fmt: skip
    client, _ = opened(replies({"goods_sale_status_set_response": {"is_success": False}}))
    with pytest.raises(Refused):
        client.suspend_listing("600123456789")


def test_the_registry_opens_this_client(tokens, clock):
    shop = Shop(id="p", platform="pinduoduo", name="p", timezone="Asia/Shanghai", currency="CNY",
                base_url="http://gateway.test/pinduoduo", credentials=SECRETS)  # fmt: skip
    client = open_client(shop, tokens=tokens, clock=clock)
    assert isinstance(client, PinduoduoClient) and client.kinds == ("order", "refund")
    client.close()
