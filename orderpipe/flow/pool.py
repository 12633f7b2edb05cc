"""Pool: new payloads become typed rows, pass the gate, and merge into core; what does not fit goes to quarantine.

Contacts and quarantine commit in the vault first, core with its cursor in the lake after. A run killed in between
starts the same bite again: both sides are functions of the payloads, so doing it twice changes nothing.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from orderpipe.failpoint import reach
from orderpipe.flow.run import Run
from orderpipe.lake import merge, models, snapshot
from orderpipe.lake.reference import load_ip_ranges, load_reference, load_warehouses
from orderpipe.quality.gate import gate_sql
from orderpipe.quality.suite import load_all

BITE = 20_000

_STAGING = (
    *("orders", "order_items", "order_discounts", "shipments", "refunds", "contacts", "products", "stock", "reviews"),
    *("wms_callbacks", "wms_stock_changes", "courier_callbacks", "settlements"),
)
# In this order: each may read those before it.
_MERGED = (
    "reviews",
    "readdresses",
    "contacts",
    "order_versions",
    "refund_versions",
    "wms_reports",
    "parcel_reports",
    "packages",
    "package_items",
    "order_numbers",
    "fulfilment_lines",
    "fulfilments",
    "tracking_reports",
    "tracking",
    "goods_returns",
    "reported_orders",
    "touched",
    "addresses",
    "orders",
    "order_items",
    "order_discounts",
    "shipments",
    "refunds",
    "settlements",
    "products",
    "sold_listings",
    "stock_changes",
    "stock",
    "customers_touched",
    "customers",
    "parcel_orders",
    "fulfilment_events",
    "order_events",
    "event_changes",
    "documents_merged",
    "ledger_touched",
    "ledger_now",
    "ledger_changed",
    "ledger_entries",
    "order_balances",
    "pooled",
    "repairing",
    "to_decide",
)
# What only reports change, with the table whose columns it has: a batch without any leaves them out.
_OF_REPORTS = {
    "parcel_reports": "wms_reports",
    **{name: name for name in ("wms_reports", "packages", "package_items", "fulfilment_lines", "fulfilments")},
    **{name: name for name in ("tracking_reports", "tracking", "goods_returns", "stock_changes")},
}
_OF_AN_ORDER = ("core.order_items", "core.order_discounts", "core.shipments")
_APPENDED = {
    "core.order_versions": "work.order_versions",
    "core.refund_versions": "work.refund_versions",
    "core.order_events": "work.new_events",
    "core.wms_reports": "work.wms_reports",
    "core.tracking_reports": "work.tracking_reports",
    "core.stock_changes": "work.stock_changes",
    "flow.touched": "work.to_decide",
    "flow.repaired": "work.repairing",
}


@dataclass
class PoolReport:
    """What a pool did. read: documents taken up, those tried again included; read = pooled + superseded +
    quarantined. repaired: documents that left the quarantine. tables: rows written, by table. quarantine: refused
    seqs by rule. unknown: values no map knows. seq_from, seq_to: the new documents, None when there were none."""

    read: int = 0
    pooled: int = 0
    superseded: int = 0
    quarantined: int = 0
    repaired: int = 0
    tables: dict[str, int] = field(default_factory=dict)
    quarantine: dict[str, list[int]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    seq_from: int | None = None
    seq_to: int | None = None


def pool(run: Run, bite: int = BITE) -> PoolReport:
    """Pool every payload that has landed and is not pooled yet, and try again what an older code version refused.

    bite: payloads in one transaction; memory and time per transaction grow with it, the result does not depend on it.
    """
    report = PoolReport()
    retry = True
    while _bite(run, report, bite, retry):
        retry = False
        run.say(f"pooled {report.read} documents")
    return report


def stage_batch(run: Run, seq_from: int, seq_to: int) -> None:
    """Fill staging.* with the typed rows of the payloads seq_from … seq_to (inclusive), and nothing else."""
    _take(run, seq_from - 1, seq_to, retry=False)
    _type_rows(run)


def _bite(run: Run, report: PoolReport, bite: int, retry: bool) -> bool:
    """One bounded stretch of payloads, merged; False when there was nothing left to do."""
    con = run.lake
    with run.writing("pool"):
        with snapshot(con):
            (done,) = con.execute("SELECT coalesce(max(seq), 0) FROM flow.cursors WHERE stage = 'pool'").fetchone()
            (last,) = con.execute("SELECT coalesce(max(seq), 0) FROM vault.raw.payloads").fetchone()
            upto = min(done + bite, last)
            again = _take(run, done, upto, retry)
            if upto == done and not again:
                return False
            _type_rows(run)
            refused = _gate(run)
            _merge(run)
        _commit_vault(run)
        reach("pool.vault_committed")
        written = _commit_lake(run)
        reach("pool.committed")
        _close_repaired(run)
    accepted, pooled = _count(con, "work.accepted"), _count(con, "work.pooled")
    report.read += _count(con, "staging.payloads")
    report.pooled += pooled
    report.superseded += accepted - pooled
    report.quarantined += len({seq for seqs in refused.values() for seq in seqs})
    report.repaired += _count(con, "work.repairing")
    if upto > done:
        report.seq_from, report.seq_to = report.seq_from or done + 1, upto
    for name, rows in written.items():
        report.tables[name] = report.tables.get(name, 0) + rows
    for rule, seqs in refused.items():
        report.quarantine.setdefault(rule, []).extend(seqs)
    report.unknown += [text for (text,) in con.execute(models.model("core/unknown_values")).fetchall()]
    return True


def _merge(run: Run) -> None:
    """Run the merging models on what the gate let through."""
    con = run.lake
    reported = _count(con, "staging.wms_callbacks") + _count(con, "staging.courier_callbacks")
    for name in _MERGED:
        if name in _OF_REPORTS and not reported:
            con.execute(f"CREATE OR REPLACE TABLE work.{name} AS FROM core.{_OF_REPORTS[name]} LIMIT 0")
        else:
            models.build(con, f"core/{name}", f"work.{name}")


def _take(run: Run, done: int, upto: int, retry: bool) -> int:
    """Fill staging.payloads with the documents after done up to upto, and those to try again; how many to try again."""
    con = run.lake
    con.execute(
        """CREATE OR REPLACE TABLE work.bite AS
           SELECT $done::BIGINT AS done, $upto::BIGINT AS upto, $retry::BOOLEAN AS retry, $code AS code_version,
                  $run AS run_id, $now::TIMESTAMPTZ AS now""",
        {
            "done": done,
            "upto": upto,
            "retry": retry,
            "code": models.code_version(run.settings.config_dir),
            "run": run.id,
            "now": run.started_at,
        },
    )
    again = models.build(con, "core/retried", "work.retried")
    models.build(con, "core/already", "work.already")
    models.build(con, "staging/payloads", "staging.payloads")
    return again


def _type_rows(run: Run) -> None:
    """Run the staging models: the platforms' own first, all platforms as one next."""
    con = run.lake
    load_reference(con, run.settings)
    load_ip_ranges(con, run.settings)
    load_warehouses(con, run.settings)
    here = con.execute("SELECT DISTINCT if(kind = 'import', kind, platform) FROM staging.payloads").fetchall()
    for kind in ("orders", "refunds", "products", "stock"):
        # Models of platforms that sent nothing need not be planned; any one of them has the columns.
        every = [name for name in models.stage_models("staging") if name.endswith(f"_{kind}")]
        needed = [name for name in every if (_platform(name),) in here] or every[:1]
        union = " UNION ALL BY NAME ".join(f"(FROM ({models.model(name)}))" for name in needed)
        con.execute(
            f"""CREATE OR REPLACE TABLE staging.typed_{kind} AS
                FROM ({union}) ANTI JOIN (FROM staging.payloads WHERE payload IS NULL) p ON p.seq = source_seq"""
        )
    for name in _STAGING:
        models.build(con, f"staging/{name}", f"staging.{name}")


