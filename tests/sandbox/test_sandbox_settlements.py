"""Statements pay out what the truth says, to the cent, and every planted mistake is where the list says it is."""

import csv
import io
from collections import defaultdict
from decimal import Decimal

import httpx
import pytest

DAY = 86_400
MONTHS = ("2026-10", "2026-11", "2026-12")
SHOPS = ("taobao-hz", "douyin-hz", "shopify-us")


@pytest.fixture
def world(sandbox):
    """Three shops whose life is over: nothing is born any more, and everything had the time to end."""
    world = sandbox(seed=5, history=20 * 24, orders_per_hour=0.25, pace=2, shops=",".join(SHOPS))
    world.control("POST", "settings", orders_per_hour=0)
    world.step(50 * DAY)
    return world


def ask(world, path="settlements", **asked):
    return world.http.get(f"{world.url}/_control/{path}", params=asked).raise_for_status()


def lines(world, shop, month, **asked):
    text = ask(world, shop=shop, month=month, **asked).content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    if shop.startswith("douyin"):
        assert rows[0]["平台订单号"] == "对应的订单"
        assert all(row["平台订单号"].startswith("'") for row in rows[1:])
        rows = [{name: cell.lstrip("'") for name, cell in row.items()} for row in rows[1:]]
    return rows


def test_what_is_paid_out_is_what_was_paid_less_what_was_paid_back(world):
    for shop in SHOPS:
        paid = defaultdict(Decimal)
        numbers = []
        for month in MONTHS:
            for row in lines(world, shop, month):
                numbers.append((row["结算单号"], row["结算明细号"]))
                if row["费用类型"] in ("订单货款", "退款"):
                    paid[row["平台订单号"]] += Decimal(row["结算金额"])
        assert len(numbers) == len(set(numbers)) > 50
        true = {
            order["platform_order_no"]: Decimal(order["paid_amount"]) - Decimal(order["refunded_amount"])
            for order in world.truth(shop)
            if Decimal(order["paid_amount"]) and not order["is_test"] and (order["completed"] or order["closed"])
        }
        assert paid == true


def test_mistakes_are_of_every_kind_each_at_an_order_of_its_own_and_nothing_else_changes(world):
    for shop in SHOPS:
        asked = {"shop": shop, "month": "2026-11", "errors": 9, "seed": 3}
        planted = ask(world, "settlements/errors", **asked).json()
        assert len(planted) == 9 and len({one["platform_order_no"] for one in planted}) == 9
        assert len({one["kind"] for one in planted}) >= 7
        right = {tuple(row.values()) for row in lines(world, shop, "2026-11")}
        wrong = {tuple(row.values()) for row in lines(world, **asked)}
        assert {row[2] for row in right ^ wrong} == {one["platform_order_no"] for one in planted}
        assert ask(world, "settlements/errors", **asked).json() == planted


def test_what_cannot_be_is_said(world):
    for asked in ({"shop": "nobody", "month": "2026-11"}, {"shop": "taobao-hz", "month": "November"}):
        with pytest.raises(httpx.HTTPStatusError, match="400"):
            ask(world, **asked)
