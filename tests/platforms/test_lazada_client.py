"""Lazada's gateway against a scripted other side: signature, tokens, the table of errors."""

import hashlib
import hmac
import json
import traceback
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderpipe.config import Shop
from orderpipe.errors import BadResponse, ConfigError, NeedsReauthorisation, Throttled, Unavailable
from orderpipe.platforms import Refused
from orderpipe.platforms.lazada import LazadaClient
from orderpipe.platforms.lazada_gateway import push_signature, sign

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "vectors.json").read_text("utf-8"))["vectors"]
SECRETS = {
    "app_key": "100001",
    "app_secret": "secret-0f1e2d3c4b5a6978",
    "access_token": "50000-first-access",
    "refresh_token": "50001-first-refresh",
}
EMPTY = {"code": "0", "request_id": "r1", "data": {"countTotal": 0, "count": 0, "orders": []}}
FRESH = {
    "code": "0", "access_token": "50000-fresh", "refresh_token": "50001-fresh", "expires_in": 2592000,
    "refresh_expires_in": "15552000", "country": "my", "country_user_info_list": [], "request_id": "r2",
}  # fmt: skip
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def error(code, message="m"):
    return {"code": code, "type": "ISV", "message": message, "request_id": "r9"}


def asked_of(request):
    """(path after the base URL, all parameters)."""
    path = request.url.path.removeprefix("/rest")
    return path, dict(request.url.params) | dict(parse_qsl(request.content.decode()))


def replies(*answers):
    """A handler that gives these answers in turn and then the last one for ever; exceptions are raised."""
    queue = list(answers)

    def handler(_asked, _request):
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handler


@pytest.fixture
def opened(script, tokens, clock):
    """(client, other side) for a handler."""

    def make(handler, base_url="http://gateway.test/rest", credentials=None, shop_id="lazada-my", **settings):
        other_side = script(handler)
        shop = Shop(
            id=shop_id, platform="lazada", name="Store", timezone="Asia/Kuala_Lumpur", currency="MYR",
            base_url=base_url, credentials=SECRETS if credentials is None else credentials, settings=settings,
        )  # fmt: skip
        client = LazadaClient(shop, tokens=tokens, clock=clock, http=other_side.http, sleep=other_side.slept.append)
        return client, other_side

    return make


def pull(client, window, kind="order"):
    return list(client.pull(kind, window))


# ---- signature


@pytest.mark.parametrize("vector", [pytest.param(v, id=v["id"]) for v in VECTORS["lazada"]])
def test_a_signature_equals_the_published_vector(vector):
    assert sign(vector["api_path"], vector["params"], vector["app_secret"]) == vector["signature"]
    with_itself = {**vector["params"], "sign": vector["signature"]}
    assert sign(vector["api_path"], with_itself, vector["app_secret"]) == vector["signature"]


@pytest.mark.parametrize("vector", [pytest.param(v, id=v["id"]) for v in VECTORS["lazada_push"]])
def test_a_push_signature_equals_the_published_vector(vector):
    body = vector["raw_body"].encode()
    assert push_signature(body, vector["app_key"], vector["app_secret"]) == vector["signature"]
    assert push_signature(body + b" ", vector["app_key"], vector["app_secret"]) != vector["signature"]


def naive_signature(path, params, secret):
    """The documentation's steps one after the other, on bytes."""
    names = [name.encode("utf-8") for name in params if name != "sign"]
    joined = path.encode("utf-8")
    for name in sorted(names):
        joined = joined + name + params[name.decode("utf-8")].encode("utf-8")
    digest = hmac.HMAC(secret.encode("utf-8"), joined, "sha256").digest()
    return "".join(f"{byte:02X}" for byte in digest)


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=10)
VALUES = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@few
@given(st.dictionaries(NAMES, VALUES, max_size=8), VALUES)
def test_a_signature_equals_a_second_implementation(params, secret):
    assert sign("/orders/get", params, secret or "s") == naive_signature("/orders/get", params, secret or "s")


