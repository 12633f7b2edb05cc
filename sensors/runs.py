"""Questions about runs that the schedule and the sensors share."""

import time

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRequest, RunsFilter, SkipReason

GIVE_UP = 4  # failed runs in a row; the failure sensor has called a person by then
PAUSE = 900  # seconds between attempts from then on, so that work resumes when the cause is mended
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


def resting(instance: DagsterInstance, job_name: str) -> SkipReason | None:
    """Why the job is not tried just now: it failed again and again, and its pause is not over. None when it may run."""
    if failures_in_a_row(instance, job_name, GIVE_UP) < GIVE_UP:
        return None
    left = last_end(instance, job_name) + PAUSE - time.time()
    return SkipReason(f"the last {GIVE_UP} runs failed; the next attempt is in {left:.0f} s") if left > 0 else None


def attempt(instance: DagsterInstance, job_name: str, tag: str, batch: str, *, of: str = "", **more) -> RunRequest:
    """The next run of the job on a batch, which its tag names. A run_key is spent even when its run fails or leaves the
    batch as it was, so every attempt has a number. of: what the key begins with. more: as RunRequest takes it."""
    earlier = instance.get_runs_count(RunsFilter(job_name=job_name, tags={tag: batch}))
    return RunRequest(run_key=f"{of}{batch}:{earlier + 1}", tags={tag: batch}, **more)
