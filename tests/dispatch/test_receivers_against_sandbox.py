"""Hand-over to simulated receivers over real HTTP: one effect, however often it is tried."""

import logging

import httpx
import pytest

from orderpipe.clock import Clock
from orderpipe.dispatch.dingtalk import DingTalkRobot
from orderpipe.dispatch.kuaidi100 import Kuaidi100Client
from orderpipe.dispatch.qimen import QimenClient

CLIENTS = {
    "wms": (QimenClient, "qimen", {"app_key": "WMS_APP_KEY", "secret": "WMS_SECRET", "customer_id": "WMS_CUSTOMER_ID"}),
    "courier": (Kuaidi100Client, "kuaidi100", {"key": "KUAIDI100_KEY", "secret": "KUAIDI100_SECRET"}),
    "dingtalk": (DingTalkRobot, "dingtalk", {"access_token": "DINGTALK_ACCESS_TOKEN", "secret": "DINGTALK_SECRET"}),
}
PERSON = {"name": "欧阳娜娜", "mobile": "13812345678", "province": "浙江省", "city": "杭州市"}
ORDER = {
    "delivery_order": {
        "deliveryOrderCode": "DO20261109000001",
        "orderType": "JYCK",
        "warehouseCode": "WH-HZ",
        "createTime": "2026-11-09 10:00:00",
        "placeOrderTime": "2026-11-09 09:30:00",
        "operateTime": "2026-11-09 10:00:00",
        "shopNick": "测试旗舰店",
        "logisticsCode": "SF",
        "senderInfo": {**PERSON, "name": "一号仓", "detailAddress": "测试路2号"},
        "receiverInfo": {**PERSON, "detailAddress": "余杭区文一西路969号3幢"},
        "remark": "易碎 & <轻放>😀",
    },
    "lines": [{"ownerCode": "OWNER01", "itemCode": "CUP-500-BL", "planQty": "2", "actualPrice": "52.14"}],
}
LABEL = {
    "printType": "NON",
    "kuaidicom": "shunfeng",
    "partnerId": "P001",
    "payType": "MONTHLY",
    "recMan": {"name": "欧阳娜娜", "mobile": "13812345678", "printAddr": "浙江省杭州市余杭区文一西路969号"},
    "sendMan": {"name": "一号仓", "mobile": "13900000001", "printAddr": "广东省深圳市南山区测试路2号"},
    "cargo": "杯子",
    "count": 1,
    "orderId": "SO-20261109-0001",
}
LOST = ["timeout_after_write", "truncated_body", "malformed_json", "http_502_html", "http_500", "hang", "business_busy"]


@pytest.fixture
def here(sandbox):
    return sandbox()


@pytest.fixture
def connect(here, receiver):
    """The client of a receiver, as configured or with other credentials."""
    opened = []

    def make(name, **other):
        kind, path, names = CLIENTS[name]
        known = {key: here.credentials[variable] for key, variable in names.items()}
        http = httpx.Client(trust_env=False, timeout=httpx.Timeout(5, read=0.5))
        opened.append(http)
        clock = Clock(f"{here.url}/_control/clock")
        return kind(receiver(name, f"{here.url}/{path}", **{**known, **other}), clock, http=http)

    yield make
    for http in opened:
        http.close()


def effects(here, where, kind):
    return [effect for effect in here.receipts()[where] if effect["kind"] == kind]


def test_the_warehouse_gets_a_delivery_order_it_can_read(here, connect):
    outcome = connect("wms").create_delivery_order(ORDER, retry=False)
    assert outcome.status == "acknowledged", outcome.error
    (effect,) = effects(here, "qimen", "delivery_order")
    assert effect["key"] == "DO20261109000001" and effect["wms_order_id"] == outcome.receipt["deliveryOrderId"]
    assert "欧阳娜娜" in effect["body"] and "易碎 &amp; &lt;轻放&gt;</remark>" in effect["body"]


@pytest.mark.parametrize("kind", LOST)
def test_a_delivery_order_whose_answer_was_lost_exists_once_after_the_next_attempt(here, connect, kind):
    client = connect("wms")
    here.fault("qimen", kind, times=1)
    first = client.create_delivery_order(ORDER, retry=False)
    assert first.status == "retry" and first.error
    second = client.create_delivery_order(ORDER, retry=True)
    assert second.status == "acknowledged"
    (effect,) = effects(here, "qimen", "delivery_order")
    assert effect["wms_order_id"] == second.receipt["deliveryOrderId"] and effect["requests"] == 1


