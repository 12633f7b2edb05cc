"""Douyin shop: orders, after-sale cases, tokens, shipping and listing, as methods of the platform's gateway."""

from collections.abc import Callable
from typing import Any

from starlette.routing import Route

from orderpipe.sandbox import douyin_documents as documents
from orderpipe.sandbox import douyin_gateway as gateway
from orderpipe.sandbox import life, truth
from orderpipe.sandbox.credentials import Grant
from orderpipe.sandbox.douyin_gateway import (
    SHOP,
    Method,
    Params,
    Refusal,
    Row,
    between,
    business,
    integer,
    invalid,
    need,
    page,
    span_of,
)
from orderpipe.sandbox.gateway import Answer, Call, door
from orderpipe.sandbox.model import Line, Order
from orderpipe.sandbox.world import ShopState, World

NAME = "douyin"
FAULTS = frozenset({
    "business_busy", "throttle", "expired_token", "missing_field", "wrong_count", "duplicate_rows", "shifted_page",
    "late_commit", "shallow_pages",
})  # fmt: skip
HOUR = 3600
COMPANIES = {"shunfeng": "顺丰速运", "yuantong": "圆通速递", "zhongtong": "中通快递", "yunda": "韵达快递"}


def routes(world: World) -> list[Route]:
    """One route for every method: /order/searchList is order.searchList."""

    def answer(call: Call) -> Answer:
        return gateway.answer(call, METHODS)

    return [door(world, NAME, "/douyin/{group}/{name}", gateway.method_of, answer)]


def platform_status(order: Order) -> str:
    """The status code; with a slash the code of the main process where it tells more."""
    status, main = documents.order_status(order), documents.main_status(order)
    return str(status) if status == main else f"{status}/{main}"


# ---- tokens


def token_create(call: Call, params: Params) -> dict[str, Any]:
    """For an application of the seller's own: the live token until an hour before its end, then a new one."""
    world = call.world
    if need(params, "grant_type") != "authorization_self":
        raise _token_failed("code 无效或已过期")
    if str(params.get("shop_id", "")) != world.credentials.environment()["DOUYIN_SHOP_ID"]:
        raise _token_failed("shop_id 与应用不匹配")
    gateway.require_consent(call)
    grant = world.credentials.grants[SHOP]
    if grant.expires_at - HOUR <= world.now:
        grant = world.credentials.authorise(SHOP, world.now)
    return _granted(call, grant)


def token_refresh(call: Call, params: Params) -> dict[str, Any]:
    """A new pair of tokens for a refresh token, which is spent by this; the old access token ends."""
    if need(params, "grant_type") != "refresh_token":
        raise invalid("grant_type 非法")
    gateway.require_consent(call)
    grant = call.world.credentials.refresh(SHOP, str(need(params, "refresh_token")), call.world.now)
    if grant is None:
        raise _token_failed("refresh_token 无效或已使用")
    return _granted(call, grant)


def _granted(call: Call, grant: Grant) -> dict[str, Any]:
    environment = call.world.credentials.environment()
    return {
        "access_token": grant.access_token,
        "expires_in": grant.expires_at - call.world.now,
        "refresh_token": grant.refresh_token,
        "scope": "SCOPE",
        "shop_id": int(environment["DOUYIN_SHOP_ID"]),
        "shop_name": _shop(call).shop.name,
        "authority_id": "",
        "auth_subject_type": "",
    }


def _token_failed(why: str) -> Refusal:
    return Refusal(50001, "平台处理失败", "dop.token-generate-failed:invalid", why)


# ---- orders


def search_list(call: Call, params: Params) -> dict[str, Any]:
    """By created or modified time, newest first unless order_asc; both bounds belong to the range."""
    shop = _shop(call)
    created, updated = (span_of(params, f"{name}_time_start", f"{name}_time_end") for name in ("create", "update"))
    rows = shop.by_modified if updated is None else between(shop.by_modified, *updated)
    if created is not None:
        rows = [row for row in rows if created[0] <= shop.orders[row[1]].created <= created[1]]
    if params.get("order_by", "create_time") == "create_time":
        rows = sorted((shop.orders[key].created, key) for _, key in rows)
    elif params["order_by"] != "update_time":
        raise invalid("order_by 取值 create_time 或 update_time")
    for keep in _filters(params):
        rows = [row for row in rows if keep(shop.orders[row[1]])]
    if params.get("order_asc") is not True:
        rows = rows[::-1]

    def shift(oldest: int) -> None:
        order = shop.orders[oldest]
        order.flag = order.flag % 5 + 1
        call.world.touch(order, call.world.now)

    head, found, _ = page(call, params, rows, lambda key: documents.shop_order(shop.orders[key]), shift)
    return head | {"shop_order_list": found}


