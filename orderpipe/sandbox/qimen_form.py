"""What a Qimen warehouse asks of a request body: sound XML, and a delivery order with everything it needs."""

import xml.etree.ElementTree as ElementTree
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from orderpipe.sandbox.clock import parse_gmt8

ORDER_TYPES = frozenset({"JYCK", "HHCK", "BFCK", "QTCK"})
LOGISTICS = frozenset(
    ("SF", "EMS", "EYB", "ZJS", "YTO", "ZTO", "HTKY", "UC", "STO", "TTKDEX", "QFKD", "FAST", "POSTB", "GTO", "YUNDA",
     "JD", "DD", "AMAZON", "OTHER")
)  # fmt: skip
NEEDED = ("deliveryOrderCode", "orderType", "warehouseCode", "createTime", "placeOrderTime", "operateTime", "shopNick",
          "logisticsCode")  # fmt: skip
NEEDED_OF_PEOPLE = ("name", "mobile", "province", "city", "detailAddress")
NEEDED_OF_LINES = ("ownerCode", "itemCode", "planQty", "actualPrice")
NEEDED_OF_RETURNS = ("returnOrderCode", "warehouseCode", "orderType", "preDeliveryOrderCode", "logisticsCode")
NEEDED_OF_RETURN_LINES = ("ownerCode", "itemCode", "planQty")
TIMES = ("createTime", "placeOrderTime", "payTime", "operateTime")
AMOUNTS = ("totalAmount", "itemAmount", "discountAmount", "freight", "arAmount", "gotAmount")
Node = ElementTree.Element


class OrderLine(NamedTuple):
    """One line of a pick order: the platform's order and line it came from, the goods, the pieces."""

    source: str
    source_line: str
    sku: str
    pieces: int


class Failure(Exception):
    """`<flag>failure</flag>` with a code and a message."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message


def parse(body: bytes) -> Node:
    """The request element. A document type could smuggle entities in: refused before the parser sees it."""
    try:
        document = body.decode("utf-8")
        if "<!DOCTYPE" in document.upper() or "<!ENTITY" in document.upper():
            raise Failure("isv.invalid-xml", "document types are not accepted")
        root = ElementTree.fromstring(document)
    except (UnicodeDecodeError, ElementTree.ParseError):
        raise Failure("isv.invalid-xml", "the body is not well-formed XML in UTF-8") from None
    if root.tag != "request":
        raise Failure("isv.invalid-xml", "the root element must be <request>")
    return root


def delivery_order(request: Node, stock: dict[str, dict[str, list[int]]]) -> tuple[Node, list[OrderLine]]:
    """The checked head and lines of a delivery order. stock: warehouse → sku → …, what the warehouse knows. Raises
    Failure naming the first thing wrong."""
    head = request.find("deliveryOrder")
    if head is None:
        raise Failure("isv.missing-parameter", "deliveryOrder is missing")
    _need(head, NEEDED, "deliveryOrder")
    if text(head, "orderType") not in ORDER_TYPES:
        raise Failure("isv.invalid-parameter", "orderType")
    if text(head, "warehouseCode") not in stock:
        raise Failure("WAREHOUSE_NOT_EXIST", f"仓库不存在: {text(head, 'warehouseCode')}")
    if text(head, "logisticsCode") not in LOGISTICS:
        raise Failure("isv.invalid-parameter", "logisticsCode")
    for name in TIMES:
        if value := text(head, name):
            check_time(value, name)
    for name in ("senderInfo", "receiverInfo"):
        person = head.find(name)
        if person is None:
            raise Failure("isv.missing-parameter", f"{name} is missing")
        _need(person, NEEDED_OF_PEOPLE, name)
    receiver = head.find("receiverInfo")
    masked = any("*" in text(receiver, name) for name in ("name", "mobile", "detailAddress"))
    if masked and not (text(receiver, "oaid") and text(head, "oaidOrderSourceCode")):
        raise Failure("RECEIVER_MASKED", "收件人信息已脱敏，需提供 oaid 和 oaidOrderSourceCode")
    _check_amounts(head)
    lines = [_line(node, stock) for node in request.findall("orderLines/orderLine")]
    if not lines:
        raise Failure("isv.missing-parameter", "orderLines is empty")
    return head, lines


def return_order(request: Node, stock: dict[str, dict[str, list[int]]]) -> tuple[Node, list[OrderLine]]:
    """The checked head and lines of a return order. Raises Failure naming the first thing wrong."""
    head = request.find("returnOrder")
    if head is None:
        raise Failure("isv.missing-parameter", "returnOrder is missing")
    _need(head, NEEDED_OF_RETURNS, "returnOrder")
    if text(head, "orderType") not in ("THRK", "HHRK"):
        raise Failure("isv.invalid-parameter", "orderType")
    if text(head, "warehouseCode") not in stock:
        raise Failure("WAREHOUSE_NOT_EXIST", f"仓库不存在: {text(head, 'warehouseCode')}")
    person = head.find("senderInfo")
    if person is None:
        raise Failure("isv.missing-parameter", "senderInfo is missing")
    _need(person, NEEDED_OF_PEOPLE, "senderInfo")
    lines = [_line(node, stock, NEEDED_OF_RETURN_LINES) for node in request.findall("orderLines/orderLine")]
    if not lines:
        raise Failure("isv.missing-parameter", "orderLines is empty")
    return head, lines


def _line(node: Node, stock: dict[str, dict[str, list[int]]], needed: tuple[str, ...] = NEEDED_OF_LINES) -> OrderLine:
    _need(node, needed, "orderLine")
    sku, pieces = text(node, "itemCode"), text(node, "planQty")
    if not any(sku in shelf for shelf in stock.values()):
        raise Failure("ITEM_NOT_EXIST", f"商品不存在: {sku}")
    if not pieces.isdigit() or int(pieces) < 1:
        raise Failure("isv.invalid-parameter", "planQty")
    return OrderLine(text(node, "sourceOrderCode"), text(node, "subSourceOrderCode") or sku, sku, int(pieces))


def _check_amounts(head: Node) -> None:
    """totalAmount = arAmount + gotAmount = itemAmount - discountAmount + freight, where all of them are given."""
    try:
        values = {name: Decimal(text(head, name)) for name in AMOUNTS if text(head, name)}
    except InvalidOperation:
        raise Failure("isv.invalid-parameter", "amounts must be decimal numbers in yuan") from None
    if len(values) < len(AMOUNTS):
        return
    total = values["totalAmount"]
    if (
        total != values["arAmount"] + values["gotAmount"]
        or total != values["itemAmount"] - values["discountAmount"] + values["freight"]
    ):
        raise Failure("AMOUNT_MISMATCH", "totalAmount = arAmount + gotAmount = itemAmount - discountAmount + freight")


def _need(node: Node, names: tuple[str, ...], where: str) -> None:
    for name in names:
        if not text(node, name):
            raise Failure("isv.missing-parameter", f"{where}.{name} is missing")


def text(node: Node, path: str) -> str:
    """The text at a path below a node; empty when there is none."""
    return (node.findtext(path) or "").strip()


def check_time(value: str, name: str) -> None:
    """Refuse a time that is not written as the standard writes it."""
    try:
        parse_gmt8(value)
    except ValueError:
        raise Failure("isv.invalid-parameter", f"{name} must be yyyy-MM-dd HH:mm:ss") from None
