"""Decisions taken bit by bit, whatever came late and whenever rules changed, are those of deciding all at once."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderpipe.flow import activation

few = settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
PURE = ("decision.routes", "decision.route_lines", "decision.risk_flags", "decision.ship_by", "decision.customs_checks")
PLANNED = ("decision.gifts", "decision.parcels", "decision.reserved")
ROUTING, RISK, GIFTS = "rules/routing.yaml", "rules/risk.yaml", "rules/gifts.yaml"
SAME_ID = "{all: [{id_orders_30d: {gt: 3}}]}"
RULES = {
    "a": (
        (ROUTING, "merge_window_minutes: 0", "merge_window_minutes: 45"),
        (ROUTING, "{warehouse: FS}\n    note: 易碎品", "{warehouse: FS, split: true}\n    note: 易碎品"),
        (RISK, SAME_ID, "{any: [{phone_orders_1d: {gt: 2}}, {address_buyers_90d: {gt: 1}}]}"),
        (RISK, "buyer_refunds_90d: {gte: 4}", "buyer_refunds_90d: {gte: 1}"),
        (GIFTS, "paid_amount_cny: {gte: 300}", "paid_amount_cny: {gte: 200}"),
    ),
    "b": (
        (ROUTING, "[{region: {eq: 华东}}, {any_glass: {eq: false}}]", "[{is_first_order: {eq: true}}]"),
        (RISK, SAME_ID, "{all: [{buyer_orders_365d: {gte: 2}}]}"),
        (RISK, "phone_buyers_90d: {gte: 4000}", "phone_buyers_90d: {gte: 2}"),
    ),
}


@pytest.fixture(scope="module")
def configs(rules_config):
    """Two configurations whose rules look at many orders at a time."""
    return {name: rules_config(changes) for name, changes in RULES.items()}


@st.composite
def histories(draw):
    """Orders of a few buyers, phones and addresses, each in one or two states, and cases; in the order they arrive."""
    events = []
    for number in range(1001, 1001 + draw(st.integers(2, 5))):
        content = {
            "buyer": draw(st.sampled_from(["7", "8", None])),
            "ordered": draw(st.sampled_from([0, 10, 40, 1500, 50_000])),
            "lines": draw(st.sampled_from([("CUP-500-BL",), ("GLS-WINE-2",), ("CUP-500-BL", "GLS-WINE-2")])),
        }
        platform = draw(st.sampled_from(["taobao", "taobao", "shopify"]))
        for minute in range(draw(st.integers(1, 2))):
            status = draw(st.sampled_from(["paid", "paid", "paid", "unpaid", "shipped", "closed"]))
            events.append(("order", platform, str(number), minute + 1, status, draw(st.integers(0, 1)), content))
        if platform == "taobao" and draw(st.booleans()):
            case = draw(st.sampled_from(["requested", "closed"]))
            events.append(("refund", platform, str(number), 5, case, 0, content))
    return draw(st.permutations(events))


@few
@given(history=histories(), cuts=st.lists(st.integers(1, 9), min_size=1, max_size=3), changes=st.booleans())
def test_bit_by_bit_or_all_at_once(new_pool, configs, write, state, line, refund, history, cuts, changes):
    documents = [_document(event, write, state, line, refund) for event in history]
    pool = new_pool(configs["a"])
    for part, (start, end) in enumerate(zip([0, *sorted(cuts)], [*sorted(cuts), None], strict=True)):
        pool.take(*documents[start:end])
        if changes and part == 0:
            _activate(pool, configs["b"])
    in_pieces = _decisions(pool)

    # Once more, everything: nothing moves. What went out under older rules keeps the decision it went by.
    with pool.run.writing("anew"), pool.run.transaction("lake", "anew"):
        pool.run.lake.execute("INSERT INTO flow.touched SELECT order_id, 'anew' FROM core.orders")
    pool.decide()
    again = _decisions(pool)
    waiting = {row["order_id"] for row in pool.rows("SELECT order_id FROM core.orders WHERE status = 'paid'")}
    for table, rows in in_pieces.items():
        assert _of(rows, waiting if changes else None) == _of(again[table], waiting if changes else None), table
    assert pool.rows("SELECT coalesce(sum(change), 0) AS n FROM decision.reservations") == pool.rows(
        "SELECT coalesce(sum(quantity), 0) AS n FROM decision.reserved"
    )

    # A new home that sees all of it at once, under the rules that are in force at last.
    other = new_pool(configs["b"] if changes else configs["a"])
    other.take(*documents)
    at_once = _decisions(other)
    for table in PURE:
        kept = waiting if changes else None
        assert _of(again[table], kept) == _of(at_once[table], kept), table
    assert other.failed_checks() == [] == pool.failed_checks()
    pool.close()
    other.close()


def _document(event, write, state, line, refund):
    kind, platform, number, minute, status, receiver, content = event
    ordered = state("1").ordered + timedelta(minutes=content["ordered"] - 60_000)
    if kind == "refund":
        return refund(f"9{number}", number, minute, status, ordered=ordered)
    lines = tuple(line(sku) for sku in content["lines"])
    one = state(number, minute, status, lines, receiver, buyer=content["buyer"], ordered=ordered)
    return write(platform, one)


def _activate(pool, config_dir):
    with pool.run.writing("rules"):
        rules = [
            activation.read(pool.settings, name, config_dir / "rules" / f"{name}.yaml")
            for name in ("routing", "risk", "gifts")
        ]
        activation.activate(pool.run, rules, actor="tester", note="trying")


def _decisions(pool):
    """Rows of every decision, and the holds, without what only tells which delivery or run said it."""
    made = {name: pool.rows(f"SELECT * EXCLUDE (source_seq) FROM {name}") for name in PURE[:3]}
    made |= {name: pool.rows(f"FROM {name}") for name in (*PURE[3:], *PLANNED)}
    made["holds"] = pool.rows("SELECT order_id, warehouse_id, hold_status FROM core.orders")
    return made


def _of(rows, orders):
    return sorted(str(row) for row in rows if orders is None or row["order_id"] in orders)
