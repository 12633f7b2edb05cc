"""Shopee: orders, their money, returns, token refresh, shipping and listings, each an API of its own path.

A parcel that is arranged stays PROCESSED until it is picked up; one of the seller's own channel is shipped at once.
"""

from typing import Any

from starlette.routing import Route

from orderpipe.sandbox import life, listings, truth
from orderpipe.sandbox import shopee_documents as documents
from orderpipe.sandbox.gateway import Answer, Call, door
from orderpipe.sandbox.listings import Product
from orderpipe.sandbox.model import Order
from orderpipe.sandbox.shopee_gateway import (
    NAME,
    Method,
    Refusal,
    answer,
    between,
    body_of,
    cursor_of,
    integer,
    offset_of,
    page,
    refresh,
    room_of,
    shop_of,
    span,
)
from orderpipe.sandbox.world import World

FAULTS = frozenset({
    "business_busy", "throttle", "expired_token", "missing_field", "short_page", "duplicate_rows", "shifted_page",
    "late_commit",
    # Shopee's own: bounds that do not belong to a range, a clock found wrong, an order left out of the details, no
    # escrow, returns counted from page 1 ({"refuse": true}: page 0 is an error), a listing in a promotion.
    "exclusive_bounds", "clock_skew", "missing_detail", "no_escrow", "first_page_one", "in_promotion",
})  # fmt: skip
STATUSES = frozenset({
    "UNPAID", "READY_TO_SHIP", "PROCESSED", "SHIPPED", "COMPLETED", "IN_CANCEL", "CANCELLED", "INVOICE_PENDING",
})  # fmt: skip
ITEM_STATUSES = frozenset({"NORMAL", "BANNED", "UNLIST", "REVIEWING", "SELLER_DELETE", "SHOPEE_DELETE"})
PICKUP_AFTER = 1800  # seconds until an arranged parcel is picked up
ROOT = "/api/v2/"


def routes(world: World) -> list[Route]:
    """A route for every API."""

    def route(name: str, method: Method, verb: str, **how: Any) -> Route:
        def respond(call: Call) -> Answer:
            return answer(call, ROOT + name, method, **how)

        return door(world, NAME, f"/{NAME}{ROOT}{name}", lambda call: name, respond, (verb,))

    return [
        route("auth/access_token/get", refresh, "POST", public=True),
        # The documentation's sample of returns has "-" for no error.
        *(route(name, method, "GET", success="-" if "return" in name else "") for name, method in READS.items()),
        *(route(name, method, "POST") for name, method in POSTS.items()),
    ]


def platform_status(order: Order) -> str:
    """The status the platform shows for an order, and why it is held; without what only the running platform knows."""
    status = documents.order_status(order, False)
    return "PENDING/SYSTEM_PENDING" if status == "PENDING" else status


# ---- orders


def order_list(call: Call) -> dict[str, Any]:
    """By update or create time, newest first, at most 15 days; the cursor counts rows, which move."""
    query, shop = call.query, shop_of(call)
    field = query.get("time_range_field")
    if field not in ("update_time", "create_time"):
        raise Refusal("error_param", "Wrong parameters, detail: time_range_field.")
    size = integer(call, "page_size", 1, 100)
    bounds = span(call, "time_from", "time_to", "order.order_list_invalid_time", required=True)
    wanted = query.get("order_status", "")
    if wanted and wanted not in STATUSES:
        raise Refusal("error_param", "Wrong parameters, detail: order_status.")
    rows = between(call, shop.by_modified if field == "update_time" else shop.by_created, bounds)
    rows = [row for row in rows if shop.orders[row[1]].indexed is not None]
    shown = {key: _status(call, shop.orders[key]) for _, key in rows}
    if query.get("request_order_status_pending") != "true":
        rows = [row for row in rows if shown[row[1]] != "PENDING"]
    if wanted:
        rows = [row for row in rows if shown[row[1]] == wanted]
    with_status = "order_status" in query.get("response_optional_fields", "")

    def render(key: int) -> dict[str, Any]:
        return {"order_sn": shop.orders[key].no} | ({"order_status": shown[key]} if with_status else {})

    def shift(key: int) -> None:
        call.world.touch(shop.orders[key], call.world.now)

    first = offset_of(call)
    found, more = page(call, rows, first, size, render, shift, "order_sn")
    return {"more": more, "next_cursor": cursor_of(call, first + size) if more else "", "order_list": found}


