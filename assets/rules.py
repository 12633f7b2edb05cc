"""rules: what is in force, one asset per rule file; the decisions that follow depend on them.

A file that was never in force comes into force here, as it stands; every other change is made by `orderpipe rules`.
"""

from collections.abc import Iterator

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetSpec,
    MaterializeResult,
    MetadataValue,
    RetryPolicy,
    multi_asset,
)

from assets.lineage import OWNERS, row_counts, table_spec
from assets.resources import Hub
from orderpipe.rules.purposes import Purpose, general

CHECK = "examples_hold"
KEYS = {name: AssetKey(["rules", name]) for name in general()}
TABLES = ("decision.rule_versions", "decision.rule_activations")


def _spec(purpose: Purpose) -> AssetSpec:
    return AssetSpec(
        KEYS[purpose.name],
        group_name="rules",
        kinds={"yaml"},
        owners=OWNERS,
        description=f"{purpose.title}规则 · The {purpose.name} rules in force. Edited in "
        f"`config/rules/{purpose.name}.yaml`, in force from `orderpipe rules activate {purpose.name}` on.",
    )


def _check(purpose: Purpose) -> AssetCheckSpec:
    return AssetCheckSpec(
        CHECK,
        asset=KEYS[purpose.name],
        description="规则文件可用 · The file can be read, and its examples are decided as they say. While it cannot be "
        "activated, the rules in force go on.",
    )


@multi_asset(
    name="rules",
    specs=[*map(_spec, general().values()), *(table_spec(name, KEYS.values()) for name in TABLES)],
    check_specs=[*map(_check, general().values())],
    pool="lake",
    retry_policy=RetryPolicy(max_retries=1, delay=10),
)
def rules(context: AssetExecutionContext, hub: Hub) -> Iterator[MaterializeResult]:
    """See which rules are in force, and whether the files say the same."""
    with hub.stage("rules") as run:
        from orderpipe.flow import activation

        with run.writing("rules"):
            active = activation.active(run)
        newest = {one.purpose: one for one in reversed(activation.history(run.lake))}
        standings = activation.standings(run.settings, {name: rules.canonical for name, rules in active.items()})
        counts = row_counts(run.lake, TABLES)
    for one in standings:
        since = newest[one.purpose]
        yield MaterializeResult(
            asset_key=KEYS[one.purpose],
            metadata={
                "version": since.rule_version,
                "rules": len(active[one.purpose].rules),
                "activated_at": MetadataValue.timestamp(since.activated_at),
                "activated_by": since.actor,
                "why": since.note,
                "file_differs": one.drifted,
            },
            check_results=[
                AssetCheckResult(
                    asset_key=KEYS[one.purpose], check_name=CHECK, passed=not one.problem,
                    severity=AssetCheckSeverity.WARN,
                    description=one.problem or None,
                )
            ],
        )  # fmt: skip
    for key, count in counts.items():
        yield MaterializeResult(asset_key=key, metadata={"dagster/row_count": count})
