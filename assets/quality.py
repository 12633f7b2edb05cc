"""quality: Great Expectations on the batch that a tick pooled, as a second reader of the rules in config/quality.

In a job of its own, because importing it alone takes longer than a tick should.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    Config,
    Failure,
    MetadataValue,
    TableColumn,
    TableRecord,
    TableSchema,
    multi_asset_check,
)
from pydantic import Field

from assets.core import shown
from assets.resources import Hub
from orderpipe import config

if TYPE_CHECKING:
    from orderpipe.quality.expect import Result

CHECK = "expectations"
SUITES = sorted(path.stem for path in (config.load().config_dir / "quality").glob("*.yaml"))
_RULES = TableSchema(
    columns=[
        *(TableColumn(name, "string") for name in ("rule", "expectation", "severity")),
        *(TableColumn(name, "int") for name in ("checked", "unexpected")),
        TableColumn("source_seqs", "string", "raw.payloads.seq of the documents that broke the rule."),
    ]
)


class BatchConfig(Config):
    """The batch to examine: payloads seq_from to seq_to, both inclusive."""

    seq_from: int = Field(description="First raw.payloads.seq of the batch.")
    seq_to: int = Field(description="Last raw.payloads.seq of the batch.")


@multi_asset_check(
    name="expectations",
    specs=[
        AssetCheckSpec(
            CHECK,
            asset=AssetKey(["core", table]),
            description=f"质量规则 · The rules of config/quality/{table}.yaml on the batch, row by row. "
            "Rows that break a critical rule are in quarantine already.",
        )
        for table in SUITES
    ],
)
def expectations(context: AssetCheckExecutionContext, config: BatchConfig, hub: Hub) -> Iterator[AssetCheckResult]:
    """Run every suite on the batch. A rule that cannot be evaluated is a fault of the pipeline and fails the run."""
    with hub.stage("quality") as run:
        from orderpipe import flow
        from orderpipe.quality import suite
        from orderpipe.quality.expect import validate

        suites = suite.load_all(hub.settings.config_dir / "quality")
        batch = flow.quality_batch(run, config.seq_from, config.seq_to)
        results = {table: validate(suites[table], batch[table]) for table in SUITES}
        held = run.lake.execute(
            "SELECT DISTINCT seq FROM vault.raw.quarantine WHERE seq BETWEEN $1 AND $2",
            [config.seq_from, config.seq_to],
        ).fetchall()
    quarantined = {seq for (seq,) in held}
    for table in SUITES:
        yield _verdict(table, results[table], quarantined)
    broken = [f"{table}.{result.rule}: {result.error}" for table in SUITES for result in results[table] if result.error]
    if broken:
        raise Failure("rules that could not be evaluated — " + "; ".join(broken), allow_retries=False)


def _verdict(table: str, results: "list[Result]", quarantined: set[int]) -> AssetCheckResult:
    """Bad rows are a warning while quarantine holds those that must not go on; a critical row that is not there
    means that the two readers of the rules disagree, and is an error."""
    failing = [result for result in results if not result.ok and not result.error]
    critical = {seq for result in failing if result.severity == "critical" for seq in result.failing_seqs}
    passed_by = sorted(critical - quarantined)
    return AssetCheckResult(
        asset_key=AssetKey(["core", table]),
        check_name=CHECK,
        passed=not failing,
        severity=AssetCheckSeverity.ERROR if passed_by else AssetCheckSeverity.WARN,
        description=", ".join(f"{result.rule}: {result.unexpected}" for result in failing) or None,
        metadata={
            "rows": max((result.checked for result in results), default=0),
            "not_in_quarantine": len(passed_by),
            "rules": MetadataValue.table(records=[_record(result) for result in results], schema=_RULES),
        },
    )


def _record(result: "Result") -> TableRecord:
    return TableRecord(
        {
            **{name: getattr(result, name) for name in ("rule", "expectation", "severity", "checked", "unexpected")},
            "source_seqs": shown(result.failing_seqs),
        }
    )
