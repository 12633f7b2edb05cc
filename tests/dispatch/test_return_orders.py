"""Reverse orders to the warehouse: effect once per code, and what is kept about them."""

import xml.etree.ElementTree as ET

import httpx
import pytest

from orderpipe.dispatch.qimen import QimenClient

ORDER = {
    "return_order": {
        "returnOrderCode": "RO2962081750339435654",
        "warehouseCode": "WH-HZ",
        "orderType": "THRK",
        "preDeliveryOrderCode": "OP2962032789735635873",
        "logisticsCode": "YTO",
        "expressCode": "YT8800000000001",
        "senderInfo": {"name": "欧阳娜娜", "mobile": "13812345678", "detailAddress": "文一西路969号3幢1单元"},
    },
    "lines": [{"orderLineNo": "1", "ownerCode": "OWNER01", "itemCode": "CUP-500-BL", "planQty": "2"}],
}
TAKEN = "<response><flag>success</flag><returnOrderId>RET-1</returnOrderId></response>"


def failure(message):
    return f"<response><flag>failure</flag><code>x</code><message>{message}</message></response>"


@pytest.mark.parametrize(
    ("answer", "status", "receipt"),
    [
        (TAKEN, "acknowledged", {"returnOrderCode": "RO2962081750339435654", "returnOrderId": "RET-1"}),
        (failure("退货入库单已存在"), "acknowledged", {"returnOrderCode": "RO2962081750339435654"}),
        (failure("商品不存在: CUP-500-BL，欧阳娜娜"), "rejected", {}),
        (failure("system busy"), "retry", {}),
        ((502, "<html>Bad Gateway</html>"), "retry", {}),
        (httpx.ReadTimeout("slow"), "retry", {}),
    ],
)
def test_what_an_answer_means(receiver, line, clock, answer, status, receipt):
    other_end = line(answer)
    outcome = QimenClient(receiver("wms"), clock, http=other_end.http).create_return_order(ORDER)
    assert (outcome.status, outcome.receipt) == (status, receipt)
    (request,) = other_end.requests
    assert request.url.params["method"] == "taobao.qimen.returnorder.create"
    sent = ET.fromstring(request.content)
    assert sent.findtext("returnOrder/senderInfo/name") == "欧阳娜娜"
    assert sent.findtext("orderLines/orderLine/planQty") == "2"
    kept = f"{outcome.body_masked}{outcome.error}"
    assert not [text for text in ("欧阳娜娜", "13812345678", "文一西路969号") if text in kept]
