"""What receivers report moves things at once: a run as soon as callbacks wait in the spool."""

import hashlib
import time

from dagster import DefaultSensorStatus, RunRequest, RunsFilter, SensorEvaluationContext, SkipReason, sensor

from assets import jobs
from orderpipe import config, spool
from sensors.runs import failures_in_a_row, last_end, unfinished

BATCH = "orderpipe/callbacks"
EVERY = 15  # seconds between looks
GIVE_UP = 4  # failed runs in a row; the failure sensor has called a person by then
PAUSE = 900  # seconds between attempts from then on


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
    if failures_in_a_row(context.instance, jobs.callbacks.name, GIVE_UP) == GIVE_UP:
        left = last_end(context.instance, jobs.callbacks.name) + PAUSE - time.time()
        if left > 0:
            return SkipReason(f"the last {GIVE_UP} runs failed; the next attempt is in {left:.0f} s")
    # A run_key is spent even when its run fails and leaves the files as they were, so every attempt has a number.
    batch = hashlib.sha256("\n".join(names).encode()).hexdigest()
    earlier = context.instance.get_runs_count(RunsFilter(job_name=jobs.callbacks.name, tags={BATCH: batch}))
    return RunRequest(run_key=f"{batch}:{earlier + 1}", tags={BATCH: batch})
