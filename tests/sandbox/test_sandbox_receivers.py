"""The receivers as they are: a warehouse that takes an order once, a courier that sells numbers, a robot that tires."""

import pytest

from tests.sandbox.parcels import delivery_order, label, tag

# ---- warehouse


def test_a_delivery_order_sent_twice_is_one_pick_order(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    first = talk.qimen("taobao.qimen.deliveryorder.create", delivery_order(talk, "DO1"))
    second = talk.qimen("deliveryorder.create", delivery_order(talk, "DO1"))
    assert tag(first, "flag") == tag(second, "flag") == "success"
    assert tag(first, "deliveryOrderId") == tag(second, "deliveryOrderId") != ""
    [effect] = world.receipts()["qimen"]
    assert (effect["key"], effect["requests"], effect["duplicates"]) == ("DO1", 2, 0)
    assert "<deliveryOrderCode>DO1</deliveryOrderCode>" in effect["body"]


def test_a_warehouse_may_answer_a_repetition_with_already_exists(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    world.control("POST", "settings", qimen_repeat="failure")
    talk.qimen("deliveryorder.create", delivery_order(talk, "DO1"))
    again = talk.qimen("deliveryorder.create", delivery_order(talk, "DO1"))
    assert tag(again, "flag") == "failure" and "already exists" in tag(again, "message")
    found = talk.qimen("deliveryorder.query", "<request><orderCode>DO1</orderCode></request>")
    assert tag(found, "flag") == "success" and tag(found, "status") == "ACCEPT" and tag(found, "deliveryOrderId")


def test_two_pick_orders_for_one_line_are_counted_as_a_duplicate(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz", state="paid")
    for code in ("A", "B"):
        talk.qimen("deliveryorder.create", delivery_order(talk, code, source=order, line=order))
    assert world.receipts()["counts"]["qimen"]["duplicates"] == 1
    talk.qimen("deliveryorder.create", delivery_order(talk, "C", source=order, line="another line"))
    assert world.receipts()["counts"]["qimen"]["duplicates"] == 1


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ({"secret": "wrong"}, "sign-check-failure"),
        ({"sign": "0" * 32}, "sign-check-failure"),
        ({"customerId": "somebody"}, "isv.invalid-customer"),
        ({"timestamp": "now"}, "isv.invalid-parameter"),
        ({"app_key": ""}, "isv.missing-parameter"),
    ],
)
def test_a_call_that_does_not_prove_itself_is_refused(sandbox, caller, call, code):
    world = sandbox()
    talk = caller(world)
    answer = talk.qimen("deliveryorder.create", delivery_order(talk, "DO1"), **call)
    assert tag(answer, "flag") == "failure" and tag(answer, "code") == code
    assert world.receipts()["qimen"] == [] and world.receipts()["counts"]["qimen"]["refused"] == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sku": "NO-SUCH-THING"}, "ITEM_NOT_EXIST"),
        ({"warehouse": "WH-MARS"}, "WAREHOUSE_NOT_EXIST"),
        ({"pieces": "0"}, "isv.invalid-parameter"),
        ({"freight": "9.00"}, "AMOUNT_MISMATCH"),
        ({"address": ""}, "isv.missing-parameter"),
        ({"name": "张*", "mobile": "*******0000", "address": "***"}, "RECEIVER_MASKED"),
    ],
)
def test_a_delivery_order_nobody_could_ship_is_refused(sandbox, caller, change, code):
    talk = caller(sandbox())
    answer = talk.qimen("deliveryorder.create", delivery_order(talk, "DO1", **change))
    assert tag(answer, "flag") == "failure" and tag(answer, "code") == code


@pytest.mark.parametrize(
    "body",
    [
        '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "ha">]><request><orderCode>&a;</orderCode></request>',
        '<!DOCTYPE request SYSTEM "file:///etc/passwd"><request><orderCode>1</orderCode></request>',
        "<request><orderCode>1</orderCode>",
        "<order/>",
    ],
)
def test_document_types_and_broken_xml_are_refused(sandbox, caller, body):
    talk = caller(sandbox())
    assert tag(talk.qimen("deliveryorder.query", body), "code") == "isv.invalid-xml"