def _platform(model: str) -> str:
    """Whose documents `staging/taobao_orders` types; those that come as files are of every platform."""
    return model.removeprefix("staging/").partition("_")[0]


def _gate(run: Run) -> dict[str, list[int]]:
    """Fill work.refused (documents that must not pass, rule and reason) and work.accepted; refused seqs by rule."""
    con = run.lake
    models.build(con, "core/refused", "work.refused")
    for flagged in _gates(run.settings.config_dir, models.code_version(run.settings.config_dir)):
        con.execute(
            f"""INSERT INTO work.refused
                SELECT source_seq, 'staging', rule, reason FROM ({flagged}) WHERE severity = 'critical'"""
        )
    con.execute(f"INSERT INTO work.refused {models.model('core/collisions')}")
    models.build(con, "core/accepted", "work.accepted")
    rows = con.execute("SELECT rule, list(DISTINCT seq ORDER BY seq) FROM work.refused GROUP BY rule ORDER BY rule")
    return dict(rows.fetchall())


@cache
def _gates(config_dir: Path, code_version: str) -> tuple[str, ...]:
    """The quality suites as queries. code_version: of what they say (models.code_version)."""
    suites = load_all(config_dir / "quality").values()
    return tuple(gate_sql(suite, f"staging.{suite.table}") for suite in suites)


