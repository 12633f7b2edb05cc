"""Hours of a Lazada store with its traps armed: what is pooled is what the platform's orders truly are."""

import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from orderpipe import flow
from orderpipe.flow.verify import verify

ROOT = Path(__file__).resolve().parents[2]
SHOP = """
- id: lazada-my
  platform: lazada
  name: Hangzhou Home MY
  timezone: Asia/Kuala_Lumpur
  currency: MYR
  base_url: ${ORDERPIPE_SANDBOX_URL}/lazada
  settings: {page_size: 20, window_span_minutes: 240, first_pull_hours: 120}
  credentials:
    app_key: ${LAZADA_APP_KEY}
    app_secret: ${LAZADA_APP_SECRET}
    access_token: ${LAZADA_ACCESS_TOKEN}
    refresh_token: ${LAZADA_REFRESH_TOKEN}
"""
TRAPS = [
    ("shifted_page", {"match": "/orders/get", "times": 3}),
    ("duplicate_rows", {"times": 2, "after": 3}),
    ("wrong_count", {"times": 1, "after": 5}),
    ("throttle", {"times": 1, "after": 7}),
    ("business_busy", {"times": 2, "after": 9}),
    ("expired_token", {"times": 1, "after": 11}),
    ("missing_field", {"times": 1, "match": "/orders/items/get"}),
    ("late_commit", {"times": 2, "seconds": 60}),
    ("truncated_body", {"times": 1, "after": 4}),
]
MONEY = ("goods_amount", "discount_amount", "shipping_fee", "tax_amount", "payable_amount", "paid_amount")


@pytest.fixture
def store(hub, tmp_path):
    """A hub with this one shop, and a few days of life behind it."""
    made = hub(shops="lazada-my", seed=7, history=96, orders_per_hour=3, pace=4)
    config = tmp_path / "lazada"
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


def differences(store, true, ours, lines, refunds):
    """(field, ours, truth) where they differ. When a unit was shipped or delivered is told only while nothing else has
    happened to it since."""
    pairs = {
        name: (ours[name], true[name]) for name in ("platform", "shop_id", "status", "currency", "is_test", "is_cod")
    }
    pairs |= {name: (ours[name], Decimal(true[name])) for name in MONEY}
    times = {"ordered_at": "created", "paid_at": "paid", "updated_at": "modified"}
    if not true["refunds"]:
        times |= {"shipped_at": "shipped"} if true["status"] in ("paid", "shipped") else {}
        times |= {"completed_at": "completed"} if true["status"] == "completed" else {}
    pairs |= {name: (ours[name], moment(true[theirs])) for name, theirs in times.items()}
    pairs |= {name: (ours[name] or "", true["receiver"][name] or "") for name in ("country", "province", "city")}
    pairs["platform_status"] = ours["platform_status"], true["platform_status"]
    names = ["platform_line_id", "sku", "quantity", "refund_status"]
    if true["status"] != "closed":  # of a closed order nothing is to be shipped, whatever its units were
        names.append("ship_quantity")
    pairs["lines"] = (
        [(*(line[n] for n in names), line["unit_price"], line["line_amount"], line["is_gift"]) for line in lines],
        [
            (*(line[n] for n in names), Decimal(line["unit_price"]), Decimal(line["line_amount"]), line["is_gift"])
            for line in true["lines"]
        ],
    )
    pairs["refunds"] = (
        {row["platform_refund_no"]: (row["platform_line_id"], row["status"], row["amount"]) for row in refunds},
        {r["platform_refund_id"]: (r["platform_line_id"], r["status"], Decimal(r["amount"])) for r in true["refunds"]},
    )
    return [(name, is_, ought) for name, (is_, ought) in pairs.items() if is_ != ought]


def test_the_pool_is_what_the_orders_truly_are(store):
    for kind, choice in TRAPS:
        store.sandbox.fault("lazada", kind, **choice)
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
        verified = verify(run, run.started_at - timedelta(hours=90))
    assert [(lane.kind, lane.error, lane.gaps) for lane in verified if lane.error or lane.gaps] == []
    assert {lane.kind for lane in verified if lane.listed} == {"order", "refund", "product"}

    orders = {row["platform_order_no"]: row for row in store.rows("FROM core.orders")}
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
        found += [(number, d) for d in differences(store, true, ours, lines[ours["order_id"]], refunds.get(number, []))]
    assert found == []
    assert len(settled) > 200
    assert {true["status"] for true in settled} >= {"paid", "shipped", "completed", "after_sale", "closed"}
    assert any(true["is_cod"] for true in settled) and any(len(true["refunds"]) > 1 for true in settled)
    assert store.rows("SELECT * FROM vault.raw.quarantine WHERE resolved_at IS NULL", vault=True) == []