def order_detail(call: Call) -> dict[str, Any]:
    """At most 50 orders, with what is asked for. One number of another shop spoils the call."""
    numbers = call.query.get("order_sn_list", "").split(",")
    if not 1 <= len(numbers) <= 50 or not numbers[0]:
        raise Refusal("error_param", "Wrong parameters, detail: order_sn_list limit [1,50].")
    fields = documents.ALWAYS | set(call.query.get("response_optional_fields", "").split(","))
    pending = call.query.get("request_order_status_pending") == "true"
    found = []
    for number in numbers:
        order = shop_of(call).by_no.get(number)
        if order is None:
            raise Refusal("error_not_found", "Wrong parameters, detail: the order is not found.", 403)
        whole = documents.order(order, order.id in room_of(call.world).arranged, _plain(call))
        row = {name: value for name, value in whole.items() if name in fields}
        if not pending:
            row.pop("pending_terms", None)
        found.append(row)
    if found and (fault := call.fault("missing_field")):
        found[0] = {key: value for key, value in found[0].items() if key != fault.options.get("field", "update_time")}
    if found and call.fault("missing_detail"):
        del found[0]
    if found and call.fault("duplicate_rows"):
        found.append(found[-1])
    return {"order_list": found}


def escrow_detail(call: Call) -> dict[str, Any]:
    return _escrow(call, call.query.get("order_sn", ""))


def escrow_batch(call: Call) -> list[dict[str, Any]]:
    """At most 50 orders; those without any are left out."""
    numbers = body_of(call).get("order_sn_list")
    if not isinstance(numbers, list) or not numbers:
        raise Refusal("error_param", "order_sn_list is required, format should be string[]")
    if len(numbers) > 50:
        raise Refusal("exceed_max_limit", "Your request exceeds the max limit of 50 orders.")
    found = []
    for number in numbers:
        try:
            found.append({"escrow_detail": _escrow(call, str(number))})
        except Refusal:
            continue
    return found


def _escrow(call: Call, number: str) -> dict[str, Any]:
    order = shop_of(call).by_no.get(number)
    if order is None:
        raise Refusal("order_not_found", "Order SN provided is invalid or does not belong to you.")
    if order.confirmed_at is None or call.fault("no_escrow"):
        raise Refusal("common.error_not_found", "supplier order item income not found")
    return documents.escrow(order, _plain(call))


# ---- returns


def return_list(call: Call) -> dict[str, Any]:
    """Returns by page number, newest first; pages are counted from 0, or from 1 under the fault first_page_one."""
    shop, number, size = shop_of(call), integer(call, "page_no", 0, 10**6), integer(call, "page_size", 1, 100)
    bounds = span(call, "update_time_from", "update_time_to", "error_param", required=False)
    rows = between(call, shop.refunds_by_modified, bounds or (0, call.world.now))
    rows = [row for row in rows if shop.refunds[row[1]][1].after_shipping]
    if wanted := call.query.get("status"):
        rows = [row for row in rows if documents.RETURN_STATUS[shop.refunds[row[1]][1].state] == wanted]
    if fault := call.fault("first_page_one"):
        if number == 0 and fault.options.get("refuse"):
            raise Refusal("error_param", "Wrong parameters, detail: page_no.")
        number = max(number - 1, 0)

    def render(key: int) -> dict[str, Any]:
        return documents.return_(*shop.refunds[key], _plain(call))

    def shift(key: int) -> None:
        call.world.touch_refund(*shop.refunds[key], call.world.now)

    found, more = page(call, rows, number * size, size, render, shift, "return_sn")
    return {"more": more, "return": found}


# ---- shipping


