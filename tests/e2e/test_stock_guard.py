"""The stock guard on seven platforms: a listing goes off everywhere in time, comes back once, and nothing twice."""

import json

import pytest

from orderpipe import flow
from orderpipe.clock import Clock
from orderpipe.platforms import TokenStore, open_client
from orderpipe.sandbox.model import load_goods

SEVEN = "taobao-hz,pinduoduo-hz,douyin-hz,jd-hz,shopee-sg,lazada-my,shopify-us"
SKU = "GLS-WINE-2"  # the only goods of its product on every platform
PRODUCTS = {
    shop: next(goods for goods in load_goods("config/goods.csv") if goods.sku == SKU)
    .listing(shop.partition("-")[0])
    .product_id
    for shop in SEVEN.split(",")
}


@pytest.fixture
def sale(hub):
    """sale("shop,shop"): a hub on these shops with 20 pieces of the goods. An order, refunded since, makes its listing
    known where the platform lists none."""

    def start(shops):
        here = hub(shops)
        for shop in shops.split(","):
            (order,) = here.sandbox.orders(shop, state="paid", skus=[SKU])
            here.sandbox.advance(order, "refunded")
        hold(here, 20)
        here.sandbox.step(900)
        here.tick()
        return here

    return start


def hold(here, pieces):
    """Let the warehouses hold so many free pieces of the goods, all of them in Foshan."""
    for warehouse, quantity in (("WH-HZ", 0), ("WH-FS", pieces)):
        here.sandbox.control("POST", "stock", warehouse=warehouse, sku=SKU, quantity=quantity)


def next_tick(here, pieces=None):
    if pieces is not None:
        hold(here, pieces)
    here.sandbox.step(900)
    return here.tick()


def later(here):
    """Ten minutes and more later, what is due to the platforms goes out."""
    here.sandbox.step(900)
    with flow.open_run(here.settings, say=lambda text: None) as run:
        flow.dispatch(run, "platforms")


def off_sale(here):
    """shop → whether the goods' product is off sale there, truly."""
    off = {(row["shop_id"], row["product_id"]) for row in here.sandbox.control("GET", "truth/listings")}
    return {shop for shop, product in PRODUCTS.items() if (shop, product) in off}


def guard(here):
    return here.rows(f"FROM decision.stock_guard WHERE sku = '{SKU}'")[0]


def instructions(here):
    return here.rows(
        f"""SELECT idempotency_key, kind, status, attempts, order_id, receipt, params->>'shop_id' AS shop
            FROM outbox.instructions WHERE target = 'platforms' AND (params->>'sku') = '{SKU}'
            ORDER BY created_at, idempotency_key"""
    )


def test_a_listing_goes_off_at_five_on_all_seven_platforms_and_comes_back_at_ten(sale):
    seven = sale(SEVEN)
    report = next_tick(seven, 6)
    assert guard(seven)["sellable"] == 6 and guard(seven)["state"] == "selling"
    assert instructions(seven) == [] and off_sale(seven) == set()

    report = next_tick(seven, 5)
    assert report.guard.suspended == 1 and report.guard.instructions == {"suspend_listing": 7}
    assert off_sale(seven) == set(PRODUCTS) and report.problems == []
    sent = instructions(seven)
    assert {row["shop"] for row in sent} == set(PRODUCTS)
    assert {(row["kind"], row["status"], row["attempts"], row["order_id"]) for row in sent} == {
        ("suspend_listing", "acknowledged", 1, None)
    }

    receipts = seven.sandbox.receipts()["counts"]
    for pieces in (5, 9):
        report = next_tick(seven, pieces)
        assert report.guard.instructions == {} and guard(seven)["state"] == "suspended"
    assert instructions(seven) == sent and off_sale(seven) == set(PRODUCTS)
    platforms = {shop.partition("-")[0] for shop in PRODUCTS}
    assert {p: seven.sandbox.receipts()["counts"][p] for p in platforms} == {p: receipts[p] for p in platforms}

    report = next_tick(seven, 10)
    assert report.guard.resumed == 1 and report.guard.instructions == {"resume_listing": 7}
    assert off_sale(seven) == set() and report.problems == []

    report = next_tick(seven, 0)
    assert report.guard.instructions == {"suspend_listing": 7} and guard(seven)["episode"] == 2
    assert off_sale(seven) == set(PRODUCTS) and {check.ok for check in report.checks} == {True}


