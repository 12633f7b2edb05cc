"""A warehouse that speaks Qimen: delivery orders, cancellation, stock. Parameters in the query, XML in the body."""

import hashlib
import hmac
from collections.abc import Callable

from starlette.routing import Route

from orderpipe.sandbox import truth, warehouse
from orderpipe.sandbox.clock import gmt8
from orderpipe.sandbox.gateway import Answer, Call, door, same
from orderpipe.sandbox.model import Order
from orderpipe.sandbox.qimen_form import Failure, Node, check_time, delivery_order, parse, return_order, text
from orderpipe.sandbox.warehouse_orders import NAME, DeliveryOrder, ReturnOrder, room
from orderpipe.sandbox.warehouse_reports import confirmation, tags
from orderpipe.sandbox.world import World

FAULTS = frozenset({"business_busy", "throttle"}) | warehouse.FAULTS


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
    world, house = call.world, room(call.world)
    head, lines = delivery_order(request, world.stock)
    code = text(head, "deliveryOrderCode")
    if known := house.orders.get(code):
        world.receipts.note(NAME, "delivery_order", code, world.now, "")
        if not known.live:
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
        id=f"WMS-{88001 + len(house.orders)}",
        warehouse=text(head, "warehouseCode"),
        type=text(head, "orderType"),
        logistics=text(head, "logisticsCode"),
        at=world.now,
        lines=lines,
        effect=effect,
    )
    house.orders[code] = made
    effect.facts["wms_order_id"] = made.id
    warehouse.begin(world, made)
    return _created(made)


def query(call: Call, request: Node) -> str:
    """deliveryorder.query: the state of one pick order, in the shape of a confirmation."""
    order = _known(call.world, text(request, "orderCode"))
    final = order.status not in ("PARTDELIVERED",)
    shown = confirmation(order, order.status, order.packages, final, f"QUERY-{order.id}", call.world.now)
    inner = shown.removeprefix("<request>").removesuffix("</request>")
    return f"<totalLines>{len(order.lines)}</totalLines>{inner}"


def cancel(call: Call, request: Node) -> str:
    """order.cancel: success means it will not be shipped; once picked it is too late."""
    world = call.world
    if not text(request, "warehouseCode"):
        raise Failure("isv.missing-parameter", "warehouseCode is missing")
    order = _known(world, text(request, "orderCode"))
    if not warehouse.cancel(world, order):
        raise Failure("CANCEL_TOO_LATE", "订单已拣货，无法取消")
    world.receipts.note(NAME, "cancel", order.code, world.now, call.body.decode("utf-8"))
    return ""


def create_return(call: Call, request: Node) -> str:
    """returnorder.create: goods to expect, once per returnOrderCode."""
    world, house = call.world, room(call.world)
    head, lines = return_order(request, world.stock)
    code = text(head, "returnOrderCode")
    effect = world.receipts.note(
        NAME,
        "return_order",
        code,
        world.now,
        call.body.decode("utf-8"),
        warehouse=text(head, "warehouseCode"),
        of=text(head, "preDeliveryOrderCode"),
    )
    if (back := house.returns.get(code)) is None:
        back = house.returns[code] = ReturnOrder(
            code=code,
            id=f"RET-{66001 + len(house.returns)}",
            warehouse=text(head, "warehouseCode"),
            type=text(head, "orderType"),
            at=world.now,
            lines=lines,
            effect=effect,
        )
        warehouse.expect_back(world, back)
    return tags(returnOrderId=back.id)


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
        for name, stock in call.world.stock.items():
            if sku in stock and wanted in ("", name):
                free, locked = stock[sku]
                shown = tags(itemCode=sku, inventoryType="ZP", quantity=max(0, free), lockQuantity=locked)
                rows.append(f"<item><warehouseCode>{name}</warehouseCode>{shown}</item>")
    return f"<items>{''.join(rows)}</items>"


METHODS: dict[str, Callable[[Call, Node], str]] = {
    "deliveryorder.create": create,
    "deliveryorder.query": query,
    "order.cancel": cancel,
    "returnorder.create": create_return,
    "inventory.query": inventory,
}


# ---- shared pieces


def _known(world: World, code: str) -> DeliveryOrder:
    order = room(world).orders.get(code)
    if order is None:
        raise Failure("ORDER_NOT_EXIST", "发货单不存在")
    return order


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
    return tags(
        createTime=gmt8(order.at),
        deliveryOrderId=order.id,
        warehouseCode=order.warehouse,
        logisticsCode=order.logistics,
    )


def _xml(flag: str, code: str, message: str, fields: str = "") -> Answer:
    head = tags(flag=flag, code=code, message=message)
    body = f'<?xml version="1.0" encoding="utf-8"?>\n<response>{head}{fields}</response>'
    return Answer(body.encode(), media_type="text/xml;charset=utf-8")
