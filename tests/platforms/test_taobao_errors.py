"""The platform's table of errors, one promise per row; session refresh; write-backs that end unclearly."""

import traceback
from datetime import UTC, datetime

import httpx
import pytest

from orderpipe.errors import BadResponse, ConfigError, NeedsReauthorisation, Throttled, Unavailable
from orderpipe.platforms import Refused, TokenStore, Unanswered, open_client
from orderpipe.platforms.taobao import TaobaoClient

EMPTY = {"trades_sold_increment_get_response": {"total_results": 0, "request_id": "r1"}}
FRESH = {
    "top_auth_token_refresh_response": {
        "token_result": '{"access_token":"fresh-session","refresh_token":"fresh-refresh","expires_in":"86400"}'
    }
}


def error(code, sub_code="", sub_msg=""):
    return {"error_response": {"code": code, "msg": "m", "sub_code": sub_code, "sub_msg": sub_msg, "request_id": "r9"}}


EXPIRED = error(27, "session-expired", "session expired")


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
def opened(script, taobao_shop, tokens, clock):
    """(client, other side) for a handler."""

    def make(handler, store=None, credentials=None, **settings):
        other_side = script(handler)
        client = TaobaoClient(
            taobao_shop(credentials=credentials, **settings),
            tokens=store or tokens,
            clock=clock,
            http=other_side.http,
            sleep=other_side.slept.append,
        )
        return client, other_side

    return make


def pull(client, window):
    return [page for page in client.pull("order", window)]


def test_a_call_limit_is_waited_out_for_as_long_as_the_platform_says(opened, window):
    ban = error(7, "accesscontrol.limited-by-api-access-count", "This ban will last for 3 more seconds")
    client, other_side = opened(replies(ban, ban, EMPTY))
    assert pull(client, window)[0].reported == 0
    assert other_side.slept == [4, 4]


def test_a_call_limit_longer_than_the_budget_stops_the_shop_for_this_tick(opened, window):
    ban = error(7, "accesscontrol.limited-by-api-access-count", "This ban will last for 30 more seconds")
    client, other_side = opened(replies(ban))
    with pytest.raises(Throttled) as caught:
        pull(client, window)
    assert caught.value.scope == "shop" and other_side.slept == [31]


def test_a_used_up_daily_quota_is_not_tried_again(opened, window):
    client, other_side = opened(replies(error(7, "accesscontrol.limited-by-app-access-count")))
    with pytest.raises(Throttled, match="00:00"):
        pull(client, window)
    assert len(other_side.asked) == 1


def test_an_application_that_is_not_online_is_not_tried_again(opened, window):
    client, other_side = opened(replies(error(7, "accesscontrol.limited-by-app-api-access-count")))
    with pytest.raises(Refused, match="online") as caught:
        pull(client, window)
    assert caught.value.scope == "shop" and len(other_side.asked) == 1


@pytest.mark.parametrize(
    "failure",
    [
        error(15, "isp.remote-service-error"),
        error(15, "isp.top-remote-connection-timeout"),
        error(15, "isp.system-busy"),
        error(10, "isp.service-unavailable"),
        error(7, "accesscontrol.limited-by-dynamic-access-count"),
        (502, "<html>Bad Gateway</html>"),
        (500, ""),
        (429, "slow down", {"Retry-After": "2"}),
        '{"trades_sold_increment_get_response": {"total_results"',
        '{"some_other_response": {}}',
        b'{"trades_sold_increment_get_response": {"total_results": 0, "request_id": "\xff"}}',
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut short"),
    ],
    ids=lambda failure: str(failure)[:60],
)
def test_a_passing_failure_of_the_platform_is_mended_by_asking_again(opened, window, failure):
    client, other_side = opened(replies(failure, failure, EMPTY))
    assert pull(client, window)[0].reported == 0
    assert len(other_side.slept) == 2


@pytest.mark.parametrize(
    ("failure", "kind", "scope"),
    [
        (error(15, "isp.remote-service-error"), Unavailable, "shop"),
        (httpx.ConnectError("refused"), Unavailable, "shop"),
        ((503, "down"), Unavailable, "shop"),
        ((429, ""), Throttled, "shop"),
        ("<html>login</html>", BadResponse, "window"),
    ],
)
def test_a_lasting_failure_ends_after_a_few_tries(opened, window, failure, kind, scope):
    client, other_side = opened(replies(failure))
    with pytest.raises(kind) as caught:
        pull(client, window)
    assert 3 <= len(other_side.asked) <= 5
    assert caught.value.scope == scope and "taobao-hz" in str(caught.value) and caught.value.remedy