def _commit_vault(run: Run) -> None:
    con = run.lake
    con.execute(
        """CREATE OR REPLACE TABLE work.changed_contacts AS
           FROM work.contacts EXCEPT (
               FROM (FROM work.contacts LIMIT 0) UNION ALL BY NAME
               FROM vault.pii.contacts WHERE order_id IN (SELECT order_id FROM work.contacts))"""
    )
    models.build(con, "core/quarantine", "work.quarantine")
    if _count(con, "work.changed_contacts") or _count(con, "work.quarantine"):
        with run.transaction("vault", "contacts"):
            merge.replace(con, "pii.contacts", "work.changed_contacts")
            merge.replace(con, "raw.quarantine", "work.quarantine")


def _commit_lake(run: Run) -> dict[str, int]:
    con = run.lake
    con.execute("CREATE OR REPLACE TABLE work.stale_events AS SELECT event_id FROM work.event_changes WHERE stale")
    con.execute("CREATE OR REPLACE TABLE work.new_events AS FROM work.event_changes WHERE NOT stale")
    models.build(con, "core/cursor", "work.cursor")
    written: dict[str, int] = {}
    with run.transaction("lake", "pool"):
        # A document that came late splits a step of the timeline in two: the step as it was known goes.
        merge.remove(con, "core.order_events", "work.stale_events")
        for name in ("core.orders", "core.refunds", "core.products", "core.sold_listings", "core.stock"):
            written[name] = merge.replace(con, name, f"work.{name.split('.')[1]}")
        written["core.settlements"] = merge.replace(con, "core.settlements", "work.settlements")
        written["core.customers"] = merge.replace(con, "core.customers", "work.customers", "work.customers_touched")
        for name in ("core.fulfilments", "core.packages", "core.tracking", "core.goods_returns"):
            written[name] = merge.replace(con, name, f"work.{name.split('.')[1]}")
        written["core.fulfilment_lines"] = merge.replace(
            con, "core.fulfilment_lines", "work.fulfilment_lines", "work.fulfilments"
        )
        written["core.package_items"] = merge.replace(con, "core.package_items", "work.package_items", "work.packages")
        written["decision.reviews"] = merge.replace(con, "decision.reviews", "work.reviews")
        for name in _OF_AN_ORDER:
            written[name] = merge.replace(con, name, f"work.{name.split('.')[1]}", keys="work.documents_merged")
        for name in ("core.ledger_entries", "core.order_balances"):
            written[name] = merge.replace(con, name, f"work.{name.split('.')[1]}", keys="work.ledger_changed")
        for name, rows in _APPENDED.items():
            written[name] = merge.append(con, name, rows)
        merge.replace(con, "flow.cursors", "work.cursor")
    return written


def _close_repaired(run: Run) -> None:
    """Close the quarantine rows of documents that passed now: after core has them, never before."""
    if models.build(run.lake, "core/repaired", "work.repaired"):
        with run.transaction("vault", "repaired"):
            merge.replace(run.lake, "raw.quarantine", "work.repaired")


def _count(con, rows: str) -> int:
    return con.execute(f"SELECT count(*) FROM {rows}").fetchone()[0]
