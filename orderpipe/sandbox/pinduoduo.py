"""Pinduoduo: orders, after-sale cases, token refresh, shipping and goods on sale, as APIs of one gateway."""

from typing import Any

from starlette.routing import Route

from orderpipe.sandbox import life, listings, truth
from orderpipe.sandbox import pinduoduo_documents as documents
from orderpipe.sandbox import pinduoduo_gateway as gateway
from orderpipe.sandbox.clock import gmt8
from orderpipe.sandbox.gateway import Answer, Call, door
from orderpipe.sandbox.model import Order
from orderpipe.sandbox.pinduoduo_gateway import (
    DAY,
    HALF_HOUR,
    NAME,
    REFRESH,
    SHOP,
    Api,
    Params,
    Refusal,
    Row,
    between,
    choice,
    integer,
    need,
    page,
    params_of,
    span,
)
from orderpipe.sandbox.world import ShopState, World

FAULTS = frozenset({
    "business_busy", "throttle", "expired_token", "missing_field", "wrong_count", "short_page", "duplicate_rows",
    "shifted_page", "late_commit", "numbers_only", "mobile_only",
})  # fmt: skip
RECENT = 90 * DAY
visible = documents.visible
platform_status = documents.platform_status


def routes(world: World) -> list[Route]:
    """The gateway's route."""

    def name_of(call: Call) -> str:
        return params_of(call).get("type", "")

    def answer(call: Call) -> Answer:
        return gateway.answer(call, APIS)

    return [door(world, NAME, "/pinduoduo/api/router", name_of, answer)]


# ---- orders


def order_increment(call: Call, params: Params) -> dict[str, Any]:
    """By update time, oldest first, at most half an hour; both bounds belong to the range."""
    choice(params, "is_lucky_flag", (0, 1, 2))
    start, end = span(params, "start_updated_at", "end_updated_at", HALF_HOUR)
    shop = _shop(call)
    return _order_page(call, params, between(shop.by_modified, start, end), "order_sn_list")


def order_list(call: Call, params: Params) -> dict[str, Any]:
    """By the time the order was dealt, at most a day."""
    start, end = span(params, "start_confirm_at", "end_confirm_at", DAY)
    paid = ((order.paid_at, order.id) for order in _shop(call).orders.values() if order.paid_at is not None)
    return _order_page(call, params, sorted(row for row in paid if start <= row[0] <= end), "order_list")


def _order_page(call: Call, params: Params, rows: list[Row], name: str) -> dict[str, Any]:
    status = choice(params, "order_status", (1, 2, 3, 5))
    refund_status = choice(params, "refund_status", (1, 2, 3, 4, 5))
    shop, now = _shop(call), call.world.now

    def asked_for(order: Order) -> bool:
        if not visible(order) or (order.paid_at or order.created) < now - RECENT:
            return False
        shown = documents.order_info(order)
        return status in (5, shown["order_status"]) and refund_status in (5, shown["refund_status"])

    def render(key: int) -> dict[str, Any]:
        shown = documents.order_info(shop.orders[key])
        if call.fault("numbers_only"):
            return {"order_sn": shown["order_sn"], "updated_at": shown["updated_at"]}
        return _without_receiver(shown) if call.fault("mobile_only") else shown

    def touch(key: int) -> None:
        order = shop.orders[key]
        order.flag = order.flag % 5 + 1
        call.world.touch(order, now)

    return page(call, params, [row for row in rows if asked_for(shop.orders[row[1]])], render, name, touch)


def _without_receiver(shown: dict[str, Any]) -> dict[str, Any]:
    """The receiver's fields empty, the phone in contact_mobile."""
    hidden = {name: "" for name in shown if name.startswith("receiver_")}
    return shown | hidden | {"contact_mobile": shown["receiver_phone"]}


def order_information(call: Call, params: Params) -> dict[str, Any]:
    shown = dict(documents.order_info(_order(call, params)))
    if fault := call.fault("missing_field"):
        shown.pop(fault.options.get("field", "created_time"), None)
    return {"order_info": shown}


# ---- after-sale cases


def refund_increment(call: Call, params: Params) -> dict[str, Any]:
    """By update time, oldest first, at most half an hour; asked by order_sn, only the pages count besides."""
    shop = _shop(call)
    if number := params.get("order_sn"):
        rows = [row for row in shop.refunds_by_modified if shop.refunds[row[1]][0].no == number]
    else:
        rows = _chosen(shop, params)

    def touch(key: int) -> None:
        call.world.touch_refund(*shop.refunds[key], call.world.now)

    def render(key: int) -> dict[str, Any]:
        return documents.case(*shop.refunds[key])

    return page(call, params, rows, render, "refund_list", touch, hides_count=False)


