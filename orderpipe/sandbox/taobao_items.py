"""Taobao's items: those on sale, those in stock by the reason why they are not, and their details, as TOP methods."""

from typing import Any

from orderpipe.sandbox import listings
from orderpipe.sandbox.clock import gmt8
from orderpipe.sandbox.gateway import Call
from orderpipe.sandbox.listings import Product
from orderpipe.sandbox.model import Goods, money
from orderpipe.sandbox.top import Params, Refusal, between, fields_of, need, page, project, time_of
from orderpipe.sandbox.world import ShopState

SHOP = "taobao-hz"
FOREVER = 1 << 62
MOST, LAST_PAGE, AT_ONCE = 200, 101, 20
BANNERS = ("for_shelved", "regular_shelved", "never_on_shelf", "off_shelf", "sold_out", "violation_off_shelf")
IN_LISTS = frozenset({
    "approve_status", "num_iid", "title", "nick", "type", "cid", "pic_url", "num", "list_time", "price", "modified",
    "delist_time", "outer_id",
})  # fmt: skip
SORTS = ("list_time", "delist_time", "num", "modified")


def items_onsale(call: Call, params: Params) -> dict[str, Any]:
    """Items on sale, by modified time where it is asked for."""
    return _list(call, params, [product for product in _products(call) if _banner(product) is None])


def items_inventory(call: Call, params: Params) -> dict[str, Any]:
    """Items that are not on sale, of one banner; for_shelved, which leaves out what sold out, when none is named."""
    banner = params.get("banner") or "for_shelved"
    if banner not in BANNERS:
        raise Refusal(41, "Invalid arguments:banner", "isv.invalid-parameter:banner", "banner 取值错误")
    wanted = {"off_shelf", "regular_shelved", "never_on_shelf"} if banner == "for_shelved" else {banner}
    return _list(call, params, [product for product in _products(call) if _banner(product) in wanted])


def items_details(call: Call, params: Params) -> dict[str, Any]:
    """Items in full, at most 20; one that does not exist is left out without an error. `sku` asks for all skus."""
    fields, asked = fields_of(params), need(params, "num_iids").split(",")
    if len(asked) > AT_ONCE:
        raise Refusal(41, "Invalid arguments:num_iids", "isv.invalid-parameter:num_iids", "num_iids 一次最多 20 个")
    if "sku" in fields:
        fields = (fields - {"sku"}) | {"skus"}
    known = {product.id: product for product in _products(call)}
    found = [project(item(known[number]), fields) for number in asked if number in known]
    if found and (fault := call.fault("missing_field")):
        found[0].pop(fault.options.get("field", "title"), None)
    return {"items": {"item": found}} if found else {}


def item(product: Product) -> dict[str, Any]:
    """Every field of an item."""
    first = product.goods[0]
    return {
        "num_iid": int(product.id),
        "title": first.name if len(product.goods) == 1 else first.name.rsplit(" ", 1)[0],
        "nick": "杭州家居旗舰店",
        "type": "fixed",
        "cid": 50016161,
        "outer_id": first.sku.rsplit("-", 1)[0],
        "price": money(min(goods.price("CNY") for goods in product.goods)),
        "num": product.total,
        "approve_status": "onsale" if _banner(product) is None else "instock",
        "created": gmt8(product.created),
        "list_time": gmt8(product.created),
        "delist_time": gmt8(product.created + 7 * 86400),
        "modified": gmt8(product.modified),
        "pic_url": f"https://img.example.test/{first.sku}.jpg",
        "skus": {"sku": [_sku(product, goods) for goods in product.goods]},
    }


def _sku(product: Product, goods: Goods) -> dict[str, Any]:
    return {
        "sku_id": int(goods.taobao_sku_id),
        "num_iid": int(product.id),
        "outer_id": goods.sku,
        "properties": f"1627207:{int(goods.taobao_sku_id) % 10**6}",
        "properties_name": f"1627207:{int(goods.taobao_sku_id) % 10**6}:规格:{goods.name.split(' ')[-1]}",
        "price": money(goods.price("CNY")),
        "quantity": product.stock[goods.sku],
        "with_hold_quantity": 0,
        "created": gmt8(product.created),
        "modified": gmt8(product.modified),
        "status": "normal",
    }


def _banner(product: Product) -> str | None:
    """Why an item is not on sale; nothing for one that is. The platform takes down by itself what sold out."""
    if not product.listed:
        return "off_shelf"
    return None if product.total else "sold_out"


def _shop(call: Call) -> ShopState:
    return call.world.shops[SHOP]


def _products(call: Call) -> list[Product]:
    return listings.products(call.world, _shop(call))


def _list(call: Call, params: Params, chosen: list[Product]) -> dict[str, Any]:
    fields = fields_of(params) & IN_LISTS
    column, _, direction = (params.get("order_by") or "list_time:desc").partition(":")
    if column not in SORTS or direction not in ("asc", "desc"):
        raise Refusal(41, "Invalid arguments:order_by", "isv.invalid-parameter:order_by", "order_by 取值错误")
    start = time_of(params, "start_modified") if params.get("start_modified") else 0
    end = time_of(params, "end_modified") if params.get("end_modified") else FOREVER
    now = call.world.now
    known = {int(product.id): product for product in chosen}
    within = between(sorted((listings.indexed(p, _shop(call), now), key) for key, p in known.items()), start, end)
    values = {"modified": lambda key: known[key].modified, "num": lambda key: known[key].total}
    value = values.get(column, lambda key: known[key].created)
    rows = sorted((value(key), key) for _, key in within)

    def shift(newest: int) -> None:
        listings.touch(known[newest], _shop(call), now)

    return page(
        call,
        params,
        rows if direction == "desc" else rows[::-1],
        lambda key: project(item(known[key]), fields),
        ("items", "item"),
        shift,
        most=MOST,
        last=LAST_PAGE,
    )
