"""Taobao as it is: refusals, pages that move, masked receivers, tokens that are spent, money that adds up."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FIVE = "receiver_name,receiver_address,created,receiver_mobile,receiver_phone"


def tids(page: dict) -> list[int]:
    return [row["tid"] for row in page.get("trades", {}).get("trade", [])]


def forward(talk, start: str, end: str, size: int = 20) -> set[int]:
    found, number = set(), 1
    while rows := tids(talk.increment(start, end, page_no=number, page_size=size)):
        found |= set(rows)
        number += 1
    return found


def backward(talk, start: str, end: str, size: int = 20) -> set[int]:
    total = talk.increment(start, end, page_no=1, page_size=1, fields="tid")["total_results"]
    found = set()
    for number in range(-(-total // size), 0, -1):
        found |= set(tids(talk.increment(start, end, page_no=number, page_size=size, use_has_next="true")))
    return found


# ---- refusals


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "not-the-secret"}, 25),
        ({"sign": "0" * 64}, 25),
        ({"sign": "签名"}, 25),
        ({"app_key": "99999999"}, 29),
        ({"timestamp": "2001-01-01 00:00:00"}, 31),
        ({"timestamp": "yesterday"}, 31),
        ({"session": "6100somebodyelse"}, 27),
        ({"session": ""}, 26),
        ({"app_key": ""}, 28),
        ({"timestamp": ""}, 30),
        ({"v": ""}, 32),
        ({"v": "1.0"}, 33),
        ({"fields": ""}, 40),
        ({"page_size": "101"}, 41),
        ({"page_no": "0"}, 41),
    ],
)
def test_a_wrong_call_is_refused_with_the_documented_code(sandbox, caller, change, code):
    talk = caller(sandbox())
    start, end = talk.gmt8(60), talk.gmt8()
    secret = change.pop("secret", None)
    call = {"fields": "tid", "start_modified": start, "end_modified": end, **change}
    answer = talk.top_raw("taobao.trades.sold.increment.get", secret=secret, **call)
    assert answer.status_code == 200
    assert answer.json()["error_response"]["code"] == code


def test_the_clock_of_a_caller_may_be_off_by_ten_minutes_and_no_more(sandbox, caller):
    talk = caller(sandbox())
    assert "code" not in talk.increment(talk.gmt8(60), talk.gmt8(), timestamp=talk.gmt8(590))
    assert talk.increment(talk.gmt8(60), talk.gmt8(), timestamp=talk.gmt8(610))["code"] == 31


def test_an_unknown_method_and_a_window_longer_than_a_day_are_refused(sandbox, caller):
    talk = caller(sandbox())
    assert talk.top("taobao.trades.steal")["code"] == 22
    assert talk.increment(talk.gmt8(86401), talk.gmt8())["sub_code"] == "isv.invalid-parameter"
    assert "code" not in talk.increment(talk.gmt8(86400), talk.gmt8())


def test_a_caller_who_forgets_format_json_gets_xml(sandbox, caller):
    answer = caller(sandbox()).top_raw("taobao.trades.sold.get", format="")
    assert answer.text.startswith("<?xml") and "<code>23</code>" in answer.text


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["md5", "hmac", "hmac-sha256"]),
    extra=st.dictionaries(
        st.text("abcdefgh_", min_size=1, max_size=8),
        st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12),
    ),
)
def test_every_signed_parameter_counts_in_every_signature_scheme(shared_talk, method, extra):
    window = {"start_modified": shared_talk.gmt8(60), "end_modified": shared_talk.gmt8(), "fields": "tid"}
    call = {**extra, **window, "sign_method": method}
    good = shared_talk.top_raw("taobao.trades.sold.increment.get", **call)
    assert "error_response" not in good.json()
    forged = shared_talk.top_raw("taobao.trades.sold.increment.get", **call, sign="F" * 32)
    assert forged.json()["error_response"]["code"] == 25


@pytest.fixture
def shared_talk(sandbox, caller):
    return caller(sandbox())


# ---- pages


def test_reading_forward_loses_a_trade_that_reading_backward_keeps(sandbox, caller):
    def walk(direction) -> tuple[set[str], set[str]]:
        world = sandbox()
        talk = caller(world)
        made = set(world.orders("taobao-hz", 60, state="paid", spread=600))
        world.step(300)
        start, end = talk.gmt8(1800), talk.gmt8(299)
        skip_count_call = 1 if direction is backward else 0
        world.fault("taobao", "shifted_page", after=skip_count_call)
        found = direction(talk, start, end)
        world.step(60)
        found |= direction(talk, end, talk.gmt8(1))  # the trade that moved belongs to the next window
        assert world.control("GET", "faults")[0]["fired"] == 1
        return made, {str(tid) for tid in found}

    made, found = walk(forward)
    assert len(made - found) == 1
    made, found = walk(backward)
    assert made == found


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 30), size=st.integers(1, 12), moved=st.integers(1, 4), after=st.integers(1, 4))
def test_a_closed_window_read_backward_never_loses_a_trade(shared_talk, count, size, moved, after):
    world = shared_talk.sandbox
    world.step(3600)
    made = set(world.orders("taobao-hz", count, spread=300))
    world.step(120)
    start, end = shared_talk.gmt8(900), shared_talk.gmt8(119)
    world.fault("taobao", "shifted_page", times=moved, after=after)
    found = backward(shared_talk, start, end, size)
    world.control("DELETE", "faults")
    world.step(60)
    found |= backward(shared_talk, end, shared_talk.gmt8(1), size)
    assert made <= {str(tid) for tid in found}


def test_lists_come_newest_first_and_only_in_the_window(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    world.orders("taobao-hz", 30, spread=3000)
    page = talk.increment(talk.gmt8(1500), talk.gmt8(), fields="tid,modified", page_size=100)
    times = [row["modified"] for row in page["trades"]["trade"]]
    assert times == sorted(times, reverse=True)
    assert 0 < len(times) < 30
    assert all(talk.gmt8(1500) <= time <= talk.gmt8() for time in times)


def test_an_empty_page_has_no_list_and_has_next_hides_the_total(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    empty = talk.increment(talk.gmt8(60), talk.gmt8())
    assert "trades" not in empty and empty["total_results"] == 0
    world.orders("taobao-hz", 3)
    page = talk.increment(talk.gmt8(60), talk.gmt8(), page_size=2, use_has_next="true")
    assert "total_results" not in page and page["has_next"] is True
    assert talk.increment(talk.gmt8(60), talk.gmt8(), page_no=2, page_size=2, use_has_next="true")["has_next"] is False


def test_simplify_drops_root_and_wrappers(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz")
    window = {"fields": "tid,orders", "start_modified": talk.gmt8(60), "end_modified": talk.gmt8(), "simplify": "true"}
    body = talk.top_raw("taobao.trades.sold.increment.get", **window).json()
    assert body["trades"][0]["tid"] == int(order) and isinstance(body["trades"][0]["orders"], list)


# ---- one trade


def test_only_the_asked_for_fields_come_back(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz", state="paid")
    assert set(talk.trade(order, "tid,status,no_such_field")) == {"tid", "status"}
    lines = talk.trade(order, "orders.oid,orders.price")["orders"]["order"]
    assert all(set(line) == {"oid", "price"} for line in lines)


def test_the_address_token_needs_its_five_fields_and_the_flag(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz", state="paid")
    assert talk.trade(order, f"oaid,{FIVE}")["oaid"] == world.truth("taobao-hz")[0]["receiver"]["oaid"]
    assert "oaid" not in talk.trade(order, "oaid,receiver_name,receiver_address,created,receiver_mobile")
    assert "oaid" not in talk.top("taobao.trade.fullinfo.get", tid=order, fields=f"oaid,{FIVE}")["trade"]


def test_a_new_address_gives_a_new_token_and_nothing_in_clear(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz", state="paid")
    before = talk.trade(order)["oaid"]
    truth = world.control("POST", f"orders/{order}/address")
    trade = talk.trade(order)
    assert trade["oaid"] == truth["receiver"]["oaid"] != before
    shown = json.dumps(trade, ensure_ascii=False)
    for kind in ("name", "phone", "address"):
        assert truth["receiver"][kind] not in shown
    assert trade["receiver_mobile"].endswith(truth["receiver"]["phone"][-4:])


def test_a_trade_of_nobody_is_a_caller_fault(sandbox, caller):
    assert (
        caller(sandbox()).top("taobao.trade.fullinfo.get", tid="1", fields="tid")["sub_code"] == "isv.trade-not-exist"
    )


def test_money_adds_up_to_the_cent_for_500_trades(sandbox, caller):
    world = sandbox(orders_per_hour=60, history=9, pace=6)
    talk = caller(world)
    orders = world.truth("taobao-hz")[:520]
    assert len(orders) >= 500
    kinds = set()
    for order in orders:
        trade = talk.trade(order["platform_order_no"])
        lines = trade["orders"]["order"]
        money = {
            name: Decimal(trade[name]) for name in ("payment", "post_fee", "total_fee", "discount_fee", "adjust_fee")
        }
        for line in lines:
            price, discount, adjust = (Decimal(line[name]) for name in ("price", "discount_fee", "adjust_fee"))
            assert Decimal(line["total_fee"]) == price * line["num"] + adjust - discount
            assert Decimal(line["divide_order_fee"]) == Decimal(line["total_fee"]) - Decimal(line["part_mjz_discount"])
            expected = trade["payment"] if len(lines) == 1 else line["total_fee"]
            assert line["payment"] == expected
        assert money["payment"] == sum(Decimal(line["divide_order_fee"]) for line in lines) + money["post_fee"]
        line_discounts = sum(Decimal(line["discount_fee"]) for line in lines)
        assert money["payment"] == (
            money["total_fee"] - line_discounts - money["discount_fee"] + money["adjust_fee"] + money["post_fee"]
        )
        assert (lines[0]["oid"] == trade["tid"]) == (len(lines) == 1)
        assert len(str(trade["tid"])) == 19
        assert trade["payment"] == order["payable_amount"]
        kinds |= {trade["status"], trade["type"], *(line["refund_status"] for line in lines)}
        kinds |= {"gift" for line in lines if line["price"] == "0.00"} | {"memo" for _ in [0] if "seller_memo" in trade}
    assert kinds >= {
        "WAIT_BUYER_PAY", "WAIT_SELLER_SEND_GOODS", "WAIT_BUYER_CONFIRM_GOODS", "TRADE_CLOSED", "step", "gift", "memo",
        "SUCCESS",
    }  # fmt: skip


def test_a_presale_shows_its_deposit_and_then_its_payment(sandbox, caller):
    world = sandbox(orders_per_hour=60, history=8, pace=1)
    talk = caller(world)
    steps = set()
    for order in world.truth("taobao-hz"):
        if order["is_presale"]:
            trade = talk.trade(order["platform_order_no"], "status,step_trade_status,step_paid_fee")
            steps.add((trade["status"], trade["step_trade_status"]))
            assert trade["step_paid_fee"] == order["paid_amount"]
    assert ("WAIT_BUYER_PAY", "FRONT_PAID_FINAL_NOPAID") in steps
    assert ("WAIT_SELLER_SEND_GOODS", "FRONT_PAID_FINAL_PAID") in steps


def test_a_forbidden_trade_cannot_be_shipped_until_it_is_released(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz", state="forbid_consign")
    assert talk.trade(order)["status"] == "PAID_FORBID_CONSIGN"
    refused = talk.top("taobao.logistics.offline.send", tid=order, out_sid="SF1", company_code="SF")
    assert refused["sub_code"].startswith("isv.logistics-offline-service-error")
    world.advance(order, "paid")
    assert talk.top("taobao.logistics.offline.send", tid=order, out_sid="SF1", company_code="SF")["shipping"][
        "is_success"
    ]


# ---- refunds, shipping, listing


def test_a_refund_is_seen_on_the_trade_and_in_the_refund_list(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz", state="paid", skus=["TEE-RED-M", "GLS-JUG-1L"])
    truth = world.advance(order, "refund_requested", skus=["GLS-JUG-1L"])
    assert truth["status"] == "after_sale"
    fields = "refund_id,tid,oid,status,refund_fee,outer_id"
    page = talk.top("taobao.refunds.receive.get", fields=fields, start_modified=talk.gmt8(60), end_modified=talk.gmt8())
    [refund] = page["refunds"]["refund"]
    assert refund["status"] == "WAIT_SELLER_AGREE" and refund["outer_id"] == "GLS-JUG-1L"
    assert refund["refund_fee"] == truth["refunds"][0]["amount"]
    world.advance(order, "refunded")
    assert talk.top("taobao.refund.get", fields=fields, refund_id=refund["refund_id"])["refund"]["status"] == "SUCCESS"
    lines = {line["outer_sku_id"]: line for line in talk.trade(order)["orders"]["order"]}
    assert lines["GLS-JUG-1L"]["status"] == "TRADE_CLOSED" and lines["TEE-RED-M"]["refund_status"] == "NO_REFUND"
    assert talk.trade(order)["status"] == "WAIT_SELLER_SEND_GOODS"


def test_a_parcel_per_line_and_no_line_twice(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz", state="paid", skus=["TEE-RED-M", "SOCK-5"])
    first = talk.trade(order)["orders"]["order"][0]["oid"]
    parcel = {"tid": order, "company_code": "SF", "is_split": "1", "sub_tid": first}
    assert talk.top("taobao.logistics.offline.send", out_sid="SF1", **parcel)["shipping"]["is_success"]
    assert talk.trade(order)["status"] == "SELLER_CONSIGNED_PART"
    assert "code" in talk.top("taobao.logistics.offline.send", out_sid="SF2", **parcel)
    assert talk.top("taobao.logistics.offline.send", tid=order, company_code="SF", out_sid="SF3")["shipping"][
        "is_success"
    ]
    assert talk.trade(order)["status"] == "WAIT_BUYER_CONFIRM_GOODS"
    shipments = [effect for effect in world.receipts()["taobao"] if effect["kind"] == "shipment"]
    assert [effect["duplicates"] for effect in shipments] == [0, 0]


def test_delisting_and_listing_again_are_recorded(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    item = talk.top("taobao.item.update.delisting", num_iid="610000000001")["item"]
    assert item["num_iid"] == 610000000001
    listing = {"shop_id": "taobao-hz", "product_id": "610000000001", "listed": False}
    assert world.control("GET", "truth/listings") == [listing]
    talk.top("taobao.item.update.listing", num_iid="610000000001", num="5")
    assert world.control("GET", "truth/listings") == []
    assert talk.top("taobao.item.update.delisting", num_iid="1")["sub_code"] == "isv.item-not-exist"


# ---- tokens


def test_a_refresh_token_is_spent_by_its_first_use(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    old_session, old_refresh = talk.env["TAOBAO_SESSION"], talk.env["TAOBAO_REFRESH_TOKEN"]
    answer = talk.top("taobao.top.auth.token.refresh", refresh_token=old_refresh, session="")
    tokens = json.loads(answer["token_result"])
    assert {tokens["access_token"], tokens["refresh_token"]}.isdisjoint({old_session, old_refresh})
    assert "sub_code" in talk.top("taobao.top.auth.token.refresh", refresh_token=old_refresh, session="")
    assert talk.increment(talk.gmt8(60), talk.gmt8(), session=old_session)["code"] == 27
    assert "code" not in talk.increment(talk.gmt8(60), talk.gmt8(), session=tokens["access_token"])


def test_an_expired_session_stays_expired_until_it_is_refreshed(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    world.fault("taobao", "expired_token")
    for _ in range(2):
        assert talk.increment(talk.gmt8(60), talk.gmt8())["sub_code"] == "session-expired"
    refresh = {"refresh_token": talk.env["TAOBAO_REFRESH_TOKEN"], "session": ""}
    tokens = json.loads(talk.top("taobao.top.auth.token.refresh", **refresh)["token_result"])
    assert "code" not in talk.increment(talk.gmt8(60), talk.gmt8(), session=tokens["access_token"])
