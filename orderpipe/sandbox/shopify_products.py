"""Shopify's products: how the platform writes them, and the search over them with its lag."""

from collections.abc import Callable
from typing import Any

from orderpipe.sandbox import listings
from orderpipe.sandbox.clock import iso
from orderpipe.sandbox.gateway import Call
from orderpipe.sandbox.listings import Product
from orderpipe.sandbox.model import Goods, money
from orderpipe.sandbox.shopify_documents import gid
from orderpipe.sandbox.shopify_query import Variables, connection, cursor
from orderpipe.sandbox.shopify_search import Search, parse_search
from orderpipe.sandbox.world import ShopState, World

TIMES = ("updated_at", "created_at")
TEXTS: dict[str, Callable[[Product], str]] = {
    "status": lambda product: status(product).lower(),
    "title": lambda product: product.goods[0].name_en,
}


def find(world: World, shop: ShopState, product_id: str) -> Product | None:
    """A product by the number of its id."""
    return next((product for product in listings.products(world, shop) if product.id == product_id), None)


def status(product: Product) -> str:
    """The product's status; selling out does not change it."""
    return "ACTIVE" if product.listed else "DRAFT"


def document(product: Product, currency: str) -> dict[str, Any]:
    """The product with every field; its variants as a list."""
    prices = [goods.price(currency) for goods in product.goods]
    return {
        "id": gid("Product", product.id),
        "legacyResourceId": product.id,
        "title": product.goods[0].name_en,
        "status": status(product),
        "createdAt": iso(product.created),
        "updatedAt": iso(product.modified),
        "totalInventory": product.total,
        "priceRangeV2": {
            "minVariantPrice": {"amount": money(min(prices)), "currencyCode": currency},
            "maxVariantPrice": {"amount": money(max(prices)), "currencyCode": currency},
        },
        "variants": [_variant(product, goods, currency) for goods in product.goods],
    }


def search(
    call: Call,
    shop: ShopState,
    arguments: Variables,
    extensions: dict[str, Any],
    position: Callable[[list[tuple[Any, int]], str | None, str, bool], int],
) -> dict[str, Any]:
    """A page of products by value, as the page of orders is. position: where the page after a cursor begins."""
    first, sort, reverse = arguments["first"], arguments["sortKey"], arguments["reverse"]
    asked = parse_search(arguments.get("query") or "", TIMES, TEXTS)
    if asked.warnings:
        extensions["search"] = [{"path": ["products"], "query": arguments["query"], "warnings": asked.warnings}]
    now = call.world.now
    known = {int(product.id): product for product in listings.products(call.world, shop)}
    times = {number: listings.indexed(product, shop, now) for number, product in known.items()}
    value = {
        "UPDATED_AT": lambda number: times[number],
        "CREATED_AT": lambda number: known[number].created,
        "TITLE": lambda number: known[number].goods[0].name_en,
        "ID": lambda number: 0,
    }[sort]
    rows = sorted((value(number), number) for number in known if _matches(asked, known[number], times[number]))
    start = position(rows, arguments.get("after"), sort, reverse)
    shown = rows[::-1][start : start + first] if reverse else rows[start : start + first]
    nodes = [document(known[number], shop.shop.currency) for _, number in shown]
    if nodes and (fault := call.fault("missing_field")):
        nodes[0] = nodes[0] | {fault.options.get("field", "updatedAt"): None}
    cursors = [cursor(last_id=number, last_value=place, sort=sort) for place, number in shown]
    if nodes and call.fault("duplicate_rows"):
        nodes.append(nodes[-1])
        cursors.append(cursors[-1])
    if rows and call.fault("shifted_page"):
        listings.touch(known[rows[-1][1]], shop, now)  # the newest row changes before the next page is read
    return connection(nodes, cursors, start + len(shown) < len(rows), start > 0)


def _matches(asked: Search, product: Product, updated: int) -> bool:
    values = {"updated_at": updated, "created_at": product.created, "id": int(product.id)}
    if any(not low <= values[name] <= high for name, (low, high) in asked.ranges.items()):
        return False
    return all(TEXTS[name](product).lower() == text.lower() for name, text in asked.texts.items())


def _variant(product: Product, goods: Goods, currency: str) -> dict[str, Any]:
    return {
        "id": gid("ProductVariant", goods.shopify_variant_id),
        "legacyResourceId": goods.shopify_variant_id,
        "sku": goods.sku,
        "title": "Default Title" if len(product.goods) == 1 else goods.name_en,
        "price": money(goods.price(currency)),
        "inventoryQuantity": product.stock[goods.sku],
        "inventoryPolicy": "DENY",
        "updatedAt": iso(product.modified),
        "inventoryItem": {
            "id": gid("InventoryItem", goods.shopify_variant_id),
            "tracked": True,
            "harmonizedSystemCode": goods.hs_code[:6],
            "countryCodeOfOrigin": "CN",
            "measurement": {"weight": {"unit": "KILOGRAMS", "value": float(goods.weight_kg)}},
        },
    }
