"""Sound requests to warehouse and courier, written from the platform documentation."""

import re
from typing import Any
from xml.sax.saxutils import escape


def delivery_order(talk, code: str, **changes: str) -> str:
    """A sound delivery order. Changes: source, line, sku, pieces, warehouse, name, mobile, address, oaid, tid,
    freight."""
    at = talk.gmt8()
    region = "<province>浙江省</province><city>杭州市</city>"
    person = f"<mobile>{{mobile}}</mobile>{region}<detailAddress>{{address}}</detailAddress>"
    receiver = f"<name>{changes.get('name', '张三')}</name>" + person.format(
        mobile=changes.get("mobile", "13800000000"), address=changes.get("address", "余杭区测试路1号")
    )
    sender = "<name>一号仓</name>" + person.format(mobile="13900000000", address="仓储路2号")
    if "oaid" in changes:
        receiver += f"<oaid>{escape(changes['oaid'])}</oaid>"
    tid = f"<oaidOrderSourceCode>{changes['tid']}</oaidOrderSourceCode>" if "tid" in changes else ""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<request><deliveryOrder><deliveryOrderCode>{code}</deliveryOrderCode><orderType>JYCK</orderType>
<warehouseCode>{changes.get("warehouse", "WH-HZ")}</warehouseCode><createTime>{at}</createTime>
<placeOrderTime>{at}</placeOrderTime><operateTime>{at}</operateTime><shopNick>测试旗舰店</shopNick>
<totalAmount>67.90</totalAmount><itemAmount>59.90</itemAmount><discountAmount>0.00</discountAmount>
<freight>{changes.get("freight", "8.00")}</freight><arAmount>0.00</arAmount><gotAmount>67.90</gotAmount>
<logisticsCode>SF</logisticsCode><senderInfo>{sender}</senderInfo><receiverInfo>{receiver}</receiverInfo>{tid}
<remark>易碎 &amp; 轻放</remark></deliveryOrder><orderLines><orderLine>
<sourceOrderCode>{changes.get("source", "")}</sourceOrderCode>
<subSourceOrderCode>{changes.get("line", "")}</subSourceOrderCode><ownerCode>OWNER01</ownerCode>
<itemCode>{changes.get("sku", "TEE-RED-M")}</itemCode><planQty>{changes.get("pieces", "2")}</planQty>
<actualPrice>29.95</actualPrice></orderLine></orderLines></request>"""


def tag(xml: str, name: str) -> str:
    """The text of the first element of that name, or ''."""
    found = re.search(f"<{name}>(.*?)</{name}>", xml, re.S)
    return found[1] if found else ""


def label(order: str | None, reorder: bool | None, **changes: Any) -> dict[str, Any]:
    """What a label is ordered with (method `order`)."""
    param = {
        "kuaidicom": "shunfeng",
        "partnerId": "P001",
        "payType": "MONTHLY",
        "recMan": {"name": "张三", "mobile": "13800000000", "printAddr": "浙江省杭州市余杭区测试路1号"},
        "sendMan": {"name": "一号仓", "mobile": "13900000000", "printAddr": "广东省深圳市南山区测试路2号"},
        "cargo": "服饰",
        "count": 1,
        **changes,
    }
    if order is not None:
        param["orderId"] = order
    if reorder is not None:
        param["reorder"] = reorder
    return param
