"""Faults fire on the calls they name, as often as asked, and each leaves the world as such a failure would."""

import json
from decimal import Decimal

import httpx
import pytest

INCREMENT = "taobao.trades.sold.increment.get"


def window(talk, **more) -> dict[str, str]:
    return {"fields": "tid,modified", "start_modified": talk.gmt8(3600), "end_modified": talk.gmt8(), **more}


def test_a_fault_skips_fires_and_then_is_over(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    world.fault("taobao", "http_500", times=2, after=1, match="increment")
    statuses = [talk.top_raw(INCREMENT, **window(talk)).status_code for _ in range(5)]
    assert statuses == [200, 500, 500, 200, 200]
    assert talk.top_raw("taobao.trades.sold.get", fields="tid").status_code == 200
    [fault] = world.control("GET", "faults")
    assert (fault["fired"], fault["seen"]) == (2, 5)
    world.control("DELETE", "faults")
    assert world.control("GET", "faults") == []


def test_a_probability_draws_from_the_seed(sandbox, caller):
    def statuses() -> list[int]:
        world = sandbox(seed=7)
        talk = caller(world)
        world.fault("taobao", "http_500", probability=0.5)
        return [talk.top_raw(INCREMENT, **window(talk)).status_code for _ in range(30)]

    first = statuses()
    assert first == statuses() and {200, 500} == set(first)


def test_a_fault_nobody_plays_is_refused(sandbox):
    world = sandbox()
    for where, kind in (("nowhere", "hang"), ("qimen", "shifted_page"), ("taobao", "meteor")):
        with pytest.raises(httpx.HTTPStatusError):
            world.fault(where, kind)


@pytest.mark.parametrize(("kind", "status"), [("http_429", 429), ("http_500", 500), ("http_502_html", 502)])
def test_edge_failures_keep_the_work_undone(sandbox, caller, kind, status):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz", state="paid")
    world.fault("taobao", kind)
    shipping = {"tid": order, "out_sid": "SF1", "company_code": "SF"}
    assert talk.top_raw("taobao.logistics.offline.send", **shipping).status_code == status
    assert world.truth()[0]["status"] == "paid" and world.receipts()["taobao"] == []


def test_a_timeout_after_the_write_leaves_the_trade_shipped(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz", state="paid")
    world.fault("taobao", "timeout_after_write")
    with pytest.raises(httpx.TransportError):
        talk.top_raw("taobao.logistics.offline.send", tid=order, out_sid="SF1", company_code="SF")
    assert world.truth()[0]["status"] == "shipped"
    assert [effect["key"] for effect in world.receipts()["taobao"]] == [order]


def test_a_hanging_call_whose_caller_gives_up_does_nothing(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz", state="paid")
    world.fault("taobao", "hang", seconds=30)
    talk.http = httpx.Client(timeout=0.3, trust_env=False)
    with pytest.raises(httpx.ReadTimeout):
        talk.top_raw("taobao.logistics.offline.send", tid=order, out_sid="SF1", company_code="SF")
    assert world.truth()[0]["status"] == "paid"


def test_a_truncated_body_breaks_the_transport_and_malformed_json_only_the_parser(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    world.fault("taobao", "truncated_body")
    with pytest.raises(httpx.TransportError):
        talk.top_raw(INCREMENT, **window(talk))
    world.fault("taobao", "malformed_json")
    answer = talk.top_raw(INCREMENT, **window(talk))
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_taobao_says_how_long_a_ban_lasts_and_whose_fault_a_failure_is(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    world.fault("taobao", "throttle", seconds=7)
    ban = talk.top(INCREMENT, **window(talk))
    assert ban["code"] == 7 and ban["sub_code"] == "accesscontrol.limited-by-api-access-count"
    assert "7 more seconds" in ban["sub_msg"]
    world.fault("taobao", "business_busy")
    assert talk.top(INCREMENT, **window(talk))["sub_code"].startswith("isp.")


def test_pages_can_lie_about_counts_rows_and_fields(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    world.orders("taobao-hz", 5)
    honest = talk.top(INCREMENT, **window(talk))
    world.fault("taobao", "wrong_count", delta=3)
    assert talk.top(INCREMENT, **window(talk))["total_results"] == honest["total_results"] + 3
    world.fault("taobao", "duplicate_rows")
    rows = talk.top(INCREMENT, **window(talk))["trades"]["trade"]
    assert len(rows) == 6 and rows[-1] == rows[-2]
    world.fault("taobao", "missing_field", field="tid")
    assert ["tid" in row for row in talk.top(INCREMENT, **window(talk))["trades"]["trade"]] == [False] + [True] * 4
    [order] = world.orders("taobao-hz")
    world.fault("taobao", "missing_field", match="fullinfo")
    assert "created" not in talk.trade(order) and "created" in talk.trade(order)


def test_a_late_commit_appears_behind_the_back_of_a_closed_window(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    world.fault("taobao", "late_commit", seconds=600)
    [late, prompt] = world.orders("taobao-hz", 2)
    closed = {"start_modified": talk.gmt8(60), "end_modified": talk.gmt8()}

    def seen() -> set[str]:
        rows = talk.top(INCREMENT, fields="tid", **closed).get("trades", {}).get("trade", [])
        return {str(row["tid"]) for row in rows}

    assert seen() == {prompt}
    assert talk.trade(late)["tid"] == int(late)
    assert {order["platform_order_no"]: order["visible"] for order in world.truth()} == {late: False, prompt: True}
    world.step(600)
    assert seen() == {late, prompt}


def test_shopify_fails_in_its_own_words(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    query = (
        "{ orders(first: 5, sortKey: UPDATED_AT) { nodes { id createdAt customer { id } shippingAddress { city } } } }"
    )
    world.orders("shopify-us", 2)
    world.step(61)
    world.fault("shopify", "throttle")
    assert talk.graphql(query)["errors"][0]["extensions"]["code"] == "THROTTLED"
    world.fault("shopify", "partial_data")
    partial = talk.graphql(query)
    assert partial["errors"] and partial["data"]["orders"]["nodes"][0]["shippingAddress"] is None
    world.fault("shopify", "missing_field")
    assert talk.graphql(query)["data"]["orders"]["nodes"][0]["createdAt"] is None
    world.fault("shopify", "duplicate_rows")
    assert len(talk.graphql(query)["data"]["orders"]["nodes"]) == 3
    token = talk.grant().json()["access_token"]
    world.fault("shopify", "expired_token")
    assert talk.graphql_raw(query, token=token).status_code == 401
    assert talk.graphql_raw(query, token=token).status_code == 401
    assert "errors" not in talk.graphql(query)


def test_receivers_fail_in_their_own_words(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    world.fault("qimen", "business_busy")
    assert "<code>isp.system-busy</code>" in talk.qimen("order.cancel", "<request/>")
    world.fault("dingtalk", "business_busy")
    assert talk.dingtalk("订单")["errcode"] == -1
    world.fault("dingtalk", "throttle")
    assert [talk.dingtalk("订单")["errcode"] for _ in range(2)] == [130101, 130101]
    assert Decimal(world.receipts()["counts"]["dingtalk"]["effects"]) == 0
