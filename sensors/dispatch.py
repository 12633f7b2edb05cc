"""Dispatch: one sensor per receiver asks for a run when the outbox holds something that is due."""

import time

from dagster import (
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from assets import jobs
from orderpipe.errors import OrderpipeError
from sensors import outbox
from sensors.runs import failures_in_a_row, last_end, unfinished

BATCH = "orderpipe/batch"
EVERY = 15  # seconds between looks
GIVE_UP = 4  # failed runs in a row; the failure sensor has called a person by then
PAUSE = 900  # seconds between attempts from then on, so that sending resumes when the cause is mended


def _sensor(receiver: str) -> SensorDefinition:
    job = jobs.dispatch[receiver]

    @sensor(
        name=f"dispatch_{receiver}_sensor",
        job=job,
        minimum_interval_seconds=EVERY,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"发送到 {receiver} · One dispatch run at a time while the outbox owes {receiver} something.",
    )
    def look(context: SensorEvaluationContext) -> RunRequest | SkipReason:
        run = unfinished(context.instance, job.name)
        if run is not None:
            return SkipReason(f"run {run.run_id} is not finished ({run.status.value})")
        try:
            due = outbox.due(receiver)
        except OrderpipeError as error:
            return SkipReason(str(error))
        if not due.count:
            return SkipReason("nothing is due")
        if failures_in_a_row(context.instance, job.name, GIVE_UP) == GIVE_UP:
            left = last_end(context.instance, job.name) + PAUSE - time.time()
            if left > 0:
                return SkipReason(f"the last {GIVE_UP} runs failed; the next attempt is in {left:.0f} s")
        # A run_key is spent even when its run fails or leaves the batch as it was, so every attempt has a number.
        earlier = context.instance.get_runs_count(RunsFilter(job_name=job.name, tags={BATCH: due.batch}))
        return RunRequest(run_key=f"{receiver}:{due.batch}:{earlier + 1}", tags={BATCH: due.batch})

    return look


dispatch_sensors = [_sensor(receiver) for receiver in jobs.dispatch]
