"""raw: what warehouses and couriers report, and what they answer when they have been silent for too long."""

from dagster import (
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    MaterializeResult,
    RetryPolicy,
    asset,
)

from assets.checks import warned
from assets.lineage import OWNERS
from assets.resources import Hub

CHECK = "readable"
KEY = AssetKey(["raw", "callbacks"])


@asset(
    key=KEY,
    group_name="raw",
    kinds={"api", "qimen"},
    owners=OWNERS,
    description="仓库与快递回传 · What the WMS and the courier reported since the last run, out of the spool; and the "
    "answers of those that have been silent for too long. SQL: `vault.raw.payloads` with kind `wms_callback` and "
    "`courier_callback`.",
    check_specs=[
        AssetCheckSpec(
            CHECK,
            asset=KEY,
            description="回传全部可读 · No callback lies in callbacks/bad, and who was asked answered. What cannot be "
            "read stays there until a person has looked; the later stages go on.",
        )
    ],
    pool="lake",
    retry_policy=RetryPolicy(max_retries=1, delay=10),
)
def callbacks(context: AssetExecutionContext, hub: Hub) -> MaterializeResult:
    """Ask for what has been silent for too long, and land what was reported."""
    with hub.stage("callbacks") as run:
        from orderpipe import flow

        polled = flow.poll_silent(run)
        landed = flow.land_callbacks(run)
        unreadable = flow.unreadable(run)
        hub.alerts.extend([*unreadable, *flow.lost_parcels(polled)])
    problems = [*(text for _, text in unreadable), *polled.problems]
    metadata = {
        "received": landed.received,
        "new": landed.landed + polled.landed,
        "parcels_asked": polled.parcels,
        "numbers_asked": polled.numbers,
    }
    return MaterializeResult(metadata=metadata, check_results=[warned(KEY, CHECK, problems)])
