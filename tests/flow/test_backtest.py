"""A backtest says beforehand what deciding the same days under the other rules then gives, order by order."""

from datetime import timedelta
from random import Random

import pytest

from orderpipe.flow import activation
from orderpipe.flow.backtest import backtest
from orderpipe.rules.purposes import NAMES

FRAGILE = "{any: [{any_fragile: {eq: true}}, {any_glass: {eq: true}}]}\n    then: {warehouse: FS}"
OFTEN = "{all: [{id_orders_30d: {gt: 3}}]}"
OTHER = {
    "routing": (
        (
            "rules/routing.yaml",
            FRAGILE,
            FRAGILE.replace("{any_fragile: {eq: true}}", "{quantity: {gte: 2}}").replace("FS}", "FS, split: true}"),
        ),
    ),
    "risk": (
        ("rules/risk.yaml", OFTEN, "{all: [{phone_orders_30d: {gt: 3}}, {segment: {ne: new}}]}"),
        ("rules/risk.yaml", "quantity: {gte: 50}", "quantity: {gte: 3}"),
    ),
}


@pytest.fixture(scope="module")
def lived(new_pool, rules_config, write, state, line):
    """Two hundred minutes of orders, all of them open, decided under the calm rules."""
    random = Random(7)
    pool = new_pool(rules_config())
    documents = []
    for number in range(40):
        lines = tuple(
            line(random.choice(["CUP-500-BL", "GLS-WINE-2", "NOT-IN-MASTER"]), random.randint(1, 3))
            for _ in range(random.randint(1, 3))
        )
        platform, minutes = random.choice(["taobao", "shopify"]), timedelta(minutes=5 * number)
        country = random.choice(["CN", "CN", "US"]) if platform == "shopify" else "CN"
        one = state(str(3000 + number), 1, "paid", lines, random.randint(0, 2), buyer=random.choice("789"),
                    country=country, ordered=state("1").ordered - timedelta(days=1) + minutes)  # fmt: skip
        documents.append(write(platform, one))
    pool.take(*documents)
    return pool


QUERIES = {
    "routing": """SELECT r.order_id, coalesce(l.warehouses, r.warehouse_id, 'unrouted') AS outcome
                  FROM decision.routes r
                  LEFT JOIN (SELECT order_id, string_agg(DISTINCT warehouse_id, '+' ORDER BY warehouse_id) AS warehouses
                             FROM decision.route_lines GROUP BY order_id) l USING (order_id)""",
    "risk": """SELECT order_id, string_agg(rule_id || if(action = 'review', '（复核）', '（标记）'), '，'
                                           ORDER BY rule_id) AS outcome
               FROM decision.risk_flags GROUP BY order_id""",
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_backtest_is_what_running_those_days_gives(lived, rules_config, state, name):
    def decided():
        return {row["order_id"]: row["outcome"] for row in lived.rows(QUERIES[name])}

    def run_under(folder):
        rules = activation.read(lived.settings, name, folder / "rules" / f"{name}.yaml")
        with lived.run.writing("rules"):
            activation.activate(lived.run, [rules], actor="tester", note="try")
        lived.decide()
        return rules

    since = state("1").ordered - timedelta(days=1)
    before, known = decided(), lived.hashes()
    other = rules_config(OTHER[name])
    candidate = activation.read(lived.settings, name, other / "rules" / f"{name}.yaml")
    report = backtest(lived.settings, candidate, since, since + timedelta(minutes=160), listed=None)
    assert lived.hashes() == known  # nothing was written

    run_under(other)
    after = decided()
    early = {
        row["order_id"]
        for row in lived.rows(
            "SELECT order_id FROM core.orders WHERE ordered_at < $until", until=since + timedelta(minutes=160)
        )
    }
    differing = {
        order: (before.get(order, "—"), after.get(order, "—"))
        for order in early
        if before.get(order) != after.get(order)
    }
    assert {row["order_id"]: (row["before"], row["after"]) for row in report.listed} == differing != {}
    assert report.rows == len(early) == 32
    assert sum(rows for _, _, rows in report.moves) == report.changed == len(differing)
    if name == "routing":
        parcels = next(total for total in report.totals if total.name == "包裹数")
        assert parcels.after == sum(1 + after[order].count("+") for order in early)
    run_under(rules_config())
    assert decided() == before


@pytest.mark.parametrize("name", NAMES)
def test_rules_beside_themselves_change_nothing(lived, rules_config, state, name):
    since = state("1").ordered - timedelta(days=1)
    same = activation.read(lived.settings, name, rules_config() / "rules" / f"{name}.yaml")
    report = backtest(lived.settings, same, since, since + timedelta(days=2))
    assert (report.changed, report.moves, report.listed) == (0, [], [])
    assert all(total.before == total.after for total in report.totals)
    assert report.rows > 0 or name == "stock"
