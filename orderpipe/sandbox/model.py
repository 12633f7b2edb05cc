"""What exists in the world, free of any platform's spelling. Money is whole cents (fen), time epoch seconds UTC."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

OPEN_REFUND = frozenset({"requested", "returning", "refused"})


@dataclass(frozen=True, slots=True)
class Shop:
    """An authorised store. index_lag: seconds until a change shows in the platform's order search."""

    id: str
    platform: str
    name: str
    currency: str
    index_lag: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """The ids of some goods on one platform, as text of digits; goods of one product share product_id."""

    product_id: str
    sku_id: str


# Where the product and sku ids of the platforms that are not in the goods master begin.
LISTINGS = {
    "pinduoduo": (56_300_000_000, 1_470_000_000_000),
    "douyin": (3_520_000_000_000_000_000, 1_760_000_000_000_000_000),
    "jd": (10_020_000_000_000, 100_012_000_000),
    "shopee": (24_600_000_000, 112_300_000_000),
    "lazada": (3_020_000_000, 15_400_000_000),
}
# Prices abroad, in hundredths of the price in US dollars, rounded to ten cents.
ABROAD = {"USD": 100, "SGD": 135, "MYR": 440}


@dataclass(frozen=True, slots=True)
class Goods:
    """One row of the goods master."""

    sku: str
    name: str
    name_en: str
    price_cny: int
    price_usd: int
    weight_kg: str
    hs_code: str
    taobao_num_iid: int
    taobao_sku_id: str
    shopify_product_id: str
    shopify_variant_id: str
    stock: dict[str, int]

    def price(self, currency: str) -> int:
        """The list price, whole cents."""
        if currency in ("CNY", "USD"):
            return self.price_cny if currency == "CNY" else self.price_usd
        return self.price_usd * ABROAD[currency] // 1000 * 10

    def listing(self, platform: str) -> Listing:
        """The goods' ids on a platform. Raises KeyError for one we do not know."""
        if platform == "taobao":
            return Listing(str(self.taobao_num_iid), self.taobao_sku_id)
        if platform == "shopify":
            return Listing(self.shopify_product_id, self.shopify_variant_id)
        product, sku = LISTINGS[platform]
        return Listing(str(product + self.taobao_num_iid % 10**6), str(sku + int(self.taobao_sku_id) % 10**6))


def load_goods(path: str | Path) -> list[Goods]:
    """The goods master from a CSV file (columns in the header). Raises ValueError naming the file and the line."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        goods = [_goods(row, f"{path}, line {number}") for number, row in enumerate(csv.DictReader(file), 2)]
    if not goods:
        raise ValueError(f"{path}: no goods")
    return goods


def _goods(row: dict[str, str], where: str) -> Goods:
    try:
        return Goods(
            sku=row["sku"],
            name=row["name"],
            name_en=row["name_en"],
            price_cny=cents(row["price_cny"]),
            price_usd=cents(row["price_usd"]),
            weight_kg=row["weight_kg"],
            hs_code=row["hs_code"],
            taobao_num_iid=int(row["taobao_num_iid"]),
            taobao_sku_id=row["taobao_sku_id"],
            shopify_product_id=row["shopify_product_id"],
            shopify_variant_id=row["shopify_variant_id"],
            stock={"WH-HZ": int(row["stock_hz"]), "WH-FS": int(row["stock_fs"])},
        )
    except (KeyError, ValueError, ArithmeticError) as error:
        raise ValueError(f"{where}: {error!r}") from error


@dataclass(slots=True)
class Line:
    """One order line. discount: on this line alone; allocated: its share of the order's discount; adjust: a change
    of price by the seller's hand (signed)."""

    id: int
    goods: Goods
    quantity: int
    price: int
    discount: int = 0
    adjust: int = 0
    allocated: int = 0
    tax: int = 0
    is_gift: bool = False
    deleted: bool = False  # the variant no longer exists on the platform
    removed: int = 0  # pieces taken back by refunds
    shipped: bool = False

    @property
    def gross(self) -> int:
        """List price × pieces."""
        return self.price * self.quantity

    @property
    def total(self) -> int:
        """Before the order's discount is shared out."""
        return self.gross + self.adjust - self.discount

    @property
    def paid(self) -> int:
        """What the buyer pays for the line, tax apart."""
        return self.total - self.allocated