@pytest.mark.parametrize(
    ("failure", "kind", "remedy"),
    [
        (error(25, "isv.invalid-signature"), NeedsReauthorisation, "TAOBAO_APP_SECRET"),
        (error(29, "isv.appkey-not-exists"), NeedsReauthorisation, "TAOBAO_APP_KEY"),
        (error(31), NeedsReauthorisation, "clock"),
        (error(11, "isv.permission-api-package-empty"), NeedsReauthorisation, "permission"),
        (error(40, "isv.missing-parameter:fields"), Refused, "documentation"),
        (error(15, "isv.invalid-parameter"), Refused, "documentation"),
    ],
)
def test_a_fault_on_our_side_is_told_at_once_with_its_remedy(opened, window, failure, kind, remedy):
    client, other_side = opened(replies(failure))
    with pytest.raises(kind, match=remedy):
        pull(client, window)
    assert len(other_side.asked) == 1


# The session


def test_an_expired_session_is_refreshed_once_and_the_call_replayed(opened, window, tokens, taobao_secrets):
    at_first_use = []

    def handler(asked, _request):
        if asked["method"] == "taobao.top.auth.token.refresh":
            assert asked["refresh_token"] == taobao_secrets["refresh_token"]
            return FRESH
        if asked["session"] == "fresh-session":
            at_first_use.append("fresh-refresh" in tokens.path.read_text() if tokens.path.exists() else False)
            return EMPTY
        return EXPIRED

    client, other_side = opened(handler)
    assert pull(client, window)[0].reported == 0
    assert at_first_use == [True]  # the new pair was on disk before it was first sent
    pull(client, window)
    assert other_side.count("taobao.top.auth.token.refresh") == 1


class DiesAfterWriting(TokenStore):
    """The process ends right after the new pair was written, before anything used it."""

    def set(self, shop_id, token):
        super().set(shop_id, token)
        raise KeyboardInterrupt


def test_a_process_killed_between_refresh_and_first_use_has_lost_nothing(opened, window, tokens):
    spent = set()

    def handler(asked, _request):
        if asked["method"] == "taobao.top.auth.token.refresh":
            if asked["refresh_token"] in spent:
                return error(41, "isv.refresh-token-used")
            spent.add(asked["refresh_token"])
            return FRESH
        return EMPTY if asked["session"] == "fresh-session" else EXPIRED

    dying, _ = opened(handler, store=DiesAfterWriting(tokens.path))
    with pytest.raises(KeyboardInterrupt):
        pull(dying, window)
    restarted, other_side = opened(handler, store=TokenStore(tokens.path))
    assert pull(restarted, window)[0].reported == 0
    assert other_side.count("taobao.top.auth.token.refresh") == 0


def test_many_workers_that_meet_an_expired_session_refresh_it_once(opened, window):
    rows = [{"tid": 10**18 + n, "modified": "2026-03-05 09:10:00"} for n in range(20)]
    refreshed = []

    def handler(asked, _request):
        if asked["method"] == "taobao.top.auth.token.refresh":
            refreshed.append(asked)
            return FRESH
        if asked["method"] == "taobao.trades.sold.increment.get":
            return {"trades_sold_increment_get_response": {"total_results": 20, "trades": {"trade": rows}}}
        if asked["session"] != "fresh-session":
            return EXPIRED
        trade = {"tid": int(asked["tid"]), "modified": "2026-03-05 09:10:00"}
        return {"trade_fullinfo_get_response": {"trade": trade}}

    client, _ = opened(handler, fullinfo_workers=8)
    assert len(pull(client, window)[0].payloads) == 20
    assert len(refreshed) == 1


def test_a_session_that_cannot_be_refreshed_asks_for_a_person(opened, window, taobao_secrets):
    without = {k: v for k, v in taobao_secrets.items() if k != "refresh_token"}
    client, other_side = opened(replies(EXPIRED), credentials=without)
    with pytest.raises(NeedsReauthorisation, match="TAOBAO_SESSION") as caught:
        pull(client, window)
    assert caught.value.scope == "shop" and len(other_side.asked) == 1


def test_a_fresh_session_that_is_refused_too_does_not_loop(opened, window):
    client, other_side = opened(lambda asked, _: FRESH if "refresh" in asked["method"] else EXPIRED)
    with pytest.raises(NeedsReauthorisation):
        pull(client, window)
    assert other_side.count("taobao.top.auth.token.refresh") == 1 and len(other_side.asked) == 3


def test_a_session_configured_anew_is_used_instead_of_the_stored_one(opened, window, tokens, taobao_secrets):
    handler = replies(EXPIRED, FRESH, EMPTY)
    client, _ = opened(handler)
    pull(client, window)
    renewed = {**taobao_secrets, "session": "session-by-the-operator"}
    client, other_side = opened(replies(EMPTY), credentials=renewed)
    pull(client, window)
    assert other_side.asked[0]["session"] == "session-by-the-operator"


# Documents