def test_a_warehouse_that_says_already_exists_has_the_order(here, connect):
    here.control("POST", "settings", qimen_repeat="failure")
    client = connect("wms")
    first = client.create_delivery_order(ORDER, retry=False)
    second = client.create_delivery_order(ORDER, retry=False)
    assert second.status == "acknowledged"
    assert second.receipt["deliveryOrderId"] == first.receipt["deliveryOrderId"]
    assert len(effects(here, "qimen", "delivery_order")) == 1


def test_a_delivery_order_the_warehouse_cannot_ship_goes_to_a_person(here, connect):
    unknown = {**ORDER, "lines": [{**ORDER["lines"][0], "itemCode": "NO-SUCH-SKU"}]}
    outcome = connect("wms").create_delivery_order(unknown, retry=False)
    assert outcome.status == "rejected" and "NO-SUCH-SKU" in outcome.error
    assert effects(here, "qimen", "delivery_order") == []


def test_a_waybill_is_bought_once(here, connect):
    outcome = connect("courier").order_label(LABEL, retry=False)
    assert outcome.status == "acknowledged" and set(outcome.receipt) == {
        "kuaidicom", "kuaidinum", "kdComOrderNum", "taskId",
    }  # fmt: skip
    (effect,) = effects(here, "kuaidi100", "waybill")
    assert effect["key"] == "SO-20261109-0001" and effect["duplicates"] == 0


@pytest.mark.parametrize("kind", LOST)
def test_a_waybill_whose_answer_was_lost_keeps_its_number(here, connect, kind):
    client = connect("courier")
    here.fault("kuaidi100", kind, times=1)
    assert client.order_label(LABEL, retry=False).status == "retry"
    numbers = {client.order_label(LABEL, retry=True).receipt["kuaidinum"] for _ in range(3)}
    assert len(numbers) == 1
    (effect,) = effects(here, "kuaidi100", "waybill")
    assert effect["duplicates"] == 0


def test_used_up_waybill_units_stop_and_alert(here, connect):
    here.control("POST", "settings", kuaidi100_units=0)
    outcome = connect("courier").order_label(LABEL, retry=False)
    assert outcome.status == "retry" and outcome.halts and "充值" in outcome.error


def test_a_message_reaches_the_group(here, connect):
    outcome = connect("dingtalk").send_markdown("订单告警", "### 订单\n- 3 笔待复核", ["13800000000"])
    assert outcome.status == "acknowledged", outcome.error
    assert len(here.receipts()["dingtalk"]) == 1


def test_a_flood_of_alerts_never_gets_the_robot_blocked(here, connect):
    robot = connect("dingtalk")
    outcomes = [robot.send_markdown("订单告警", f"订单 {n}") for n in range(25)]
    assert [o.status for o in outcomes].count("acknowledged") == 18
    assert all(o.retry_after and o.retry_after <= 60 for o in outcomes[18:])
    here.step(61)
    assert robot.send_markdown("订单告警", "订单").status == "acknowledged"
    assert here.receipts()["counts"]["dingtalk"].get("refused", 0) == 0


def send(client):
    if isinstance(client, QimenClient):
        return client.create_delivery_order(ORDER, retry=False)
    if isinstance(client, Kuaidi100Client):
        return client.order_label(LABEL, retry=False)
    return client.send_markdown("订单", "订单")


@pytest.mark.parametrize(
    ("name", "key", "hint"),
    [
        ("wms", "secret", "WMS_SECRET"),
        ("courier", "secret", "KUAIDI100_SECRET"),
        ("dingtalk", "secret", "DINGTALK_SECRET"),
    ],
)
def test_a_wrong_secret_stops_the_receiver_loses_nothing_and_is_told(connect, name, key, hint):
    outcome = send(connect(name, **{key: "wrong-secret-value"}))
    assert outcome.status == "retry" and outcome.halts and hint in outcome.error
    assert "wrong-secret-value" not in repr(outcome)


@pytest.mark.parametrize("name", CLIENTS)
def test_no_log_line_holds_a_secret_or_a_person(here, connect, caplog, name):
    """Some receivers take token and signature in the query string, which HTTP libraries print at INFO."""
    caplog.set_level(logging.DEBUG)
    assert send(connect(name)).status == "acknowledged"
    secrets = [here.credentials[variable] for variable in CLIENTS[name][2].values()]
    assert not [value for value in [*secrets, "sign=", "13812345678", "欧阳娜娜"] if value in caplog.text]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_receiver_that_cannot_be_reached_is_tried_again_later(receiver, name):
    kind, _, _ = CLIENTS[name]
    client = kind(receiver(name, "http://127.0.0.1:9"), Clock())
    outcome = send(client)
    client.close()
    assert outcome.status == "retry" and outcome.http_status is None and outcome.error
    assert "13812345678" not in repr(outcome) and "欧阳娜娜" not in repr(outcome)
