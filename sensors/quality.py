"""After a tick, Great Expectations looks at the batch it pooled."""

from dagster import DefaultSensorStatus, RunConfig, RunRequest, SensorEvaluationContext, SkipReason, sensor

from assets import jobs
from assets.core import SEQ_FROM, SEQ_TO
from assets.quality import BatchConfig
from sensors.runs import finished, unfinished

EVERY = 120  # seconds between looks: an examination costs more than a small tick
TICKS = 50  # how many finished ticks to look back over
LARGEST = 50_000  # payloads examined in one run; more wait for the next


@sensor(
    name="quality_sensor",
    job=jobs.quality,
    minimum_interval_seconds=EVERY,
    default_status=DefaultSensorStatus.RUNNING,
    description="质量检查 · Asks for one examination of what the ticks since the last one have pooled.",
)
def quality_sensor(context: SensorEvaluationContext) -> RunRequest | SkipReason:
    run = unfinished(context.instance, jobs.quality.name)
    if run is not None:
        return SkipReason(f"run {run.run_id} is not finished ({run.status.value})")
    seen = int(context.cursor or 0)
    batches = [
        (int(tick.tags[SEQ_FROM]), int(tick.tags[SEQ_TO]))
        for tick in finished(context.instance, jobs.tick.name, TICKS)
        if SEQ_TO in tick.tags
    ]
    fresh = [(start, end) for start, end in batches if end > seen]
    if not fresh:
        return SkipReason("no tick has pooled anything since the last examination")
    start = seen + 1 if seen else min(start for start, _ in fresh)
    end = min(max(end for _, end in fresh), start + LARGEST - 1)
    context.update_cursor(str(end))
    return RunRequest(
        run_key=f"{start}-{end}",
        run_config=RunConfig(ops={"expectations": BatchConfig(seq_from=start, seq_to=end)}),
        tags={SEQ_FROM: str(start), SEQ_TO: str(end)},
    )
