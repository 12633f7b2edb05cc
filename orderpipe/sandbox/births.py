"""How an order comes into the world: who buys what at which price, from the seed and the order's number alone."""

import base64
import hashlib
from dataclasses import replace
from functools import lru_cache
from random import Random
from typing import Any

from orderpipe.sandbox import people
from orderpipe.sandbox.habits import HABITS
from orderpipe.sandbox.model import Buyer, Goods, Line, Order, Receiver, Shop, allocate
from orderpipe.sandbox.places import BY_PROVINCE, PROVINCES

BUYERS = 400  # regular buyers per shop; the first of them buy most
SHARED_IDS = 3  # identity numbers that several buyers use
DISCOUNTS = {
    "CNY": (500, 1000, 1200, 3000),
    "USD": (200, 300, 500, 1000),
    "SGD": (200, 300, 500, 1000),
    "MYR": (500, 1000, 1500, 3000),
}
POSTAGE = {
    "CNY": (0, 0, 0, 800, 1200),
    "USD": (0, 0, 500, 800, 1500),
    "SGD": (0, 0, 199, 399),
    "MYR": (0, 0, 490, 790),
}


def make_order(
    seed: int, shop: Shop, goods: list[Goods], number: int, at: int, wishes: dict[str, Any]
) -> tuple[Order, Random, dict]:
    """The order with that number of a shop, placed at `at` (epoch seconds), unpaid.

    wishes: overrides of the control endpoint (province, city, district, address, name, phone, country, skus, quantity,
    message, memo, ip, id_number, test, cod, presale). Returns the order, its random stream (for its life) and the
    personal data planted in its notes, by kind. Raises KeyError for an unknown sku, province or country.
    """
    rng = Random(f"{seed}/{shop.id}/{number}")
    buyer = _buyer(seed, shop.platform, shop.id, int(BUYERS * rng.random() ** 2.5))
    if "country" in wishes or ("province" in wishes and buyer.receiver.country != "CN"):
        buyer = _buyer_in(rng, number, wishes.get("country", "CN"))
    receiver = _receiver(rng, buyer, wishes)
    habits = HABITS[shop.platform]
    order_id = habits.order_id(number, at, rng)
    order = Order(
        shop=shop,
        id=order_id,
        no=habits.order_no(order_id, at),
        name=f"#{1001 + number // 2 + (900_000 if number % 2 else 0)}",
        buyer=buyer,
        receiver=receiver,
        lines=[],
        created=at,
        modified=at,
        shipping_fee=rng.choice(POSTAGE[shop.currency]),
        guest=shop.platform == "shopify" and people.chance(rng, 0.12),
        test=shop.platform == "shopify" and people.chance(rng, 0.01),
        presentment=people.buyer_currency(receiver),
    )
    order.lines = _basket(rng, shop, goods, order.id, wishes)
    _discount(rng, order)
    _tax(order)
    planted = _notes(rng, order)
    order.ip = _payment_ip(rng, order) if shop.platform == "shopify" else None
    order.id_number = _identity(seed, rng, order)
    order.cod = habits.on_delivery > 0 and people.chance(rng, habits.on_delivery)
    for name in ("message", "memo", "ip", "id_number", "test", "cod", "presale"):
        if name in wishes:
            setattr(order, name, wishes[name])
    return order, rng, planted


def oaid(seed: int, order: Order) -> str:
    """The encrypted receiver reference: changes with receiver, natural week of creation and seller (platform document
    on OAID); not comparable across shops."""
    who = order.receiver
    week = (order.created + 28800 + 3 * 86400) // 604800
    text = "|".join(
        (str(seed), order.shop.id, str(week), who.name, who.phone, who.province, who.city, who.district, who.address)
    )
    return "1" + base64.b64encode(hashlib.sha384(text.encode()).digest() + b"=").decode()


@lru_cache(maxsize=8192)
def _buyer(seed: int, platform: str, shop_id: str, index: int) -> Buyer:
    rng = Random(f"{seed}/{shop_id}/buyer/{index}")
    country = HABITS[platform].country or ("CN" if index % 4 == 0 else None)
    key = f"{shop_id}/{index}"
    return people.china_buyer(rng, key) if country == "CN" else people.abroad_buyer(rng, key, country)


def _buyer_in(rng: Random, number: int, country: str) -> Buyer:
    key = f"guest/{number}"
    try:
        return people.china_buyer(rng, key) if country == "CN" else people.abroad_buyer(rng, key, country)
    except IndexError:
        raise KeyError(country) from None


def _receiver(rng: Random, buyer: Buyer, wishes: dict[str, Any]) -> Receiver:
    receiver = buyer.receiver
    if wishes.get("province"):
        receiver = people.china_receiver(rng, wishes["province"])
    elif receiver.country == "CN" and people.chance(rng, 0.1):  # sent to somebody else
        receiver = people.china_receiver(rng)
    changes = {name: wishes[name] for name in ("name", "phone", "city", "district", "address") if name in wishes}
    return replace(receiver, **changes)


