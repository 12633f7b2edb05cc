"""Pool: new payloads become typed rows, pass the gate, and merge into core; what does not fit goes to quarantine.

Contacts and quarantine commit in the vault first, core with its cursor in the lake after. A run killed in between
starts the same bite again: both sides are functions of the payloads, so doing it twice changes nothing.
"""

from dataclasses import dataclass, field

from orderpipe.flow.run import Run
from orderpipe.lake import merge, models
from orderpipe.lake.reference import load_reference
from orderpipe.quality.gate import gate_sql
from orderpipe.quality.suite import load_all

BITE = 20_000

_STAGING = ("orders", "order_items", "order_discounts", "shipments", "refunds", "contacts")
# Written by replacing whole orders: rows that vanished from the newest document go too.
_BY_ORDER = ("core.orders", "core.order_items", "core.order_discounts", "core.shipments")
_APPENDED = {
    "core.order_versions": "work.order_versions",
    "core.refund_versions": "work.refund_versions",
    "core.order_events": "work.new_events",
    "flow.touched": "work.to_decide",
}


@dataclass
class PoolReport:
    """What a pool did. read = pooled + superseded + quarantined; tables: rows written; unknown: values no map knows."""

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
    _read_payloads(run.lake, seq_from - 1, seq_to, [])
    _type_rows(run)


def _bite(run: Run, report: PoolReport, bite: int, retry: bool) -> bool:
    """One bounded stretch of payloads, merged; False when there was nothing left to do."""
    con = run.lake
    with run.writing("pool"):
        cursor = con.execute("SELECT seq, pooled, superseded, quarantined FROM flow.cursors WHERE stage = 'pool'").fetchone()
        done, *counts = cursor or (0, 0, 0, 0)
        (last,) = con.execute("SELECT coalesce(max(seq), 0) FROM vault.raw.payloads").fetchone()
        upto = min(done + bite, last)
        again = _to_retry(run) if retry else []
        if upto == done and not again:
            return False
        _read_payloads(con, done, upto, again)
        _type_rows(run)
        refused = _gate(run)
        for name in ("contacts", "order_versions", "refund_versions", "touched", "orders", "order_items", "order_discounts",
                     "shipments", "refunds", "customers", "order_events"):  # fmt: skip
            models.build(con, f"core/{name}", f"work.{name}")
        _commit_vault(run)
        step = _count(con, again)
        moved = [a + b for a, b in zip(counts, step, strict=True)]
        written = _commit_lake(run, upto, moved)
        if again:
            _resolve(run)
    pooled, superseded, quarantined = step
    report.read += upto - done
    report.pooled += pooled
    report.superseded += superseded
    report.quarantined += len({seq for seqs in refused.values() for seq in seqs})
    report.repaired += max(-quarantined, 0)
    report.seq_from = report.seq_from or done + 1
    report.seq_to = upto
    for name, rows in written.items():
        report.tables[name] = report.tables.get(name, 0) + rows
    for rule, seqs in refused.items():
        report.quarantine.setdefault(rule, []).extend(seqs)
    report.unknown += _unknown(con)
    return True


def _to_retry(run: Run) -> list[int]:
    con = run.lake
    rows = con.execute(
        """SELECT DISTINCT seq FROM vault.raw.quarantine
           WHERE resolved_at IS NULL AND code_version <> $code ORDER BY seq LIMIT $limit""",
        {"code": models.code_version(run.settings.config_dir), "limit": BITE},
    ).fetchall()
    seqs = [seq for (seq,) in rows]
    if seqs:  # a run killed between pooling and closing the case left these pooled: only the case is still open
        con.execute("CREATE OR REPLACE TABLE work.retried AS SELECT unnest($seqs::BIGINT[]) AS source_seq", {"seqs": seqs})
        con.execute(
            """CREATE OR REPLACE TABLE work.already AS
               SELECT source_seq FROM core.order_versions SEMI JOIN work.retried USING (source_seq)
               UNION SELECT source_seq FROM core.refund_versions SEMI JOIN work.retried USING (source_seq)"""
        )
    return seqs


