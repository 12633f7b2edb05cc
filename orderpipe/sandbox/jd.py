"""JD: orders, after-sale cases, token refresh, shipping, shelf and stock, as methods of its gateway."""

from bisect import bisect_left, bisect_right
from typing import Any

from starlette.routing import Route

from orderpipe.sandbox import jd_documents as documents
from orderpipe.sandbox import jd_gateway as gateway
from orderpipe.sandbox import life, truth
from orderpipe.sandbox.gateway import Answer, Call, door
from orderpipe.sandbox.jd_gateway import SHOP, SUCCESS, Failure, Method, Params, Refusal, integer, need, time_of
from orderpipe.sandbox.model import Order, Refund
from orderpipe.sandbox.world import ShopState, World

NAME = "jd"
FAULTS = frozenset({
    "business_busy", "throttle", "expired_token", "missing_field", "wrong_count", "duplicate_rows",
    "shifted_page", "late_commit", "api_failure",
})  # fmt: skip
MONTH = 31 * 86400
DEEPEST = 100  # the last page that shows anything
SEARCHABLE = frozenset({
    "WAIT_SELLER_STOCK_OUT", "WAIT_SELLER_DELIVERY", "WAIT_GOODS_RECEIVE_CONFIRM", "FINISHED_L", "TRADE_CANCELED",
    "LOCKED", "PAUSE", "POP_ORDER_PAUSE", "WAIT_SEND_CODE", "PARENT_TRADE_CANCELED",
})  # fmt: skip
SHIPPED = ("WAIT_GOODS_RECEIVE_CONFIRM", "FINISHED_L")


def routes(world: World) -> list[Route]:
    """The gateway's route and the one that renews tokens."""

    def name_of(call: Call) -> str:
        return gateway.params_of(call).get("method", "")

    def answer(call: Call) -> Answer:
        return gateway.answer(call, METHODS)

    verbs = ("POST", "GET")
    return [
        door(world, NAME, "/jd/routerjson", name_of, answer, verbs),
        door(world, NAME, "/jd/oauth2/refresh_token", lambda call: "oauth2.refresh_token", refresh_token, verbs),
    ]


def platform_status(order: Order) -> str:
    """The state the platform shows for an order."""
    return documents.order_state(order)


def visible(order: Order) -> bool:
    """Whether a search can find the order: never an unpaid one (the balance of a presale included), nor one in a
    state that no search can name."""
    return order.confirmed_at is not None and documents.order_state(order) in SEARCHABLE


# ---- orders


def search_orders(call: Call, params: Params) -> dict[str, Any]:
    """By modified time (dateType 1: by created time), oldest first (sortType 1: newest first), at most a month; only
    the fields asked for; nothing beyond page 100."""
    wanted, fields = _states(params), set(need(params, "optional_fields").split(","))
    number, size = integer(params, "page", 1, 10**6), integer(params, "page_size", 1, 100)
    now = call.world.now
    end = time_of(params, "end_date") if params.get("end_date") else now
    start = time_of(params, "start_date") if params.get("start_date") else end - 30 * 86400
    if not 0 <= end - start <= MONTH:
        raise Failure("开始时间与结束时间间隔不能超过一个月", "date range too long", 10100012)
    shop = call.world.shops[SHOP]
    rows = shop.by_created if str(params.get("dateType")) == "1" else shop.by_modified
    found = [shop.orders[key] for _, key in rows[bisect_left(rows, (start, 0)) : bisect_right(rows, (end, 1 << 63))]]
    found = [order for order in found if visible(order) and documents.order_state(order) in wanted]
    if str(params.get("sortType")) == "1":
        found.reverse()
    page = found[(number - 1) * size : number * size] if number <= DEEPEST else []
    shown = [{n: v for n, v in documents.order_info(order).items() if n in fields} for order in page]
    _spoil(call, shown)
    total = _counted(call, len(found))
    if found and call.fault("shifted_page"):
        # An order of the first page changes before the next one is read.
        found[0].flag = found[0].flag % 5 + 1
        call.world.touch(found[0], now)
    return {"searchorderinfo_result": {"apiResult": SUCCESS, "orderTotal": total, "orderInfoList": shown}}


def get_order(call: Call, params: Params) -> dict[str, Any]:
    """One order, the fields asked for."""
    order, fields = _order(call, params, "order_id"), set(need(params, "optional_fields").split(","))
    shown = {name: value for name, value in documents.order_info(order).items() if name in fields}
    return {"orderDetailInfo": {"apiResult": SUCCESS, "orderInfo": shown}}


