"""Taobao: trades, refunds, token refresh, shipping and listing, as methods of the TOP gateway; items are apart."""

from typing import Any

from starlette.routing import Route

from orderpipe.sandbox import life, listings, top, truth
from orderpipe.sandbox import taobao_documents as documents
from orderpipe.sandbox import taobao_items as items
from orderpipe.sandbox.clock import gmt8
from orderpipe.sandbox.gateway import Answer, Call, door, encode
from orderpipe.sandbox.model import Order, Refund
from orderpipe.sandbox.top import (
    Method,
    Params,
    Refusal,
    Row,
    between,
    fields_of,
    need,
    page,
    params_of,
    project,
    span_of,
    time_of,
)
from orderpipe.sandbox.world import ShopState, World

NAME = "taobao"
FAULTS = frozenset({
    "business_busy", "throttle", "expired_token", "missing_field", "wrong_count", "duplicate_rows",
    "shifted_page", "late_commit",
})  # fmt: skip
SHOP = "taobao-hz"
DAY = 86400
RECENT = 90 * DAY  # trades.sold.get looks back three months
OAID_NEEDS = frozenset({"receiver_name", "receiver_address", "created", "receiver_mobile", "receiver_phone"})
ONLY_IN_FULLINFO = frozenset({"oaid", "promotion_details", "buyer_message", "seller_memo"})


def routes(world: World) -> list[Route]:
    """The gateway's route."""

    def name_of(call: Call) -> str:
        return params_of(call).get("method", "")

    def answer(call: Call) -> Answer:
        return top.answer(call, METHODS)

    return [door(world, NAME, "/taobao/router/rest", name_of, answer, ("POST", "GET"))]


def platform_status(order: Order) -> str:
    """The status the platform shows for an order."""
    return documents.trade_status(order)


# ---- trades


def trades_increment(call: Call, params: Params) -> dict[str, Any]:
    """By modified time, newest first, at most a day; both bounds belong to the range."""
    fields = fields_of(params)
    start, end = span_of(params, "start_modified", "end_modified", DAY)
    shop = _shop(call)
    return _order_page(call, params, shop, between(shop.by_modified, start, end), fields)


def trades_sold(call: Call, params: Params) -> dict[str, Any]:
    """By created time, newest first; what was created more than three months ago is not there."""
    fields, now = fields_of(params), call.world.now
    start = time_of(params, "start_created") if params.get("start_created") else 0
    end = time_of(params, "end_created") if params.get("end_created") else now
    shop = _shop(call)
    rows = between(shop.by_created, max(start, now - RECENT), end)
    return _order_page(call, params, shop, [row for row in rows if shop.orders[row[1]].indexed is not None], fields)


def trade_fullinfo(call: Call, params: Params) -> dict[str, Any]:
    """One trade, complete; its oaid only when include_oaid=true and the five fields it rests on are asked for."""
    fields = fields_of(params)
    if params.get("include_oaid") != "true" or not fields >= OAID_NEEDS:
        fields -= {"oaid"}
    row = project(documents.trade(_trade(call, params)), fields)
    if fault := call.fault("missing_field"):
        row.pop(fault.options.get("field", "created"), None)
    return {"trade": row}


def _order_page(call: Call, params: Params, shop: ShopState, rows: list[Row], fields: set[str]) -> dict[str, Any]:
    if status := params.get("status"):
        rows = [row for row in rows if documents.trade_status(shop.orders[row[1]]) == status]
    fields = fields - ONLY_IN_FULLINFO

    def shift(newest: int) -> None:
        order = shop.orders[newest]
        order.flag = order.flag % 5 + 1
        call.world.touch(order, call.world.now)

    return page(
        call, params, rows, lambda key: project(documents.trade(shop.orders[key]), fields), ("trades", "trade"), shift
    )


# ---- refunds


def refunds_receive(call: Call, params: Params) -> dict[str, Any]:
    """Refunds by modified time, newest first."""
    fields, shop = fields_of(params), _shop(call)
    start, end = span_of(params, "start_modified", "end_modified", DAY)
    rows = between(shop.refunds_by_modified, start, end)
    if status := params.get("status"):
        rows = [row for row in rows if documents.REFUND_STATUS[shop.refunds[row[1]][1].state] == status]

    def shift(newest: int) -> None:
        call.world.touch_refund(*shop.refunds[newest], call.world.now)

    return page(
        call,
        params,
        rows,
        lambda key: project(documents.refund(*shop.refunds[key]), fields),
        ("refunds", "refund"),
        shift,
    )


def refund_get(call: Call, params: Params) -> dict[str, Any]:
    fields = fields_of(params)
    return {"refund": project(documents.refund(*_refund(call, params)), fields)}


# ---- authorisation


