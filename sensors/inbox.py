"""Files dropped into the inbox are imported once they have stopped growing."""

import hashlib
import json
import time

from dagster import (
    DefaultSensorStatus,
    RunConfig,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from assets import jobs
from assets.imports import InboxConfig
from orderpipe import config
from orderpipe.imports import inbox
from orderpipe.imports.files import content_hash
from sensors.runs import failures_in_a_row, last_end, unfinished

FILES = "orderpipe/files"
EVERY = 30  # seconds between looks; a file is taken when two looks see the same size and time
AT_ONCE = 100  # files in one run
GIVE_UP = 4  # failed runs in a row; the failure sensor has called a person by then
PAUSE = 900  # seconds between attempts from then on


@sensor(
    name="inbox_sensor",
    job=jobs.import_files,
    minimum_interval_seconds=EVERY,
    default_status=DefaultSensorStatus.RUNNING,
    description="收件箱 · Starts an import when files lie in inbox/ that have not changed since the last look.",
)
def inbox_sensor(context: SensorEvaluationContext) -> RunRequest | SkipReason:
    waiting = inbox.waiting(config.load())
    seen = json.loads(context.cursor or "{}")
    context.update_cursor(json.dumps({file.name: [file.size, file.modified] for file in waiting}))
    settled = [file for file in waiting if seen.get(file.name) == [file.size, file.modified]][:AT_ONCE]
    if not settled:
        return SkipReason(f"{len(waiting)} files may still be growing" if waiting else "the inbox is empty")
    run = unfinished(context.instance, jobs.import_files.name)
    if run is not None:
        return SkipReason(f"run {run.run_id} is not finished ({run.status.value})")
    if failures_in_a_row(context.instance, jobs.import_files.name, GIVE_UP) == GIVE_UP:
        left = last_end(context.instance, jobs.import_files.name) + PAUSE - time.time()
        if left > 0:
            return SkipReason(f"the last {GIVE_UP} runs failed; the next attempt is in {left:.0f} s")
    try:
        content = "\n".join(f"{content_hash(file.path)} {file.name}" for file in settled)
    except FileNotFoundError:
        return SkipReason("a file has gone since it was seen")
    files = hashlib.sha256(content.encode()).hexdigest()
    # A run_key is spent even when its run fails, and the same file may be dropped again: every attempt has a number.
    earlier = context.instance.get_runs_count(RunsFilter(job_name=jobs.import_files.name, tags={FILES: files}))
    return RunRequest(
        run_key=f"{files}:{earlier + 1}",
        run_config=RunConfig(ops={"raw__import_orders": InboxConfig(files=[file.name for file in settled])}),
        tags={FILES: files},
    )
