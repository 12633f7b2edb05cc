"""Days of a Shopee shop with its traps armed: what is pooled is what the platform's orders truly are."""

import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from orderpipe import flow
from orderpipe.flow.verify import verify

ROOT = Path(__file__).resolve().parents[2]
SHOP = """
- id: shopee-sg
  platform: shopee
  name: Hangzhou Home SG
  timezone: Asia/Singapore
  currency: SGD
  base_url: ${ORDERPIPE_SANDBOX_URL}/shopee
  settings: {page_size: 20, calls_per_second: 100, first_pull_hours: 72}
  credentials:
    partner_id: ${SHOPEE_PARTNER_ID}
    partner_key: ${SHOPEE_PARTNER_KEY}
    shop_id: ${SHOPEE_SHOP_ID}
    access_token: ${SHOPEE_ACCESS_TOKEN}
    refresh_token: ${SHOPEE_REFRESH_TOKEN}
"""
TRAPS = [
    ("shifted_page", {"match": "get_order_list", "times": 3}),
    ("short_page", {"match": "get_order_list", "times": 1, "after": 6}),
    ("duplicate_rows", {"times": 2, "after": 3}),
    ("missing_detail", {"times": 1, "after": 1}),
    ("throttle", {"times": 1, "after": 7}),
    ("business_busy", {"times": 2, "after": 9}),
    ("clock_skew", {"times": 1, "after": 5}),
    ("expired_token", {"times": 1, "after": 11}),
    ("missing_field", {"times": 1, "match": "get_order_detail", "after": 1}),
    ("late_commit", {"times": 2, "seconds": 60}),
    ("first_page_one", {"probability": 1}),
    ("truncated_body", {"times": 1, "after": 4}),
]
MONEY = ("goods_amount", "discount_amount", "shipping_fee", "tax_amount", "payable_amount", "paid_amount")


@pytest.fixture
def store(hub, tmp_path):
    """A hub with this one shop, and a few days of life behind it."""
    made = hub(shops="shopee-sg", seed=7, history=54, orders_per_hour=4, pace=6)
    config = tmp_path / "shopee"
    shutil.copytree(ROOT / "config", config)
    (config / "shops.yaml").write_text(SHOP, "utf-8")
    made.env["ORDERPIPE_CONFIG"] = str(config)
    return made


def pull_and_pool(store):
    with flow.open_run(store.settings) as run:
        report = flow.pull(run)
        flow.pool(run)
        assert [check.detail for check in flow.check(run) if not check.ok] == []
    return report


def moment(text):
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def differences(true, ours, contact, lines, refunds):
    """(field, ours, truth) where they differ. The platform does not tell when an order was completed, nor what an
    order will cost after its vouchers before it is paid; cancellations before shipping stand in the order alone."""
    told = true["status"] != "pending_payment" and (true["status"] != "closed" or true["paid"] is not None)
    money = MONEY if told else ("goods_amount", "paid_amount")
    pairs = {
        name: (ours[name], true[name]) for name in ("platform", "shop_id", "status", "currency", "is_test", "is_cod")
    }
    pairs |= {name: (ours[name], Decimal(true[name])) for name in money}
    times = {"ordered_at": "created", "paid_at": "paid", "shipped_at": "shipped", "updated_at": "modified"}
    pairs |= {name: (ours[name], moment(true[theirs])) for name, theirs in times.items()}
    pairs |= {name: (ours[name] or "", true["receiver"][name] or "") for name in ("country", "province", "city")}
    pairs["platform_status"] = ours["platform_status"], true["platform_status"]
    pairs["hold"] = ours["hold_status"] == "platform_hold", true["hold"]
    pairs["message"] = contact["buyer_message"] or "", true["buyer_message"]
    receiver = true["receiver"]
    if "*" not in contact["name"]:
        pairs["receiver"] = (contact["name"], contact["phone"]), (receiver["name"], receiver["phone"])
    names = ["platform_line_id", "sku", "quantity", "product_name"]
    if true["status"] != "closed":
        names += ["ship_quantity"]
    ought = [{**line, "product_name": line["name"]} for line in true["lines"]]
    amounts = ("unit_price", "line_amount") if told else ("unit_price",)
    pairs["lines"] = (
        [(*(line[n] for n in names), *(line[n] for n in amounts)) for line in lines],
        [(*(line[n] for n in names), *(Decimal(line[n]) for n in amounts)) for line in ought],
    )
    pairs["refunds"] = (
        {row["platform_refund_no"]: (row["status"], row["amount"]) for row in refunds},
        {r["platform_refund_id"]: (r["status"], Decimal(r["amount"])) for r in true["refunds"] if r["after_shipping"]},
    )
    return [(name, is_, ought) for name, (is_, ought) in pairs.items() if is_ != ought]


def test_the_pool_is_what_the_orders_truly_are(store):
    for kind, choice in TRAPS:
        store.sandbox.fault("shopee", kind, **choice)
    pull_and_pool(store)
    fired = {fault["kind"] for fault in store.sandbox.control("GET", "faults") if fault["fired"]}
    assert fired >= {kind for kind, _ in TRAPS} - {"late_commit"}
    store.sandbox.step(1800)
    store.sandbox.control("DELETE", "faults")
    store.sandbox.step(1800)
    report = pull_and_pool(store)
    assert report.errors == []
    assert all(lane.open_windows == 0 for lane in report.lanes)
    with flow.open_run(store.settings) as run:
        verified = verify(run, run.started_at - timedelta(hours=52))
    assert [(lane.kind, lane.error, lane.gaps) for lane in verified if lane.error or lane.gaps] == []
    assert {lane.kind for lane in verified if lane.listed} >= {"order", "refund"}

    orders = {row["platform_order_no"]: row for row in store.rows("FROM core.orders")}
    contacts = {row["order_id"]: row for row in store.rows("FROM vault.pii.contacts", vault=True)}
    lines, refunds = {}, {}
    for row in store.rows("FROM core.order_items ORDER BY order_id, line_no"):
        lines.setdefault(row["order_id"], []).append(row)
    for row in store.rows("FROM core.refunds"):
        refunds.setdefault(row["platform_order_no"], []).append(row)
    settled = store.settled()
    found = []
    for true in settled:
        number = true["platform_order_no"]
        if number not in orders:
            found.append((number, "missing"))
            continue
        ours = orders[number]
        there = ours["order_id"]
        found += [(number, d) for d in differences(true, ours, contacts[there], lines[there], refunds.get(number, []))]
    assert found == []
    assert len(settled) > 200
    assert {true["status"] for true in settled} >= {"paid", "shipped", "completed", "after_sale", "closed"}
    assert any(true["is_cod"] for true in settled) and refunds
    assert store.rows("SELECT * FROM vault.raw.quarantine WHERE resolved_at IS NULL", vault=True) == []
    listings = store.rows("SELECT DISTINCT status, currency FROM core.products")
    assert listings == [{"status": "listed", "currency": "SGD"}]
    clear = [c for c in contacts.values() if "*" not in c["name"]]
    assert 0 < len(clear) < len(contacts)
