"""Parcels: what leaves together and what apart, with which gifts, from where; as the warehouse itself was told."""

import json
import xml.etree.ElementTree as ET
from datetime import timedelta
from decimal import Decimal

from orderpipe import flow
from orderpipe.lake.landing import PulledWindow, land

MERGING = (("rules/routing.yaml", "merge_window_minutes: 0", "merge_window_minutes: 60"),)
SPLITTING = (
    ("rules/routing.yaml", "{warehouse: FS}\n    note: 易碎品", "{warehouse: FS, split: true}\n    note: 易碎品"),
)
NO_GIFTS = (
    ("rules/gifts.yaml", "{is_first_order: {eq: true}}", "{is_test: {eq: true}}"),
    ("rules/gifts.yaml", "{segment: {eq: vip}}", "{is_test: {eq: true}}"),
)


def send(pool):
    """Send what is due to the warehouse; what it holds by now: parcel → (amount, {(order, sku): pieces})."""
    pool.run.clock = _later(pool)
    report = flow.dispatch(pool.run, "wms")
    assert not report.rejected and not report.dead, pool.rows("SELECT last_error FROM outbox.instructions")
    return {effect["key"]: told(effect["body"]) for effect in pool.world.receipts()["qimen"]}


def _later(pool):
    class Clock:
        def now(self):
            return pool.run.started_at + timedelta(minutes=1)

    return Clock()


def told(body):
    root = ET.fromstring(body)
    lines = {}
    for line in root.iterfind("orderLines/orderLine"):
        key = line.findtext("sourceOrderCode"), line.findtext("itemCode")
        lines[key] = lines.get(key, 0) + int(line.findtext("planQty"))
    return Decimal(root.findtext("deliveryOrder/totalAmount")), lines


def stock(pool, pieces):
    """The warehouses answer: pieces by (warehouse, goods)."""
    at = pool.run.started_at
    windows = []
    for (warehouse, sku), count in pieces.items():
        rows = [{"itemCode": sku, "inventoryType": "ZP", "quantity": str(count), "lockQuantity": "0"}]
        text = json.dumps({"itemCode": sku, "items": rows})
        windows.append(PulledWindow("wms", warehouse, "stock", at, at, 1, [(sku, at, text)]))
    with pool.run.writing("landing"):
        land(pool.run.lake, pool.settings, windows, run_id="run-1", now=at)
    pool.pool()


def at(state, number, minutes=0, later=1, **more):
    """An order placed so many minutes after the first, as it stood some minutes later."""
    return state(number, later, ordered=state("1").ordered + timedelta(minutes=minutes), **more)


def test_orders_of_one_buyer_leave_together_and_money_adds_up(hub, write, state, line):
    pool = hub(*MERGING, *NO_GIFTS)
    pool.take(
        write("taobao", at(state, "1001")),
        write("taobao", at(state, "1002", 20, lines=(line("CUP-500-BL", 2),))),
        write("taobao", at(state, "1003", 300)),  # hours later
        write("taobao", at(state, "1004", 5, receiver=1)),  # another address
        write("taobao", at(state, "1005", 6, buyer="B2")),  # another buyer
    )
    held = send(pool)
    ids = {row["platform_order_no"]: row["order_id"] for row in pool.rows("FROM core.orders")}
    assert {parcel: lines for parcel, (_, lines) in held.items()} == {
        f"OP{ids['1001']}": {("1001", "CUP-500-BL"): 1, ("1002", "CUP-500-BL"): 2},
        f"OP{ids['1003']}": {("1003", "CUP-500-BL"): 1},
        f"OP{ids['1004']}": {("1004", "CUP-500-BL"): 1},
        f"OP{ids['1005']}": {("1005", "CUP-500-BL"): 1},
    }
    paid = {row["platform_order_no"]: row["payable_amount"] for row in pool.rows("FROM core.orders")}
    assert held[f"OP{ids['1001']}"][0] == paid["1001"] + paid["1002"]
    assert sum(amount for amount, _ in held.values()) == sum(paid.values())
    # Everything again: nobody is told twice, and an order that comes now leaves by itself.
    pool.take(write("taobao", at(state, "1006", 25)), write("taobao", at(state, "1001", later=9)))
    assert len(send(pool)) == 5
    assert not [effect for effect in pool.world.receipts()["qimen"] if effect["duplicates"]]


def test_an_order_that_drops_out_before_sending_leaves_the_other_and_may_come_back(hub, write, state, refund):
    pool = hub(*MERGING, *NO_GIFTS)
    pool.take(write("taobao", at(state, "1001")), write("taobao", at(state, "1002", 20)))
    assert parcels(pool) == [{"1001", "1002"}]
    pool.take(refund("91001", "1001", 30, "requested"))
    assert parcels(pool) == [{"1002"}]
    pool.take(refund("91001", "1001", 40, "closed"))
    assert parcels(pool) == [{"1001", "1002"}]
    # It lands between the decision and the sending: the parcel waits for the next decision.
    pool.land(refund("92001", "1001", 50, "requested"))
    pool.pool()
    assert send(pool) == {}
    pool.decide()
    assert [lines for _, lines in send(pool).values()] == [{("1002", "CUP-500-BL"): 1}]