def signed_right(request):
    path, params = asked_of(request)
    return params["sign"] == naive_signature(path, params, SECRETS["app_secret"])


def test_a_read_is_signed_as_it_is_sent_and_its_plus_signs_survive(opened, window):
    sent = []
    client, _ = opened(lambda asked, request: sent.append(request) or EMPTY)
    pull(client, window)
    (request,) = sent
    assert request.method == "GET" and signed_right(request)
    assert "2026-03-05T09%3A00%3A00%2B08%3A00" in str(request.url) and "+" not in request.url.query.decode()
    path, params = asked_of(request)
    assert path == "/orders/get" and "" not in params.values()
    assert (params["update_after"], params["update_before"]) == (
        "2026-03-05T09:00:00+08:00",
        "2026-03-05T09:30:00+08:00",
    )
    assert len(params["timestamp"]) == 13 and params["sign_method"] == "sha256"


@pytest.mark.parametrize("place", ["body", "query"])
def test_a_write_carries_the_common_parameters_where_the_setting_says(opened, place):
    sent = []
    done = {"code": "0", "request_id": "r", "data": {}}
    client, _ = opened(lambda asked, request: sent.append(request) or done, common_params=place)
    assert client.suspend_listing("3865707451") == {"item_id": "3865707451", "already_inactive": False}
    (request,) = sent
    form, query = dict(parse_qsl(request.content.decode())), dict(request.url.params)
    assert request.method == "POST" and signed_right(request)
    assert form["apiRequestBody"] == '{"Request":{"Product":{"ItemId":3865707451}}}'
    assert ("sign" in form, "sign" in query) == (place == "body", place == "query")
    assert ("access_token" in query) == (place == "query")


# ---- tokens


def test_an_ended_token_is_renewed_once_saved_and_the_call_sent_again(opened, window, tokens):
    at_first_use, renewals = [], []

    def handler(_asked, request):
        path, params = asked_of(request)
        if path == "/auth/token/refresh":
            assert signed_right(request) and params["refresh_token"] == SECRETS["refresh_token"]
            assert request.method == "POST" and "access_token" not in params
            renewals.append(request)
            return FRESH
        if params["access_token"] == "50000-fresh":
            at_first_use.append("50001-fresh" in tokens.path.read_text())
            return EMPTY
        return error("IllegalAccessToken", "The specified access token is invalid or expired")

    client, _ = opened(handler)
    assert pull(client, window)[0].reported == 0
    pull(client, window)
    assert at_first_use == [True, True] and len(renewals) == 1
    assert client.warnings == []


@pytest.mark.parametrize(
    ("life", "renew_after"), [(30 * 86400, 29 * 86400), (7 * 86400, 6 * 86400), (86400, 43200), (3600, 1800)]
)
def test_a_token_is_renewed_a_day_before_it_ends_or_at_half_its_life(opened, window, tokens, clock, life, renew_after):
    told = FRESH | {"expires_in": str(life)}
    client, _ = opened(replies(error("InvalidAccessToken"), told, EMPTY))
    before = clock.now()
    pull(client, window)
    stored = next(iter(json.loads(tokens.path.read_text()).values()))
    renew_at = datetime.fromisoformat(stored["expires_at"]) - before
    assert abs(renew_at - timedelta(seconds=renew_after)) < timedelta(seconds=5)


def test_an_authorisation_that_ends_soon_is_announced(opened, window):
    soon = FRESH | {"refresh_expires_in": 5 * 86400}
    client, _ = opened(replies(error("IllegalAccessToken"), soon, EMPTY))
    pull(client, window)
    assert client.warnings == ["lazada-my: the seller must authorise the shop again within 5 days"]


