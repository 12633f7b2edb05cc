"""decision and outbox: which warehouse ships an order, and the instructions that follow, in one transaction.

An instruction exists exactly when the decision behind it does, so both are made by one step.
"""

from collections.abc import Iterator

from dagster import AssetExecutionContext, AssetKey, MaterializeResult, RetryPolicy, multi_asset

from assets.lineage import table_spec
from assets.resources import Hub

RULES = AssetKey(["decision", "rule_versions"])
ROUTES = AssetKey(["decision", "routes"])
INSTRUCTIONS = AssetKey(["outbox", "instructions"])


@multi_asset(
    name="decide",
    specs=[
        table_spec("decision.rule_versions", []),
        table_spec("decision.routes", [AssetKey(["core", "orders"]), AssetKey(["core", "order_items"]), RULES]),
        table_spec("outbox.instructions", [ROUTES, AssetKey(["core", "orders"]), AssetKey(["core", "refunds"])]),
    ],
    pool="lake",
    retry_policy=RetryPolicy(max_retries=1, delay=10),
)
def decide(context: AssetExecutionContext, hub: Hub) -> Iterator[MaterializeResult]:
    """Decide on every order that changed, and write down what must be done."""
    with hub.stage("decide") as run:
        from orderpipe import flow

        report = flow.decide(run, hub.alerts)
        counts = {
            key: run.lake.execute(f"SELECT count(*) FROM lake.{'.'.join(key.path)}").fetchone()[0]
            for key in (RULES, ROUTES, INSTRUCTIONS)
        }
    yield MaterializeResult(asset_key=RULES, metadata={"dagster/row_count": counts[RULES]})
    yield MaterializeResult(
        asset_key=ROUTES,
        metadata={
            "dagster/row_count": counts[ROUTES],
            "decided": report.decided,
            "routes": report.routes,
            "changed": report.changed,
            "held": report.held,
        },
    )
    yield MaterializeResult(
        asset_key=INSTRUCTIONS,
        metadata={"dagster/row_count": counts[INSTRUCTIONS], "alerts": report.alerts, **report.instructions},
    )
