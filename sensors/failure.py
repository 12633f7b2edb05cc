"""A failed run calls a person: the first of a streak at once, then ever more rarely while the streak lasts."""

from dagster import DefaultSensorStatus, RunFailureSensorContext, run_failure_sensor

from sensors import alerts
from sensors.runs import failures_in_a_row

CALLS = (1, 4, 16, 64, 256)  # which failures in a row are told

WORDED = ("DagsterAssetCheckFailedError",)  # names the checks that failed, nothing else


@run_failure_sensor(
    name="failure_sensor",
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="运行失败 → 钉钉 · Tells the group which job failed, where, and what to do; never row values.",
)
def failure_sensor(context: RunFailureSensorContext) -> None:
    run = context.dagster_run
    streak = failures_in_a_row(context.instance, run.job_name, CALLS[-1])
    if streak not in CALLS:
        context.log.info(f"{run.job_name}: failure {streak} in a row, told at {CALLS}")
        return
    alerts.send(
        f"{run.job_name} 运行失败",
        f"- 任务：{run.job_name}\n- 连续失败：{streak} 次\n- 运行编号：{run.run_id}\n- 原因：{reason(context)}",
    )


def reason(context: RunFailureSensorContext) -> str:
    """The causes of the failed steps, in words that are safe to send: a step's own Failure is worded for people
    (assets/resources.py); of any other error only the class is told, since its message may quote data."""
    causes = [_cause(event.step_key, event.step_failure_data) for event in context.get_step_failure_events()]
    return "; ".join(causes) or "进程中断，未留下原因"


def _cause(step: str | None, data) -> str:
    if data.user_failure_data is not None and data.user_failure_data.description:
        return f"{step}: {data.user_failure_data.description}"
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return f"{step}: unknown"
    return f"{step}: {error.message.strip() if error.cls_name in WORDED else error.cls_name}"