def _read_payloads(con, after: int, upto: int, again: list[int]) -> None:
    con.execute(
        """CREATE OR REPLACE TABLE staging.payloads AS
           SELECT * REPLACE (if(json_valid(payload) AND json_type(payload) = 'OBJECT', payload, NULL) AS payload)
           FROM vault.raw.payloads
           WHERE (seq > $after AND seq <= $upto) OR seq IN (SELECT unnest($again::BIGINT[]))
           ORDER BY seq""",
        {"after": after, "upto": upto, "again": again},
    )
    if again:
        con.execute("DELETE FROM staging.payloads WHERE seq IN (SELECT source_seq FROM work.already)")


def _type_rows(run: Run) -> None:
    """Run the staging models: the platforms' own first, all platforms as one next."""
    con = run.lake
    load_reference(con, run.settings)
    for kind in ("orders", "refunds"):
        platform_models = [name for name in models.stage_models("staging") if name.endswith(f"_{kind}")]
        union = " UNION ALL BY NAME ".join(f"(SELECT * FROM ({models.model(name)}))" for name in platform_models)
        con.execute(f"CREATE OR REPLACE TABLE staging.typed_{kind} AS {union}")
        con.execute(f"DELETE FROM staging.typed_{kind} WHERE source_seq IN (SELECT seq FROM staging.payloads WHERE payload IS NULL)")
    for name in _STAGING:
        models.build(con, f"staging/{name}", f"staging.{name}")


def _gate(run: Run) -> dict[str, list[int]]:
    """Fill work.refused (documents that must not pass, with rule and reason) and work.accepted; refused seqs by rule."""
    con = run.lake
    models.build(con, "core/refused", "work.refused")
    for suite in load_all(run.settings.config_dir / "quality").values():
        con.execute(
            f"""INSERT INTO work.refused
                SELECT source_seq, 'staging', rule, reason FROM ({gate_sql(suite, f"staging.{suite.table}")}) WHERE severity = 'critical'"""
        )
    models.build(con, "core/collisions", "work.collisions")
    con.execute("INSERT INTO work.refused SELECT * FROM work.collisions")
    con.execute("CREATE OR REPLACE TABLE work.accepted AS SELECT seq AS source_seq FROM staging.payloads ANTI JOIN work.refused USING (seq)")
    rows = con.execute("SELECT rule, list(seq ORDER BY seq) FROM work.refused GROUP BY rule ORDER BY rule").fetchall()
    return dict(rows)


def _commit_vault(run: Run) -> None:
    con = run.lake
    con.execute("CREATE OR REPLACE TABLE work.changed_contacts AS FROM work.contacts EXCEPT FROM vault.pii.contacts")
    con.execute(
        """CREATE OR REPLACE TABLE work.quarantine AS
           SELECT r.seq, r.stage, r.rule, r.reason, p.payload_hash, p.fetched_at AS first_seen_at,
                  NULL::TIMESTAMPTZ AS resolved_at, $code AS code_version
           FROM work.refused r JOIN staging.payloads p USING (seq)""",
        {"code": models.code_version(run.settings.config_dir)},
    )
    contacts, refused = con.execute(
        "SELECT (SELECT count(*) FROM work.changed_contacts), (SELECT count(*) FROM work.quarantine)"
    ).fetchone()
    if not contacts and not refused:
        return
    with run.transaction("vault", "contacts"):
        if contacts:
            merge.replace(con, "pii.contacts", "work.changed_contacts")
        if refused:
            merge.replace(con, "raw.quarantine", "work.quarantine")


