"""Lazada: orders and their units, reverse orders, tokens and shipments, as APIs of the LazOP gateway; listings are in
lazada_listings.py."""

from typing import Any

import msgspec
from starlette.routing import Route

from orderpipe.sandbox import lazada_documents as documents
from orderpipe.sandbox import lazop, life, truth
from orderpipe.sandbox.gateway import Call, decode, door
from orderpipe.sandbox.lazada_documents import Room, room_of
from orderpipe.sandbox.lazada_listings import LISTING_APIS
from orderpipe.sandbox.lazop import SHOP, Method, Params, Refusal, Row, between, integer, need, one_of, page, time_of
from orderpipe.sandbox.model import Line, Order
from orderpipe.sandbox.world import ShopState, World

NAME = "lazada"
FAULTS = frozenset({
    "business_busy", "throttle", "expired_token", "missing_field", "wrong_count", "duplicate_rows",
    "shifted_page", "late_commit",
})  # fmt: skip
STATUSES = (
    "all", "unpaid", "pending", "topack", "toship", "packed", "ready_to_ship", "shipping", "shipped", "delivered",
    "canceled", "returned", "failed", "lost", "lost_by_3pl", "damaged_by_3pl", "failed_delivery", "shipped_back",
    "shipped_back_success", "shipped_back_failed", "package_scrapped",
)  # fmt: skip
MOST_SKIPPED = 5000
PROVIDER = "LEX MY"


def routes(world: World) -> list[Route]:
    """One route for each API."""
    return [_route(world, path, method, verbs, needs_token) for path, (method, verbs, needs_token) in APIS.items()]


def _route(world: World, path: str, method: Method, verbs: tuple[str, ...], needs_token: bool) -> Route:
    return door(
        world,
        NAME,
        f"/lazada{path}",
        lambda call: path,
        lambda call: lazop.answer(call, path, method, needs_token),
        verbs,
    )


def platform_status(order: Order) -> str:
    """The statuses of an order's units, the way they are told apart; the order itself has none."""
    return "/".join(sorted(documents.statuses(order, Room())))


# ---- orders


def orders_get(call: Call, params: Params) -> dict[str, Any]:
    """By update or creation time, both ends included, at most 100 rows from at most the 5000th on."""
    shop = _shop(call)
    updated = time_of(params, "update_after"), time_of(params, "update_before")
    created = time_of(params, "created_after"), time_of(params, "created_before")
    if updated[0] is None and created[0] is None:
        raise Refusal("MissingParameter", "Either update_after or created_after is mandatory", "ISP")
    limit = integer(params, "limit", 100, 1, 100, "19", "Invalid Limit")
    offset = integer(params, "offset", 0, 0, MOST_SKIPPED, "14", "Invalid Offset")
    sort_by = one_of(params, "sort_by", ("created_at", "updated_at"), "75", "Invalid sort filter.")
    direction = one_of(params, "sort_direction", ("ASC", "DESC"), "74", "Invalid sort direction.")
    status = params.get("status", "all")
    if status not in STATUSES:
        raise Refusal("6", "Invalid status filter")

    rows = between(shop.by_modified, *updated)
    if created != (None, None) or sort_by == "created_at":
        placed = {key: (at, key) for at, key in between(shop.by_created, *created)}
        rows = [row if sort_by == "updated_at" else placed[row[1]] for row in rows if row[1] in placed]
    if status != "all":
        room = room_of(call.world)
        rows = [row for row in rows if status in documents.statuses(shop.orders[row[1]], room)]
    rows = sorted(rows, reverse=direction == "DESC")

    def shift(key: int) -> None:
        call.world.touch(shop.orders[key], call.world.now)

    found, total = page(
        call,
        rows,
        offset,
        limit,
        lambda key: documents.order_row(shop.orders[key], room_of(call.world)),
        shift,
        "updated_at",
    )
    return {"data": {"countTotal": total, "count": len(found), "orders": found}}


def order_items_get(call: Call, params: Params) -> dict[str, Any]:
    return {"data": documents.units(_order(call, need(params, "order_id")), room_of(call.world))}


