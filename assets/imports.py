"""raw: what files bring. Exports dropped into the inbox land like what is pulled; pool and decision follow."""

from typing import TYPE_CHECKING

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    Config,
    MaterializeResult,
    MetadataValue,
    RetryPolicy,
    TableColumn,
    TableRecord,
    TableSchema,
    asset,
)
from pydantic import Field

from assets.lineage import OWNERS
from assets.resources import Hub

if TYPE_CHECKING:
    from orderpipe.imports.importing import ImportReport

CHECK = "files_taken"
KEY = AssetKey(["raw", "import_orders"])
_COUNTS = ("rows", "documents", "landed", "refused")
_FILES = TableSchema(
    columns=[
        *(TableColumn(name, "string") for name in ("content", "status", "shop", "mapping")),
        *(TableColumn(name, "int") for name in _COUNTS),
    ]
)


class InboxConfig(Config):
    """Which files to import; all that wait when left empty."""

    files: list[str] = Field(default=[], description="Paths below the inbox; empty for every file in it.")


@asset(
    key=KEY,
    group_name="raw",
    kinds={"csv", "excel"},
    owners=OWNERS,
    description="文件导入的订单 · Orders of the files in the inbox (CSV, Excel), one document per order, cells "
    "repaired. SQL: `vault.raw.payloads` with kind `import`, `vault.raw.imports`.",
    check_specs=[
        AssetCheckSpec(
            CHECK,
            asset=KEY,
            description="文件全部导入 · Every file was taken and no row of it refused. Reports lie beside the "
            "files, in inbox/done and inbox/failed.",
        )
    ],
    pool="lake",
    retry_policy=RetryPolicy(max_retries=1, delay=10),
)
def imports(context: AssetExecutionContext, config: InboxConfig, hub: Hub) -> MaterializeResult:
    """Import the files that wait in the inbox and file them away."""
    with hub.stage("import") as run:
        from orderpipe.imports.inbox import take_in
        from orderpipe.imports.report import alerts_of

        reports = take_in(run, config.files or None)
        hub.alerts.extend(alerts_of(reports))
    return MaterializeResult(
        asset_key=KEY,
        metadata={
            "files": len(reports),
            **{name: sum(getattr(report, name) for report in reports) for name in _COUNTS},
            "reports": MetadataValue.table(records=[_record(report) for report in reports], schema=_FILES),
        },
        check_results=[_taken(reports)],
    )


def _record(report: "ImportReport") -> TableRecord:
    """A file by the start of its hash: its name is an operator's, and may hold anything."""
    return TableRecord(
        {
            "content": report.content_hash[:12],
            "status": report.status,
            "shop": report.shop_id,
            "mapping": report.mapping,
            **{name: getattr(report, name) for name in _COUNTS},
        }
    )


def _taken(reports: "list[ImportReport]") -> AssetCheckResult:
    failed = sum(report.status == "failed" for report in reports)
    refused = sum(report.refused for report in reports)
    return AssetCheckResult(
        asset_key=KEY,
        check_name=CHECK,
        passed=not failed and not refused,
        severity=AssetCheckSeverity.WARN,
        description=f"{failed} 个文件未能导入，{refused} 行被拒绝" if failed or refused else None,
        metadata={"failed_files": failed, "refused_rows": refused},
    )