def test_a_payload_is_the_text_the_platform_sent_byte_for_byte(opened, window):
    row = '{"tid":3304928840071234567,"modified":"2026-03-05 09:10:00"}'
    listed = '{"trades_sold_increment_get_response":{"total_results":1,"trades":{"trade":[' + row + "]}}}"
    trade = '{ "tid" :3304928840071234567, "n": 1.10,"memo":"\\u5f20 \\/ 张","modified":"2026-03-05 09:10:07"}'
    client, _ = opened(replies(listed, '{"trade_fullinfo_get_response": {"trade":  ' + trade + ' ,"request_id":"r"}}'))
    (payload,) = pull(client, window)[0].payloads
    assert payload.payload == trade
    assert payload.source_id == "3304928840071234567"
    assert payload.source_updated_at == datetime(2026, 3, 5, 1, 10, 7, tzinfo=UTC)


def test_a_trade_without_id_and_time_still_lands_under_the_id_it_was_listed_with(opened, window):
    listed = {"total_results": 1, "trades": {"trade": [{"tid": 77, "modified": "2026-03-05 09:10:00"}]}}
    client, _ = opened(
        replies({"trades_sold_increment_get_response": listed}, {"trade_fullinfo_get_response": {"trade": {"a": 1}}})
    )
    (payload,) = pull(client, window)[0].payloads
    assert (payload.source_id, payload.payload) == ("77", '{"a": 1}')
    assert payload.source_updated_at == datetime(2026, 3, 5, 1, 10, tzinfo=UTC)


def test_a_listed_trade_that_lost_its_id_for_a_moment_is_asked_for_again(opened, window):
    def listed(**row):
        return {"trades_sold_increment_get_response": {"total_results": 1, "trades": {"trade": [row]}}}

    full = {"trade_fullinfo_get_response": {"trade": {"tid": 77, "modified": "2026-03-05 09:10:00"}}}
    whole = listed(tid=77, modified="2026-03-05 09:10:00")
    client, _ = opened(replies(listed(modified="2026-03-05 09:10:00"), whole, full))
    assert [p.source_id for p in pull(client, window)[0].payloads] == ["77"]
    client, _ = opened(replies(listed(modified="2026-03-05 09:10:00")))
    with pytest.raises(BadResponse, match="no tid"):
        pull(client, window)


def test_refunds_come_complete_and_one_without_id_still_lands(opened, window):
    refunds = [{"refund_id": "157000000000123456", "modified": "2026-03-05 09:10:00"}, {"refund_fee": "1.00"}]
    client, _ = opened(replies({"refunds_receive_get_response": {"total_results": 2, "refunds": {"refund": refunds}}}))
    (page,) = client.pull("refund", window)
    assert [p.source_id for p in page.payloads] == ["157000000000123456", ""] and page.reported == 2
    assert page.payloads[1].source_updated_at == window.start


# Secrets and personal data


@pytest.mark.parametrize(
    "failure",
    [
        error(27, "session-expired", "session session-6100b1c2d3e4f5 expired"),
        error(25, "isv.invalid-signature", "secret appsecret-0f1e2d3c4b5a6978 wrong"),
        error(41, "isv.invalid-parameter", "bad session-6100b1c2d3e4f5"),
        httpx.ReadTimeout("no answer"),
        "<html>session-6100b1c2d3e4f5</html>",
    ],
    ids=["session", "signature", "argument", "timeout", "html"],
)
def test_no_error_tells_a_secret(opened, window, failure, taobao_secrets):
    client, _ = opened(replies(failure))
    with pytest.raises(Exception) as caught:
        pull(client, window)
    told = "".join(traceback.format_exception(caught.value)) + repr(client) + repr(caught.value)
    for name in ("app_secret", "session", "refresh_token"):
        assert taobao_secrets[name] not in told


def test_a_payload_does_not_print_its_content(opened, window):
    refund = {"refund_id": "1", "modified": "2026-03-05 09:10:00", "buyer": "张三 13800000000"}
    client, _ = opened(replies({"refunds_receive_get_response": {"total_results": 1, "refunds": {"refund": [refund]}}}))
    (page,) = client.pull("refund", window)
    assert "13800000000" in page.payloads[0].payload
    assert "13800000000" not in repr(page)


def test_a_missing_credential_is_named_with_its_remedy(taobao_shop, tokens, clock):
    with pytest.raises(ConfigError, match=r"session is missing.*environment variable"):
        open_client(taobao_shop(credentials={"app_key": "k", "app_secret": "s"}), tokens=tokens, clock=clock)


def test_an_unknown_platform_or_address_is_refused_before_any_call(taobao_shop, tokens, clock):
    with pytest.raises(ConfigError, match=r"use one of (\w+, )*shopify, "):
        open_client(taobao_shop().model_copy(update={"platform": "ebay"}), tokens=tokens, clock=clock)
    with pytest.raises(ConfigError, match="base_url"):
        open_client(taobao_shop("gateway.test/taobao"), tokens=tokens, clock=clock)


