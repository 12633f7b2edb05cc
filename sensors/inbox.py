"""Files dropped into the inbox are imported once they have stopped growing."""

import hashlib
import json

from dagster import (
    DefaultSensorStatus,
    RunConfig,
    RunRequest,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from assets import jobs
from assets.imports import InboxConfig
from orderpipe import config
from orderpipe.imports import inbox
from orderpipe.imports.files import content_hash
from sensors.runs import attempt, resting, unfinished

FILES = "orderpipe/files"
EVERY = 30  # seconds between looks; a file is taken when two looks see the same size and time
AT_ONCE = 100  # files in one run


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
    if waits := resting(context.instance, jobs.import_files.name):
        return waits
    try:
        content = "\n".join(f"{content_hash(file.path)} {file.name}" for file in settled)
    except FileNotFoundError:
        return SkipReason("a file has gone since it was seen")
    files = hashlib.sha256(content.encode()).hexdigest()
    # The same file may be dropped again.
    chosen = RunConfig(ops={"raw__import_orders": InboxConfig(files=[file.name for file in settled])})
    return attempt(context.instance, jobs.import_files.name, FILES, files, run_config=chosen)