@pytest.mark.parametrize(
    "answers",
    [
        (error("IllegalAccessToken"), error("IllegalRefreshToken")),
        (error("IllegalAccessToken"), FRESH, error("IllegalAccessToken")),
        (error("AUTH_TYPE_UNSUPPORTED"),),
        (error("InvalidCode"),),
    ],
    ids=["refresh token ended", "fresh token refused", "tied to a subscription", "code"],
)
def test_an_authorisation_that_ended_asks_for_a_person(opened, window, answers):
    client, other_side = opened(replies(*answers))
    with pytest.raises(NeedsReauthorisation, match="LAZADA_ACCESS_TOKEN, LAZADA_REFRESH_TOKEN") as caught:
        pull(client, window)
    assert caught.value.scope == "shop" and len(other_side.asked) == len(answers)


def test_the_stores_of_a_cross_border_seller_share_one_pair_of_tokens(opened, window):
    renewals = []

    def handler(_asked, request):
        path, params = asked_of(request)
        if path == "/auth/token/refresh":
            renewals.append(params["refresh_token"])
            return FRESH
        return EMPTY if params["access_token"] == "50000-fresh" else error("IllegalAccessToken")

    for shop_id in ("lazada-my", "lazada-sg", "lazada-ph"):
        client, _ = opened(handler, shop_id=shop_id, tokens_of="lazada-my")
        assert pull(client, window)[0].reported == 0
    assert renewals == [SECRETS["refresh_token"]], "a refresh token works once"


@pytest.mark.parametrize("failure", [error("ServiceTimeout"), error("ApiCallLimit"), (502, "<html>"), "{"])
def test_a_renewal_that_fails_for_a_moment_is_tried_again(opened, window, failure):
    client, _ = opened(replies(error("IllegalAccessToken"), failure, error("IllegalAccessToken"), FRESH, EMPTY))
    assert pull(client, window)[0].reported == 0


@pytest.mark.parametrize(
    ("base_url", "settings", "where"),
    [
        ("https://api.lazada.com.my/rest", {}, "https://auth.lazada.com/rest/auth/token/refresh"),
        ("https://api.lazada.sg/rest", {}, "https://auth.lazada.com/rest/auth/token/refresh"),
        ("http://gateway.test/rest", {}, "http://gateway.test/rest/auth/token/refresh"),
        (
            "https://api.lazada.vn/rest",
            {"auth_url": "http://other.test/rest"},
            "http://other.test/rest/auth/token/refresh",
        ),
    ],
)
def test_tokens_are_renewed_at_the_documented_host(opened, window, base_url, settings, where):
    sent = []
    answers = replies(error("IllegalAccessToken"), FRESH, EMPTY)
    client, _ = opened(
        lambda asked, request: sent.append(str(request.url)) or answers(asked, request), base_url, **settings
    )
    pull(client, window)
    assert sent[1] == where


# ---- errors


def test_a_ban_is_waited_out_for_as_long_as_the_platform_says(opened, window):
    ban = error("ApiCallLimit", "Api access frequency exceeds the limit. this ban will last 3 seconds")
    client, other_side = opened(replies(ban, ban, EMPTY))
    assert pull(client, window)[0].reported == 0
    assert len(other_side.slept) == 2 and all(3 < wait <= 4 for wait in other_side.slept)


@pytest.mark.parametrize("code", ["ApiCallLimit", "SellerCallLimit", "AppCallLimit"])
def test_a_ban_longer_than_the_budget_stops_the_shop_for_this_tick(opened, window, code):
    client, _ = opened(replies(error(code, "this ban will last 90 seconds")))
    with pytest.raises(Throttled) as caught:
        pull(client, window)
    assert caught.value.scope == "shop"


def test_a_used_up_daily_quota_is_not_tried_again(opened, window):
    client, other_side = opened(replies(error("AppCallLimit", "The daily call quota of the app is exceeded")))
    with pytest.raises(Throttled, match="next day"):
        pull(client, window)
    assert len(other_side.asked) == 1