def shipping_parameter(call: Call) -> dict[str, Any]:
    """What a parcel's channel asks for: every second order goes by the seller's own courier."""
    order = _to_arrange(call, call.query)
    if _own_channel(order):
        return {"info_needed": {"non_integrated": ["tracking_no"]}}
    slots = [{"date": call.world.now + day * 86400, "pickup_time_id": f"slot-{day}"} for day in (1, 2)]
    slots[1]["flags"] = ["recommended"]
    home = {"address_id": 234, "region": "SG", "address_flag": ["pickup_address"], "time_slot_list": slots}
    return {
        "info_needed": {"dropoff": [], "pickup": ["address_id", "pickup_time_id"]},
        "dropoff": {"branch_list": None},
        "pickup": {"address_list": [{"address_id": 9, "region": "SG", "time_slot_list": []}, home]},
    }


def ship_order(call: Call) -> dict[str, Any]:
    """Arrange a parcel by exactly one method that its channel offers."""
    world, body = call.world, body_of(call)
    given = [name for name in ("pickup", "dropoff", "non_integrated") if name in body]
    order = _order(call, str(body.get("order_sn", "")))
    met = truth.snapshot(order)
    try:
        _to_arrange(call, body)
        if len(given) != 1 or (given[0] == "non_integrated") is not _own_channel(order):
            raise Refusal("logistics.error_param", "Choose one method that the channel offers.")
        tracking = str(body[given[0]].get("tracking_number") or "")
        if given[0] == "non_integrated" and not tracking:
            raise Refusal("logistics.error_param", "tracking_number is required")
        _arrange(world, order, tracking)
    except (Refusal, life.Impossible) as error:
        if world.receipts.known(NAME, "shipment", order.no):
            world.receipts.note(NAME, "shipment", order.no, world.now, "")
        else:
            world.receipts.refuse(NAME)
        if isinstance(error, Refusal):
            raise
        raise Refusal("logistics.error_status", "Logistics status is not ready to ship.") from None
    text = call.body.decode("utf-8", "replace")
    facts = {"method": given[0], "tracking": tracking, "platform_state": met}
    world.receipts.note(NAME, "shipment", order.no, world.now, text, **facts)
    return {}


def tracking_number(call: Call) -> dict[str, Any]:
    """Empty until the parcel is picked up, or arranged on the platform's own channel."""
    order = _order(call, call.query.get("order_sn", ""))
    waiting = room_of(call.world).arranged.get(order.id, "")
    return {"tracking_number": order.shipments[0].tracking if order.shipments else waiting, "hint": ""}


def _own_channel(order: Order) -> bool:
    return documents.chance(order) % 2 == 0


def _to_arrange(call: Call, asked: dict[str, Any]) -> Order:
    """The order that a parcel is to be arranged for, which must wait for that."""
    if asked.get("package_number") == "":
        raise Refusal("error_param", "package_number must not be empty")
    order = _order(call, str(asked.get("order_sn", "")))
    if asked.get("package_number", documents.package_number(order)) != documents.package_number(order):
        raise Refusal("logistics.package_number_not_exist", "Please request with package_number for this split order.")
    if _status(call, order) != "READY_TO_SHIP":
        raise Refusal("error_param", "Shipping parameters can only be obtained when package is ready to be shipped")
    return order


def _arrange(world: World, order: Order, tracking: str) -> None:
    if tracking:
        life.ship(world, order, world.now, "SELF", tracking)
        return
    number = f"SPXSG{order.id % 10**12:012d}"
    waiting = room_of(world).arranged
    waiting[order.id] = number
    world.touch(order, world.now)

    def pick_up(at: int) -> None:
        if waiting.pop(order.id, None) is None or order.phase != "paid":
            return
        if order.refund_open:  # nobody comes for a parcel that is being cancelled
            world.touch(order, at)
        else:
            life.ship(world, order, at, "SPX", number)

    world.schedule(world.now + PICKUP_AFTER, "do", pick_up)


# ---- listings


