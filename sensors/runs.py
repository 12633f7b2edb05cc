"""Questions about runs that the schedule and the sensors share."""

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


def unfinished(instance: DagsterInstance, job_name: str) -> DagsterRun | None:
    """A run of the job that is queued or under way."""
    return next(iter(instance.get_runs(RunsFilter(job_name=job_name, statuses=UNFINISHED), limit=1)), None)


def finished(instance: DagsterInstance, job_name: str, limit: int) -> list[DagsterRun]:
    """The newest finished runs of the job, newest first."""
    return list(instance.get_runs(RunsFilter(job_name=job_name, statuses=FINISHED), limit=limit))


def failures_in_a_row(instance: DagsterInstance, job_name: str, limit: int) -> int:
    """How many of the newest runs of the job failed one after the other; counts no further than limit."""
    streak = 0
    for run in finished(instance, job_name, limit):
        if run.status is not DagsterRunStatus.FAILURE:
            break
        streak += 1
    return streak


def last_end(instance: DagsterInstance, job_name: str) -> float:
    """When the newest finished run of the job ended, epoch seconds; 0 when none has."""
    records = instance.get_run_records(RunsFilter(job_name=job_name, statuses=FINISHED), limit=1)
    return (records[0].end_time or 0.0) if records else 0.0
