"""backtest: what edited rule files would have made of past orders, beside the rules in force. It decides nothing."""

from datetime import timedelta

from dagster import (
    AssetExecutionContext,
    AssetKey,
    Config,
    Failure,
    MaterializeResult,
    MetadataValue,
    TableRecord,
    asset,
)
from pydantic import Field

from assets.lineage import OWNERS
from assets.resources import Hub
from assets.rules import KEYS
from orderpipe.rules.purposes import NAMES

LISTED = 50


class BacktestConfig(Config):
    """purposes: which rule files to try (default: those that say something else than what is in force). days: how far
    back."""

    purposes: list[str] = Field(default_factory=list)
    days: int = Field(default=90, ge=1)


@asset(
    key=["rules", "backtest"],
    deps=[*KEYS.values(), AssetKey(["core", "orders"]), AssetKey(["decision", "routes"])],
    group_name="rules",
    kinds={"duckdb"},
    owners=OWNERS,
    description="规则回测 · What edited rule files would have made of the orders of the last days: which would move, "
    "be held or released, at what cost. Materialise it before `orderpipe rules activate`. Nothing is written.",
)
def backtest(context: AssetExecutionContext, config: BacktestConfig, hub: Hub) -> MaterializeResult:
    """Judge past orders by the files in config/rules and by the rules in force."""
    unknown = set(config.purposes) - set(NAMES)
    if unknown:
        raise Failure(f"no such rules: {', '.join(sorted(unknown))} — use {', '.join(NAMES)}", allow_retries=False)
    metadata: dict = {"days": config.days}
    with hub.stage("backtest") as run:
        from orderpipe.flow import activation
        from orderpipe.flow.backtest import backtest as judge

        standings = activation.standings(run.settings, activation.stored(run.lake))
        wanted = config.purposes or [one.purpose for one in standings if one.drifted]
        until = run.clock.now()
        for name in wanted:
            report = judge(
                run.settings, activation.read(run.settings, name), until - timedelta(days=config.days), until
            )
            metadata[f"{name}: changed"] = report.changed
            metadata[f"{name}: judged"] = report.rows
            totals = [{"total": t.name, "in_force": str(t.before), "file": str(t.after)} for t in report.totals]
            moves = [{"in_force": old, "file": new, "rows": rows} for old, new, rows in report.moves[:LISTED]]
            for title, rows in (("totals", totals), ("moves", moves)):
                if rows:
                    metadata[f"{name}: {title}"] = MetadataValue.table([TableRecord(row) for row in rows])
    if not wanted:
        context.log.info("every rule file says what is in force: nothing to try")
    return MaterializeResult(metadata=metadata)