def item_list(call: Call) -> dict[str, Any]:
    """Listings by update time, newest first; a listing that changes moves."""
    shop, now = shop_of(call), call.world.now
    size, first = integer(call, "page_size", 1, 100), integer(call, "offset", 0, 10_000)
    wanted = {value for name, value in call.pairs if name == "item_status"}
    if not wanted or not wanted <= ITEM_STATUSES:
        raise Refusal("error_param_item_status", "Item status error.")
    bounds = span(call, "update_time_from", "update_time_to", "error_update_time_range", required=False, longest=None)
    known = {int(product.id): product for product in listings.products(call.world, shop)}
    times = sorted((listings.indexed(product, shop, now), key) for key, product in known.items())
    rows = between(call, times, bounds or (0, now))
    rows = [row for row in rows if ("NORMAL" if known[row[1]].listed else "UNLIST") in wanted]

    def render(key: int) -> dict[str, Any]:
        whole = documents.listing(known[key], listings.indexed(known[key], shop, now))
        return {name: whole[name] for name in ("item_id", "item_status", "update_time")}

    def shift(key: int) -> None:
        listings.touch(known[key], shop, now)

    found, more = page(call, rows, first, size, render, shift, "update_time")
    onward = {"next_offset": first + size} if more else {}
    return {"item": found, "total_count": len(rows), "has_next_page": more, **onward}


def item_base_info(call: Call) -> dict[str, Any]:
    numbers = call.query.get("item_id_list", "").split(",")
    if not 1 <= len(numbers) <= 50:
        raise Refusal("error_param", "Wrong parameters, detail: item_id_list limit [0,50].")
    shop, now = shop_of(call), call.world.now
    known = _products(call)
    chosen = [known[number] for number in numbers if number in known]
    return {"item_list": [documents.listing(item, listings.indexed(item, shop, now)) for item in chosen]}


def model_list(call: Call) -> dict[str, Any]:
    product = _products(call).get(call.query.get("item_id", ""))
    if product is None:
        raise Refusal("error_item_not_found", "Item_id is not found.")
    return documents.models(product)


def unlist_item(call: Call) -> dict[str, Any]:
    """Take listings off sale or put them on; what fails is told item by item, beside an empty error."""
    asked = body_of(call).get("item_list")
    if not isinstance(asked, list) or not 1 <= len(asked) <= 50:
        raise Refusal("error_param", "Wrong parameters, detail: item_list limit [1,50].")
    world, known = call.world, _products(call)
    done: dict[str, list[dict[str, Any]]] = {"success_list": [], "failure_list": []}
    for item in asked:
        number, unlist = str(item.get("item_id")), item.get("unlist") is True
        if number not in known:
            done["failure_list"].append({"item_id": item.get("item_id"), "failed_reason": "Product not found"})
        elif unlist and call.fault("in_promotion"):
            reason = "Can't unlist item when item is under promotion"
            done["failure_list"].append({"item_id": item["item_id"], "failed_reason": reason})
        else:
            slot = (shop_of(call).shop.id, number)
            (world.delisted.add if unlist else world.delisted.discard)(slot)
            text = call.body.decode("utf-8", "replace")
            world.receipts.note(NAME, "delisting" if unlist else "listing", number, world.now, text)
            done["success_list"].append({"item_id": item["item_id"], "unlist": unlist})
    return done


READS: dict[str, Method] = {
    "order/get_order_list": order_list,
    "order/get_order_detail": order_detail,
    "payment/get_escrow_detail": escrow_detail,
    "returns/get_return_list": return_list,
    "logistics/get_shipping_parameter": shipping_parameter,
    "logistics/get_tracking_number": tracking_number,
    "product/get_item_list": item_list,
    "product/get_item_base_info": item_base_info,
    "product/get_model_list": model_list,
}
POSTS: dict[str, Method] = {
    "payment/get_escrow_detail_batch": escrow_batch,
    "logistics/ship_order": ship_order,
    "product/unlist_item": unlist_item,
}


def _status(call: Call, order: Order) -> str:
    return documents.order_status(order, order.id in room_of(call.world).arranged)


def _order(call: Call, number: str) -> Order:
    order = shop_of(call).by_no.get(number)
    if order is None:
        raise Refusal("error_not_found", "Wrong parameters, detail: the order is not found.", 403)
    return order


def _products(call: Call) -> dict[str, Product]:
    return {product.id: product for product in listings.products(call.world, shop_of(call))}


def _plain(call: Call) -> frozenset[str]:
    """Product ids of listings with goods of one kind only."""
    counts: dict[str, int] = {}
    for goods in call.world.goods:
        number = goods.listing(NAME).product_id
        counts[number] = counts.get(number, 0) + 1
    return frozenset(number for number, count in counts.items() if count == 1)