PASSING = [
    error("SystemError"), error("ServiceTimeout"), error("isp.x", "Rpc timeout"), error("6", "E006: Unexpected"),
    error("E006"), error("901"), error("998"), error("513"), error("506"), error("1000"), error("1002"), error(6),
    (502, "<html>Bad Gateway</html>"), (500, ""), (429, "slow", {"Retry-After": "2"}), '{"code": "0", "data": {"ord',
    '{"request_id": "r"}', b'{"code": "0", "data": {"countTotal": 0, "x": "\xff"}}', httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut short"),
]  # fmt: skip


@pytest.mark.parametrize("failure", PASSING, ids=lambda failure: str(failure)[:60])
def test_a_passing_failure_is_mended_by_asking_again(opened, window, failure):
    client, other_side = opened(replies(failure, failure, EMPTY))
    assert pull(client, window)[0].reported == 0
    assert len(other_side.slept) == 2


@pytest.mark.parametrize(
    ("failure", "kind", "scope"),
    [
        (error("SystemError"), Unavailable, "shop"),
        (httpx.ConnectError("refused"), Unavailable, "shop"),
        ((503, "down"), Unavailable, "shop"),
        ((429, ""), Throttled, "shop"),
        ("<html>login</html>", BadResponse, "window"),
    ],
)
def test_a_lasting_failure_ends_after_five_tries(opened, window, failure, kind, scope):
    client, other_side = opened(replies(failure))
    with pytest.raises(kind) as caught:
        pull(client, window)
    assert len(other_side.asked) == 5
    assert caught.value.scope == scope and "lazada-my" in str(caught.value) and caught.value.remedy


@pytest.mark.parametrize(
    ("failure", "kind", "remedy"),
    [
        (error("IncompleteSignature"), NeedsReauthorisation, "LAZADA_APP_SECRET"),
        (error("InvalidAppKey"), NeedsReauthorisation, "LAZADA_APP_KEY"),
        (error("InvalidTimestamp"), NeedsReauthorisation, "clock"),
        (error("MissingParameter"), Refused, "documentation"),
        (error("6", "Invalid status filter"), Refused, "documentation"),
        (error("14", 'E014: "5001" Invalid Offset'), Refused, "documentation"),
        *(
            (error(code), Refused, "documentation")
            for code in ("16", "17", "19", "36", "37", "38", "39", "56", "74", "75")
        ),
        (error("SellerNotVerified"), Refused, "documentation"),
        (error("Mp3SellerApiLimit"), Refused, "documentation"),
        (error("BrandNewCode"), Refused, "documentation"),
    ],
    ids=lambda value: value["code"] if isinstance(value, dict) else "",
)
def test_a_refusal_is_told_at_once_with_its_remedy(opened, window, failure, kind, remedy):
    client, other_side = opened(replies(failure))
    with pytest.raises(kind, match=remedy):
        pull(client, window)
    assert len(other_side.asked) == 1


@pytest.mark.parametrize(
    "failure",
    [
        error("IncompleteSignature", "sign with secret-0f1e2d3c4b5a6978"),
        error("17", "bad 50000-first-access"),
        error("IllegalRefreshToken", "50001-first-refresh"),
        httpx.ReadTimeout("50000-first-access"),
        "<html>50000-first-access</html>",
    ],
    ids=["signature", "argument", "refresh", "timeout", "html"],
)
def test_no_error_tells_a_secret(opened, window, failure):
    client, _ = opened(replies(failure))
    with pytest.raises(Exception) as caught:
        pull(client, window)
    told = "".join(traceback.format_exception(caught.value)) + repr(client) + repr(caught.value)
    assert not any(SECRETS[name] in told for name in ("app_secret", "access_token", "refresh_token"))


def test_what_is_missing_in_the_configuration_is_named(opened):
    with pytest.raises(ConfigError, match=r"access_token is missing.*environment variable"):
        opened(replies(EMPTY), credentials={"app_key": "k", "app_secret": "s"})


def test_the_sha256_of_the_second_implementation_is_the_standard_one():
    assert naive_signature("/a", {"b": "c"}, "k") == hmac.new(b"k", b"/abc", hashlib.sha256).hexdigest().upper()