@pytest.mark.long
def test_open_orders_count_as_sold_and_a_dead_warehouse_leaves_everything_as_it_was(sale):
    here = sale("taobao-hz,shopify-us")
    next_tick(here, 10)
    here.sandbox.orders("taobao-hz", state="paid", skus=[SKU], quantity=4, country="CN")
    next_tick(here)
    assert guard(here)["sellable"] == 6 and off_sale(here) == set()
    here.sandbox.orders("shopify-us", state="paid", skus=[SKU], quantity=1)  # waits for customs: reserved all the same
    report = next_tick(here)
    row = guard(here)
    assert (row["on_hand"], row["reserved"], row["sellable"]) == (10, 5, 5)
    assert report.guard.suspended == 1 and off_sale(here) == {"taobao-hz", "shopify-us"}

    hold(here, 50)
    here.sandbox.fault("qimen", "http_500", times=10_000, match="inventory")
    for failures in (1, 2):
        here.sandbox.step(900)
        report = here.tick()
        assert any(problem.startswith("wms") for problem in report.problems)
        assert {row["failures"] for row in here.rows("FROM vault.raw.stock_pulls", vault=True)} == {failures}
    assert guard(here)["on_hand"] == 10 and off_sale(here) == {"taobao-hz", "shopify-us"}
    told = [row for row in here.rows("FROM outbox.instructions WHERE kind = 'alert'") if "库存连续" in row["params"]]
    assert len(told) == 2, "one for each warehouse"
    here.sandbox.control("DELETE", "faults")
    next_tick(here)
    assert off_sale(here) == set()
    assert {row["failures"] for row in here.rows("FROM vault.raw.stock_pulls", vault=True)} == {0}


@pytest.mark.long
def test_a_platform_that_fails_is_asked_until_it_confirms_and_holds_up_no_other(sale):
    here = sale("jd-hz,taobao-hz,shopify-us")
    here.sandbox.fault("jd", "http_500", times=10_000, match="upOrDown")
    here.sandbox.fault("taobao", "timeout_after_write", times=4, match="delisting", seconds=0.1)
    next_tick(here, 3)
    assert off_sale(here) == {"taobao-hz", "shopify-us"}
    assert {row["shop"]: row["status"] for row in instructions(here)} == {
        "jd-hz": "pending", "taobao-hz": "pending", "shopify-us": "acknowledged",
    }  # fmt: skip
    for _ in range(4):
        later(here)
    assert [row["shop"] for row in instructions(here) if row["status"] != "acknowledged"] == ["jd-hz"]
    (taobao,) = [row for row in instructions(here) if row["shop"] == "taobao-hz"]
    assert taobao["attempts"] == 2 and json.loads(taobao["receipt"])["read"], "read, and not written again"
    told = [row for row in here.rows("FROM outbox.instructions WHERE kind = 'alert'") if "jd-hz" in row["params"]]
    assert len(told) == 1 and "5 次未得到平台确认" in told[0]["params"]

    here.sandbox.control("DELETE", "faults")
    later(here)
    assert off_sale(here) == {"jd-hz", "taobao-hz", "shopify-us"}
    assert {row["status"] for row in instructions(here)} == {"acknowledged"}


@pytest.mark.long
def test_what_was_not_sent_yet_is_stopped_when_the_guard_changes_its_mind(sale):
    here, shops = sale("pinduoduo-hz,lazada-my"), {"pinduoduo-hz", "lazada-my"}

    def unsent(pieces):
        hold(here, pieces)
        here.sandbox.step(900)
        return here.tick(send=False).guard

    assert unsent(2).instructions == {"suspend_listing": 2}
    report = next_tick(here, 12).guard
    assert report.intercepted == 2 and report.instructions == {}, "what was never taken off is not put on again"
    assert {row["status"] for row in instructions(here)} == {"intercepted"} and off_sale(here) == set()

    next_tick(here, 2)
    assert off_sale(here) == shops
    assert unsent(12).instructions == {"resume_listing": 2}
    assert unsent(2).intercepted == 2
    assert unsent(12).instructions == {"resume_listing": 2}, "the listing is still ours to put on again"
    next_tick(here)
    assert off_sale(here) == set()
    assert {row["status"] for row in instructions(here)} == {"acknowledged", "intercepted"}


@pytest.mark.long
def test_a_listing_that_is_off_by_another_hand_stays_so(sale):
    shop = "shopify-us"
    here = sale(f"jd-hz,{shop}")
    client = open_client(
        here.settings.shops[shop],
        tokens=TokenStore(here.settings.home.tokens),
        clock=Clock(f"{here.sandbox.url}/_control/clock"),
    )
    client.suspend_listing(PRODUCTS[shop])
    next_tick(here)
    report = next_tick(here, 4)
    assert report.guard.instructions == {"suspend_listing": 1}
    report = next_tick(here, 30)
    assert report.guard.instructions == {"resume_listing": 1} and off_sale(here) == {shop}

    next_tick(here, 4)
    client.resume_listing(PRODUCTS[shop])  # put on again while the goods are suspended: it goes off like any other
    next_tick(here)
    assert off_sale(here) == {"jd-hz", "shopify-us"}
    client.close()
