"""A Pinduoduo shop from its first order to the pool, with the platform's traps armed: nothing is missed or bent."""

import os
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from orderpipe import config, flow

ROOT = Path(__file__).resolve().parents[2]
SHOP = """
- id: pinduoduo-hz
  platform: pinduoduo
  name: 杭州家居专营店
  timezone: Asia/Shanghai
  currency: CNY
  base_url: {url}/pinduoduo
  credentials:
    client_id: ${{PINDUODUO_CLIENT_ID}}
    client_secret: ${{PINDUODUO_CLIENT_SECRET}}
    access_token: ${{PINDUODUO_ACCESS_TOKEN}}
    refresh_token: ${{PINDUODUO_REFRESH_TOKEN}}
  settings: {{page_size: 10, first_pull_hours: 14, throttle_wait_seconds: 0.5}}
"""
TRAPS = (
    ("expired_token", {"after": 3}),
    ("throttle", {"after": 2}),
    ("business_busy", {"after": 4, "code": 50000}),
    ("business_busy", {"after": 9, "code": 52001}),
    ("wrong_count", {"after": 3, "delta": 2}),
    ("wrong_count", {"after": 6, "delta": -4}),
    ("short_page", {"after": 4}),
    ("duplicate_rows", {"probability": 0.1}),
    ("missing_field", {"after": 3, "field": "order_sn"}),
    ("missing_field", {"after": 8, "field": "updated_at"}),
    ("missing_field", {"after": 1, "field": "id", "match": "refund"}),
    ("numbers_only", {"probability": 0.05}),
    ("truncated_body", {"after": 6}),
    ("http_502_html", {"after": 7}),
)
MONEY = ("goods_amount", "discount_amount", "shipping_fee", "tax_amount", "payable_amount", "paid_amount")
TIMES = {
    "ordered_at": "created", "paid_at": "paid", "shipped_at": "shipped", "completed_at": "completed",
    "updated_at": "modified",
}  # fmt: skip


def moment(text):
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def truly(order):
    """What the pool must say of an order, from the truth about it. Lines have no ids of their own, and a case that is
    settled closes an order, however little was paid back: the platform tells no more."""
    refunded = any(refund["status"] == "refunded" for refund in order["refunds"])
    to_ship = order["shipped"] is None and not order["hold"]
    return {
        **{name: order[name] for name in ("platform_status", "currency", "is_presale")},
        "status": "closed" if refunded else order["status"],
        **{name: Decimal(order[name]) for name in MONEY},
        **{name: moment(order[theirs]) for name, theirs in TIMES.items()},
        **{name: order["receiver"][name] for name in ("province", "city", "district")},
        "hold": order["hold"],
        "oaid": order["receiver"]["oaid"] if to_ship else None,
        "buyer_message": order["buyer_message"] or None,
        "seller_memo": order["seller_memo"] or None,
        "refunded": refunded,
        "lines": [
            (line["sku"], line["quantity"], Decimal(line["unit_price"]), Decimal(line["line_amount"]),
             line["refund_status"])
            for line in order["lines"]
        ],
        "refunds": {
            (refund["platform_refund_id"], refund["status"], Decimal(refund["amount"])) for refund in order["refunds"]
        },
    }  # fmt: skip