def _filters(params: Params) -> list[Callable[[Order], bool]]:
    """What the parameters besides times and pages ask of an order."""
    asked: list[Callable[[Order], bool]] = []
    combined = params.get("combine_status") or []
    if len(combined) > 1:
        raise invalid("combine_status 只支持一个元素")
    statuses = str((combined[0] if combined else params).get("order_status", "") or "")
    if statuses:
        codes = statuses.split(",")
        asked.append(lambda order: str(documents.order_status(order)) in codes)
    if tracking := params.get("tracking_no"):
        asked.append(lambda order: any(parcel.tracking == tracking for parcel in order.shipments))
    if params.get("presell_type") == 2 or params.get("trade_type") == 2:
        asked.append(lambda order: order.presale)
    if params.get("abnormal_order") == 2:
        asked.append(lambda order: order.hold)
    if params.get("after_sale_status_desc") == "in_aftersale":
        asked.append(lambda order: order.refund_open)
    if product := params.get("product"):
        asked.append(lambda order: any(line.goods.listing(NAME).product_id == str(product) for line in order.lines))
    return asked


def order_detail(call: Call, params: Params) -> dict[str, Any]:
    """One shop order, the same object as in the list."""
    document = documents.shop_order(_order(call, need(params, "shop_order_id")))
    if fault := call.fault("missing_field"):
        document = gateway.without(document, fault.options.get("field", "create_time"))
    return {"shop_order_detail": document}


# ---- after-sale


def after_sale_list(call: Call, params: Params) -> dict[str, Any]:
    """By time of application or of change, newest change first unless order_by says otherwise."""
    shop = _shop(call)
    applied, updated = (span_of(params, f"{name}start_time", f"{name}end_time") for name in ("", "update_"))
    rows: list[Row] = shop.refunds_by_modified if updated is None else between(shop.refunds_by_modified, *updated)
    if applied is not None:
        rows = [row for row in rows if applied[0] <= shop.refunds[row[1]][1].created <= applied[1]]
    if order_id := params.get("order_id"):
        rows = [row for row in rows if shop.refunds[row[1]][0].no == str(order_id)]
    if case_id := params.get("aftersale_id"):
        rows = [row for row in rows if str(row[1]) == str(case_id)]
    if params.get("order_by") != ["update_time asc"]:
        rows = rows[::-1]

    def shift(oldest: int) -> None:
        call.world.touch_refund(*shop.refunds[oldest], call.world.now)

    head, found, more = page(call, params, rows, lambda key: documents.after_sale(*shop.refunds[key]), shift)
    return head | {"items": found, "has_more": more}


# ---- shipping


def logistics_add(call: Call, params: Params) -> Any:
    """Ship a whole order in one parcel. A pending refund forbids it unless is_refund_reject."""
    order = _order(call, need(params, "order_id"))
    company, tracking = _courier(params)
    _ship(call, order, company, tracking, None, params)
    return None


def logistics_add_multi_pack(call: Call, params: Params) -> dict[str, Any]:
    """Ship child orders in one or several parcels. What a request_id has done once it does not do again: the same id
    gives the first result."""
    order, request_id = _order(call, need(params, "order_id")), str(need(params, "request_id"))
    done = call.world.rooms.setdefault(NAME, {})
    if (order.no, request_id) in done:
        call.world.receipts.note(NAME, "shipment", done[order.no, request_id]["key"], call.world.now, "")
        return done[order.no, request_id]["data"]
    packs = need(params, "pack_list")
    if not isinstance(packs, list):
        raise invalid("pack_list 必须为数组")
    asked = [(*_courier(pack), _packed(order, pack)) for pack in packs]
    made = []
    for company, tracking, lines in asked:
        parcel, key = _ship(call, order, company, tracking, lines, params)
        shipped = [{"shipped_order_id": str(line.id), "shipped_num": line.quantity} for line in parcel.lines]
        made.append({"shipped_order_info": shipped, "logistics_code": tracking, "pack_id": str(parcel.id)})
    data = {"pack_list": made}
    done[order.no, request_id] = {"key": key, "data": data}
    return data


def _packed(order: Order, pack: Params) -> list[Line]:
    """The lines of a parcel; a line goes whole or not at all."""
    by_id = {str(line.id): line for line in order.lines}
    lines = []
    for piece in need(pack, "shipped_order_info"):
        line = by_id.get(str(need(piece, "shipped_order_id")))
        if line is None:
            raise business("子订单不存在")
        if integer(piece, "shipped_num") != line.quantity:
            raise business("发货数量与待发货数量不符")
        if line.shipped:
            raise business("子订单已发货")
        lines.append(line)
    return lines


