"""Backtest: what another version of the rules would have made of a past period, beside the version in force.

Nothing is written. Both versions judge the same facts, those the orders have now, so the result is what deciding those
days again under the other version gives.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from orderpipe.config import Settings
from orderpipe.errors import OrderpipeError
from orderpipe.flow import activation, judging
from orderpipe.lake import dicts, models, open_workbench
from orderpipe.lake.reference import load_reference, load_warehouses
from orderpipe.rules.compile import rules_sql
from orderpipe.rules.language import RuleSet, restore
from orderpipe.rules.purposes import FIRST

LISTED = 20


@dataclass(frozen=True)
class Total:
    """A sum under the version in force and under the other."""

    name: str
    before: Decimal
    after: Decimal


@dataclass
class BacktestReport:
    """What would change. rows: orders (or goods, or declaration lines) judged; changed: those the versions judge
    differently; moves: (before, after, rows), most first; totals: what it costs; listed: examples with their key;
    seconds: of the judging, the facts included."""

    purpose: str
    before: str
    after: str
    since: datetime
    until: datetime
    rows: int = 0
    changed: int = 0
    moves: list[tuple[str, str, int]] = field(default_factory=list)
    totals: list[Total] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for --json."""
        return asdict(self)


def backtest(
    settings: Settings,
    candidate: RuleSet,
    since: datetime,
    until: datetime,
    *,
    say: Callable[[str], None] = lambda text: None,
    listed: int = LISTED,
) -> BacktestReport:
    """Judge the orders placed in [since, until) (aware UTC) that were ever paid by the rules in force and by candidate.

    listed: how many of the changed rows to name, newest first; None for all. Raises OrderpipeError when there is no
    lake yet, or no rules of this purpose are in force.
    """
    purpose = candidate.purpose
    with _workbench(settings) as con:
        began = time.perf_counter()
        texts = activation.stored(con)
        if purpose.name not in texts:
            raise OrderpipeError(
                f"no {purpose.name} rules are in force yet",
                where=str(settings.home.path),
                remedy="run `orderpipe tick` once, or `orderpipe rules activate`",
            )
        in_force = restore(texts[purpose.name], purpose)
        report = BacktestReport(purpose.name, in_force.version, candidate.version, since, until)
        load_reference(con, settings)
        load_warehouses(con, settings)
        say("gathering facts")
        facts = _facts(con, purpose.name, since, until)
        for rules, side in ((in_force, "before"), (candidate, "after")):
            say(f"judging by {rules.version}")
            _judge(con, rules, facts, side)
        _compare(con, report, facts, purpose.key, listed)
        report.totals = _totals(con, purpose.name)
        report.seconds = round(time.perf_counter() - began, 3)
    return report


@contextmanager
def _workbench(settings: Settings) -> Iterator[Any]:
    con = open_workbench(settings)
    try:
        yield con
    finally:
        con.close()


def _facts(con, name: str, since: datetime, until: datetime) -> str:
    """Gather the facts of a purpose; gives the table that holds them."""
    con.execute(
        """CREATE OR REPLACE TABLE work.candidates AS
           SELECT order_id FROM core.orders
           WHERE ordered_at >= $since AND ordered_at < $until AND (paid_at IS NOT NULL OR payment_status = 'cod')""",
        {"since": since, "until": until},
    )
    if name == "stock":
        models.build(con, "decision/sku_facts", "work.sku_facts")
        return "work.sku_facts"
    judging.gather_facts(con)
    if name != "customs":
        return "work.order_facts"
    con.execute(
        """CREATE OR REPLACE TABLE work.routes AS
           FROM decision.routes SEMI JOIN work.candidates USING (order_id)"""
    )
    models.build(con, "decision/customs_facts", "work.customs_facts")
    return "work.customs_facts"