# Write-backs

SENT = {"logistics_offline_send_response": {"shipping": {"is_success": True}, "request_id": "r3"}}


def trade_is(status):
    return {"trade_fullinfo_get_response": {"trade": {"tid": 77, "status": status}}}


def test_a_shipment_is_confirmed_with_courier_and_number(opened):
    client, other_side = opened(replies(SENT))
    assert client.confirm_shipment("77", "SF", "SF139")["already_shipped"] is False
    (asked,) = other_side.asked
    assert (asked["tid"], asked["company_code"], asked["out_sid"]) == ("77", "SF", "SF139")


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("slow"), (502, "<html>"), error(15, "isp.remote-service-timeout")])
def test_a_shipment_whose_answer_was_lost_is_read_before_it_is_sent_again(opened, lost):
    client, other_side = opened(replies(lost, trade_is("WAIT_BUYER_CONFIRM_GOODS")))
    assert client.confirm_shipment("77", "SF", "SF139") == {
        "status": "WAIT_BUYER_CONFIRM_GOODS",
        "already_shipped": True,
    }
    assert other_side.count("taobao.logistics.offline.send") == 1


def test_a_shipment_that_did_not_arrive_is_sent_again(opened):
    client, other_side = opened(replies(httpx.ReadTimeout("slow"), trade_is("WAIT_SELLER_SEND_GOODS"), SENT))
    assert client.confirm_shipment("77", "SF", "SF139")["status"] == "sent"
    assert other_side.count("taobao.logistics.offline.send") == 2


def test_a_shipment_that_never_gets_an_answer_stays_unknown(opened):
    def handler(asked, _request):
        if asked["method"] == "taobao.logistics.offline.send":
            raise httpx.ReadTimeout("slow")
        return trade_is("WAIT_SELLER_SEND_GOODS")

    client, other_side = opened(handler)
    with pytest.raises(Unanswered):
        client.confirm_shipment("77", "SF", "SF139")
    assert other_side.count("taobao.logistics.offline.send") == 3


def test_a_refused_shipment_counts_as_done_only_when_the_trade_is_shipped(opened):
    refused = error(15, "isv.logistics-offline-service-error:B04", "status error")
    client, _ = opened(replies(refused, trade_is("TRADE_FINISHED")))
    assert client.confirm_shipment("77", "SF", "SF139")["already_shipped"] is True
    client, other_side = opened(replies(refused, trade_is("TRADE_CLOSED")))
    with pytest.raises(Refused, match="B04"):
        client.confirm_shipment("77", "SF", "SF139")
    assert other_side.count("taobao.logistics.offline.send") == 1


def test_a_parcel_of_some_lines_is_confirmed_as_a_split(opened):
    client, other_side = opened(replies(SENT))
    client.confirm_shipment("77", "SF", "SF139", lines=["771", "772"])
    (asked,) = other_side.asked
    assert (asked["is_split"], asked["sub_tid"]) == ("1", "771,772")
    with pytest.raises(Refused, match="no line"):
        client.confirm_shipment("77", "SF", "SF139", lines=[])
    assert len(other_side.asked) == 1


def test_a_lost_answer_for_some_lines_is_judged_by_those_lines(opened):
    left, waits = "WAIT_BUYER_CONFIRM_GOODS", "WAIT_SELLER_SEND_GOODS"
    lines = {"order": [{"oid": 3304928840071234568, "status": left}, {"oid": 3304928840071234569, "status": waits}]}
    trade = {"tid": 77, "status": "SELLER_CONSIGNED_PART", "orders": lines}
    part = {"trade_fullinfo_get_response": {"trade": trade}}
    client, other_side = opened(replies(httpx.ReadTimeout("slow"), part))
    receipt = client.confirm_shipment("77", "SF", "SF139", lines=["3304928840071234568"])
    assert receipt == {"status": "SELLER_CONSIGNED_PART", "already_shipped": True}
    client, other_side = opened(replies(httpx.ReadTimeout("slow"), part, SENT))
    both = ["3304928840071234568", "3304928840071234569"]
    assert client.confirm_shipment("77", "SF", "SF139", lines=both)["status"] == "sent"
    assert other_side.count("taobao.logistics.offline.send") == 2


def test_listings_are_suspended_and_resumed(opened):
    item = {"item": {"num_iid": 61, "modified": "2026-03-05 09:10:00"}}
    client, other_side = opened(replies({"item_update_delisting_response": item}))
    assert client.suspend_listing("61")["num_iid"] == "61"
    client, other_side = opened(replies({"item_update_listing_response": item}))
    client.resume_listing("61", 12)
    assert (other_side.asked[0]["num_iid"], other_side.asked[0]["num"]) == ("61", "12")