def in_clear(call: Call, params: Params) -> dict[str, Any]:
    """The APIs with receivers in clear are closed to this application."""
    raise Refusal("24")


def _states(params: Params) -> frozenset[str]:
    asked = need(params, "order_state").split(",")
    if asked == ["ALL"]:
        return SEARCHABLE
    if unknown := set(asked) - SEARCHABLE - {"NOT_PAY"}:
        raise Failure(f"订单状态不存在: {','.join(sorted(unknown))}", "unknown order_state", 10100013)
    return frozenset(asked)


def _spoil(call: Call, shown: list[dict[str, Any]]) -> None:
    if shown and (fault := call.fault("missing_field")):
        shown[0].pop(fault.options.get("field") or "modified", None)
    if shown and call.fault("duplicate_rows"):
        shown.append(shown[-1])


def _counted(call: Call, total: int) -> int:
    fault = call.fault("wrong_count")
    return max(0, total + (int(fault.options.get("delta", 1)) if fault else 0))


# ---- after-sale


def refund_applications(call: Call, params: Params) -> dict[str, Any]:
    """Refunds asked for before shipping, by the time they were asked for: a change does not move them."""
    start, end = time_of(params, "applyTimeStart"), time_of(params, "applyTimeEnd")
    cases = _cases(call, start, end, after_shipping=False)
    if params.get("status") not in (None, ""):
        cases = [case for case in cases if str(documents.APPLICATION_STATUS[case[1].state]) == str(params["status"])]
    if params.get("orderId"):
        cases = [case for case in cases if case[0].no == str(params["orderId"])]
    page, total = _page(call, params, cases, "pageIndex")
    rows = [documents.application(*case) for case in page]
    _spoil(call, rows)
    return {"queryResult": {"success": True, "totalCount": total, "result": rows}}


def services(call: Call, params: Params) -> dict[str, Any]:
    """After-sale services, of after shipping, by the time they were asked for."""
    for name in ("operatePin", "operateNick"):
        need(params, name)
    if need(params, "buId") != documents.VENDER_ID:
        raise Refusal("50", ": buId")
    start, end = time_of(params, "applyTimeBegin"), time_of(params, "applyTimeEnd")
    page, total = _page(call, params, _cases(call, start, end, after_shipping=True), "pageNumber")
    rows = [documents.service(*case) for case in page]
    _spoil(call, rows)
    return {"pageResult": {"totalCount": total, "data": rows}}


def _cases(call: Call, start: int, end: int, after_shipping: bool) -> list[tuple[Order, Refund]]:
    found = [
        (order, refund)
        for order, refund in call.world.shops[SHOP].refunds.values()
        if refund.after_shipping is after_shipping and start <= refund.created <= end
    ]
    return sorted(found, key=lambda case: (case[1].created, case[1].id))


def _page(call: Call, params: Params, cases: list, number_name: str) -> tuple[list[tuple[Order, Refund]], int]:
    number, size = integer(params, number_name, 1, 10**6), integer(params, "pageSize", 1, 100)
    return cases[(number - 1) * size : number * size], _counted(call, len(cases))


# ---- authorisation


def refresh_token(call: Call) -> Answer:
    """A new pair of tokens for a refresh token, which is spent by this."""
    world, sent = call.world, gateway.params_of(call)
    environment = world.credentials.environment()
    if call.fault("business_busy"):
        return Answer({"error_response": Refusal("67").body})
    if (sent.get("app_key"), sent.get("app_secret")) != (environment["JD_APP_KEY"], environment["JD_APP_SECRET"]):
        return Answer({"error_response": Refusal("21").body})
    asked = sent.get("refresh_token", "") if sent.get("grant_type") == "refresh_token" else ""
    grant = world.credentials.refresh(SHOP, asked, world.now)
    if grant is None:
        return Answer({"error_response": Refusal("19", ": refresh_token").body})
    return Answer(
        {
            "access_token": grant.access_token,
            "refresh_token": grant.refresh_token,
            "expires_in": grant.expires_at - world.now,
            "open_id": "oidsandboxseller",
            "uid": "6000000001",
            "scope": "snsapi_base",
        }
    )


# ---- shipping, shelf and stock