def _chosen(shop: ShopState, params: Params) -> list[Row]:
    kind = choice(params, "after_sales_type", (1, 2, 3, 4, 5, 6))
    status = integer(params, "after_sales_status", 1, 99)  # 1 means all, which the documentation does not say
    start, end = span(params, "start_updated_at", "end_updated_at", HALF_HOUR)

    def asked_for(row: Row) -> bool:
        shown = documents.case(*shop.refunds[row[1]])
        return kind in (1, shown["after_sales_type"]) and status in (1, shown["after_sales_status"])

    return [row for row in between(shop.refunds_by_modified, start, end) if asked_for(row)]


def refund_information(call: Call, params: Params) -> dict[str, Any]:
    """One case by its id and order; the answer has no root, and its amounts are fen."""
    key = integer(params, "after_sales_id", 1, 10**18)
    found = _shop(call).refunds.get(key)
    if found is None or found[0].no != need(params, "order_sn"):
        raise Refusal(50001, "售后单不存在")
    return documents.case_in_fen(*found)


# ---- authorisation and time


def token_refresh(call: Call, params: Params) -> dict[str, Any]:
    """A new pair of tokens for a refresh token, which is spent by this."""
    world = call.world
    old = world.credentials.grants[SHOP].access_token
    grant = world.credentials.refresh(SHOP, need(params, "refresh_token"), world.now)
    if grant is None:
        raise Refusal(20031, "refresh_token 已过期或已使用")
    gateway.room(call)["spent"].add(old)
    life_time, refresh_life = grant.expires_at - world.now, grant.refresh_expires_at - world.now
    levels = {f"{level}_expires_in": life_time for level in ("r1", "r2", "w1", "w2")}
    ends = {f"{level}_expires_at": grant.expires_at for level in ("r1", "r2", "w1", "w2")}
    return {
        "access_token": grant.access_token,
        "expires_in": life_time,
        "expires_at": grant.expires_at,
        "refresh_token": grant.refresh_token,
        "refresh_token_expires_in": refresh_life,
        "refresh_token_expires_at": grant.refresh_expires_at,
        "owner_id": "880000001",
        "owner_name": "pdd88000000100",
        "scope": [api for api in APIS if api != REFRESH],
        **levels,
        **ends,
    }


def time_get(call: Call, params: Params) -> dict[str, Any]:
    return {"time": gmt8(call.world.now)}


# ---- shipping and goods on sale


def online_send(call: Call, params: Params) -> dict[str, Any]:
    """Ship an order. One that does not wait to be shipped, or that is under review, is refused."""
    world, order = call.world, _order(call, params)
    company, tracking = str(integer(params, "logistics_id", 1, 10**6)), need(params, "tracking_number")
    met = truth.snapshot(order)
    try:
        life.ship(world, order, world.now, company, tracking)
    except life.Impossible:
        if world.receipts.known(NAME, "shipment", order.no):
            world.receipts.note(NAME, "shipment", order.no, world.now, "")
        else:
            world.receipts.refuse(NAME)
        raise Refusal(50001, "订单状态不支持发货") from None
    facts = {"company": company, "tracking": tracking, "platform_state": met}
    world.receipts.note(NAME, "shipment", order.no, world.now, call.body.decode("utf-8", "replace"), **facts)
    return {"is_success": True}


def sale_status_set(call: Call, params: Params) -> dict[str, Any]:
    """Put goods on sale or take them off."""
    world, goods_id = call.world, need(params, "goods_id")
    listed = choice(params, "is_onsale", (0, 1)) == 1
    if goods_id not in {product.id for product in listings.products(world, _shop(call))}:
        raise Refusal(50001, "商品不存在")
    (world.delisted.discard if listed else world.delisted.add)((SHOP, goods_id))
    listings.products(world, _shop(call))  # the change dates from now
    kind = "listing" if listed else "delisting"
    world.receipts.note(NAME, kind, goods_id, world.now, call.body.decode("utf-8", "replace"))
    return {"is_success": True}


# type → (root of the answer, what makes it)
APIS: dict[str, tuple[str | None, Api]] = {
    "pdd.order.number.list.increment.get": ("order_sn_increment_get_response", order_increment),
    "pdd.order.list.get": ("order_list_get_response", order_list),
    "pdd.order.information.get": ("order_info_get_response", order_information),
    "pdd.refund.list.increment.get": ("refund_increment_get_response", refund_increment),
    "pdd.refund.information.get": (None, refund_information),
    "pdd.logistics.online.send": ("logistics_online_send_response", online_send),
    "pdd.goods.sale.status.set": ("goods_sale_status_set_response", sale_status_set),
    "pdd.time.get": ("time_get_response", time_get),
    REFRESH: ("pop_auth_token_refresh_response", token_refresh),
}


def _shop(call: Call) -> ShopState:
    return call.world.shops[SHOP]


def _order(call: Call, params: Params) -> Order:
    order = _shop(call).by_no.get(need(params, "order_sn"))
    if order is None or not visible(order):
        raise Refusal(50001, "订单不存在")
    return order