def _courier(pack: Params) -> tuple[str, str]:
    company, tracking = need(pack, "company_code"), need(pack, "logistics_code")
    if company not in COMPANIES:
        raise business("物流公司 code 不存在")
    return company, tracking


def _ship(
    call: Call, order: Order, company: str, tracking: str, lines: list[Line] | None, params: Params
) -> tuple[Any, str]:
    """The new parcel and the key of its effect. Refused while a refund is pending, unless it is to be refused."""
    world = call.world
    key = f"{order.no}:{','.join(str(line.id) for line in lines)}" if lines and lines != order.lines else order.no
    if order.refund_open and order.phase in ("paid", "part_shipped"):
        if params.get("is_refund_reject") is not True and params.get("is_reject_refund") is not True:
            world.receipts.refuse(NAME)
            raise business("订单存在待处理的退款申请，不允许发货", "isv.refund-pending")
        life.give_up_refund(world, order, world.now)
    met = truth.snapshot(order)
    try:
        parcel = life.ship(world, order, world.now, company, tracking, lines)
    except life.Impossible:
        if world.receipts.known(NAME, "shipment", key):
            world.receipts.note(NAME, "shipment", key, world.now, "")
        else:
            world.receipts.refuse(NAME)
        raise business("订单当前状态不支持发货", "isv.order-status-invalid") from None
    facts = {"company": company, "tracking": tracking, "platform_state": met}
    world.receipts.note(NAME, "shipment", key, world.now, call.body.decode("utf-8", "replace"), **facts)
    return parcel, key


def logistics_company_list(call: Call, params: Params) -> list[dict[str, Any]]:
    return [{"id": number, "name": name, "code": code} for number, (code, name) in enumerate(COMPANIES.items(), 1)]


# ---- listing


def set_offline(call: Call, params: Params) -> dict[str, Any]:
    return _set_listing(call, params, listed=False)


def set_online(call: Call, params: Params) -> dict[str, Any]:
    return _set_listing(call, params, listed=True)


def _set_listing(call: Call, params: Params, listed: bool) -> dict[str, Any]:
    world, product = call.world, params.get("product_id")
    if isinstance(product, bool) or not isinstance(product, int):
        raise invalid("product_id 必须为 int64")
    if str(product) not in {item.listing(NAME).product_id for item in world.goods}:
        raise business("商品不存在", "isv.product-not-exist")
    slot = (SHOP, str(product))
    (world.delisted.discard if listed else world.delisted.add)(slot)
    kind = "listing" if listed else "delisting"
    world.receipts.note(NAME, kind, str(product), world.now, call.body.decode("utf-8", "replace"))
    return {}


def sync_stock(call: Call, params: Params) -> dict[str, Any]:
    """Set a sku's stock, or change it by so much: that once per idempotent_id only."""
    world, stock = call.world, integer(params, "stock_num")
    skus = {item.listing(NAME).sku_id for item in world.goods} | {item.sku for item in world.goods}
    sku = str(params.get("sku_id") or params.get("code") or params.get("out_sku_id") or "")
    if sku not in skus:
        raise business("sku 不存在", "isv.sku-not-exist")
    if params.get("incremental") is True:
        used = world.rooms.setdefault(f"{NAME}/stock", set())
        token = str(need(params, "idempotent_id"))
        if token in used:
            raise Refusal(40004, "参数非法", "isv.idempotent-id-existed", "idempotent_id 已存在")
        used.add(token)
    elif stock < 0:
        raise invalid("stock_num 不能为负")
    world.receipts.note(NAME, "stock", sku, world.now, call.body.decode("utf-8", "replace"), stock=stock)
    return {}


# name → (method, whether it needs a token)
METHODS: dict[str, tuple[Method, bool]] = {
    "token.create": (token_create, False),
    "token.refresh": (token_refresh, False),
    "order.searchList": (search_list, True),
    "order.orderDetail": (order_detail, True),
    "afterSale.List": (after_sale_list, True),
    "order.logisticsAdd": (logistics_add, True),
    "order.logisticsAddMultiPack": (logistics_add_multi_pack, True),
    "order.logisticsCompanyList": (logistics_company_list, True),
    "product.setOffline": (set_offline, True),
    "product.setOnline": (set_online, True),
    "sku.syncStock": (sync_stock, True),
}


def _shop(call: Call) -> ShopState:
    return call.world.shops[SHOP]


def _order(call: Call, number: Any) -> Order:
    order = _shop(call).by_no.get(str(number))
    if order is None:
        raise business("订单不存在", "isv.order-not-exist")
    return order