def _judge(con, rules: RuleSet, facts: str, side: str) -> None:
    """Fill work.before or work.after: the key columns, outcome VARCHAR (null where no rule says anything), and what
    the totals need."""
    name, key = rules.purpose.name, ", ".join(rules.purpose.key)
    if name == "routing":
        judging.route(con, rules)
        models.build(con, "backtest/plan", f"work.{side}_plan")
        con.execute(
            f"CREATE OR REPLACE TABLE work.{side} AS SELECT order_id, warehouse AS outcome FROM work.{side}_plan"
        )
        return
    con.execute(f"CREATE OR REPLACE TABLE work.{side}_judged AS {rules_sql(rules, facts)}")
    shown = {
        "risk": "rule_id || if(action = 'review', '（复核）', '（标记）')",
        "gifts": "gift || ' × ' || quantity",
        "stock": "suspend_at || ' / ' || resume_at",
        "ship_by": "hours || ' h'",
        "customs": "rule_id || if(level = 'block', '（阻断）', '（提醒）')",
    }[name]
    one = f"any_value({shown})" if rules.purpose.mode == FIRST else f"string_agg({shown}, '，' ORDER BY {shown})"
    con.execute(
        f"CREATE OR REPLACE TABLE work.{side} AS SELECT {key}, {one} AS outcome FROM work.{side}_judged GROUP BY {key}"
    )


def _compare(con, report: BacktestReport, facts: str, key: tuple[str, ...], listed: int | None) -> None:
    names = ", ".join(key)
    con.execute(
        f"""CREATE OR REPLACE TABLE work.differences AS
            SELECT {names}, coalesce(b.outcome, '—') AS before, coalesce(a.outcome, '—') AS after
            FROM work.before b FULL JOIN work.after a USING ({names})
            WHERE b.outcome IS DISTINCT FROM a.outcome"""
    )
    (report.rows,) = con.execute(f"SELECT count(*) FROM {facts}").fetchone()
    (report.changed,) = con.execute("SELECT count(*) FROM work.differences").fetchone()
    report.moves = con.execute(
        "SELECT before, after, count(*) FROM work.differences GROUP BY ALL ORDER BY 3 DESC, 1, 2"
    ).fetchall()
    order = "order_id" in key
    more = "o.platform, o.shop_id, o.platform_order_no, " if order else ""
    join = "JOIN core.orders o USING (order_id)" if order else ""
    limit = "" if listed is None else f"LIMIT {int(listed)}"
    report.listed = dicts(
        con,
        f"SELECT {names}, {more}before, after FROM work.differences d {join} ORDER BY {key[0]} DESC, {names} {limit}",
    )


_TOTALS = {
    "routing": {
        "包裹数": "SELECT sum(parcels) FROM work.{side}_plan",
        "拆单数": "SELECT count(*) FROM work.{side}_plan WHERE parcels > 1",
        "运费（元）": "SELECT sum(freight_cny) FROM work.{side}_plan",
        "转人工审核": "SELECT count(*) FROM work.{side}_plan WHERE warehouse IN ('cross_border_review', 'unrouted')",
    },
    "risk": {
        "暂停复核订单数": "SELECT count(DISTINCT order_id) FROM work.{side}_judged WHERE action = 'review'",
        "仅标记订单数": "SELECT count(DISTINCT order_id) FROM work.{side}_judged WHERE action = 'flag'",
    },
    "gifts": {
        "赠品件数": "SELECT sum(quantity) FROM work.{side}_judged",
        "赠品成本（元）": """SELECT sum(g.cost_cny * j.quantity)
                            FROM work.{side}_judged j JOIN ref.goods g ON g.sku = j.gift""",
    },
    "stock": {
        "现在会下架的商品数": """SELECT count(*) FROM work.{side}_judged j
                                  JOIN (SELECT sku, sum(on_hand) AS n FROM core.stock GROUP BY sku) s USING (sku)
                                  LEFT JOIN (SELECT sku, sum(quantity) AS n FROM decision.reserved GROUP BY sku) r
                                         USING (sku)
                                  WHERE s.n - coalesce(r.n, 0) <= j.suspend_at""",
    },
    "ship_by": {
        "超时订单数": """SELECT count(*) FROM work.{side}_judged j JOIN core.orders o USING (order_id)
                         WHERE o.shipped_at > o.paid_at + to_hours(j.hours)""",
    },
    "customs": {
        "资料不全订单数": "SELECT count(DISTINCT order_id) FROM work.{side}_judged WHERE level = 'block'",
    },
}


def _totals(con, name: str) -> list[Total]:
    def value(query: str, side: str) -> Decimal:
        return Decimal(con.execute(query.format(side=side)).fetchone()[0] or 0)

    return [
        Total(title, value(query, "before"), value(query, "after")) for title, query in _TOTALS.get(name, {}).items()
    ]
