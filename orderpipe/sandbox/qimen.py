"""A warehouse that speaks Qimen: delivery orders, cancellation, stock. Parameters in the query, XML in the body."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from starlette.routing import Route

from orderpipe.sandbox import truth
from orderpipe.sandbox.clock import gmt8
from orderpipe.sandbox.gateway import Answer, Call, door, same
from orderpipe.sandbox.model import Order
from orderpipe.sandbox.qimen_form import Failure, Node, OrderLine, check_time, delivery_order, parse, text
from orderpipe.sandbox.receipts import Effect
from orderpipe.sandbox.world import World

NAME = "qimen"
FAULTS = frozenset({"business_busy", "throttle"})
PICKED_AFTER, DELIVERED_AFTER = 40 * 60, 2 * 3600  # seconds at pace 1; from picking on a cancel comes too late


@dataclass(slots=True)
class DeliveryOrder:
    """A pick order in the warehouse."""

    code: str
    id: str
    warehouse: str
    type: str
    logistics: str
    at: int
    lines: list[OrderLine]
    effect: Effect
    cancelled_at: int | None = None


@dataclass(slots=True)
class Warehouse:
    """What the warehouse holds besides stock: orders by code, and which live order has which platform line."""

    orders: dict[str, DeliveryOrder] = field(default_factory=dict)
    live_lines: dict[tuple[str, str], set[str]] = field(default_factory=dict)


def routes(world: World) -> list[Route]:
    """The service's route."""
    return [
        door(world, NAME, "/qimen/router/qimen/service", lambda call: _method(call.query.get("method", "")), answer)
    ]


def sign(query: dict[str, str], body: bytes, secret: str) -> str:
    """The signature: non-empty query parameters but `sign`, sorted, key+value, then the raw body. The md5 form wraps
    all of it in the secret. Raises KeyError for an unknown sign_method."""
    signed = "".join(key + query[key] for key in sorted(query) if key != "sign" and query[key]).encode() + body
    method = query.get("sign_method") or "md5"
    if method == "md5":
        return hashlib.md5(secret.encode() + signed + secret.encode()).hexdigest().upper()
    return hmac.new(secret.encode(), signed, {"hmac": "md5", "hmac-sha256": "sha256"}[method]).hexdigest().upper()


def answer(call: Call) -> Answer:
    try:
        busy = call.fault("business_busy") or call.fault("throttle")
        method, request = _check(call)
        fields = "" if busy and not busy.options.get("worked") else method(call, request)
        if busy:
            raise Failure("isp.system-busy", "system busy, please retry")
    except Failure as failure:
        if not failure.code.startswith("isp."):
            call.world.receipts.refuse(NAME)
        return _xml("failure", failure.code, failure.message)
    return _xml("success", "0", "ok", fields)


def _check(call: Call) -> tuple[Callable[[Call, Node], str], Node]:
    """Parameters, partner, signature over the body as received, and XML without any document type."""
    query, environment = call.query, call.world.credentials.environment()
    for name in ("method", "timestamp", "app_key", "v", "sign", "sign_method", "customerId"):
        if not query.get(name):
            raise Failure("isv.missing-parameter", f"missing parameter: {name}")
    if query["sign_method"] not in ("md5", "hmac", "hmac-sha256"):
        raise Failure("isv.invalid-parameter", "sign_method")
    if query["app_key"] != environment["WMS_APP_KEY"]:
        raise Failure("isv.appkey-not-exists", "invalid app_key")
    if not same(sign(query, call.body, environment["WMS_SECRET"]), query["sign"]):
        raise Failure("sign-check-failure", "Illegal request")
    if query["customerId"] != environment["WMS_CUSTOMER_ID"]:
        raise Failure("isv.invalid-customer", "unknown customerId")
    check_time(query["timestamp"], "timestamp")
    if (method := METHODS.get(_method(query["method"]))) is None:
        raise Failure("isv.invalid-method", f"method not supported: {query['method']}")
    return method, parse(call.body)


# ---- methods: each answers the extra elements of its success


def create(call: Call, request: Node) -> str:
    """deliveryorder.create: one pick order per deliveryOrderCode, however often it is sent."""
    world, room = call.world, _room(call.world)
    head, lines = delivery_order(request, world.stock)
    code = text(head, "deliveryOrderCode")
    if known := room.orders.get(code):
        world.receipts.note(NAME, "delivery_order", code, world.now, "")
        if known.cancelled_at is not None:
            raise Failure("ORDER_CANCELED", "发货单已取消，单号不可重用")
        if world.settings.qimen_repeat == "failure":
            raise Failure("ORDER_EXISTS", "发货单已存在 (order already exists)")
        return _created(known)
    order = _platform_order(world, lines[0].source)
    effect = world.receipts.note(
        NAME,
        "delivery_order",
        code,
        world.now,
        call.body.decode("utf-8"),
        warehouse=text(head, "warehouseCode"),
        platform_orders=sorted({line.source for line in lines}),
        platform_state=truth.snapshot(order) if order else None,
        receiver_current=_receiver_current(head, order),
    )
    made = DeliveryOrder(
        code=code,
        id=f"WMS-{88001 + len(room.orders)}",
        warehouse=text(head, "warehouseCode"),
        type=text(head, "orderType"),
        logistics=text(head, "logisticsCode"),
        at=world.now,
        lines=lines,
        effect=effect,
    )
    room.orders[code] = made
    effect.facts["wms_order_id"] = made.id
    if made.type == "JYCK":
        for line in lines:
            holders = room.live_lines.setdefault((line.source, line.source_line), set())
            if line.source and holders:
                effect.duplicates = 1  # another live pick order already ships this very line
            holders.add(code)
    _move_stock(world, made, available=-1, locked=1)
    world.schedule(world.now + int(DELIVERED_AFTER / world.pace), "do", lambda at: _leave(world, made))
    return _created(made)


