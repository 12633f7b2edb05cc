"""The stock guard against a model of five lines: hysteresis, episodes, and nothing written when nothing changed."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderpipe import flow
from orderpipe.lake.landing import PulledWindow, land

START = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
GOODS = ["CUP-500-BL", "CUP-500-WH", "GLS-WINE-2", "GLS-JUG-1L", "NOT-IN-MASTER-1", "NOT-IN-MASTER-2"]
STEPS = 5
BOUNDS = {"GLS-WINE-2": (0, 1), "GLS-JUG-1L": (2, 30)}  # the others: the default of the shipped rules
RULES = """rules:
  - {id: dear, when: {all: [{sku: {eq: GLS-WINE-2}}]}, then: {suspend_at: 0, resume_at: 1}, note: scarce}
  - {id: jug, when: {all: [{sku: {eq: GLS-JUG-1L}}]}, then: {suspend_at: 2, resume_at: 30}, note: slow to come back}
"""


def model(state, pieces, suspend_at, resume_at):
    """What the goods' state is after such a count."""
    if pieces <= suspend_at:
        return "suspended"
    return "selling" if pieces >= resume_at else state


def stock(pool, at, pieces, warehouse="HZ"):
    """Land and pool answers of a warehouse: pieces by goods."""
    windows = []
    for sku, count in pieces.items():
        rows = [{"itemCode": sku, "inventoryType": "ZP", "quantity": str(count), "lockQuantity": "0"}]
        text = json.dumps({"itemCode": sku, "items": rows})
        windows.append(PulledWindow("wms", warehouse, "stock", at, at, 1, [(sku, at, text)]))
    with pool.run.writing("landing"):
        land(pool.run.lake, pool.settings, windows, run_id="run-1", now=at)
    pool.pool()
    pool.run.started_at = at


def guarded(pool):
    return {row["sku"]: row for row in pool.rows("FROM decision.stock_guard")}


@pytest.fixture(scope="module")
def configured_rules(tmp_path_factory):
    """A copy of config/ with rules of their own for two goods before the shipped ones."""
    import shutil

    from orderpipe.config import ROOT

    folder = tmp_path_factory.mktemp("config") / "config"
    shutil.copytree(ROOT / "config", folder)
    path = folder / "rules" / "stock.yaml"
    shipped = path.read_text("utf-8")
    rules = shipped[shipped.index("  - id:") :].partition("\nexamples:")[0]
    path.write_text(RULES + rules, "utf-8")
    return folder


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    histories=st.lists(
        st.lists(st.integers(0, 12) | st.sampled_from([29, 30, 31]), min_size=STEPS, max_size=STEPS),
        min_size=len(GOODS),
        max_size=len(GOODS),
    )
)
def test_goods_are_suspended_and_come_back_as_the_model_says(new_pool, configured_rules, histories):
    pool = new_pool(configured_rules)
    by_goods = dict(zip(GOODS, histories, strict=True))
    stock(pool, START, dict.fromkeys(GOODS, 0), "FS")
    state, episode = dict.fromkeys(GOODS, "selling"), dict.fromkeys(GOODS, 0)
    for step in range(STEPS):
        pieces = {sku: counts[step] for sku, counts in by_goods.items()}
        stock(pool, START + timedelta(minutes=15 * step), pieces)
        report = flow.guard_stock(pool.run)
        before = dict(state)
        for sku, count in pieces.items():
            state[sku] = model(state[sku], count, *BOUNDS.get(sku, (5, 10)))
            episode[sku] += (before[sku], state[sku]) == ("selling", "suspended")
        rows = guarded(pool)
        assert {sku: (row["state"], row["episode"], row["sellable"]) for sku, row in rows.items()} == {
            sku: (state[sku], episode[sku], pieces[sku]) for sku in GOODS
        }
        changed = {sku for sku in GOODS if state[sku] != before[sku]}
        assert report.suspended + report.resumed == len(changed)
        assert {sku for sku, row in rows.items() if row["since"] == pool.run.started_at} >= changed
    snapshot = pool.rows("SELECT max(snapshot_id) FROM lake.snapshots()")
    pool.run.started_at += timedelta(minutes=15)
    assert flow.guard_stock(pool.run).instructions == {}
    assert pool.rows("SELECT max(snapshot_id) FROM lake.snapshots()") == snapshot, "nothing changed, nothing is written"
    pool.close()


def test_goods_of_unknown_stock_are_left_alone(pool):
    assert flow.guard_stock(pool.run).judged == 0
    stock(pool, START, {"CUP-500-BL": 0})
    assert flow.guard_stock(pool.run).judged == 0 and guarded(pool) == {}, "the other warehouse may hold many"
    stock(pool, START, {"CUP-500-BL": 3}, "FS")
    assert flow.guard_stock(pool.run).suspended == 1
    assert guarded(pool)["CUP-500-BL"]["on_hand"] == 3


def test_the_facts_the_rules_ask_are_kept_with_the_decision(new_pool, configured_rules):
    pool = new_pool(configured_rules)
    for warehouse in ("HZ", "FS"):
        stock(pool, START, {"GLS-WINE-2": 0, "CUP-500-BL": 50}, warehouse)
    flow.guard_stock(pool.run)
    rows = guarded(pool)
    assert (rows["GLS-WINE-2"]["rule_id"], rows["GLS-WINE-2"]["suspend_at"], rows["GLS-WINE-2"]["resume_at"]) == (
        "dear", 0, 1,
    )  # fmt: skip
    assert json.loads(rows["CUP-500-BL"]["facts"]) == {"sku": "CUP-500-BL"}
    (version,) = {row["rule_version"] for row in rows.values()}
    assert pool.rows("SELECT purpose FROM decision.rule_versions WHERE rule_version = $v", v=version) == [
        {"purpose": "stock"}
    ]
