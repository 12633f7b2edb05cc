"""Delivery orders to the warehouse: what each answer means, what is sent, what is kept about it."""

import hashlib
import xml.etree.ElementTree as ET

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderpipe.dispatch.qimen import QimenClient, xml_text

ORDER = {
    "delivery_order": {
        "deliveryOrderCode": "DO20260305000001",
        "orderType": "JYCK",
        "warehouseCode": "WH01",
        "createTime": "2026-03-05 09:10:00",
        "totalAmount": "234.80",
        "senderInfo": {"name": "一号仓", "mobile": "13900000001", "detailAddress": "广东省深圳市南山区测试路2号"},
        "receiverInfo": {
            "name": "欧阳娜娜",
            "mobile": "13812345678",
            "detailAddress": "浙江省杭州市余杭区文一西路969号3幢1单元",
            "oaid": "1simulatedOAID+/==",
        },
        "buyerMessage": "请电话联系 13812345678",
        "remark": "易碎 & <轻放>\x07😀",
        "latestDeliveryTime": None,
    },
    "lines": [{"orderLineNo": "1", "itemCode": "SKU-1", "itemName": "杯", "planQty": "2", "actualPrice": "52.14"}],
}
PERSONAL = ("欧阳娜娜", "13812345678", "文一西路969号", "3幢1单元", "1simulatedOAID", "13900000001")

CREATED = "<response><flag>success</flag><code>0</code><deliveryOrderId>WMS-88001</deliveryOrderId></response>"
KNOWN = (
    "<response><flag>success</flag><deliveryOrder><deliveryOrderCode>DO20260305000001</deliveryOrderCode>"
    "<deliveryOrderId>WMS-88001</deliveryOrderId><status>ACCEPT</status></deliveryOrder></response>"
)
UNKNOWN = "<response><flag>failure</flag><code>not-found</code><message>order does not exist</message></response>"


def refusal(code, message):
    return f"<response><flag>failure</flag><code>{code}</code><message>{message}</message></response>"


@pytest.fixture
def send(receiver, line, clock):
    """(outcome, requests) of one hand-over against these answers."""

    def run(*answers, retry=False, order=ORDER):
        other_end = line(*answers)
        client = QimenClient(receiver("wms"), clock, http=other_end.http)
        return client.create_delivery_order(order, retry=retry), other_end.requests

    return run


def methods(requests):
    return [request.url.params["method"].removeprefix("taobao.qimen.deliveryorder.") for request in requests]


def test_an_accepted_order_brings_back_the_warehouse_id(send):
    outcome, requests = send(CREATED)
    assert outcome.status == "acknowledged" and outcome.error is None
    assert outcome.receipt == {"deliveryOrderCode": "DO20260305000001", "deliveryOrderId": "WMS-88001"}
    assert methods(requests) == ["create"] and outcome.http_status == 200


def test_the_signature_covers_exactly_the_body_that_is_sent(send):
    _, (request,) = send(CREATED)
    params = dict(request.url.params)
    signature = params.pop("sign")
    secret, text = "qmsecret0123456789abcdef", "".join(k + v for k, v in sorted(params.items()) if v)
    signed = secret.encode() + text.encode() + request.content + secret.encode()
    assert signature == hashlib.md5(signed).hexdigest().upper()
    assert params["customerId"] == "c1700000001" and "secret" not in str(request.url)


def test_the_warehouse_gets_the_clear_text_without_emoji_and_control_characters(send):
    _, (request,) = send(CREATED)
    root = ET.fromstring(request.content)
    assert root.findtext("deliveryOrder/receiverInfo/name") == "欧阳娜娜"
    assert root.findtext("deliveryOrder/remark") == "易碎 & <轻放>"
    assert root.find("deliveryOrder/latestDeliveryTime") is None
    assert root.findtext("orderLines/orderLine/itemCode") == "SKU-1"


