"""What a warehouse tells of its work: Qimen's requests to the seller, signed, and left with the postman."""

import hashlib
import xml.etree.ElementTree as ElementTree
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from orderpipe.sandbox.callbacks import Letter
from orderpipe.sandbox.clock import gmt8
from orderpipe.sandbox.qimen_form import OrderLine
from orderpipe.sandbox.warehouse_orders import NAME, DeliveryOrder, Package, ReturnOrder
from orderpipe.sandbox.world import World


def confirmation(
    order: DeliveryOrder, status: str, packages: list[Package], final: bool, biz_code: str, at: int
) -> str:
    """deliveryorder.confirm, and what deliveryorder.query shows."""
    head = tags(
        deliveryOrderCode=order.code,
        deliveryOrderId=order.id,
        warehouseCode=order.warehouse,
        orderType=order.type,
        status=status,
        outBizCode=biz_code,
        confirmType=0 if final else 1,
        orderConfirmTime=gmt8(at),
        operateTime=gmt8(at),
    )
    return (
        f"<request><deliveryOrder>{head}</deliveryOrder>"
        f"<packages>{''.join(_package(order, package) for package in packages)}</packages>"
        f"<orderLines>{''.join(_line(order, place, packages) for place in range(1, len(order.lines) + 1))}</orderLines>"
        f"</request>"
    )


def confirmed(
    world: World, order: DeliveryOrder, status: str, packages: list[Package], final: bool, biz_code: str, at: int
) -> None:
    """deliveryorder.confirm of what left."""
    body = confirmation(order, status, packages, final, biz_code, at)
    for _ in range(2 if plays(world, "duplicate_confirm", order.code) else 1):
        _report(world, "deliveryorder.confirm", order.code, body)


def goods_in(world: World, back: ReturnOrder, found: list[tuple[OrderLine, str, int]]) -> None:
    """returnorder.confirm of what came: lines in their order, each with Qimen's kind of stock and pieces."""
    rows = "".join(
        "<orderLine>"
        + tags(
            orderLineNo=place,
            sourceOrderCode=line.source,
            subSourceOrderCode=line.source_line,
            itemCode=line.sku,
            inventoryType=kind,
            planQty=line.pieces,
            actualQty=count,
        )
        + "</orderLine>"
        for place, (line, kind, count) in enumerate(found, 1)
    )
    head = tags(
        returnOrderCode=back.code,
        returnOrderId=back.id,
        warehouseCode=back.warehouse,
        outBizCode=f"RETURN-{back.id}",
        orderType=back.type,
        orderConfirmTime=gmt8(world.now),
        logisticsCode="SF",
        confirmType=0,
    )
    body = f"<request><returnOrder>{head}</returnOrder><orderLines>{rows}</orderLines></request>"
    _report(world, "returnorder.confirm", back.code, body)


def tags(**fields: object) -> str:
    """Elements with these names and texts."""
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fields.items())


def report_stock(world: World, warehouse: str, sku: str, change: int) -> None:
    """stockchange.report of a change nobody ordered."""
    serial = world.next_request_id()
    item = tags(
        ownerCode="OWNER01",
        warehouseCode=warehouse,
        orderCode=f"ADJ-{serial}",
        orderType="TZ",
        outBizCode=f"STOCK-{serial}",
        itemCode=sku,
        inventoryType="ZP",
        quantity=change,
        changeTime=gmt8(world.now),
    )
    _report(world, "stockchange.report", f"ADJ-{serial}", f"<request><items><item>{item}</item></items></request>")


def _package(order: DeliveryOrder, package: Package) -> str:
    items = "".join(
        f"<item>{tags(itemCode=order.lines[place - 1].sku, quantity=count, orderLineNo=place)}</item>"
        for place, count in package.pieces.items()
    )
    head = tags(logisticsCode=package.logistics, expressCode=package.number, packageCode=package.number, weight="0.80")
    return f"<package>{head}<items>{items}</items></package>"


def _line(order: DeliveryOrder, place: int, packages: list[Package]) -> str:
    line = order.lines[place - 1]
    shown = tags(
        orderLineNo=place,
        orderSourceCode=line.source,
        subSourceCode=line.source_line,
        itemCode=line.sku,
        inventoryType="ZP",
        planQty=line.pieces,
        actualQty=sum(package.pieces.get(place, 0) for package in packages),
    )
    serials = order.effect.facts.get("serials")
    if serials:
        listed = "".join(f"<sn>{order.id}-{place}-{n}</sn>" for n in range(1, line.pieces + 1))
        shown += f"<snList>{listed}</snList>"
    return f"<orderLine>{shown}</orderLine>"


def process(world: World, order: DeliveryOrder, status: str, info: str = "", number: str = "") -> None:
    """orderprocess.report of a step."""
    head = tags(orderCode=order.code, orderType=order.type, warehouseCode=order.warehouse)
    step = tags(processStatus=status, operateTime=gmt8(world.now), operateInfo=info, operatorName="仓库员")
    step += tags(expressCode=number) if number else ""
    body = f"<request><order>{head}</order><process>{step}</process></request>"
    _report(world, "orderprocess.report", order.code, body)


def _report(world: World, method: str, code: str, text: str) -> None:
    """Post a report, signed, to the address the warehouse was given; nothing without one."""
    url = world.settings.callback_url
    if not url or plays(world, "callback_lost", code):
        return
    ElementTree.fromstring(text)  # what we send is sound
    body = f'<?xml version="1.0" encoding="utf-8"?>\n{text}'.encode()
    environment = world.credentials.environment()
    secret = "wrong" if plays(world, "callback_wrong_sign", code) else environment["WMS_SECRET"]
    query = {
        "method": method,
        "timestamp": gmt8(world.now),
        "format": "xml",
        "app_key": environment["WMS_APP_KEY"],
        "v": "3.0",
        "sign_method": "md5",
        "customerId": environment["WMS_CUSTOMER_ID"],
        "t": str(world.now * 1000),
    }
    signed = "".join(key + query[key] for key in sorted(query)).encode() + body
    query["sign"] = hashlib.md5(secret.encode() + signed + secret.encode()).hexdigest().upper()
    world.postman.give(
        Letter(
            method,
            f"{url.rstrip('/')}/callbacks/qimen?{urlencode(query)}",
            body,
            {"Content-Type": "text/xml;charset=utf-8"},
            lambda answer: "<flag>success</flag>" in answer,
        )
    )


def plays(world: World, kind: str, code: str) -> bool:
    """Whether a fault of this kind fires on an order."""
    return world.faults.take(NAME, kind, code) is not None