def pooled(run):
    """The same of every order in the pool, by number."""
    cursor = run.lake.execute(
        """
        SELECT o.*, c.oaid, c.buyer_message AS message, c.seller_memo AS memo,
            (SELECT list((i.sku, i.quantity, i.unit_price, i.line_amount, i.refund_status) ORDER BY i.line_no)
             FROM core.order_items i WHERE i.order_id = o.order_id) AS lines,
            (SELECT list((r.platform_refund_no, r.status, r.amount))
             FROM core.refunds r WHERE r.order_id = o.order_id) AS refunds
        FROM core.orders o JOIN vault.pii.contacts c USING (order_id)"""
    )
    names = [column[0] for column in cursor.description]
    found = {}
    for row in (dict(zip(names, values, strict=True)) for values in cursor.fetchall()):
        to_ship = row["shipped_at"] is None and row["hold_status"] != "platform_hold"
        found[row["platform_order_no"]] = {
            **{name: row[name] for name in ("status", "platform_status", "currency", "is_presale", *MONEY)},
            **{name: row[name].astimezone(UTC) if row[name] else None for name in TIMES},
            **{name: row[name] for name in ("province", "city", "district")},
            # What the vault keeps of a receiver the platform no longer shows is not the platform's to say.
            "oaid": row["oaid"] if to_ship else None,
            "hold": row["hold_status"] == "platform_hold",
            "buyer_message": row["message"],
            "seller_memo": row["memo"],
            "refunded": row["payment_status"] == "refunded",
            "lines": [tuple(line.values()) if isinstance(line, dict) else line for line in row["lines"]],
            "refunds": {tuple(case.values()) if isinstance(case, dict) else case for case in row["refunds"] or []},
        }
    return found


@pytest.fixture
def home(sandbox, tmp_path, monkeypatch):
    """(sandbox, settings) of a hub whose only shop is the Pinduoduo one, with two hundred orders of history."""
    world = sandbox(shops="pinduoduo-hz", history=13, orders_per_hour=18, pace=8)
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    (folder / "shops.yaml").write_text(SHOP.format(url=world.url), "utf-8")
    environment = {
        **world.credentials,
        "ORDERPIPE_PII_KEY": "5f" * 32,
        "ORDERPIPE_CLOCK": f"{world.url}/_control/clock",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return world, config.Settings(config.Home(tmp_path / "home"), folder, dict(os.environ))


def pull_and_pool(settings):
    with flow.open_run(settings, say=lambda text: None) as run:
        report = flow.pull(run)
        flow.pool(run)
    return report


def test_the_pool_is_what_the_platform_truly_holds(home):
    world, settings = home
    (unpaid,) = world.orders("pinduoduo-hz")
    (forming,) = world.orders("pinduoduo-hz", state="paid")
    world.orders("pinduoduo-hz", state="forbid_consign")
    (partly,) = world.orders("pinduoduo-hz", state="shipped")
    world.advance(partly, "refunded", what="amount")
    world.control("POST", f"orders/{forming}/status", platform_status="grouping")
    for kind, choice in TRAPS:
        world.fault("pinduoduo", kind, **choice)
    report = pull_and_pool(settings)
    with flow.open_run(settings, say=lambda text: None) as run:
        assert {unpaid, forming}.isdisjoint(pooled(run))
    world.control("POST", f"orders/{forming}/status", platform_status=None)  # the group is full
    world.step(600)
    for kind in ("shifted_page", "late_commit"):
        world.fault("pinduoduo", kind, times=3, **({"seconds": 30} if kind == "late_commit" else {}))
    world.step(1200)
    assert [error for error in report.errors if "settle" not in error] == []
    for _ in range(3):
        report = pull_and_pool(settings)
        world.step(120)
    assert report.errors == []
    assert [fault["kind"] for fault in world.control("GET", "faults") if not fault["fired"]] == []
    with flow.open_run(settings, say=lambda text: None) as run:
        ours = pooled(run)
        cursor = run.lake.execute("SELECT max(window_to) FROM vault.raw.pull_windows WHERE kind = 'order'")
        (reached,) = cursor.fetchone()
    settled = [order for order in world.truth() if order["listed"] and moment(order["modified"]) < reached]
    assert len(settled) >= 200 and forming in ours and unpaid not in ours
    wrong = {
        (order["platform_order_no"], name): (ours.get(order["platform_order_no"], {}).get(name), ought)
        for order in settled
        for name, ought in truly(order).items()
        if ours.get(order["platform_order_no"], {}).get(name) != ought
    }
    assert wrong == {}
    assert {order["status"] for order in settled} >= {"paid", "shipped", "completed", "closed", "after_sale"}
    assert {line["refund_status"] for order in settled for line in order["lines"]} >= {"none", "refunded"}
    assert any(order["hold"] for order in settled)