def test_what_is_kept_about_the_request_names_nobody(send):
    outcome, _ = send(CREATED)
    for value in PERSONAL:
        assert value not in outcome.body_masked
    for kept in ("DO20260305000001", "SKU-1", "138****5678", "欧*", "浙江省杭州市***"):
        assert kept in outcome.body_masked


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
        "<html><body>502 Bad Gateway</body></html>",
        (502, "<html>"),
        "",
        b"\xff\xfe",
        "<response><flag>succ",
        '<!DOCTYPE x [<!ENTITY a "success">]><response><flag>&a;</flag></response>',
        refusal("isp.remote-service-timeout", "x"),
        refusal("E1", "system busy"),
        refusal("E1", "系统繁忙，请稍后再试"),
        refusal("E1", "request timeout"),
    ],
    ids=lambda answer: str(answer)[:40],
)
def test_an_unclear_answer_is_tried_again_later(send, answer):
    outcome, requests = send(answer)
    assert outcome.status == "retry" and outcome.error and len(requests) == 1


@pytest.mark.parametrize("answer", [refusal("E2", "unknown item SKU-1"), refusal("E3", "仓库编码不存在")])
def test_a_clear_refusal_goes_to_a_person(send, answer):
    outcome, requests = send(answer)
    assert outcome.status == "rejected" and outcome.error and len(requests) == 1


def test_a_refused_signature_says_what_to_check_and_keeps_the_order(send):
    outcome, _ = send(refusal("sign-check-failure", "Illegal request"))
    assert outcome.status == "retry" and outcome.halts, "no other order would fare better"
    assert "WMS_SECRET" in outcome.error and "qmsecret" not in outcome.error


def test_a_refusal_that_quotes_the_receiver_is_kept_without_the_quote(send):
    outcome, _ = send(refusal("E4", "欧阳娜娜 13812345678 文一西路 13700001111 无法配送"))
    assert outcome.status == "rejected" and "无法配送" in outcome.error
    for value in ("欧阳娜娜", "13812345678", "13700001111"):
        assert value not in outcome.error


def test_a_second_attempt_finds_the_order_that_arrived_the_first_time(send):
    outcome, requests = send(KNOWN, retry=True)
    assert outcome.status == "acknowledged" and outcome.receipt["deliveryOrderId"] == "WMS-88001"
    assert outcome.receipt["status"] == "ACCEPT" and methods(requests) == ["query"]


@pytest.mark.parametrize("answer", [UNKNOWN, "<response><flag>success</flag><totalLines>0</totalLines></response>"])
def test_a_second_attempt_creates_the_order_that_never_arrived(send, answer):
    outcome, requests = send(answer, CREATED, retry=True)
    assert outcome.status == "acknowledged" and methods(requests) == ["query", "create"]


def test_a_second_attempt_creates_nothing_while_the_warehouse_cannot_be_asked(send):
    outcome, requests = send(httpx.ReadTimeout("slow"), CREATED, retry=True)
    assert outcome.status == "retry" and methods(requests) == ["query"]


def test_an_order_the_warehouse_has_given_up_is_not_taken_for_shipped(send):
    outcome, _ = send(KNOWN.replace("ACCEPT", "CANCELED"), retry=True)
    assert outcome.status == "rejected" and "CANCELED" in outcome.error


def test_an_order_that_exists_already_is_success_once_the_warehouse_confirms_it(send):
    exists = refusal("E5", "order already exists")
    outcome, requests = send(exists, KNOWN)
    assert outcome.status == "acknowledged" and methods(requests) == ["create", "query"]
    outcome, _ = send(exists, UNKNOWN)
    assert outcome.status == "rejected" and "already exists" in outcome.error
    outcome, _ = send(exists, httpx.ReadTimeout("slow"))
    assert outcome.status == "retry"


@given(st.text())
def test_any_text_becomes_xml_that_a_warehouse_can_read(text):
    found = ET.fromstring(xml_text({"remark": text}).encode()).findtext("remark")
    assert not any(ord(c) < 32 or 0x1F000 <= ord(c) <= 0x1FBFF for c in found)
    assert "".join(c for c in found if c.isalnum() and ord(c) < 0x2000) == "".join(
        c for c in text if c.isalnum() and ord(c) < 0x2000
    )


def test_rare_characters_of_names_stay():
    assert ET.fromstring(xml_text({"name": "𠮷田㐂"})).findtext("name") == "𠮷田㐂"
