"""A JD shop from its first order to the pool, with the platform's traps armed: nothing is missed or bent."""

import os
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from orderpipe import config, flow
from orderpipe.flow.verify import verify

ROOT = Path(__file__).resolve().parents[2]
SHOP = """
- id: jd-hz
  platform: jd
  name: 杭州家居京东旗舰店
  timezone: Asia/Shanghai
  currency: CNY
  base_url: {url}/jd
  credentials:
    app_key: ${{JD_APP_KEY}}
    app_secret: ${{JD_APP_SECRET}}
    access_token: ${{JD_ACCESS_TOKEN}}
    refresh_token: ${{JD_REFRESH_TOKEN}}
  settings: {{bu_id: "10000001", page_size: 10, first_pull_hours: 14}}
"""
TRAPS = (
    ("expired_token", {"after": 3}),
    ("business_busy", {"after": 4}),
    ("api_failure", {"after": 6}),
    ("throttle", {"after": 40}),
    ("wrong_count", {"after": 3, "delta": 2}),
    ("wrong_count", {"after": 6, "delta": -4}),
    ("duplicate_rows", {"probability": 0.1}),
    ("missing_field", {"after": 3, "field": "orderId"}),
    ("missing_field", {"after": 8, "field": "modified"}),
    ("missing_field", {"field": "applyTime", "match": "asc"}),
    ("truncated_body", {"after": 6}),
    ("http_502_html", {"after": 7}),
)
MONEY = ("goods_amount", "discount_amount", "shipping_fee", "tax_amount", "payable_amount", "paid_amount")
TIMES = {"ordered_at": "created", "paid_at": "paid", "completed_at": "completed", "updated_at": "modified"}


def moment(text):
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def truly(order):
    """What the pool must say of an order, from the truth about it. A case shows in the order only while it keeps it
    from being shipped; one of before shipping names no line; and no document says when an order was shipped."""
    open_case = any(refund["status"] in ("requested", "returning", "refused") for refund in order["refunds"])
    locked = open_case and not order["shipped"] and order["status"] == "after_sale"
    status = order["status"]
    if status == "after_sale" and not locked:
        status = "completed" if order["completed"] else "shipped"
    return {
        **{name: order[name] for name in ("platform_status", "currency", "is_cod")},
        "status": status,
        **{name: Decimal(order[name]) for name in MONEY},
        **{name: moment(order[theirs]) for name, theirs in TIMES.items()},
        **{name: order["receiver"][name] for name in ("province", "city", "district", "oaid")},
        "hold": locked or order["hold"],
        "buyer_message": order["buyer_message"] or None,
        "seller_memo": order["seller_memo"] or None,
        "lines": [
            (line["sku"], line["quantity"], Decimal(line["unit_price"]), Decimal(line["line_amount"]), line["is_gift"])
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
            (SELECT list((i.sku, i.quantity, i.unit_price, i.line_amount, i.is_gift) ORDER BY i.line_no)
             FROM core.order_items i WHERE i.order_id = o.order_id) AS lines,
            (SELECT list((r.platform_refund_no, r.status, r.amount))
             FROM core.refunds r WHERE r.order_id = o.order_id) AS refunds
        FROM core.orders o JOIN vault.pii.contacts c USING (order_id)"""
    )
    names = [column[0] for column in cursor.description]
    found = {}
    for row in (dict(zip(names, values, strict=True)) for values in cursor.fetchall()):
        found[row["platform_order_no"]] = {
            **{name: row[name] for name in ("status", "platform_status", "currency", "is_cod", "oaid", *MONEY)},
            **{name: row[name].astimezone(UTC) if row[name] else None for name in TIMES},
            **{name: row[name] for name in ("province", "city", "district")},
            "hold": row["hold_status"] == "platform_hold",
            "buyer_message": row["message"],
            "seller_memo": row["memo"],
            "lines": [tuple(line.values()) if isinstance(line, dict) else line for line in row["lines"]],
            "refunds": {tuple(case.values()) if isinstance(case, dict) else case for case in row["refunds"] or []},
        }
    return found


@pytest.fixture
def home(sandbox, tmp_path, monkeypatch):
    """(sandbox, settings) of a hub whose only shop is the JD one, with two hundred orders of history."""
    world = sandbox(shops="jd-hz", history=13, orders_per_hour=18, pace=8)
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
    (unpaid,) = world.orders("jd-hz")
    (presale,) = world.orders("jd-hz", presale=True, ages=True)  # its balance is due
    world.orders("jd-hz", state="forbid_consign")
    (changing,) = world.orders("jd-hz", state="refund_requested", cod=False)
    for kind, choice in TRAPS:
        world.fault("jd", kind, **choice)
    first = pull_and_pool(settings)
    with flow.open_run(settings, say=lambda text: None) as run:
        assert {unpaid, presale}.isdisjoint(pooled(run))
    world.step(600)
    world.advance(changing, "refunded")  # the list of cases still has it where it was asked for
    for kind in ("shifted_page", "late_commit"):
        world.fault("jd", kind, times=3, **({"seconds": 30} if kind == "late_commit" else {}))
    world.step(1200)
    assert [error for error in first.errors if "used up" not in error] == []
    for _ in range(2):
        report = pull_and_pool(settings)
        world.step(120)
    assert report.errors == []
    fired = {fault["kind"] for fault in world.control("GET", "faults") if fault["fired"]}
    assert fired == {kind for kind, _ in TRAPS} | {"shifted_page", "late_commit"}
    with flow.open_run(settings, say=lambda text: None) as run:
        ours = pooled(run)
        cursor = run.lake.execute("SELECT max(window_to) FROM vault.raw.pull_windows WHERE kind = 'order'")
        (reached,) = cursor.fetchone()
        lanes = verify(run, datetime.fromisoformat("2026-11-08T12:00:00Z"))
        assert [lane.gaps for lane in lanes] == [[], []] and all(lane.listed for lane in lanes)
    settled = [order for order in world.truth() if order["listed"] and moment(order["modified"]) < reached]
    assert len(settled) >= 200 and unpaid not in ours
    wrong = {
        (order["platform_order_no"], name): (ours.get(order["platform_order_no"], {}).get(name), ought)
        for order in settled
        for name, ought in truly(order).items()
        if ours.get(order["platform_order_no"], {}).get(name) != ought
    }
    assert wrong == {}
    assert {order["status"] for order in settled} >= {"paid", "shipped", "completed", "closed", "after_sale"}
    assert any(order["hold"] for order in settled) and any(order["is_cod"] for order in settled)
    assert {"requested", "refunded"} <= {refund["status"] for order in settled for refund in order["refunds"]}
    assert {True, False} == {refund["after_shipping"] for order in settled for refund in order["refunds"]}