def token_refresh(call: Call, params: Params) -> dict[str, Any]:
    """A new pair of tokens for a refresh token, which is spent by this; token_result is JSON text inside JSON."""
    session = call.world.credentials.refresh(SHOP, need(params, "refresh_token"), call.world.now)
    if session is None:
        raise Refusal(15, "Remote service error", "isv.invalid-refresh-token", "refresh_token 无效或已使用")
    life_time = session.expires_at - call.world.now
    levels = {f"{level}_expires_in": life_time for level in ("r1", "r2", "w1", "w2", "re")}
    result = {
        "access_token": session.access_token,
        "token_type": "Bearer",
        "expires_in": life_time,
        "refresh_token": session.refresh_token,
        **levels,
        "taobao_user_nick": "%E6%9D%AD%E5%B7%9E%E5%AE%B6%E5%B1%85%E6%97%97%E8%88%B0%E5%BA%97",
        "taobao_user_id": "2200000000001",
        "taobao_open_uid": "AAHsandboxSeller",
    }
    return {"token_result": encode(result).decode()}


# ---- shipping and listing


def offline_send(call: Call, params: Params) -> dict[str, Any]:
    """Ship a trade, or with is_split=1 the lines in sub_tid. A trade not waiting to be shipped is refused."""
    world, order = call.world, _trade(call, params)
    company, tracking = need(params, "company_code"), need(params, "out_sid")
    chosen = params.get("sub_tid", "") if params.get("is_split") == "1" else ""
    key = f"{order.id}:{chosen}" if chosen else str(order.id)
    lines = [line for line in order.lines if str(line.id) in chosen.split(",")] if chosen else None
    met = truth.snapshot(order)
    try:
        if lines == []:
            raise life.Impossible("no such line")
        life.ship(world, order, world.now, company, tracking, lines)
    except life.Impossible:
        if world.receipts.known(NAME, "shipment", key):
            world.receipts.note(NAME, "shipment", key, world.now, "")
        else:
            world.receipts.refuse(NAME)
        raise Refusal(
            15, "Remote service error", "isv.logistics-offline-service-error:B04", "订单当前状态不支持发货"
        ) from None
    facts = {"company": company, "tracking": tracking, "platform_state": met}
    world.receipts.note(NAME, "shipment", key, world.now, call.body.decode("utf-8", "replace"), **facts)
    return {"shipping": {"is_success": True}}


def delist(call: Call, params: Params) -> dict[str, Any]:
    return _set_listing(call, params, listed=False)


def relist(call: Call, params: Params) -> dict[str, Any]:
    if not need(params, "num").isdigit() or int(params["num"]) < 1:
        raise Refusal(41, "Invalid arguments:num", "isv.invalid-parameter:num", "num 必须大于 0")
    return _set_listing(call, params, listed=True)


def _set_listing(call: Call, params: Params, listed: bool) -> dict[str, Any]:
    world, num_iid = call.world, need(params, "num_iid")
    if num_iid not in {product.id for product in listings.products(world, _shop(call))}:
        raise Refusal(15, "Remote service error", "isv.item-not-exist", "商品不存在")
    slot = (SHOP, num_iid)
    (world.delisted.discard if listed else world.delisted.add)(slot)
    listings.products(world, _shop(call))  # the change dates from now
    world.receipts.note(
        NAME, "listing" if listed else "delisting", num_iid, world.now, call.body.decode("utf-8", "replace")
    )
    return {"item": {"num_iid": int(num_iid), "modified": gmt8(world.now)}}


# name → (method, whether it needs a session)
METHODS: dict[str, tuple[Method, bool]] = {
    "taobao.trades.sold.increment.get": (trades_increment, True),
    "taobao.trades.sold.get": (trades_sold, True),
    "taobao.trade.fullinfo.get": (trade_fullinfo, True),
    "taobao.refunds.receive.get": (refunds_receive, True),
    "taobao.refund.get": (refund_get, True),
    "taobao.top.auth.token.refresh": (token_refresh, False),
    "taobao.logistics.offline.send": (offline_send, True),
    "taobao.item.update.delisting": (delist, True),
    "taobao.item.update.listing": (relist, True),
    "taobao.items.onsale.get": (items.items_onsale, True),
    "taobao.items.inventory.get": (items.items_inventory, True),
    "taobao.items.seller.list.get": (items.items_details, True),
}


def _shop(call: Call) -> ShopState:
    return call.world.shops[SHOP]


def _trade(call: Call, params: Params) -> Order:
    tid = need(params, "tid")
    order = _shop(call).orders.get(int(tid)) if tid.isdigit() else None
    if order is None:
        raise Refusal(15, "Remote service error", "isv.trade-not-exist", "交易不存在")
    return order


def _refund(call: Call, params: Params) -> tuple[Order, Refund]:
    key = need(params, "refund_id")
    found = _shop(call).refunds.get(int(key)) if key.isdigit() else None
    if found is None:
        raise Refusal(15, "Remote service error", "isv.refund-not-exist", "退款不存在")
    return found
