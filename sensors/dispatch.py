"""Dispatch: one sensor per receiver asks for a run when the outbox holds something that is due."""

from dagster import (
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from assets import jobs
from orderpipe.errors import OrderpipeError
from sensors import outbox
from sensors.runs import attempt, resting, unfinished

BATCH = "orderpipe/batch"
EVERY = 15  # seconds between looks


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
        return resting(context.instance, job.name) or attempt(
            context.instance, job.name, BATCH, due.batch, of=f"{receiver}:"
        )

    return look


dispatch_sensors = [_sensor(receiver) for receiver in jobs.dispatch]
