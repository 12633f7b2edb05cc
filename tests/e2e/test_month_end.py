"""A month of life over seven shops, pulled, its statements imported: nothing is left over, and every mistake that was
planted in a statement is found, and nothing else is."""

from collections import Counter
from decimal import Decimal

import pytest

from orderpipe import config, flow
from orderpipe.flow.marts import build_marts
from orderpipe.flow.replay import replay
from orderpipe.imports.importing import import_file
from orderpipe.lake import reader

SEVEN = ("taobao-hz", "pinduoduo-hz", "douyin-hz", "jd-hz", "shopee-sg", "lazada-my", "shopify-us")
MONTHS = ("2026-11", "2026-12")
DAY = 86_400
KINDS = {
    "missing_in_statement", "unknown_order", "amount_differs", "settled_twice", "refund_not_settled", "refund_unknown",
    "fee_unexpected", "currency_differs", "late",
}  # fmt: skip


@pytest.fixture
def lived(hub):
    """A hub on seven shops: two weeks of orders, and then as long as it takes until all of them have come to their end,
    pulled as it went."""
    here = hub(",".join(SEVEN), seed=23, history=60, orders_per_hour=0.16, pace=2)
    for days in (0, 5, 5, 5, 6, 6, 6, 6):
        here.sandbox.step(days * DAY)
        if days == 6:
            here.sandbox.control("POST", "settings", orders_per_hour=0)
        with flow.open_run(here.settings) as run:
            assert flow.pull(run).errors == []
    with flow.open_run(here.settings) as run:
        flow.pool(run)
        flow.decide(run)
    return here


def statements(here, settings, folder, errors=0):
    """Import every shop's statements into a home; mistakes only in the first month. Gives the mistakes."""
    planted = []
    folder.mkdir()
    with flow.open_run(settings) as run:
        for shop in SEVEN:
            for month in MONTHS:
                asked = {"shop": shop, "month": month, "errors": errors if month == MONTHS[0] else 0, "seed": 4}
                url = f"{here.sandbox.url}/_control/settlements"
                content = here.sandbox.http.get(url, params=asked).raise_for_status().content
                mistakes = here.sandbox.http.get(f"{url}/errors", params=asked).json()
                planted += [{**one, "shop": shop} for one in mistakes]
                if content.count(b"\n") <= 2:  # headers, and Douyin's explanation of them
                    continue
                path = folder / f"{shop}-{month}.csv"
                path.write_bytes(content)
                report = import_file(run, path, shop=shop)
                assert (report.status, report.refused, report.mapping) == ("done", 0, "settlement")
        pooled = flow.pool(run)
        assert (pooled.quarantine, pooled.unknown) == ({}, [])
        build_marts(run)
        assert [check.detail for check in flow.check(run) if not check.ok] == []
    return planted


def rows(settings, query):
    with reader(settings) as con:
        cursor = con.execute(query)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_what_is_settled_leaves_nothing_over_and_every_mistake_is_found(lived, tmp_path):
    twin = config.Settings(config.Home(tmp_path / "twin"), lived.settings.config_dir, lived.settings.env)
    replayed = replay(lived.settings, tmp_path / "twin")
    assert [table.table for table in replayed if not table.same and table.table.startswith("core.")] == []

    assert statements(lived, lived.settings, tmp_path / "right") == []
    assert rows(lived.settings, "SELECT shop_id, kind, platform_order_no FROM mart.settlement_gaps") == []
    nothing_is_left(lived)

    planted = statements(lived, twin, tmp_path / "wrong", errors=9)
    assert {one["kind"] for one in planted} == KINDS and len(planted) > 50
    every_mistake_is_found(rows(twin, "FROM mart.settlement_gaps"), planted)


def nothing_is_left(here):
    """Every shop's residual is 0.00: what was paid was settled or refunded, to the cent, and that is the truth."""
    rows = here.rows(
        """SELECT shop_id, sum(held) AS residual, sum(settled) AS settled, sum(received) AS received
           FROM mart.receivables GROUP BY shop_id"""
    )
    assert {row["shop_id"]: row["residual"] for row in rows} == dict.fromkeys(SEVEN, Decimal("0.00"))
    true = {shop: Decimal(0) for shop in SEVEN}
    for order in here.sandbox.truth():
        if not order["is_test"]:
            true[order["shop_id"]] += Decimal(order["paid_amount"]) - Decimal(order["refunded_amount"])
    assert {row["shop_id"]: row["settled"] for row in rows} == true
    assert all(row["received"] > 0 for row in rows)


def every_mistake_is_found(gaps, planted):
    """And nothing else is."""
    found = Counter((row["shop_id"], row["kind"], row["platform_order_no"]) for row in gaps)
    assert found == Counter((one["shop"], one["kind"], one["platform_order_no"]) for one in planted)
    told = {(one["shop"], one["platform_order_no"]): one for one in planted}
    for row in gaps:
        one = told[row["shop_id"], row["platform_order_no"]]
        if row["kind"] == "currency_differs":  # the amounts are of two currencies
            assert row["found"] == Decimal(one["told"])
        else:
            assert row["difference"] == Decimal(one["told"]) - Decimal(one["true"]), row["kind"]
        assert row["advice"]