def orders_items_get(call: Call, params: Params) -> dict[str, Any]:
    """The units of up to 50 orders, named by a JSON list."""
    try:
        numbers = msgspec.json.decode(need(params, "order_ids"), type=list[int])
    except msgspec.MsgspecError:
        raise Refusal("56", "E056: Invalid OrdersIdList format. Must use array format [1,2]") from None
    if len(numbers) > 50:
        raise Refusal("38", "E038: Too many orders were requested")
    orders = [_shop(call).orders.get(number) for number in numbers]
    if not any(orders):
        raise Refusal("39", "E039: No orders were found")
    if not all(orders):
        raise Refusal("37", "E037: One or more order id in the list are incorrect")
    room = room_of(call.world)
    answer = [
        {"order_id": order.id, "order_number": order.id, "order_items": documents.units(order, room)}
        for order in orders
    ]
    if fault := call.fault("missing_field"):
        answer[-1].pop(fault.options.get("field", "order_items"), None)
    return {"data": answer}


# ---- reverse orders


def reverse_orders(call: Call, params: Params) -> dict[str, Any]:
    """Reverse orders by the modified time of their lines, in milliseconds; they stand under `result`."""
    number = integer({"page_no": need(params, "page_no")}, "page_no", 1, 1, 10**6, "14", "Invalid page_no")
    size = integer({"page_size": need(params, "page_size")}, "page_size", 1, 1, 100, "19", "Invalid page_size")
    start, end = (
        -(-_millis(params, f"ReverseOrderLineModifiedTimeRange{edge}") // 1000) if edge == "Start"
        else _millis(params, f"ReverseOrderLineModifiedTimeRange{edge}") // 1000
        for edge in ("Start", "End")
    )  # fmt: skip
    shop, keyed = _shop(call), {}
    for at, key in between(shop.refunds_by_modified, start, end):
        order, refund = shop.refunds[key]
        case = next(case for case, lines in documents.cases(order).items() if refund in lines)
        keyed[case] = at, order
    rows: list[Row] = sorted((at, case) for case, (at, _) in keyed.items())

    def render(case: int) -> dict[str, Any]:
        order = keyed[case][1]
        return documents.case_row(order, case, documents.cases(order)[case])

    def shift(case: int) -> None:
        order = keyed[case][1]
        for refund in documents.cases(order)[case]:
            call.world.touch_refund(order, refund, call.world.now)

    found, total = page(call, rows, (number - 1) * size, size, render, shift, "reverse_order_id")
    return {"result": {"success": True, "page_no": number, "page_size": size, "total": total, "items": found}}


def _millis(params: Params, name: str) -> int:
    if not params.get(name, "").isdigit():
        raise Refusal("17", f'E017: "{params.get(name, "")}" Invalid Date Format')
    return int(params[name])


# ---- authorisation


def token_refresh(call: Call, params: Params) -> dict[str, Any]:
    """A new pair of tokens for a refresh token, which is spent by this. Its end does not move."""
    world = call.world
    left = world.credentials.grants[SHOP].refresh_expires_at - world.now
    grant = world.credentials.refresh(SHOP, need(params, "refresh_token"), world.now, refresh_life=left)
    if grant is None:
        raise Refusal("IllegalRefreshToken", "The specified refresh token is invalid or expired", "ISP")
    seller = {"country": "my", "seller_id": "200001", "user_id": "20101", "short_code": "MY2001"}
    return {
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "expires_in": grant.expires_at - world.now,
        "refresh_expires_in": str(left),
        "country": "my",
        "account": "ops@example.test",
        "account_id": "7063844",
        "account_platform": "seller_center",
        "country_user_info_list": [seller],
    }


# ---- shipping


def pack(call: Call, params: Params) -> dict[str, Any]:
    """Pack units: only those that wait to be packed. Success of the call says nothing about the single unit."""
    asked, room = _json(params, "packReq"), room_of(call.world)
    if asked.get("delivery_type") != "dropship" or asked.get("shipping_allocate_type") not in ("TFS", "NTFS"):
        return _failed("700004", "PARAM_ILLEGAL")
    done = []
    for entry in asked.get("pack_order_list", []):
        order = _order(call, str(entry["order_id"]))
        packed = []
        for line in _lines(order, entry["order_item_list"]):
            if documents.unit_status(order, line, room) == "pending":
                packed.append(line)
        number = f"FP{min((line.id for line in packed), default=0)}"
        room.packed |= {line.id: number for line in packed}
        if packed:
            call.world.touch(order, call.world.now)
        results = [_packed(line_id, line_id in {line.id for line in packed}, number) for line_id in _ids(entry)]
        done.append({"order_id": order.id, "order_item_list": results})
    return {"result": {"data": {"pack_order_list": done}, "success": True, "errorCode": None, "errorMsg": None}}


def _packed(line_id: int, done: bool, number: str) -> dict[str, Any]:
    if not done:
        return {"order_item_id": line_id, "item_err_code": "700026", "msg": "item current status not allow to pack",
                "retry": False}  # fmt: skip
    return {"order_item_id": line_id, "item_err_code": "0", "msg": "success", "tracking_number": f"LEX{number[2:]}",
            "shipment_provider": PROVIDER, "package_id": number, "retry": False}  # fmt: skip


def ready_to_ship(call: Call, params: Params) -> dict[str, Any]:
    """Hand packages over to the carrier: only packed ones."""
    asked = _json(params, "readyToShipReq").get("packages", [])
    results = []
    for entry in asked:
        code, told = _hand_over(call, str(entry.get("package_id", "")))
        results.append({"package_id": entry.get("package_id"), "item_err_code": code, "msg": told})
    return {"result": {"data": {"packages": results}, "success": True, "errorCode": "", "errorMsg": ""}}


def _hand_over(call: Call, number: str) -> tuple[str, str]:
    world, room = call.world, room_of(call.world)
    ids = {line_id for line_id, package in room.packed.items() if package == number}
    order = (
        next((o for o in _shop(call).orders.values() if any(line.id in ids for line in o.lines)), None) if ids else None
    )
    if order is None:
        world.receipts.refuse(NAME)
        return "600001", "package not found"
    lines = [line for line in order.lines if line.id in ids]
    whole = all(line in lines or line.removed >= line.quantity for line in order.lines)
    key = order.no if whole else f"{order.no}:{','.join(str(line.id) for line in lines)}"
    met = truth.snapshot(order)
    try:
        life.ship(world, order, world.now, PROVIDER, f"LEX{number[2:]}", lines)
    except life.Impossible:
        if world.receipts.known(NAME, "shipment", key):
            world.receipts.note(NAME, "shipment", key, world.now, "")
        else:
            world.receipts.refuse(NAME)
        return "700000", "current package status not allow to operation"
    facts = {"company": PROVIDER, "tracking": f"LEX{number[2:]}", "platform_state": met}
    world.receipts.note(NAME, "shipment", key, world.now, call.body.decode("utf-8", "replace"), **facts)
    return "0", "success"


def _failed(code: str, message: str) -> dict[str, Any]:
    return {"result": {"data": None, "success": False, "errorCode": code, "errorMsg": message}}


def _lines(order: Order, ids: list[Any]) -> list[Line]:
    wanted = {int(line_id) for line_id in ids}
    return [line for line in order.lines if line.id in wanted]


def _ids(entry: dict[str, Any]) -> list[int]:
    return [int(line_id) for line_id in entry["order_item_list"]]


def _json(params: Params, name: str) -> dict[str, Any]:
    try:
        return decode(need(params, name))
    except msgspec.MsgspecError:
        raise Refusal("5", "E005: Invalid Request Format") from None


# path → (API, verbs, whether it needs a token)
APIS: dict[str, tuple[Method, tuple[str, ...], bool]] = {
    "/auth/token/refresh": (token_refresh, ("GET", "POST"), False),
    "/orders/get": (orders_get, ("GET",), True),
    "/order/items/get": (order_items_get, ("GET",), True),
    "/orders/items/get": (orders_items_get, ("GET",), True),
    "/reverse/getreverseordersforseller": (reverse_orders, ("GET", "POST"), True),
    "/order/fulfill/pack": (pack, ("POST",), True),
    "/order/package/rts": (ready_to_ship, ("POST",), True),
    **LISTING_APIS,
}


def _shop(call: Call) -> ShopState:
    return call.world.shops[SHOP]


def _order(call: Call, number: str) -> Order:
    order = _shop(call).orders.get(int(number)) if number.isdigit() else None
    if order is None:
        raise Refusal("16", f'E016: "{number}" Invalid Order ID')
    return order
