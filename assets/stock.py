"""Stock: what the warehouses hold, and the guard that takes goods off sale before they are oversold."""

from dagster import (
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    MaterializeResult,
    RetryPolicy,
    asset,
)

from assets.checks import warned
from assets.decision import INSTRUCTIONS
from assets.freshness import live
from assets.lineage import OWNERS, table_spec
from assets.resources import Hub

CHECK = "answered_in_full"
KEY = AssetKey(["raw", "wms_stock"])
_GUARD = table_spec(
    "decision.stock_guard",
    # The instructions are those of the decision before it: what it reserved counts as sold.
    [AssetKey(["core", name]) for name in ("stock", "products", "sold_listings")]
    + [AssetKey(["rules", "stock"]), INSTRUCTIONS],
)


@asset(
    key=KEY,
    group_name="raw",
    kinds={"api", "qimen"},
    owners=OWNERS,
    freshness_policy=live(),
    description="仓库库存 · What every warehouse holds of the goods, by its WMS. SQL: `vault.raw.payloads` with kind "
    "`stock`, `vault.raw.stock_pulls`.",
    check_specs=[
        AssetCheckSpec(
            CHECK,
            asset=KEY,
            description="仓库全部应答 · Every warehouse answered for all goods. One that does not leaves its stock as "
            "it was; the later stages go on.",
        )
    ],
    pool="lake",
    retry_policy=RetryPolicy(max_retries=1, delay=10),
)
def wms_stock(context: AssetExecutionContext, hub: Hub) -> MaterializeResult:
    """Ask every warehouse for its stock."""
    with hub.stage("stock") as run:
        from orderpipe import flow

        report = flow.pull_stock(run)
        hub.alerts.extend(flow.stale_stock(run))
    metadata = {"asked": report.asked, "answered": report.answered, "new": report.new}
    return MaterializeResult(metadata=metadata, check_results=[warned(KEY, CHECK, report.problems)])


@asset(
    key=_GUARD.key,
    deps=_GUARD.deps,
    group_name="decision",
    kinds=_GUARD.kinds,
    owners=_GUARD.owners,
    description=_GUARD.description,
    metadata=_GUARD.metadata,
    pool="lake",
    retry_policy=RetryPolicy(max_retries=1, delay=10),
)
def guard(context: AssetExecutionContext, hub: Hub) -> MaterializeResult:
    """Suspend goods that run low and resume those that are back; what must be done to listings goes to the outbox."""
    with hub.stage("guard") as run:
        from orderpipe import flow

        report = flow.guard_stock(run)
        (count,) = run.lake.execute("SELECT count(*) FROM lake.decision.stock_guard").fetchone()
    return MaterializeResult(
        metadata={
            "dagster/row_count": count,
            "judged": report.judged,
            "suspended": report.suspended,
            "resumed": report.resumed,
            "intercepted": report.intercepted,
            **report.instructions,
        }
    )
