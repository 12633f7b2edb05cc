"""staging and core: payloads typed platform by platform, bad rows set aside, the rest merged into the order pool.

Typing and merging are one step: staging holds the batch at hand in memory, and core commits together with the
cursor that says how far raw has been read.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetSpec,
    MaterializeResult,
    MetadataValue,
    RetryPolicy,
    TableRecord,
    multi_asset,
)

from assets.checks import warned
from assets.freshness import live
from assets.lineage import inputs, model_spec, models, table_spec, typing_models, upstream_first
from assets.resources import Hub
from orderpipe.lake import dictionary

if TYPE_CHECKING:
    from orderpipe import flow

ORDERS = AssetKey(["core", "orders"])
QUARANTINE = AssetKey(["raw", "quarantine"])
# Tags of a finished tick: the batch it pooled, for whoever examines it afterwards.
SEQ_FROM, SEQ_TO = "orderpipe/seq_from", "orderpipe/seq_to"
BATCH = ("read", "pooled", "superseded", "quarantined", "repaired", "seq_from", "seq_to")
SEQS_SHOWN = 50
# Nothing is decided on an order pool that fails a check of sql/check; but a document may land while the checks run, and
# a ledger that does not add up is no reason to leave parcels unsent.
PASSING = ("every_landed_document_is_read", "ledger_balances", "every_cent_in_one_class")


def _staging() -> list[AssetSpec]:
    return [model_spec(m) for name, m in models("staging").items() if not m.platform or name in typing_models()]


def _stored() -> list[AssetSpec]:
    return [
        *(_table(name) for name in dictionary.tables() if name.startswith("core.")),
        table_spec("decision.reviews", inputs(models("core")["reviews"])),
        table_spec("pii.contacts", inputs(models("core")["contacts"])),
        table_spec("raw.quarantine", [AssetKey(["staging", name]) for name in typing_models()], group="quarantine"),
    ]


def _table(name: str) -> AssetSpec:
    model = models("core")[name.removeprefix("core.")]
    return table_spec(name, inputs(model), freshness_policy=live() if name == "core.orders" else None)


_SPECS = upstream_first([*_staging(), *_stored()])


@multi_asset(
    name="pool",
    specs=_SPECS,
    check_specs=[
        *(
            AssetCheckSpec(name, asset=ORDERS, blocking=name not in PASSING, description=check.note)
            for name, check in models("check").items()
        ),
        AssetCheckSpec(
            "known_values",
            asset=ORDERS,
            description="未知值 · Statuses that no map knows yet. They are kept as they came, and shown as unknown.",
        ),
    ],
    pool="lake",
    retry_policy=RetryPolicy(max_retries=1, delay=10),
)
def pool(context: AssetExecutionContext, hub: Hub) -> Iterator[MaterializeResult]:
    """Type what has landed since the last batch and merge it into core."""
    with hub.stage("pool") as run:
        from orderpipe import flow

        report = flow.pool(run)
        hub.alerts.extend(flow.alerts_of(report))
        hub.alerts.extend(flow.ship_by_alerts(run))
        checks = flow.check(run)
        counts = {spec.key: _count(run, spec.key) for spec in _SPECS}
    if report.read:
        context.instance.add_run_tags(context.run.run_id, {SEQ_FROM: str(report.seq_from), SEQ_TO: str(report.seq_to)})
    for spec in _SPECS:
        yield MaterializeResult(
            asset_key=spec.key,
            metadata=_metadata(spec.key, report, counts[spec.key]),
            check_results=_checked(checks, report) if spec.key == ORDERS else [],
        )


def _count(run: "flow.Run", key: AssetKey) -> int | None:
    name = ".".join(key.path)
    table = dictionary.tables().get(name)
    return run.lake.execute(f"SELECT count(*) FROM {table.full_name}").fetchone()[0] if table else None


def _metadata(key: AssetKey, report: "flow.PoolReport", count: int | None) -> dict:
    name = ".".join(key.path)
    metadata: dict = {} if count is None else {"dagster/row_count": count}
    if name in report.tables:
        metadata["rows_written"] = report.tables[name]
    if key == ORDERS:
        batch = {name: getattr(report, name) for name in BATCH}
        metadata |= {name: value for name, value in batch.items() if value is not None}
    if key == QUARANTINE and report.quarantine:
        metadata["rules"] = MetadataValue.table(
            records=[
                TableRecord({"rule": rule, "rows": len(seqs), "seqs": shown(seqs)})
                for rule, seqs in sorted(report.quarantine.items())
            ]
        )
    return metadata


def shown(seqs: list[int]) -> str:
    """Numbers of documents for people, cut short."""
    return ", ".join(map(str, seqs[:SEQS_SHOWN])) + (", …" if len(seqs) > SEQS_SHOWN else "")


def _checked(checks: "list[flow.Check]", report: "flow.PoolReport") -> list[AssetCheckResult]:
    return [
        *(AssetCheckResult(asset_key=ORDERS, check_name=c.name, passed=c.ok, description=c.detail) for c in checks),
        warned(ORDERS, "known_values", report.unknown),
    ]