def ship(call: Call, params: Params) -> dict[str, Any]:
    """Ship a whole order. One that is shipped answers code 70; one that is locked, paused or cancelled fails."""
    world, order = call.world, _order(call, params, "orderId")
    carrier, tracking = need(params, "logiCoprId"), need(params, "logiNo")
    if not carrier.isdigit():
        raise Refusal("50", ": logiCoprId")
    state, met = documents.order_state(order), truth.snapshot(order)
    if state in SHIPPED:
        if world.receipts.known(NAME, "shipment", order.no):
            world.receipts.note(NAME, "shipment", order.no, world.now, "")
        else:
            world.receipts.refuse(NAME)
        raise Refusal("70")
    try:
        if state != "WAIT_SELLER_STOCK_OUT":
            raise life.Impossible(state)
        life.ship(world, order, world.now, carrier, tracking)
    except life.Impossible:
        world.receipts.refuse(NAME)
        raise Failure(f"订单状态为{state}，不能出库", f"order is {state}", 10400001) from None
    facts = {"company": carrier, "tracking": tracking, "platform_state": met}
    world.receipts.note(NAME, "shipment", order.no, world.now, call.body.decode("utf-8", "replace"), **facts)
    return {"sopjosshipment_result": SUCCESS}


def up_or_down(call: Call, params: Params) -> dict[str, Any]:
    op_type = need(params, "opType")
    if op_type not in ("1", "2"):
        raise Refusal("50", ": opType")
    return _set_listing(call, need(params, "wareId"), listed=op_type == "1")


def delist(call: Call, params: Params) -> dict[str, Any]:
    """The older way to take a ware off the shelf."""
    return _set_listing(call, need(params, "ware_id"), listed=False)


def _set_listing(call: Call, ware_id: str, listed: bool) -> dict[str, Any]:
    world = call.world
    if ware_id not in {item.listing(NAME).product_id for item in world.goods}:
        raise Failure("商品不存在", "no such ware", 10200001)
    (world.delisted.discard if listed else world.delisted.add)((SHOP, ware_id))
    kind = "listing" if listed else "delisting"
    world.receipts.note(NAME, kind, ware_id, world.now, call.body.decode("utf-8", "replace"))
    return {"success": True}


def set_stock(call: Call, params: Params) -> dict[str, Any]:
    """So many pieces of a sku are for sale, whatever there were."""
    world, sku_id = call.world, _sku(call, params)
    _stock(world)[sku_id] = integer(params, "stockNum", 0, 10**9)
    world.receipts.note(NAME, "stock", sku_id, world.now, call.body.decode("utf-8", "replace"))
    return {"success": True}


def find_stock(call: Call, params: Params) -> dict[str, Any]:
    sku_id = _sku(call, params)
    return {"skuStocks": [{"skuId": sku_id, "stockNum": _stock(call.world)[sku_id], "storeId": 0}]}


def _stock(world: World) -> dict[str, int]:
    """Pieces for sale by sku, what the warehouses hold at first."""
    if NAME not in world.rooms:
        world.rooms[NAME] = {
            item.listing(NAME).sku_id: sum(stock[item.sku][0] for stock in world.stock.values()) for item in world.goods
        }
    return world.rooms[NAME]


def _sku(call: Call, params: Params) -> str:
    sku_id = need(params, "skuId")
    if sku_id not in _stock(call.world):
        raise Failure("SKU不存在", "no such sku", 10200002)
    return sku_id


# name → (method, where a failure of its business stands)
METHODS: dict[str, tuple[Method, str]] = {
    "jingdong.pop.order.enSearch": (search_orders, "searchorderinfo_result.apiResult"),
    "jingdong.pop.order.enGet": (get_order, "orderDetailInfo.apiResult"),
    "jingdong.pop.order.search": (in_clear, "searchorderinfo_result.apiResult"),
    "jingdong.pop.order.get": (in_clear, "orderDetailInfo.apiResult"),
    "jingdong.pop.afs.soa.refundapply.queryPageList": (refund_applications, "queryResult"),
    "jingdong.asc.query.list": (services, "pageResult"),
    "jingdong.pop.order.shipment": (ship, "sopjosshipment_result"),
    "jingdong.ware.write.upOrDown": (up_or_down, ""),
    "360buy.ware.update.delisting": (delist, ""),
    "jingdong.stock.write.updateSkuStock": (set_stock, ""),
    "jingdong.ware.stock.sku.set": (set_stock, ""),
    "jingdong.stock.read.findSkuStock": (find_stock, ""),
}


def _order(call: Call, params: Params, name: str) -> Order:
    shop: ShopState = call.world.shops[SHOP]
    order = shop.by_no.get(need(params, name))
    if order is None or order.confirmed_at is None:
        raise Refusal("71")
    return order
