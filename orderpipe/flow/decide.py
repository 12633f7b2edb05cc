"""Decide: routes and holds for the orders that changed, and the instructions that follow, in one transaction."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from orderpipe.dispatch import outbox
from orderpipe.flow.run import Run
from orderpipe.lake import merge, models
from orderpipe.lake.reference import load_reference
from orderpipe.rules import compile as rules_compile
from orderpipe.rules import fields, language


@dataclass
class DecideReport:
    """What a decision did. held: orders by hold_status among those decided; instructions: new ones by kind."""

    decided: int = 0
    routes: int = 0
    changed: int = 0
    held: dict[str, int] = field(default_factory=dict)
    instructions: dict[str, int] = field(default_factory=dict)
    alerts: int = 0


def decide(run: Run, alerts: Iterable[tuple[str, str]] = ()) -> DecideReport:
    """Decide on every order the pool touched since the last decision, and write what must be done to the outbox.

    alerts: (key, Chinese text) for the operators; a key that was alerted before is not alerted again.
    """
    con = run.lake
    rules = language.load(run.settings.config_dir / "rules" / "routing.yaml", fields.routing(run.settings.warehouses))
    with run.writing("decide"):
        con.execute(
            "CREATE OR REPLACE TABLE work.run AS SELECT $id AS id, $now::TIMESTAMPTZ AS started_at",
            {"id": run.id, "now": run.started_at},
        )
        _bring_in_line(run, rules)
        con.execute("CREATE OR REPLACE TABLE work.candidates AS SELECT DISTINCT order_id FROM flow.touched")
        raised = _raise(run, alerts)
        (decided,) = con.execute("SELECT count(*) FROM work.candidates").fetchone()
        if not decided and not raised:
            return DecideReport()
        load_reference(con, run.settings)
        models.build(con, "decision/order_facts", "work.order_facts")
        con.execute(f"CREATE OR REPLACE TABLE work.routed AS {rules_compile.routing_sql(rules, 'work.order_facts')}")
        _note_rules(con, rules)
        models.build(con, "decision/routes", "work.routes")
        models.build(con, "decision/orders", "work.orders_now")
        con.execute(
            """CREATE OR REPLACE TABLE work.decided_orders AS
               FROM work.orders_now EXCEPT FROM core.orders WHERE order_id IN (SELECT order_id FROM work.candidates)"""
        )
        models.build(con, "decision/shippable", "work.shippable")
        models.build(con, "decision/instructions", "work.instructions")
        report = DecideReport(decided=decided, alerts=raised)
        with run.transaction("lake", "decide"):
            if decided:
                merge.append(con, "decision.rule_versions", "work.new_rules")
                report.routes = merge.replace(con, "decision.routes", "work.routes", "work.candidates")
                report.changed = merge.replace(con, "core.orders", "work.decided_orders")
                outbox.write(con, "work.instructions")
                con.execute("DELETE FROM flow.touched")
            if raised:
                outbox.write(con, "work.alerts")
        report.held = _counts(con, "SELECT hold_status FROM work.orders_now WHERE hold_status IS NOT NULL")
        report.instructions = _counts(con, "SELECT kind FROM work.instructions")
    return report


def _bring_in_line(run: Run, rules: language.RuleSet) -> None:
    """When rules, goods master or regions have changed: describe the goods of stored lines anew, and put every order
    that may still ship up for decision. What has gone out keeps the decision it went by."""
    con = run.lake
    digest = hashlib.sha256(rules.version.encode())
    for name in ("goods.csv", "regions.csv"):
        digest.update((run.settings.config_dir / name).read_bytes())
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


def _note_rules(con, rules: language.RuleSet) -> None:
    """Fill work.new_rules with this rule set unless it is known: old decisions must be derivable from their version."""
    con.execute(
        """CREATE OR REPLACE TABLE work.new_rules AS
           SELECT $version AS rule_version, $purpose AS purpose, $rules::JSON AS rules
           WHERE $version NOT IN (SELECT rule_version FROM decision.rule_versions)""",
        {"version": rules.version, "purpose": rules.purpose.name, "rules": rules.canonical},
    )


def _counts(con, select: str) -> dict[str, int]:
    return dict(con.execute(f"SELECT #1, count(*) FROM ({select}) GROUP BY 1 ORDER BY 1").fetchall())


def _raise(run: Run, alerts: Iterable[tuple[str, str]]) -> int:
    """Fill work.alerts with those that are new; how many."""
    con = run.lake
    con.execute("CREATE OR REPLACE TABLE work.raised (key VARCHAR, text VARCHAR)")
    for key, text in alerts:
        con.execute("INSERT INTO work.raised VALUES ($key, $text)", {"key": key, "text": text})
    return outbox.prepare_alerts(con, run_id=run.id, now=run.started_at)
