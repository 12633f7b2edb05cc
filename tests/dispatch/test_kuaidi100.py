"""Waybills from the courier: one number per order reference, and what each code means."""

import hashlib
import json
from urllib.parse import parse_qsl

import httpx
import pytest

from orderpipe.dispatch.kuaidi100 import Kuaidi100Client

PARAM = {
    "printType": "NON",
    "kuaidicom": "shunfeng",
    "partnerId": "P001-account",
    "partnerKey": "partner-key-value",
    "payType": "MONTHLY",
    "recMan": {"name": "张三丰", "mobile": "13812345678", "printAddr": "浙江省杭州市余杭区文一西路969号"},
    "sendMan": {"name": "一号仓", "mobile": "13900000001", "printAddr": "广东省深圳市南山区测试路2号"},
    "cargo": "给张三丰的杯子",
    "count": 1,
    "orderId": "SO-20260305-0001",
}
DATA = {"taskId": "F0A1", "kuaidinum": "SF1390000000001", "kdComOrderNum": "0163936627", "label": ""}
OK = json.dumps({"success": True, "code": 200, "message": "success", "data": DATA, "time": 120})


def failed(code, message):
    return json.dumps({"success": False, "code": code, "message": message, "data": None}, ensure_ascii=False)


@pytest.fixture
def order(receiver, line, clock):
    def run(*answers, retry=False, **changes):
        other_end = line(*answers)
        client = Kuaidi100Client(receiver("courier"), clock, http=other_end.http)
        return client.order_label({**PARAM, **changes}, retry=retry), other_end.requests

    return run


def test_a_waybill_brings_back_the_three_numbers_that_matter(order):
    outcome, _ = order(OK)
    assert outcome.status == "acknowledged"
    numbers = {"kuaidinum": "SF1390000000001", "kdComOrderNum": "0163936627", "taskId": "F0A1"}
    assert outcome.receipt == {"kuaidicom": PARAM["kuaidicom"], **numbers}


@pytest.mark.parametrize("retry", [False, True])
def test_a_number_is_never_bought_twice_for_one_order(order, retry):
    _, (request,) = order(OK, retry=retry, reorder=True)
    form = dict(parse_qsl(request.content.decode()))
    assert json.loads(form["param"]) == {**PARAM, "reorder": False} and form["method"] == "order"


def test_an_order_without_a_reference_is_not_sent_at_all(order):
    with pytest.raises(ValueError, match="orderId"):
        order(OK, orderId="")


def test_the_signature_covers_exactly_the_text_that_is_sent(order):
    _, (request,) = order(OK)
    form = dict(parse_qsl(request.content.decode()))
    signed = form["param"] + form["t"] + form["key"] + "apiSecret001"
    assert form["sign"] == hashlib.md5(signed.encode()).hexdigest().upper()
    assert "张三丰" in form["param"] and len(form["t"]) == 13 and "apiSecret001" not in request.content.decode()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (failed(-1, "服务器错误"), "retry"),
        (failed(30001, "参数错误"), "rejected"),
        (failed(30002, "验签失败"), "retry"),
        (failed(30003, "账号错误"), "retry"),
        (failed(30004, "账号单量不足"), "retry"),
        (failed(40001, "收件地址不在派送范围"), "rejected"),
        (failed(40002, "快递公司接口超时"), "retry"),
        (httpx.ReadTimeout("slow"), "retry"),
        ((500, ""), "retry"),
        ("<html>", "retry"),
        ("[]", "retry"),
        ('{"code": 200, "data": {}}', "retry"),
        ('{"code": 200, "data": []}', "retry"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_answer_is_retried_or_given_to_a_person(order, answer, status):
    outcome, requests = order(answer)
    assert outcome.status == status and outcome.error and len(requests) == 1
    assert "kuaidinum" not in outcome.receipt


def test_used_up_units_tell_to_top_up_and_stop_the_others(order):
    outcome, _ = order(failed(30004, "账号单量不足"))
    assert "充值" in outcome.error and outcome.halts
    assert not order(failed(40001, "收件地址不在派送范围"))[0].halts


def test_what_is_kept_names_nobody_and_holds_no_secret(order):
    outcome, _ = order(failed(40001, "张三丰 13812345678 文一西路 apiSecret001 不可达"))
    kept = f"{outcome!r}"
    for value in ("张三丰", "13812345678", "文一西路969", "13900000001", "partner-key-value", "apiSecret001", "P001"):
        assert value not in kept
    assert json.loads(outcome.body_masked)["recMan"] == {
        "name": "张*",
        "mobile": "138****5678",
        "printAddr": "浙江省杭州市***",
    }
    assert "不可达" in outcome.error
