"""What a shop has on sale: its products with their goods, stock, state and since when they are so. No platform's
spelling.

A listing shows what both warehouses have free. A product changes when that changes, or when it is taken down or put
up; the change dates from when a platform is next asked about its products.
"""

import hashlib
from dataclasses import dataclass

from orderpipe.sandbox.model import Goods
from orderpipe.sandbox.world import ShopState, World

DAY = 86400
OLDEST = 400 * DAY  # shops were there before the world began


@dataclass(slots=True)
class Product:
    """Goods sold under one product id. modified: of the newest change; before: of the one before it, under which
    search may still know the product. listed: not taken down by the seller."""

    id: str
    goods: list[Goods]
    created: int
    modified: int
    before: int
    listed: bool
    stock: dict[str, int]

    @property
    def total(self) -> int:
        """Pieces of all skus."""
        return sum(self.stock.values())


def products(world: World, shop: ShopState) -> list[Product]:
    """Every product of a shop as it is now, by id."""
    room = world.rooms.setdefault("listings", {}).setdefault(shop.shop.id, {})
    if not room:
        room.update(_opened(world, shop))
    for product in room.values():
        listed = (shop.shop.id, product.id) not in world.delisted
        stock = {goods.sku: _free(world, goods.sku) for goods in product.goods}
        if (listed, stock) != (product.listed, product.stock):
            product.listed, product.stock = listed, stock
            touch(product, shop, world.now)
    return sorted(room.values(), key=lambda product: product.id)


def touch(product: Product, shop: ShopState, at: int) -> None:
    """Note that a product changed."""
    if at >= product.modified + shop.index_lag:
        product.before = product.modified
    product.modified = at


def indexed(product: Product, shop: ShopState, now: int) -> int:
    """The modified time under which the shop's search knows the product."""
    return product.modified if now >= product.modified + shop.index_lag else product.before


def _opened(world: World, shop: ShopState) -> dict[str, Product]:
    """The shop's products as they were when the world began, each last changed at a time of its own."""
    found: dict[str, Product] = {}
    for goods in world.goods:
        product_id = goods.listing(shop.shop.platform).product_id
        age = int.from_bytes(hashlib.sha256(f"{world.seed}/{product_id}".encode()).digest()[:4]) % OLDEST
        at = world.epoch - age
        new = Product(product_id, [], at - DAY, at, at, True, {})
        product = found.setdefault(product_id, new)
        product.goods.append(goods)
        product.stock[goods.sku] = max(0, sum(goods.stock.values()))
    return found


def _free(world: World, sku: str) -> int:
    """Pieces that can still be sold."""
    return max(0, sum(stock[sku][0] for stock in world.stock.values() if sku in stock))
