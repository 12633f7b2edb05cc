"""Housekeeping of Dagster itself: it never forgets a run on its own, and a tick leaves 130 kB of events."""

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