def _count(con, again: list[int]) -> tuple[int, int, int]:
    """Pooled, superseded and quarantined documents this bite adds; a repaired one leaves the quarantine."""
    pooled, accepted, fresh_refused, repaired = con.execute(
        """SELECT
             (SELECT count(*) FROM (SELECT source_seq FROM work.order_versions UNION SELECT source_seq FROM work.refund_versions)),
             (SELECT count(*) FROM work.accepted),
             (SELECT count(DISTINCT seq) FROM work.refused WHERE NOT list_contains($again::BIGINT[], seq)),
             (SELECT count(*) FROM work.accepted WHERE list_contains($again::BIGINT[], source_seq))""",
        {"again": again},
    ).fetchone()
    return pooled, accepted - pooled, fresh_refused - repaired


def _commit_lake(run: Run, upto: int, counts: list[int]) -> dict[str, int]:
    con = run.lake
    con.execute(
        """CREATE OR REPLACE TABLE work.new_documents AS
           SELECT order_id FROM work.orders o SEMI JOIN work.order_versions v USING (order_id, source_seq)"""
    )
    models.build(con, "core/event_changes", "work.event_changes")
    con.execute("CREATE OR REPLACE TABLE work.stale_events AS SELECT event_id FROM work.event_changes WHERE stale")
    con.execute("CREATE OR REPLACE TABLE work.new_events AS SELECT * EXCLUDE (stale) FROM work.event_changes WHERE NOT stale")
    con.execute(
        """CREATE OR REPLACE TABLE work.cursor AS SELECT 'pool' AS stage, $seq::BIGINT AS seq, $pooled::BIGINT AS pooled,
           $superseded::BIGINT AS superseded, $quarantined::BIGINT AS quarantined, $run AS run_id, $now::TIMESTAMPTZ AS moved_at""",
        {"seq": upto, "pooled": counts[0], "superseded": counts[1], "quarantined": counts[2], "run": run.id, "now": run.started_at},
    )
    con.execute("CREATE OR REPLACE TABLE work.to_decide AS SELECT order_id, $run AS run_id FROM work.touched", {"run": run.id})
    written: dict[str, int] = {}
    with run.transaction("lake", "pool"):
        # A document that came late splits a step of the timeline in two: the step as it was known goes.
        merge.remove(con, "core.order_events", "work.stale_events")
        for name in _BY_ORDER:
            keys = "work.orders" if name == "core.orders" else "work.new_documents"
            written[name] = merge.replace(con, name, f"work.{name.split('.')[1]}", keys)
        for name in ("core.customers", "core.refunds"):
            written[name] = merge.replace(con, name, f"work.{name.split('.')[1]}")
        for name, rows in _APPENDED.items():
            written[name] = merge.append(con, name, rows)
        merge.replace(con, "flow.cursors", "work.cursor")
    return written


def _resolve(run: Run) -> None:
    """Close the quarantine rows of documents that passed now: after core has them, never before."""
    con = run.lake
    con.execute(
        """CREATE OR REPLACE TABLE work.repaired AS
           SELECT q.* REPLACE ($now::TIMESTAMPTZ AS resolved_at)
           FROM vault.raw.quarantine q
           SEMI JOIN (FROM work.accepted UNION ALL FROM work.already) a ON a.source_seq = q.seq
           WHERE q.resolved_at IS NULL""",
        {"now": run.started_at},
    )
    if _any(con, "work.repaired"):
        with run.transaction("vault", "repaired"):
            merge.replace(con, "raw.quarantine", "work.repaired")


def _unknown(con) -> list[str]:
    """Values of this bite that no map knows: kept, shown as unknown, to be looked at."""
    return [
        text
        for (text,) in con.execute(
            """SELECT DISTINCT concat(shop_id, ': ', what, ' ', value) FROM (
                   SELECT shop_id, '订单状态' AS what, platform_status AS value FROM work.orders WHERE status = 'unknown'
                   UNION ALL SELECT shop_id, '退款状态', platform_status FROM work.refunds WHERE status = 'unknown'
               ) ORDER BY 1"""
        ).fetchall()
    ]


def _any(con, rows: str) -> bool:
    return con.execute(f"SELECT EXISTS (FROM {rows})").fetchone()[0]
