"""Amounts in CNY by the rate of the day; a margin only where every cost is known."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest


@pytest.fixture(scope="module")
def sold(new_pool, write, state, line):
    """Orders of several days, currencies and goods, pooled."""
    pool = new_pool()

    def on(*day: int) -> datetime:
        return datetime(*day, 12, tzinfo=UTC)

    cup, unknown = line("CUP-500-BL", 2), line("NOT-IN-MASTER")
    pool.take(
        write("shopify", state("1", ordered=on(2025, 12, 31), lines=(cup,))),
        write("shopify", state("2", ordered=on(2026, 1, 1), lines=(cup,))),
        write("shopify", state("3", ordered=on(2026, 6, 30), lines=(cup,))),
        write("shopify", state("4", ordered=on(2026, 7, 1), lines=(cup,))),
        write("shopify", state("5", lines=(cup,))).changed(currencyCode="JPY"),
        write("shopify", state("6", lines=(cup, unknown))),
        write("shopify", state("7", lines=(cup,), status="unpaid")),
        write("taobao", state("8", lines=(cup,))),
        write("taobao", state("9", lines=(cup, unknown))),
        write("shopify", state("10", lines=(cup,), buyer="55")),
        write("shopify", state("11", lines=(cup,), buyer="55")),
        write("shopify", state("12", lines=(cup,), buyer="55", test=True)),
    )
    return pool


@pytest.mark.parametrize(
    ("number", "cny", "margin"),
    [
        ("1", "376.30", "313.30"),  # 53.00 USD at 7.10, two cups cost 63.00
        ("2", "373.65", "310.65"),  # 7.05
        ("3", "373.65", "310.65"),
        ("4", "375.24", "312.24"),  # 7.08
        ("5", None, None),  # no rate for the currency
        ("6", "396.48", None),  # a cost nobody knows
        ("7", "0.00", "-63.00"),
        ("8", "181.00", "118.00"),  # CNY
        ("9", "191.00", None),
    ],
)
def test_an_order_in_yuan_and_its_margin(sold, number, cny, margin):
    row = sold.order(number)
    assert row["paid_amount_cny"] == (None if cny is None else Decimal(cny))
    assert row["expected_margin_cny"] == (None if margin is None else Decimal(margin))


def test_a_customer_is_worth_what_was_paid_test_orders_left_out(sold):
    customer_id = sold.order("10")["customer_id"]
    assert customer_id == sold.order("11")["customer_id"] == sold.order("12")["customer_id"]
    (row,) = sold.rows("FROM core.customers WHERE customer_id = $id", id=customer_id)
    assert (row["order_count"], row["paid_order_count"], row["paid_amount_cny"]) == (2, 2, Decimal("750.48"))


def test_every_order_adds_up(sold):
    assert sold.rows(
        """SELECT platform_order_no FROM core.orders
           WHERE goods_amount - discount_amount + shipping_fee + tax_amount <> payable_amount"""
    ) == []  # fmt: skip
