"""Housekeeping: hourly maintenance of the lakes, and nightly of Dagster itself.

Ticks leave small files behind; Dagster never forgets a run on its own, and a tick leaves 130 kB of events.
"""

from datetime import UTC, datetime, timedelta

from dagster import (
    DefaultScheduleStatus,
    OpExecutionContext,
    RunsFilter,
    ScheduleDefinition,
    in_process_executor,
    job,
    op,
)

from assets.jobs import MAX_RUNTIME, PRIORITY
from assets.resources import Hub
from sensors.runs import FINISHED

KEEP = timedelta(days=14)
AT_ONCE = 200


@op
def delete_old_runs(context: OpExecutionContext) -> None:
    """Delete the finished runs that are older than KEEP, with their events and captured output."""
    instance, before, deleted = context.instance, datetime.now(UTC) - KEEP, 0
    while old := instance.get_runs(RunsFilter(statuses=FINISHED, created_before=before), limit=AT_ONCE):
        for run in old:
            instance.delete_run(run.run_id)
            instance.compute_log_manager.delete_logs(prefix=[run.run_id])
        deleted += len(old)
    context.log.info(f"{deleted} runs deleted that began before {before:%Y-%m-%d %H:%M} UTC")


@job(
    executor_def=in_process_executor,
    description="清理运行记录 · Forgets what Dagster remembers of runs older than 14 days. The lake is not touched.",
    run_tags={MAX_RUNTIME: "3600", PRIORITY: "-10"},
)
def housekeeping() -> None:
    delete_old_runs()


housekeeping_schedule = ScheduleDefinition(
    name="housekeeping_schedule",
    job=housekeeping,
    cron_schedule="17 4 * * *",
    execution_timezone="Asia/Shanghai",
    default_status=DefaultScheduleStatus.RUNNING,
)


@op(pool="lake")
def tidy_lakes(context: OpExecutionContext, hub: Hub) -> None:
    """Rewrite small files, drop old snapshots and orphans, under the writer lease."""
    with hub.stage("maintain") as run:
        from orderpipe.lake.maintain import maintain

        maintain(run.lake, hub.settings, context.log.info)


@job(
    executor_def=in_process_executor,
    description="数据湖维护 · Fewer, larger files; snapshots older than a week and orphaned files go.",
    run_tags={MAX_RUNTIME: "1800", PRIORITY: "-10"},
)
def maintenance() -> None:
    tidy_lakes()


maintenance_schedule = ScheduleDefinition(
    name="maintenance_schedule",
    job=maintenance,
    cron_schedule="37 * * * *",
    execution_timezone="Asia/Shanghai",
    default_status=DefaultScheduleStatus.RUNNING,
)