def query(call: Call, request: Node) -> str:
    """deliveryorder.query: the state of one pick order, in the shape of a confirmation."""
    order = _known(call.world, text(request, "orderCode"))
    status = _status(call.world, order)
    shipped = status == "DELIVERED"
    head = _tags(
        deliveryOrderCode=order.code,
        deliveryOrderId=order.id,
        warehouseCode=order.warehouse,
        orderType=order.type,
        status=status,
    )
    items = "".join(f"<item>{_tags(itemCode=line.sku, quantity=line.pieces)}</item>" for line in order.lines)
    parcel = f"<package>{_tags(logisticsCode=order.logistics, expressCode='')}<items>{items}</items></package>"
    lines = "".join(f"<orderLine>{_line(n, line, shipped)}</orderLine>" for n, line in enumerate(order.lines, 1))
    return (
        f"<totalLines>{len(order.lines)}</totalLines><deliveryOrder>{head}</deliveryOrder>"
        f"<packages>{parcel if shipped else ''}</packages><orderLines>{lines}</orderLines>"
    )


def cancel(call: Call, request: Node) -> str:
    """order.cancel: success means it will not be shipped; once picked it is too late."""
    world = call.world
    if not text(request, "warehouseCode"):
        raise Failure("isv.missing-parameter", "warehouseCode is missing")
    order = _known(world, text(request, "orderCode"))
    if order.cancelled_at is None:
        if world.now - order.at >= PICKED_AFTER / world.pace:
            raise Failure("CANCEL_TOO_LATE", "订单已拣货，无法取消")
        order.cancelled_at = world.now
        order.effect.facts["cancelled_at"] = gmt8(world.now)
        _move_stock(world, order, available=1, locked=-1)
        for line in order.lines:
            _room(world).live_lines.get((line.source, line.source_line), set()).discard(order.code)
    world.receipts.note(NAME, "cancel", order.code, world.now, call.body.decode("utf-8"))
    return ""


def inventory(call: Call, request: Node) -> str:
    """inventory.query: quantity is what is free, lockQuantity what orders hold."""
    asked = request.findall("criteriaList/criteria")
    if not asked:
        raise Failure("isv.missing-parameter", "criteriaList is empty")
    rows = []
    for criteria in asked:
        sku, wanted = text(criteria, "itemCode"), text(criteria, "warehouseCode")
        if not sku:
            raise Failure("isv.missing-parameter", "itemCode is missing")
        for warehouse, stock in call.world.stock.items():
            if sku in stock and wanted in ("", warehouse):
                free, locked = stock[sku]
                shown = _tags(itemCode=sku, inventoryType="ZP", quantity=max(0, free), lockQuantity=locked)
                rows.append(f"<item><warehouseCode>{warehouse}</warehouseCode>{shown}</item>")
    return f"<items>{''.join(rows)}</items>"


METHODS: dict[str, Callable[[Call, Node], str]] = {
    "deliveryorder.create": create,
    "deliveryorder.query": query,
    "order.cancel": cancel,
    "inventory.query": inventory,
}


# ---- shared pieces


def _room(world: World) -> Warehouse:
    return world.rooms.setdefault(NAME, Warehouse())


def _known(world: World, code: str) -> DeliveryOrder:
    order = _room(world).orders.get(code)
    if order is None:
        raise Failure("ORDER_NOT_EXIST", "发货单不存在")
    return order


def _status(world: World, order: DeliveryOrder) -> str:
    if order.cancelled_at is not None:
        return "CANCELED"
    return "DELIVERED" if world.now - order.at >= DELIVERED_AFTER / world.pace else "ACCEPT"


def _leave(world: World, order: DeliveryOrder) -> None:
    if order.cancelled_at is None:
        _move_stock(world, order, available=0, locked=-1)


def _move_stock(world: World, order: DeliveryOrder, available: int, locked: int) -> None:
    stock = world.stock[order.warehouse]
    for line in order.lines:
        row = stock.setdefault(line.sku, [0, 0])
        row[0] += available * line.pieces
        row[1] += locked * line.pieces


def _platform_order(world: World, number: str) -> Order | None:
    try:
        return world.find(number)
    except KeyError:
        return None


def _receiver_current(head: Node, order: Order | None) -> bool | None:
    """Whether the parcel goes where the buyer wants it now; None when no platform order stands behind it."""
    if order is None:
        return None
    if oaid := text(head, "receiverInfo/oaid"):
        return oaid == order.receiver.oaid
    return (
        order.receiver.address in text(head, "receiverInfo/detailAddress")
        and text(head, "receiverInfo/name") == order.receiver.name
    )


def _method(name: str) -> str:
    return name.removeprefix("taobao.qimen.")


def _created(order: DeliveryOrder) -> str:
    return _tags(
        createTime=gmt8(order.at),
        deliveryOrderId=order.id,
        warehouseCode=order.warehouse,
        logisticsCode=order.logistics,
    )


def _line(number: int, line: OrderLine, shipped: bool) -> str:
    return _tags(
        orderLineNo=number,
        orderSourceCode=line.source,
        subSourceCode=line.source_line,
        itemCode=line.sku,
        inventoryType="ZP",
        planQty=line.pieces,
        actualQty=line.pieces if shipped else 0,
    )


def _tags(**fields: object) -> str:
    """Elements with these names and texts."""
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fields.items())


def _xml(flag: str, code: str, message: str, fields: str = "") -> Answer:
    head = _tags(flag=flag, code=code, message=message)
    body = f'<?xml version="1.0" encoding="utf-8"?>\n<response>{head}{fields}</response>'
    return Answer(body.encode(), media_type="text/xml;charset=utf-8")
