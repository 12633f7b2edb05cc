"""Stock: what a warehouse answers becomes rows of core.stock, whatever the order it comes in."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from orderpipe.flow.replay import replay
from orderpipe.lake.landing import PulledWindow, land

START = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
FACTS = "warehouse_id, sku, on_hand, available, locked, defective, updated_at"


def answer(sku, *rows):
    """The document of one item; a row is (kind, quantity, lockQuantity)."""
    items = [{"itemCode": sku, "inventoryType": k, "quantity": q, "lockQuantity": held} for k, q, held in rows]
    return json.dumps({"warehouseCode": "WH", "itemCode": sku, "items": items})


@pytest.fixture
def stocked(pool):
    """stocked((minutes, warehouse, sku, text), …) lands stock documents one after the other; gives how many are new."""

    def take(*documents):
        new = 0
        for minutes, warehouse, sku, text in documents:
            at = START + timedelta(minutes=minutes)
            window = PulledWindow("wms", warehouse, "stock", at, at, 1, [(sku, at, text)])
            with pool.run.writing("landing"):
                new += sum(land(pool.run.lake, pool.settings, [window], run_id="run-1", now=at))
        return new

    return take


def held(pool):
    return {
        (row["warehouse_id"], row["sku"]): (row["on_hand"], row["available"], row["locked"], row["defective"])
        for row in pool.rows("FROM core.stock")
    }


def test_good_pieces_of_every_lot_count_and_nothing_else(pool, stocked):
    stocked(
        (0, "HZ", "CUP", answer("CUP", ("ZP", "7", "2"), ("ZP", "3.00", ""), ("CC", "4", "1"), ("ZT", "50", "0"))),
        (0, "FS", "CUP", answer("CUP", ("", "8", "0"))),
        (0, "FS", "JUG", answer("JUG")),
    )
    assert pool.pool().pooled == 3
    assert held(pool) == {("HZ", "CUP"): (12, 10, 2, 55), ("FS", "CUP"): (8, 8, 0, 0), ("FS", "JUG"): (0, 0, 0, 0)}
    assert pool.failed_checks() == []


@pytest.mark.parametrize("bite", [pytest.param(1, marks=pytest.mark.long), 4, 100])
def test_the_newest_answer_counts_in_whatever_order_they_land_and_are_pooled(pool, stocked, bite):
    answers = [(minutes, str(pieces)) for minutes, pieces in ((0, 9), (15, 3), (30, 7))]
    orders = {f"CUP-{n}": order for n, order in enumerate(itertools.permutations(answers))}
    for place in range(3):  # each goods has its answers in an order of its own
        stocked(
            *((minutes, "HZ", sku, answer(sku, ("ZP", pieces, "1")))
              for sku, order in orders.items() for minutes, pieces in order[place : place + 1])
        )  # fmt: skip
        if bite < 100 or place == 2:
            pool.pool(bite)
    rows = {tuple(row.values()) for row in pool.rows(f"SELECT {FACTS} FROM core.stock")}
    assert rows == {("HZ", sku, 8, 7, 1, 0, START + timedelta(minutes=30)) for sku in orders}


def test_stock_that_is_as_it_was_before_a_change_is_news_and_stock_without_change_is_not(pool, stocked):
    nine, three = answer("CUP", ("ZP", "9", "0")), answer("CUP", ("ZP", "3", "0"))
    assert stocked((0, "HZ", "CUP", nine), (15, "HZ", "CUP", nine), (15, "FS", "CUP", nine)) == 2
    assert stocked((30, "HZ", "CUP", three), (45, "HZ", "CUP", nine), (60, "HZ", "CUP", nine)) == 2
    pool.pool()
    assert held(pool) == {("HZ", "CUP"): (9, 9, 0, 0), ("FS", "CUP"): (9, 9, 0, 0)}
    assert stocked((3 * 1440, "HZ", "CUP", nine)) == 1, "once a day it is kept all the same"


@pytest.mark.parametrize(
    "text",
    [
        answer("CUP", ("ZP", "many", "0")),
        answer("CUP", ("ZP", "1.5", "0")),
        answer("CUP", ("ZP", "9", "-1")),
        answer("CUP", ("ZP", "9", "x")),
        answer(" ", ("ZP", "9", "0")),
        json.dumps({"itemCode": "CUP"}),
        "[]",
        "{",
    ],
)
def test_an_answer_that_cannot_be_counted_is_set_aside_and_the_stock_stays(pool, stocked, text):
    stocked((0, "HZ", "CUP", answer("CUP", ("ZP", "9", "0"))))
    stocked((15, "HZ", "CUP", text), (15, "HZ", "JUG", answer("JUG")))
    report = pool.pool()
    assert (report.pooled, report.quarantined) == (2, 1)
    assert held(pool) == {("HZ", "CUP"): (9, 9, 0, 0), ("HZ", "JUG"): (0, 0, 0, 0)}
    assert pool.failed_checks() == []


def test_listings_are_known_from_orders_by_the_newest_order_that_names_them(pool, write, state, line):
    def sold(number, minutes, product, sku, later=0):
        ordered = START + timedelta(minutes=minutes)
        document = write("taobao", state(number, minutes=1 + later, ordered=ordered, lines=(line(sku),)))
        content = json.loads(document.text)
        content["orders"]["order"][0] |= {"num_iid": product, "sku_id": "4500"}
        return document.changed(**content)

    documents = [
        sold("1001", 10, 61, "CUP-NEW"),
        sold("1002", 0, 61, "CUP-OLD", later=600),  # an old order that changes late says nothing new of the listing
        sold("1003", 5, 62, "JUG"),
    ]
    for document in documents:
        pool.land(document)
        pool.pool()
    found = {
        (row["platform_product_id"], row["platform_sku_id"], row["sku"]) for row in pool.rows("FROM core.sold_listings")
    }
    assert found == {("61", "4500", "CUP-NEW"), ("62", "4500", "JUG")}


def test_a_replay_gives_the_same_stock(pool, stocked, write, state, tmp_path):
    pool.land(write("taobao", state("1001")))
    stocked(
        (0, "HZ", "CUP", answer("CUP", ("ZP", "9", "0"))),
        (15, "HZ", "CUP", answer("CUP", ("ZP", "4", "5"))),
        (15, "FS", "CUP", answer("CUP", ("ZP", "x", "0"))),
    )
    pool.pool(1)
    pool.decide()
    pool.close()
    tables = {found.table: found for found in replay(pool.settings, tmp_path / "again", bite=2)}
    assert tables["core.stock"].rows == 1 and "decision.stock_guard" not in tables
    assert [name for name, found in tables.items() if not found.same] == []
