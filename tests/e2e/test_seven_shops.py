"""Seven shops of seven platforms, side by side: everything arrives, one dead shop holds up none of the others."""

import itertools
import json
from collections import Counter
from datetime import datetime

import pytest

from orderpipe.platforms import PLATFORMS

SEVEN = "taobao-hz,pinduoduo-hz,douyin-hz,jd-hz,shopee-sg,lazada-my,shopify-us"


@pytest.fixture
def seven(hub):
    """A hub on all seven shops, with some hours of life behind them."""
    return hub(SEVEN, history=3, orders_per_hour=12, pace=12)


def listed(here):
    """The truth about every order a platform shows and whose shop was pulled past its last change."""
    return [order for order in here.settled() if order["listed"]]


def test_every_order_of_seven_platforms_is_pooled_once_in_its_newest_state(seven):
    seven.sandbox.step(900)
    report = seven.tick(send=False)
    assert report.problems == []
    pooled = {(row["shop_id"], row["platform_order_no"]): row for row in seven.rows("FROM core.orders")}
    true = {(order["shop_id"], order["platform_order_no"]): order for order in listed(seven)}
    assert {shop for shop, _ in true} == set(SEVEN.split(","))
    assert set(true) <= set(pooled)
    stale = {key for key in true if pooled[key]["updated_at"] < datetime.fromisoformat(true[key]["modified"])}
    assert stale == set()
    settled = {key: order for key, order in true.items() if order["paid"]}  # Shopee shows vouchers once they are used
    money = {key: str(pooled[key]["payable_amount"]) for key in settled}
    assert money == {key: order["payable_amount"] for key, order in settled.items()}
    cod = {key for key, order in true.items() if order["is_cod"]}
    assert cod and {key for key in true if pooled[key]["is_cod"]} == cod
    foreign = {row["currency"] for row in pooled.values() if row["paid_amount"] and row["paid_amount_cny"] is None}
    assert foreign == set()  # every currency has a dated rate

    lanes = {(row["shop_id"], row["kind"]): row for row in seven.rows("FROM mart.shop_freshness")}
    assert set(lanes) == {(shop, kind) for shop in SEVEN.split(",") for kind in PLATFORMS[shop.partition("-")[0]].kinds}
    assert {row["state"] for row in lanes.values()} == {"fresh"}


@pytest.mark.long
def test_dead_shops_alert_after_two_silent_ticks_and_the_others_stay_fresh(seven):
    seven.sandbox.step(900)
    seven.tick(send=False)
    for shop in ("pinduoduo-hz", "lazada-my"):
        seven.sandbox.control("POST", "credentials", shop=shop, do="revoke")
    seven.env["JD_ACCESS_TOKEN"] = ""
    for ticks in (1, 2):
        seven.sandbox.step(900)
        done = seven.command("tick", "--json", "--no-send", JD_ACCESS_TOKEN=None, JD_REFRESH_TOKEN=None)
        assert done.returncode == 1
        rows = seven.rows("FROM mart.shop_freshness WHERE kind = 'order'")
        failing = {row["shop_id"]: (row["state"], row["silent_ticks"]) for row in rows if row["state"] != "fresh"}
        assert failing == dict.fromkeys(("pinduoduo-hz", "lazada-my", "jd-hz"), ("failing", ticks))
        alerts = seven.rows("SELECT params FROM outbox.instructions WHERE kind = 'alert'")
        texts = [json.loads(row["params"])["text"] for row in alerts]
        told = {shop for shop in SEVEN.split(",") if any(f"店铺 {shop} " in text for text in texts)}
        assert told == (set() if ticks == 1 else {"pinduoduo-hz", "lazada-my", "jd-hz"})
    remedies = {row["shop_id"]: row["error"] for row in rows if row["error"]}
    assert "PINDUODUO_REFRESH_TOKEN" in remedies["pinduoduo-hz"]
    assert "LAZADA_REFRESH_TOKEN" in remedies["lazada-my"]
    assert "access_token" in remedies["jd-hz"]


def test_buyers_are_known_across_orders_without_a_name_or_a_number_in_clear(seven):
    """Precision and recall of customer_id: of the pairs of orders it joins, and of those that are truly one buyer's.

    Where the platform names the buyer, both are 1. Where it does not, orders are joined by phone or by the platform's
    receiver token: never wrongly; but a buyer who sends a parcel to somebody else is another customer there.
    """
    seven.sandbox.step(900)
    seven.tick(send=False)
    rows = seven.rows("SELECT shop_id, platform_order_no, customer_id FROM core.orders")
    customer = {(row["shop_id"], row["platform_order_no"]): row["customer_id"] for row in rows}
    orders = [order for order in listed(seven) if order["buyer"]]
    for platform in PLATFORMS:
        mine = [order for order in orders if order["platform"] == platform]
        keys = [(order["buyer"], customer[order["shop_id"], order["platform_order_no"]]) for order in mine]
        counts = Counter()
        for (buyer, one), (other_buyer, other) in itertools.combinations(keys, 2):
            counts[buyer == other_buyer, one == other] += 1
        joined, true = counts[True, True] + counts[False, True], counts[True, True] + counts[True, False]
        assert true > 0, f"{platform}: no buyer came twice; nothing was measured"
        assert counts[False, True] == 0, f"{platform}: {counts[False, True]} of {joined} joined pairs are two buyers"
        assert counts[True, True] >= RECALL[platform] * true, f"{platform}: {counts[True, True]} of {true} pairs joined"


RECALL = dict.fromkeys(PLATFORMS, 1.0) | {"pinduoduo": 0.0, "jd": 0.0}
