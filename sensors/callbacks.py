"""What receivers report moves things at once: a run as soon as callbacks wait in the spool."""

import hashlib

from dagster import DefaultSensorStatus, RunRequest, SensorEvaluationContext, SkipReason, sensor

from assets import jobs
from orderpipe import config, spool
from sensors.runs import attempt, resting, unfinished

BATCH = "orderpipe/callbacks"
EVERY = 15  # seconds between looks


@sensor(
    name="callbacks_sensor",
    job=jobs.callbacks,
    minimum_interval_seconds=EVERY,
    default_status=DefaultSensorStatus.RUNNING,
    description="回传 · Starts a run when callbacks of WMS or courier have come in.",
)
def callbacks_sensor(context: SensorEvaluationContext) -> RunRequest | SkipReason:
    names = [path.name for path in spool.waiting(config.load())]
    if not names:
        return SkipReason("nothing has come in")
    for job in (jobs.callbacks, jobs.tick):
        run = unfinished(context.instance, job.name)
        if run is not None:
            return SkipReason(f"run {run.run_id} of {job.name} is not finished ({run.status.value})")
    if waits := resting(context.instance, jobs.callbacks.name):
        return waits
    batch = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return attempt(context.instance, jobs.callbacks.name, BATCH, batch)