def test_the_warehouse_knows_whether_the_parcel_goes_to_the_newest_address(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("taobao-hz", state="paid")
    oaid = world.truth("taobao-hz")[0]["receiver"]["oaid"]
    masked = {"name": "张*", "mobile": "*******0000", "address": "***", "oaid": oaid, "tid": order, "source": order}
    talk.qimen("deliveryorder.create", delivery_order(talk, "BEFORE", line="1", **masked))
    world.control("POST", f"orders/{order}/address")
    world.advance(order, "refund_requested")
    talk.qimen("deliveryorder.create", delivery_order(talk, "AFTER", line="2", **masked))
    before, after = world.receipts()["qimen"]
    assert before["receiver_current"] is True and before["platform_state"]["refund_open"] is False
    assert after["receiver_current"] is False and after["platform_state"]["refund_open"] is True


def test_a_cancel_comes_in_time_or_too_late(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    body = "<request><warehouseCode>WH-HZ</warehouseCode><orderCode>{}</orderCode></request>"
    talk.qimen("deliveryorder.create", delivery_order(talk, "EARLY"))
    talk.qimen("deliveryorder.create", delivery_order(talk, "LATE"))
    assert tag(talk.qimen("order.cancel", body.format("EARLY")), "flag") == "success"
    assert tag(talk.qimen("order.cancel", body.format("NEVER")), "code") == "ORDER_NOT_EXIST"
    world.step(3600)
    assert tag(talk.qimen("order.cancel", body.format("LATE")), "code") == "CANCEL_TOO_LATE"
    world.step(3600)
    status = {code: tag(talk.qimen("deliveryorder.query", body.format(code)), "status") for code in ("EARLY", "LATE")}
    assert status == {"EARLY": "CANCELED", "LATE": "CLOSED"}, "wanted back and without a label, it is put back"


def test_stock_is_free_then_locked_then_gone(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    criteria = "<criteria><warehouseCode>WH-HZ</warehouseCode><itemCode>TEE-RED-M</itemCode></criteria>"
    query = f"<request><criteriaList>{criteria}</criteriaList></request>"

    def stock() -> tuple[int, int]:
        answer = talk.qimen("inventory.query", query)
        return int(tag(answer, "quantity")), int(tag(answer, "lockQuantity"))

    free, locked = stock()
    assert locked == 0
    talk.qimen("deliveryorder.create", delivery_order(talk, "DO1", pieces="2"))
    assert stock() == (free - 2, 2)
    talk.kuaidi100("order", label("DO1", False))
    world.step(2 * 3600)
    assert stock() == (free - 2, 0)
    world.control("POST", "stock", warehouse="WH-HZ", sku="TEE-RED-M", quantity=3)
    assert stock() == (3, 0)


# ---- courier


def test_reorder_false_returns_the_first_number_and_anything_else_buys_another(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    first = talk.kuaidi100("order", label("SO-1", False))["data"]
    assert talk.kuaidi100("order", label("SO-1", False))["data"] == first
    assert world.receipts()["counts"]["kuaidi100"] == {"effects": 1, "requests": 2, "refused": 0, "duplicates": 0}
    for reorder in (True, None):
        assert talk.kuaidi100("order", label("SO-1", reorder))["data"]["kuaidinum"] != first["kuaidinum"]
    assert world.receipts()["counts"]["kuaidi100"]["duplicates"] == 2
    assert len(world.receipts()["kuaidi100"][0]["numbers"]) == 3


def test_after_48_hours_the_courier_has_forgotten_the_order(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    first = talk.kuaidi100("order", label("SO-1", False))["data"]["kuaidinum"]
    world.step(48 * 3600 - 1)
    assert talk.kuaidi100("order", label("SO-1", False))["data"]["kuaidinum"] == first
    world.step(2)
    assert talk.kuaidi100("order", label("SO-1", False))["data"]["kuaidinum"] != first


def test_a_label_is_cancelled_by_the_couriers_own_number_and_once(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    bought = talk.kuaidi100("order", label("SO-1", False))["data"]
    cancel = {"kuaidicom": "shunfeng", "kuaidinum": bought["kuaidinum"], "partnerId": "P001"}
    assert talk.kuaidi100("cancel", {**cancel, "orderId": "SO-1"})["code"] == 30001
    assert talk.kuaidi100("cancel", {**cancel, "orderId": bought["kdComOrderNum"]})["code"] == 200
    assert talk.kuaidi100("cancel", {**cancel, "orderId": bought["kdComOrderNum"]})["success"] is False
    later = talk.kuaidi100("order", label("SO-2", False))["data"]
    talk.qimen("deliveryorder.create", delivery_order(talk, "SO-2"))
    world.step(3 * 3600)  # handed over under that label
    late = {**cancel, "kuaidinum": later["kuaidinum"], "orderId": later["kdComOrderNum"]}
    assert talk.kuaidi100("cancel", late)["success"] is False


def test_wrong_signature_wrong_key_and_wrong_parameters_have_their_codes(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    assert talk.kuaidi100("order", label("SO-1", False), sign="0" * 32) == {
        "success": False, "code": 30002, "message": "签名校验失败", "data": None, "time": 3,
    }  # fmt: skip
    assert talk.kuaidi100("order", label("SO-1", False), key="nobody")["code"] == 30003
    assert talk.kuaidi100("order", label("SO-1", False, kuaidicom="pigeon"))["code"] == 30001
    assert (
        talk.kuaidi100("order", label("SO-1", False, recMan={"name": "张*", "mobile": "*", "printAddr": "***"}))["code"]
        == 30001
    )
    world.control("POST", "settings", kuaidi100_units=0)
    assert talk.kuaidi100("order", label("SO-1", False))["code"] == 30004
    assert world.receipts()["kuaidi100"] == []


def test_an_answer_lost_after_the_booking_is_found_again_by_the_same_order(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    world.fault("kuaidi100", "business_busy", worked=True)
    assert talk.kuaidi100("order", label("SO-1", False))["code"] == -1
    assert talk.kuaidi100("order", label("SO-1", False))["code"] == 200
    [effect] = world.receipts()["kuaidi100"]
    assert effect["requests"] == 2 and effect["duplicates"] == 0


# ---- robot


def test_twenty_messages_a_minute_and_then_ten_minutes_of_silence(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    assert [talk.dingtalk(f"订单 {n}")["errcode"] for n in range(20)] == [0] * 20
    assert talk.dingtalk("订单 20")["errcode"] == 130101
    world.step(120)
    assert talk.dingtalk("订单 21")["errcode"] == 130101
    world.step(479)
    assert talk.dingtalk("订单 22")["errcode"] == 130101
    world.step(2)
    assert talk.dingtalk("订单 23")["errcode"] == 0
    assert len(world.receipts()["dingtalk"]) == 21


def test_a_minute_is_a_rolling_one(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    for n in range(40):
        assert talk.dingtalk(f"订单 {n}")["errcode"] == 0
        world.step(3.1)


def test_a_message_must_be_signed_timely_and_hold_the_keyword(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    assert "sign not match" in talk.dingtalk("订单", secret="SECwrong")["errmsg"]
    assert "invalid timestamp" in talk.dingtalk("订单", skew=-3700)["errmsg"]
    assert talk.dingtalk("订单", skew=-3500)["errcode"] == 0
    assert talk.dingtalk("订单", access_token="nobody")["errcode"] == 300005
    world.control("POST", "settings", dingtalk_keywords=["告警"])
    assert "keywords not in content" in talk.dingtalk("订单")["errmsg"]
    assert world.receipts()["counts"]["dingtalk"] == {"effects": 1, "requests": 1, "refused": 4, "duplicates": 0}


def test_a_message_said_twice_is_seen_twice(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    talk.dingtalk("订单 1 库存不足")
    talk.dingtalk("订单 1 库存不足")
    [effect] = world.receipts()["dingtalk"]
    assert (effect["requests"], effect["duplicates"]) == (2, 1)
