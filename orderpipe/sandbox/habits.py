"""What is usual on each platform: how it numbers orders, who buys there, what it allows. No platform's spelling."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from orderpipe.sandbox.clock import gmt8

IDS_START = 1_577_836_800  # 2020-01-01T00:00:00Z, so that ids keep their length for decades
BASE32 = "0123456789ABCDEFGHJKMNPQRSTUVWXY"


def _spaced(base: int, per_second: int, per_number: int) -> Callable[[int, int, Random], int]:
    """Ids that grow with time: so many to a second, so far apart, the last digits at random."""

    def make(number: int, at: int, rng: Random) -> int:
        tail = rng.randrange(900)
        spread = number % (per_second // per_number) * per_number
        return base + (at - IDS_START) * per_second + spread + (tail if per_number >= 1000 else 0)

    return make


def _pinduoduo_no(order_id: int, at: int) -> str:
    return f"{gmt8(at)[2:10].replace('-', '')}-{order_id % 10**15:015d}"


def _shopee_no(order_id: int, at: int) -> str:
    digits, rest = "", order_id % 32**8
    for _ in range(8):
        digits, rest = BASE32[rest % 32] + digits, rest // 32
    return f"{gmt8(at)[2:10].replace('-', '')}{digits}"


@dataclass(frozen=True, slots=True)
class Habits:
    """order_id, order_no: how orders are numbered. country: where buyers live, if not all over the world. encrypted:
    receivers carry a reference that WMS and courier accept. one_line: an order has one line. units: a line is one
    piece. line_ids: own (counted from the order's), child (the first line has the order's), only_child (a line alone
    has it), sku (a line has no id but its sku's). Shares of orders: held by the platform after payment, paid on
    delivery, paid in two steps, noted down. partial: a part of a line's money can be refunded.
    whole_before_shipping: before shipping only whole orders can."""

    order_id: Callable[[int, int, Random], int]
    country: str = "CN"
    order_no: Callable[[int, int], str] = lambda order_id, at: str(order_id)
    refunds_from: int = 140_000_000_000_000
    encrypted: bool = True
    one_line: bool = False
    units: bool = False
    line_ids: str = "own"
    held: float = 0.02
    on_delivery: float = 0.0
    two_payments: float = 0.04
    noted: float = 0.15
    partial: bool = True
    whole_before_shipping: bool = False


HABITS = {
    "taobao": Habits(
        _spaced(3_300_000_000_000_000_000, 10**9, 1000), refunds_from=157_000_000_000_000_000, line_ids="only_child"
    ),
    "pinduoduo": Habits(
        _spaced(1_600_000_000_000_000_000, 10**9, 1000),
        order_no=_pinduoduo_no, one_line=True, two_payments=0.0, line_ids="sku",
        partial=False,
    ),
    "douyin": Habits(_spaced(6_900_000_000_000_000_000, 10**9, 1000), line_ids="child"),
    "jd": Habits(
        _spaced(300_000_000_000, 1000, 1), on_delivery=0.08, line_ids="sku", whole_before_shipping=True
    ),
    "shopee": Habits(
        _spaced(210_000_000_000_000_000, 10**8, 1000),
        country="SG", order_no=_shopee_no, encrypted=False, held=0.0, on_delivery=0.15, two_payments=0.0, noted=0.0,
    ),
    "lazada": Habits(
        _spaced(490_000_000_000_000, 10**5, 100),
        country="MY", encrypted=False, units=True, held=0.0, on_delivery=0.2, two_payments=0.0, noted=0.0,
    ),
    "shopify": Habits(
        _spaced(820_000_000_000_000_000, 10**8, 1000),
        country="", refunds_from=934_000_000_000, encrypted=False, held=0.0, noted=0.0,
    ),
}  # fmt: skip
