"""Decide: routes, risks, holds and parcels of the orders that changed, and the instructions that follow, in one
transaction."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orderpipe.dispatch import outbox
from orderpipe.failpoint import reach
from orderpipe.flow import activation, judging, parcelling
from orderpipe.flow.returning import return_alerts
from orderpipe.flow.review_alerts import review_alerts
from orderpipe.flow.run import Run
from orderpipe.lake import merge, models, snapshot
from orderpipe.lake.reference import load_reference
from orderpipe.rules.language import RuleSet

# Files beside the rules that change what is decided about orders that may still ship.
_REFERENCES = ("goods.csv", "regions.csv", "blacklist.csv", "holidays.csv")
# In this order: each may read those before it. The flags and routes of an order stay as long as it was ever paid.
_DECISIONS = ("routes", "route_lines", "risk_flags", "ship_by", "customs_checks", "customs")


@dataclass
class DecideReport:
    """What a decision did. held: orders by hold_status among those decided; flagged: orders by risk rule; parcels: how
    many were planned; instructions: new ones by kind."""

    decided: int = 0
    routes: int = 0
    changed: int = 0
    held: dict[str, int] = field(default_factory=dict)
    flagged: dict[str, int] = field(default_factory=dict)
    parcels: int = 0
    instructions: dict[str, int] = field(default_factory=dict)
    alerts: int = 0


def decide(run: Run, alerts: Iterable[tuple[str, str]] = ()) -> DecideReport:
    """Decide on every order the pool touched since the last decision, and on those it bears upon, and write what must
    be done to the outbox.

    alerts: (key, Chinese text) for the operators; a key that was alerted before is not alerted again. Orders that newly
    wait for a person are told as well. Raises ConfigError when rules or reference files are wrong.
    """
    con, alerts = run.lake, list(alerts)
    with run.writing("decide"):
        con.execute(
            "CREATE OR REPLACE TABLE work.run AS SELECT $id AS id, $now::TIMESTAMPTZ AS started_at",
            {"id": run.id, "now": run.started_at},
        )
        rules = activation.active(run)
        _bring_in_line(run, rules)
        with snapshot(con):
            _choose(run)
            raised = _raise(run, alerts)
            (decided,) = con.execute("SELECT count(*) FROM work.candidates").fetchone()
            if not decided and not raised:
                return DecideReport()
            load_reference(con, run.settings)
            _judge(run, rules)
            parcelling.parcel(run, rules)
            raised = _raise(run, [*alerts, *review_alerts(run), *return_alerts(run)])
        report = DecideReport(decided=decided, alerts=raised)
        with run.transaction("lake", "decide"):
            if decided:
                for name in _DECISIONS:
                    written = merge.replace(con, f"decision.{name}", f"work.{name}", "work.candidates")
                    report.routes += written if name == "routes" else 0
                report.changed = merge.replace(con, "core.orders", "work.decided_orders")
                parcelling.store(run)
                con.execute("DELETE FROM flow.touched")
            if raised:
                outbox.write(con, "work.alerts")
            reach("decide.before_commit")
        reach("decide.committed")
        report.held = _counts(con, "SELECT hold_status FROM work.orders_now WHERE hold_status IS NOT NULL")
        report.flagged = _counts(con, "SELECT rule_id FROM work.risk_flags")
        report.instructions = _counts(con, parcelling.INSTRUCTED)
        (report.parcels,) = con.execute("SELECT count(DISTINCT parcel_id) FROM work.parcels").fetchone()
    return report


def _choose(run: Run) -> None:
    """Fill work.candidates: the orders that changed and those whose decision they bear upon."""
    con = run.lake
    judging.bound_links(con)
    models.build(con, "decision/linked", "work.linked")
    con.execute(
        """CREATE OR REPLACE TABLE work.candidates AS
           SELECT DISTINCT order_id FROM flow.touched UNION SELECT order_id FROM work.linked"""
    )


def _judge(run: Run, rules: Mapping[str, RuleSet]) -> None:
    """Fill a work table for every decision, work.orders_now, work.decided_orders and work.shippable."""
    con = run.lake
    judging.gather_facts(con)
    judging.route(con, rules["routing"])
    judging.judge_orders(con, rules)
    for name in ("routes", "route_lines", "risk_flags", "ship_by"):
        models.build(con, f"decision/{name}", f"work.{name}")
    judging.judge_customs(con, rules["customs"])
    for name in ("customs_checks", "customs", "review_state"):
        models.build(con, f"decision/{name}", f"work.{name}")
    models.build(con, "decision/orders", "work.orders_now")
    con.execute(
        """CREATE OR REPLACE TABLE work.decided_orders AS
           FROM work.orders_now EXCEPT FROM core.orders WHERE order_id IN (SELECT order_id FROM work.candidates)"""
    )
    models.build(con, "decision/shippable", "work.shippable")


def _bring_in_line(run: Run, rules: Mapping[str, RuleSet]) -> None:
    """When rules or reference files have changed: describe the goods of stored lines anew, and put every order that may
    still ship up for decision. What has gone out keeps the decision it went by."""
    con = run.lake
    digest = hashlib.sha256("".join(rules[name].version for name in sorted(rules)).encode())
    for name in _REFERENCES:
        path = run.settings.config_dir / name
        digest.update(path.read_bytes() if path.exists() else b"")
    version = digest.hexdigest()[:16]
    if con.execute("SELECT version FROM flow.reference WHERE name = 'decisions'").fetchone() == (version,):
        return
    load_reference(con, run.settings)
    models.build(con, "decision/items_refreshed", "work.items_refreshed")
    models.build(con, "decision/reopened", "work.reopened")
    con.execute(
        "CREATE OR REPLACE TABLE work.reference AS SELECT 'decisions' AS name, $version AS version",
        {"version": version},
    )
    with run.transaction("lake", "reference files"):
        merge.replace(con, "core.order_items", "work.items_refreshed")
        merge.append(con, "flow.touched", "work.reopened")
        merge.replace(con, "flow.reference", "work.reference")


def _counts(con, select: str) -> dict[str, int]:
    return dict(con.execute(f"SELECT #1, count(*) FROM ({select}) GROUP BY 1 ORDER BY 1").fetchall())


def _raise(run: Run, alerts: Iterable[tuple[str, str]]) -> int:
    """Fill work.alerts with those that are new; how many."""
    con = run.lake
    con.execute("CREATE OR REPLACE TABLE work.raised (key VARCHAR, text VARCHAR)")
    for key, text in alerts:
        con.execute("INSERT INTO work.raised VALUES ($key, $text)", {"key": key, "text": text})
    return outbox.prepare_alerts(con, run_id=run.id, now=run.started_at)