@dataclass(slots=True)
class Refund:
    """One refund of one line. state: requested, returning, refused, success, closed."""

    id: int
    line: Line
    amount: int
    quantity: int
    after_shipping: bool
    goods_back: bool
    reason: str
    created: int
    modified: int
    state: str = "requested"


@dataclass(slots=True)
class Shipment:
    id: int
    at: int
    company: str
    tracking: str
    lines: list[Line]
    delivered_at: int | None = None


@dataclass(slots=True)
class Receiver:
    """Where an order goes. `province` is the true province in the receiver's own language; `province_en` and
    `province_code` are what an English-speaking platform shows."""

    name: str
    phone: str
    country: str
    province: str
    city: str
    district: str
    town: str
    address: str
    zip: str = ""
    province_en: str = ""
    province_code: str = ""
    first_name: str = ""
    last_name: str = ""
    oaid: str = ""

    @property
    def vague(self) -> bool:
        return not any(char.isdigit() for char in self.address)


@dataclass(slots=True)
class Buyer:
    key: str
    id: int
    name: str
    email: str
    phone: str
    id_number: str
    ip: str
    receiver: Receiver


@dataclass(slots=True)
class Order:
    """An order as it truly is. phase: unpaid, deposit, paid, part_shipped, shipped, completed, closed.

    no: the number the platform shows. cod: paid in cash on delivery; such an order is in phase paid from its
    confirmation on, and paid_at is when it is completed. with_warehouse: a warehouse was told to send it, and the
    seller's own hand ships it no more.
    """

    shop: Shop
    id: int
    no: str
    name: str
    buyer: Buyer
    receiver: Receiver
    lines: list[Line]
    created: int
    modified: int
    shipping_fee: int = 0
    order_discount: int = 0
    discount_name: str = ""
    discount_code: str = ""
    ip: str | None = None
    id_number: str | None = None
    message: str = ""
    memo: str = ""
    flag: int = 0
    presale: bool = False
    deposit: int = 0
    cod: bool = False
    confirmed_at: int | None = None
    guest: bool = False
    test: bool = False
    presentment: str = ""
    phase: str = "unpaid"
    hold: bool = False
    with_warehouse: bool = False
    deposit_at: int | None = None
    paid_at: int | None = None
    shipped_at: int | None = None
    completed_at: int | None = None
    closed_at: int | None = None
    refunds: list[Refund] = field(default_factory=list)
    shipments: list[Shipment] = field(default_factory=list)
    platform_status: str | None = None  # a status forced by the control endpoint
    plan: Any = None
    indexed: int | None = None  # modified time under which order search knows the order
    document: Any = None  # the platform's rendering of this version

    @property
    def payable(self) -> int:
        return sum(line.paid + line.tax for line in self.lines) + self.shipping_fee

    @property
    def paid(self) -> int:
        """What the buyer has paid so far; refunds are not taken off."""
        if self.paid_at is not None:
            return self.payable
        return self.deposit if self.deposit_at is not None else 0

    @property
    def refunded(self) -> int:
        return sum(refund.amount for refund in self.refunds if refund.state == "success")

    @property
    def refund_open(self) -> bool:
        return any(refund.state in OPEN_REFUND for refund in self.refunds)

    def refund_of(self, line: Line) -> Refund | None:
        """The newest refund of a line."""
        return next((refund for refund in reversed(self.refunds) if refund.line is line), None)


def allocate(amount: int, weights: Sequence[int]) -> list[int]:
    """Share whole cents out in proportion to weights (largest remainders first): exact sum, no share above its weight.

    Raises ValueError when the weights cannot carry the amount.
    """
    total = sum(weights)
    if amount > total or amount < 0:
        raise ValueError(f"{amount} cannot be shared over {total}")
    if amount == 0:
        return [0] * len(weights)
    shares = [amount * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(amount * weights[i] % total), i))
    for i in by_remainder[: amount - sum(shares)]:
        shares[i] += 1
    return shares


def cents(text: str) -> int:
    """A decimal text with at most two places as whole cents. Raises ValueError or decimal.InvalidOperation."""
    value = Decimal(text) * 100
    if value != value.to_integral_value():
        raise ValueError(f"more than two decimals: {text}")
    return int(value)


def money(amount: int) -> str:
    """Whole cents as a decimal text with two places."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02d}"
