"""A Douyin shop from its first order to the pool, with the platform's traps armed: nothing is missed or bent."""

import os
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from orderpipe import config, flow

ROOT = Path(__file__).resolve().parents[2]
SHOP = """
- id: douyin-hz
  platform: douyin
  name: 杭州家居官方旗舰店
  timezone: Asia/Shanghai
  currency: CNY
  base_url: {url}/douyin
  credentials:
    app_key: ${{DOUYIN_APP_KEY}}
    app_secret: ${{DOUYIN_APP_SECRET}}
    shop_id: ${{DOUYIN_SHOP_ID}}
    access_token: ${{DOUYIN_ACCESS_TOKEN}}
    refresh_token: ${{DOUYIN_REFRESH_TOKEN}}
  settings: {{page_size: 10, deep_paging_limit: 30, first_pull_hours: 13}}
"""
TRAPS = (
    ("expired_token", {}),
    ("throttle", {"after": 2}),
    ("business_busy", {"after": 4, "code": 20001}),
    ("business_busy", {"after": 9, "code": 90000}),
    ("wrong_count", {"after": 3, "delta": 2}),
    ("wrong_count", {"after": 12, "delta": -4}),
    ("duplicate_rows", {"probability": 0.2}),
    ("missing_field", {"after": 3, "field": "order_id"}),
    ("missing_field", {"after": 8, "field": "update_time"}),
    ("missing_field", {"after": 2, "field": "aftersale_id", "match": "afterSale"}),
    ("shallow_pages", {"probability": 1, "depth": 30, "match": "order.searchList"}),
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
    """What the pool must say of an order, from the truth about it."""
    closed_by_refund = order["status"] == "closed" and order["paid"]
    return {
        **{name: order[name] for name in ("status", "platform_status", "currency", "is_presale")},
        **{name: Decimal(order[name]) for name in MONEY},
        **{name: moment(order[theirs]) for name, theirs in TIMES.items()},
        **{name: order["receiver"][name] for name in ("province", "city", "district")},
        "hold": order["hold"] and order["status"] != "closed",
        "oaid": order["receiver"]["oaid"],
        "buyer_message": order["buyer_message"] or None,
        "seller_memo": order["seller_memo"] or None,
        "refunded": bool(closed_by_refund),
        "lines": [
            (line["platform_line_id"], line["sku"], line["quantity"], Decimal(line["unit_price"]),
             Decimal(line["line_amount"]), line["is_gift"], line["refund_status"])
            for line in order["lines"]
        ],
        "refunds": {
            (refund["platform_refund_id"], refund["platform_line_id"], refund["status"], Decimal(refund["amount"]))
            for refund in order["refunds"]
        },
    }  # fmt: skip


def pooled(run):
    """The same of every order in the pool, by number."""
    cursor = run.lake.execute(
        """
        SELECT o.*, c.oaid, c.buyer_message AS message, c.seller_memo AS memo,
            (SELECT list((i.platform_line_id, i.sku, i.quantity, i.unit_price, i.line_amount, i.is_gift,
                          i.refund_status) ORDER BY i.line_no)
             FROM core.order_items i WHERE i.order_id = o.order_id) AS lines,
            (SELECT list((r.platform_refund_no, r.platform_line_id, r.status, r.amount))
             FROM core.refunds r WHERE r.order_id = o.order_id) AS refunds
        FROM core.orders o JOIN vault.pii.contacts c USING (order_id)"""
    )
    names = [column[0] for column in cursor.description]
    found = {}
    for row in (dict(zip(names, values, strict=True)) for values in cursor.fetchall()):
        found[row["platform_order_no"]] = {
            **{name: row[name] for name in ("status", "platform_status", "currency", "is_presale", *MONEY)},
            **{name: row[name].astimezone(UTC) if row[name] else None for name in TIMES},
            **{name: row[name] for name in ("province", "city", "district", "oaid")},
            "hold": row["hold_status"] == "platform_hold",
            "buyer_message": row["message"],
            "seller_memo": row["memo"],
            "refunded": row["status"] == "closed" and row["payment_status"] == "refunded",
            "lines": [tuple(line.values()) if isinstance(line, dict) else line for line in row["lines"]],
            "refunds": {tuple(case.values()) if isinstance(case, dict) else case for case in row["refunds"] or []},
        }
    return found


@pytest.fixture
def home(sandbox, tmp_path, monkeypatch):
    """(sandbox, settings) of a hub whose only shop is the Douyin one, with two hundred orders of history."""
    world = sandbox(shops="douyin-hz", history=12, orders_per_hour=17, pace=8)
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


def pull(settings, *, pool):
    with flow.open_run(settings, say=lambda text: None) as run:
        report = flow.pull(run)
        if pool:
            flow.pool(run)
    return report


def test_the_pool_is_what_the_platform_truly_holds(home):
    world, settings = home
    for state in ("forbid_consign", "refund_requested", "refund_refused"):
        world.orders("douyin-hz", 2, state=state)
    (part,) = world.orders("douyin-hz", state="completed", skus=["TEE-RED-M", "SOCK-5"])
    world.advance(part, "refunded", what="line")
    (whole,) = world.orders("douyin-hz", state="completed")
    world.advance(whole, "refunded")
    world.orders("douyin-hz", 3, presale=True, ages=True)
    world.step(120)
    for kind, choice in TRAPS:
        world.fault("douyin", kind, **choice)
    report = pull(settings, pool=True)
    world.step(600)  # half an hour of life between two pulls, the lists moving under the second one
    for kind in ("shifted_page", "late_commit"):
        world.fault("douyin", kind, times=3, **({"seconds": 30} if kind == "late_commit" else {}))
    world.step(1200)
    assert [error for error in report.errors if "settle" not in error] == []
    for last in (False, True):
        report = pull(settings, pool=last)
        world.step(120)
    assert report.errors == []
    with flow.open_run(settings, say=lambda text: None) as run:
        ours = pooled(run)
        cursor = run.lake.execute("SELECT max(window_to) FROM vault.raw.pull_windows WHERE kind = 'order'")
        (reached,) = cursor.fetchone()
    settled = [order for order in world.truth() if moment(order["modified"]) < reached]
    assert len(settled) >= 200
    wrong = {
        (number := order["platform_order_no"], name): (ours.get(number, {}).get(name), ought)
        for order in settled
        for name, ought in truly(order).items()
        if ours.get(order["platform_order_no"], {}).get(name) != ought
    }
    assert wrong == {}
    statuses = {"pending_payment", "paid", "shipped", "completed", "closed", "after_sale"}
    assert {order["status"] for order in settled} == statuses
    assert {order["platform_status"] for order in settled} >= {"105", "4/21", "4/39", "1/103"}
    assert {line["refund_status"] for order in settled for line in order["lines"]} >= {"none", "refunded"}
