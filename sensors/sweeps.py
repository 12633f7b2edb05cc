"""Sweeps: by night and by week the pool is held against the platforms' own lists, further back than windows reach."""

from dagster import (
    Config,
    DefaultScheduleStatus,
    OpExecutionContext,
    RunConfig,
    ScheduleDefinition,
    TableRecord,
    in_process_executor,
    job,
    op,
)
from dagster import MetadataValue as Value
from pydantic import Field

from assets.jobs import MAX_RUNTIME, PRIORITY
from assets.resources import Hub


class SweepConfig(Config):
    """How far back to look."""

    days: float = Field(default=3, description="Days of platform modified time to compare.", gt=0)
    shops: list[str] = Field(default=[], description="Shop ids of shops.yaml; empty for all shops.")


@op
def compare_and_repair(context: OpExecutionContext, config: SweepConfig, hub: Hub) -> None:
    """Compare ids and modified times with every platform, pull the gaps again, decide on what came.

    Not in the pool of the lake: it waits for platforms most of the time, and ticks must go on meanwhile. What it
    writes, it writes under the writer lease.
    """
    with hub.stage("sweep") as run:
        from datetime import timedelta

        from orderpipe import flow

        lanes = flow.lanes(hub.settings, config.shops or None)
        found = flow.sweep(run, run.started_at - timedelta(days=config.days), lanes)
        flow.decide(run, flow.swept(found, run))
    context.add_output_metadata({"lanes": Value.table([_record(lane) for lane in found])})


def _record(lane) -> TableRecord:
    return TableRecord(
        {
            "shop": lane.shop_id,
            "kind": lane.kind,
            "listed": lane.listed,
            "missing": sum(gap.missing for gap in lane.gaps),
            "stale": sum(not gap.missing for gap in lane.gaps),
            "landed": lane.landed or 0,
            "unresolved": len(lane.unresolved),
            "error": lane.error,
        }
    )


@job(
    executor_def=in_process_executor,
    description="漏单巡检 · Holds the pool against the platforms' own lists and pulls every gap again; the outcome "
    "is in `vault.raw.sweeps`.",
    run_tags={MAX_RUNTIME: str(6 * 3600), PRIORITY: "-5"},
)
def sweep() -> None:
    compare_and_repair()


def _schedule(name: str, cron: str, days: int) -> ScheduleDefinition:
    return ScheduleDefinition(
        name=name,
        job=sweep,
        cron_schedule=cron,
        execution_timezone="Asia/Shanghai",
        run_config=RunConfig(ops={"compare_and_repair": SweepConfig(days=days)}),
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"漏单巡检 · Compares the last {days} days.",
    )


sweep_schedules = [_schedule("sweep_nightly", "23 3 * * *", 3), _schedule("sweep_weekly", "53 4 * * 0", 90)]
