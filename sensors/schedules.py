"""The one schedule: a tick every quarter of an hour."""

import os

from dagster import DefaultScheduleStatus, RunRequest, ScheduleEvaluationContext, SkipReason, schedule

from assets import jobs
from sensors.runs import unfinished

CRON = os.environ.get("ORDERPIPE_TICK_CRON") or "*/15 * * * *"


@schedule(
    cron_schedule=CRON,
    execution_timezone="Asia/Shanghai",
    job=jobs.tick,
    name="tick_schedule",
    default_status=DefaultScheduleStatus.RUNNING,
    description="每 15 分钟一次 · Skips while the previous tick is queued or running: ticks never pile up.",
)
def tick_schedule(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
    run = unfinished(context.instance, jobs.tick.name)
    if run is not None:
        return SkipReason(f"上一次任务仍在进行 · the previous tick is not finished: {run.run_id}, {run.status.value}")
    return RunRequest(run_key=context.scheduled_execution_time.isoformat())
