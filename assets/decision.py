"""decision and outbox: what the rules in force make of every order that changed, and the instructions that follow, in
one transaction.

An instruction exists exactly when the decision behind it does, so all of them are made by one step. A table of the
dictionary with a model in sql/decision/ becomes an asset by itself.
"""

from collections.abc import Iterator

from dagster import AssetExecutionContext, AssetKey, MaterializeResult, RetryPolicy, multi_asset

from assets.lineage import decided_from, models, row_counts, table_spec, upstream_first
from assets.resources import Hub
from orderpipe.lake import dictionary

CORE = [AssetKey(["core", name]) for name in ("orders", "refunds")]
ROUTES = AssetKey(["decision", "routes"])
INSTRUCTIONS = AssetKey(["outbox", "instructions"])
ELSEWHERE = ("decision.stock_guard",)  # has a step of its own
# Rows of these tables are decided here, and what the step reads of them is how they stood before.
_TABLES = tuple(
    name
    for name in dictionary.tables()
    if name.startswith("decision.") and name not in ELSEWHERE and name.partition(".")[2] in models("decision")
)
_SPECS = upstream_first(
    [
        *(table_spec(name, decided_from(name.partition(".")[2], _TABLES)) for name in _TABLES),
        table_spec("outbox.instructions", [*decided_from("instructions", _TABLES), *CORE]),
    ]
)


@multi_asset(name="decide", specs=_SPECS, pool="lake", retry_policy=RetryPolicy(max_retries=1, delay=10))
def decide(context: AssetExecutionContext, hub: Hub) -> Iterator[MaterializeResult]:
    """Decide on every order that changed, and write down what must be done."""
    with hub.stage("decide") as run:
        from orderpipe import flow

        report = flow.decide(run, hub.alerts)
        counts = row_counts(run.lake, (".".join(spec.key.path) for spec in _SPECS))
    told = {
        ROUTES: {"decided": report.decided, "routes": report.routes, "changed": report.changed, "held": report.held},
        AssetKey(["decision", "risk_flags"]): {"flagged": report.flagged},
        AssetKey(["decision", "parcels"]): {"planned": report.parcels},
        INSTRUCTIONS: {"alerts": report.alerts, **report.instructions},
    }
    for spec in _SPECS:
        metadata = {"dagster/row_count": counts[spec.key], **told.get(spec.key, {})}
        yield MaterializeResult(asset_key=spec.key, metadata=metadata)
