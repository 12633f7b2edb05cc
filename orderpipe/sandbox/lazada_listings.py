"""Lazada's listings: what is on sale, taken off sale and put on again, with bodies in JSON or XML."""

from typing import Any
from xml.etree import ElementTree

import msgspec

from orderpipe.sandbox.gateway import Call, decode
from orderpipe.sandbox.lazada_documents import product_row, room_of
from orderpipe.sandbox.lazop import SHOP, Method, Params, Refusal, between, integer, need, one_of, page, time_of
from orderpipe.sandbox.model import Goods

NAME = "lazada"
FILTERS = ("all", "live", "inactive", "deleted", "pending", "rejected", "sold-out")


def products_get(call: Call, params: Params) -> dict[str, Any]:
    """Listings by update time, at most 50 from at most the 10000th on, in no promised order."""
    wanted = one_of(params, "filter", FILTERS, "36", "Invalid status filter")
    limit = integer(params, "limit", 20, 1, 50, "19", "Invalid Limit")
    offset = integer(params, "offset", 0, 0, 10_000, "14", "Invalid Offset")
    start, end = time_of(params, "update_after"), time_of(params, "update_before")
    shown = {"live": "Active", "inactive": "InActive"}.get(wanted)
    listings = _products(call)
    found = {int(number): _product_row(call, goods) for number, goods in listings.items()}
    rows = sorted((int(row["updated_time"]) // 1000, number) for number, row in found.items())
    rows = [row for row in between(rows, start, end) if wanted == "all" or found[row[1]]["status"] == shown]

    def shift(number: int) -> None:
        room_of(call.world).updated[str(number)] = call.world.now

    documents_found, total = page(call, rows, offset, limit, found.__getitem__, shift, "updated_time")
    return {"data": {"total_products": total, "products": documents_found}}


def product_item_get(call: Call, params: Params) -> dict[str, Any]:
    goods = _products(call).get(need(params, "item_id"))
    if goods is None:
        raise Refusal("208", "E208: product not found")
    return {"data": _product_row(call, goods)}


def deactivate(call: Call, params: Params) -> dict[str, Any]:
    """Take a product, or some of its variants, off sale."""
    product = _request(need(params, "apiRequestBody"))
    goods = _product(call, product, "E0001", "E0002")
    skus = product.get("Skus") or {}
    if "SellerSku" in skus:
        raise Refusal(
            "4193", "The SellerSku parameter is no longer supported. Please update your parameter to use SkuId"
        )
    named = skus.get("SkuId", [])
    named = {str(sku) for sku in (named if isinstance(named, list) else [named])}
    everything = {item.listing(NAME).sku_id for item in goods}
    if not named <= everything:
        raise Refusal("E0003", "Seller Sku not exists")
    room = room_of(call.world)
    if (named or everything) <= room.inactive:
        raise Refusal("E0004", "Product Status not online")
    room.inactive |= named or everything
    _switched(call, product, goods)
    return {"data": {}}


def update(call: Call, params: Params) -> dict[str, Any]:
    """Change the status of variants; a variant is named by its number."""
    product = _request(need(params, "payload"))
    goods, room = _product(call, product, "1", "4137"), room_of(call.world)
    known = {item.listing(NAME).sku_id for item in goods}
    for sku in _skus(product):
        if not sku.get("SkuId"):
            raise Refusal("4216", "skuId is a mandatory field and must be filled in.")
        if sku["SkuId"] not in known:
            raise Refusal("501", "E501: Update product failed")
        change = room.inactive.discard if sku.get("Status", "active") == "active" else room.inactive.add
        change(sku["SkuId"])
    _switched(call, product, goods)
    return {"data": {"item_status": _product_row(call, goods)["status"]}}


def stock_update(call: Call, params: Params) -> dict[str, Any]:
    """Set the sellable stock of up to 50 variants."""
    skus = _skus(_request(need(params, "payload")))
    if len(skus) > 50:
        raise Refusal("204", "E204: Too many SKU in one request")
    known = {item.listing(NAME).sku_id: item for item in call.world.goods}
    for sku in skus:
        if sku.get("SkuId") not in known or not str(sku.get("SellableQuantity", "")).isdigit():
            raise Refusal("501", "E501: Update product failed")
        room_of(call.world).stock[sku["SkuId"]] = int(sku["SellableQuantity"])
        room_of(call.world).updated[known[sku["SkuId"]].listing(NAME).product_id] = call.world.now
    return {"data": {}}


def _switched(call: Call, product: dict[str, Any], goods: list[Goods]) -> None:
    """Note that a product's variants went on or off sale."""
    world, room, number = call.world, room_of(call.world), str(product["ItemId"])
    room.updated[number] = world.now
    slot = (SHOP, number)
    off = {item.listing(NAME).sku_id for item in goods} <= room.inactive
    (world.delisted.add if off else world.delisted.discard)(slot)
    body = call.body.decode("utf-8", "replace")
    world.receipts.note(NAME, "delisting" if off else "listing", number, world.now, body)


def _products(call: Call) -> dict[str, list[Goods]]:
    found: dict[str, list[Goods]] = {}
    for item in call.world.goods:
        found.setdefault(item.listing(NAME).product_id, []).append(item)
    return found


def _product_row(call: Call, goods: list[Goods]) -> dict[str, Any]:
    quantity = {item.sku: sum(stock[item.sku][0] for stock in call.world.stock.values()) for item in goods}
    return product_row(goods, room_of(call.world), call.world.epoch, quantity)


def _product(call: Call, product: dict[str, Any], missing: str, unknown: str) -> list[Goods]:
    if not product.get("ItemId"):
        raise Refusal(missing, "Parameter ItemId is mandatory")
    goods = _products(call).get(str(product["ItemId"]))
    if goods is None:
        raise Refusal(unknown, "Product not exists")
    return goods


def _skus(product: dict[str, Any]) -> list[dict[str, Any]]:
    found = (product.get("Skus") or {}).get("Sku", [])
    return found if isinstance(found, list) else [found]


def _request(text: str) -> dict[str, Any]:
    """The product of a request body, which may be JSON or XML."""
    try:
        tree = _plain(ElementTree.fromstring(text)) if text.lstrip().startswith("<") else decode(text)["Request"]
        return tree["Product"]
    except (ElementTree.ParseError, msgspec.MsgspecError, KeyError, TypeError):
        raise Refusal("5", "E005: Invalid Request Format") from None


def _plain(element: ElementTree.Element) -> Any:
    """XML as JSON would hold it; an element that comes several times is a list."""
    if len(element) == 0:
        return (element.text or "").strip()
    found: dict[str, Any] = {}
    for child in element:
        value = _plain(child)
        if child.tag in found:
            known = found[child.tag]
            found[child.tag] = [*known, value] if isinstance(known, list) else [known, value]
        else:
            found[child.tag] = value
    return found


# path → (API, verbs, whether it needs a token)
LISTING_APIS: dict[str, tuple[Method, tuple[str, ...], bool]] = {
    "/products/get": (products_get, ("GET",), True),
    "/product/item/get": (product_item_get, ("GET",), True),
    "/product/deactivate": (deactivate, ("POST",), True),
    "/product/update": (update, ("POST",), True),
    "/product/stock/sellable/update": (stock_update, ("GET", "POST"), True),
}