def parcels(pool):
    rows = pool.rows(
        """SELECT p.parcel_id, list(o.platform_order_no) AS orders
           FROM decision.parcels p JOIN core.orders o USING (order_id) GROUP BY ALL ORDER BY ALL"""
    )
    return [set(row["orders"]) for row in rows]


def test_goods_that_go_different_ways_make_two_parcels_of_one_price(hub, write, state, line):
    pool = hub(*MERGING, *SPLITTING, *NO_GIFTS)
    both = (line("CUP-500-BL"), line("GLS-WINE-2"))
    pool.take(
        write("taobao", at(state, "1001", lines=both)),
        write("taobao", at(state, "1002", 5)),  # the same buyer: an order that is split stands alone
    )
    held = send(pool)
    order = pool.order("1001")
    key = f"OP{order['order_id']}"
    assert held[key][1] == {("1001", "GLS-WINE-2"): 1}  # the order's own warehouse: glass decides for the whole
    assert held[f"{key}-HZ"][1] == {("1001", "CUP-500-BL"): 1}
    assert held[key][0] + held[f"{key}-HZ"][0] == order["payable_amount"]
    assert len(held) == 3
    warehouses = {effect["key"]: effect["warehouse"] for effect in pool.world.receipts()["qimen"]}
    assert (warehouses[key], warehouses[f"{key}-HZ"]) == ("WH-FS", "WH-HZ")


def test_gifts_follow_what_leaves_together_and_what_is_left(hub, write, state, line):
    tiers = (("rules/gifts.yaml", "paid_amount_cny: {gte: 300}", "paid_amount_cny: {gte: 170}"),)
    pool = hub(*MERGING, *tiers, *NO_GIFTS)
    stock(pool, {("HZ", "GIFT-COASTER"): 1, ("HZ", "CUP-500-BL"): 100})
    one = write("taobao", at(state, "1001"))  # 92 yuan: too little
    pool.take(one)
    assert pool.rows("FROM decision.gifts") == []
    # With the second order the parcel is worth 184; a third buyer's is worth more, and comes too late for a gift.
    pool.take(
        write("taobao", at(state, "1002", 10)),
        write("taobao", at(state, "1003", 15, receiver=2, buyer="B3", lines=(line("CUP-500-BL", 3),))),
    )
    first, third = pool.order("1001")["order_id"], pool.order("1003")["order_id"]
    assert [(g["order_id"], g["sku"], g["granted"]) for g in pool.rows("FROM decision.gifts ORDER BY order_id")] == [
        (first, "GIFT-COASTER", True),
        (third, "GIFT-COASTER", False),
    ]
    held = send(pool)
    assert held[f"OP{first}"][1][("1001", "GIFT-COASTER")] == 1
    assert held[f"OP{third}"][1] == {("1003", "CUP-500-BL"): 3}
    reserved = pool.rows("SELECT sum(quantity) AS n FROM decision.reserved WHERE sku = 'GIFT-COASTER'")
    assert reserved == [{"n": 1}]
    # More arrive; what has been told stays as it is, and nothing is given twice.
    stock(pool, {("HZ", "GIFT-COASTER"): 50})
    pool.take(write("taobao", at(state, "1001", later=30)))
    assert len(send(pool)) == 2
    assert pool.failed_checks() == []


def test_another_warehouse_helps_out_where_one_is_short(hub, write, state, line):
    pool = hub(*NO_GIFTS)
    stock(pool, {("HZ", "CUP-500-BL"): 3, ("FS", "CUP-500-BL"): 2})
    for minutes, number in enumerate(("1001", "1002", "1003"), 1):
        pool.take(write("taobao", at(state, number, minutes, lines=(line("CUP-500-BL", 2),))))
    chosen = {
        row["platform_order_no"]: row["warehouse_id"]
        for row in pool.rows(
            "SELECT o.platform_order_no, p.warehouse_id FROM decision.parcels p JOIN core.orders o USING (order_id)"
        )
    }
    # Two of three pieces are taken; the next two come from FS; then neither has any, and the rule's warehouse waits.
    assert chosen == {"1001": "HZ", "1002": "FS", "1003": "HZ"}
    assert pool.rows("SELECT warehouse_id, sum(quantity) AS n FROM decision.reserved GROUP BY 1 ORDER BY 1") == [
        {"warehouse_id": "FS", "n": 2},
        {"warehouse_id": "HZ", "n": 4},
    ]
    # What is cancelled is free again.
    pool.take(write("taobao", at(state, "1001", 1, later=40, status="closed", lines=(line("CUP-500-BL", 2),))))
    assert pool.rows("SELECT sum(quantity) AS n FROM decision.reserved") == [{"n": 4}]
    assert pool.failed_checks() == []