def _basket(rng: Random, shop: Shop, goods: list[Goods], order_id: int, wishes: dict[str, Any]) -> list[Line]:
    by_sku = {item.sku: item for item in goods}
    if "skus" in wishes:
        asked = [
            (w, wishes.get("quantity", 1)) if isinstance(w, str) else (w["sku"], w.get("quantity", 1))
            for w in wishes["skus"]
        ]
        picks = [(by_sku[sku], quantity) for sku, quantity in asked]
    else:
        count = rng.choices((1, 2, 3, 4, 6), (60, 24, 10, 4, 2))[0]
        if shop.platform == "shopify" and people.chance(rng, 0.012):
            count = rng.randrange(21, 27)
        picks = [
            (item, rng.choices((1, 2, 3, 6), (78, 15, 5, 2))[0]) for item in rng.sample(goods, min(count, len(goods)))
        ]
    if HABITS[shop.platform].one_line:
        del picks[1:]
    if HABITS[shop.platform].units:
        picks = [(item, 1) for item, quantity in picks for _ in range(quantity)]
    lines = [
        Line(order_id + n, item, quantity, item.price(shop.currency)) for n, (item, quantity) in enumerate(picks, 1)
    ]
    if "skus" not in wishes:
        for line in lines:
            if people.chance(rng, 0.2):
                line.discount = line.gross * rng.choice((5, 10, 15, 20)) // 100
            if shop.platform == "taobao" and people.chance(rng, 0.03):
                line.adjust = -min(rng.choice((100, 200, 500)), line.gross - line.discount)
            if shop.platform == "shopify" and people.chance(rng, 0.015):
                line.deleted = True
        if people.chance(rng, 0.08) and not HABITS[shop.platform].one_line:
            gift = by_sku.get(rng.choice(("GIFT-CARD", "GIFT-COASTER")), goods[-1])
            lines.append(Line(order_id + len(lines) + 1, gift, 1, 0, is_gift=True))
    _number_lines(shop.platform, order_id, lines)
    return lines


def _number_lines(platform: str, order_id: int, lines: list[Line]) -> None:
    kind = HABITS[platform].line_ids
    if kind == "child" or (kind == "only_child" and len(lines) == 1):
        lines[0].id = order_id
    elif kind == "sku":
        for line in lines:
            line.id = int(line.goods.listing(platform).sku_id)


def _discount(rng: Random, order: Order) -> None:
    """Now and then a discount on the whole order, shared out over the lines to the cent."""
    totals = [line.total for line in order.lines]
    wished = rng.choice(DISCOUNTS[order.shop.currency])
    if people.chance(rng, 0.3) and wished * 3 <= sum(totals):
        order.order_discount = wished
        order.discount_name = "店铺满减" if order.shop.currency == "CNY" else "Season sale"
        order.discount_code = "WELCOME" if order.shop.platform == "shopify" and people.chance(rng, 0.5) else ""
        for line, share in zip(order.lines, allocate(wished, totals), strict=True):
            line.allocated = share


def _tax(order: Order) -> None:
    rate = people.sales_tax(order.receiver) if order.shop.platform == "shopify" else 0
    for line in order.lines:
        line.tax = (line.paid * rate + 5000) // 10000


def _notes(rng: Random, order: Order) -> dict[str, str]:
    planted: dict[str, str] = {}
    if people.chance(rng, 0.35):
        china = order.receiver.country == "CN"
        plain, personal = (
            (people.CHINA_MESSAGES, people.CHINA_PERSONAL)
            if china
            else (people.ABROAD_MESSAGES, people.ABROAD_PERSONAL)
        )
        order.message, planted = people.write_note(rng, plain, personal, order.receiver)
    return planted


def _payment_ip(rng: Random, order: Order) -> str | None:
    """Mostly the buyer's own address; at times one of another province (worth a look), at times unknown."""
    draw = rng.random()
    if draw < 0.05:
        return None
    if draw < 0.12:
        return people.china_ip(rng, rng.choice(PROVINCES))
    home = BY_PROVINCE.get(order.receiver.province)
    return people.china_ip(rng, home) if home else order.buyer.ip


def _identity(seed: int, rng: Random, order: Order) -> str | None:
    """The number customs asks for: Brazil and Korea always, China mostly; some are used by many buyers."""
    if order.shop.platform != "shopify" or order.receiver.country not in ("CN", "BR", "KR"):
        return None
    if order.receiver.country != "CN":
        return order.buyer.id_number or None
    if people.chance(rng, 0.1):
        return people.id_number(Random(f"{seed}/shared-id/{rng.randrange(SHARED_IDS)}"))
    return order.buyer.id_number if people.chance(rng, 0.8) else None
