"""Stock guard: goods that run low are taken off sale in every shop, and put on again when there are enough.

What can be sold is what the warehouses hold less what open orders have reserved. The rules (config/rules/stock.yaml)
say at how many pieces; docs/stock.md tells the rest.
"""

from dataclasses import dataclass, field

from orderpipe.dispatch import outbox
from orderpipe.flow import activation
from orderpipe.flow.run import Run
from orderpipe.lake import merge, models
from orderpipe.lake.reference import load_reference, load_warehouses
from orderpipe.rules.compile import rules_sql


@dataclass
class GuardReport:
    """What the guard did. judged: goods with known stock; suspended, resumed: goods that changed sides; instructions:
    new ones by kind; intercepted: instructions that were not sent yet and are not needed any more."""

    judged: int = 0
    suspended: int = 0
    resumed: int = 0
    instructions: dict[str, int] = field(default_factory=dict)
    intercepted: int = 0


def guard_stock(run: Run) -> GuardReport:
    """Judge every goods whose stock is known, and write what must be done to its listings to the outbox, in one
    transaction. Goods of unknown stock are left alone. Raises ConfigError when rules or reference files are wrong."""
    con = run.lake
    with run.writing("stock guard"):
        if not con.execute("SELECT EXISTS (FROM core.stock)").fetchone()[0]:
            return GuardReport()
        run.note_start()
        load_reference(con, run.settings)
        load_warehouses(con, run.settings)
        con.execute("CREATE OR REPLACE TABLE work.shops AS SELECT unnest($shops::VARCHAR[]) AS shop_id",
                    {"shops": list(run.settings.shops)})  # fmt: skip
        rules = activation.active(run)["stock"]
        models.build(con, "decision/sku_facts", "work.sku_facts")
        con.execute(f"CREATE OR REPLACE TABLE work.stock_judged AS {rules_sql(rules, 'work.sku_facts')}")
        models.build(con, "decision/stock_guard", "work.guard_now")
        con.execute(
            """CREATE OR REPLACE TABLE work.guard_changed AS
               FROM work.guard_now
               SEMI JOIN (SELECT * EXCLUDE (decided_at) FROM work.guard_now
                          EXCEPT SELECT * EXCLUDE (decided_at) FROM decision.stock_guard) USING (sku)"""
        )
        report = _report(con)
        models.build(con, "decision/listings", "work.listings")
        models.build(con, "decision/listing_instructions", "work.listing_instructions")
        counts = con.execute(
            "SELECT status, kind, count(*) FROM work.listing_instructions GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        report.instructions = {kind: count for status, kind, count in counts if status == "pending"}
        report.intercepted = sum(count for status, _, count in counts if status == "intercepted")
        if counts or con.execute("SELECT EXISTS (FROM work.guard_changed)").fetchone()[0]:
            with run.transaction("lake", "stock guard"):
                merge.replace(con, "decision.stock_guard", "work.guard_changed")
                outbox.write(con, "work.listing_instructions")
    return report


def _report(con) -> GuardReport:
    judged, suspended, resumed = con.execute(
        """SELECT count(*), count(*) FILTER (n.state = 'suspended' AND b.state IS DISTINCT FROM 'suspended'),
                  count(*) FILTER (n.state = 'selling' AND b.state = 'suspended')
           FROM work.guard_now n LEFT JOIN decision.stock_guard b USING (sku)"""
    ).fetchone()
    return GuardReport(judged, suspended, resumed)
