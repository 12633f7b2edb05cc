"""Sending again, with one click, what was refused or given up."""

from dagster import Config, Failure, OpExecutionContext, in_process_executor, job, op
from pydantic import Field

from assets.jobs import MAX_RUNTIME, PRIORITY
from assets.outbox import RECEIVERS
from assets.resources import Hub


class RequeueConfig(Config):
    """What to send again, and on whose word; by itself everything that waits for somebody."""

    receiver: str = Field("", description=f"One of {', '.join(RECEIVERS)}; empty for all of them.")
    instructions: list[str] = Field([], description="Only these instruction ids; empty for all that wait.")
    by: str = Field("Dagster UI", description="Who decides; kept in outbox.interventions.")
    reason: str = Field("在 Dagster 中一键重发", description="Why; kept.")


@op(pool="lake")
def send_again(context: OpExecutionContext, config: RequeueConfig, hub: Hub) -> None:
    """Make what was refused or given up due now; the dispatch sensors send it, after its receiver was asked first."""
    if config.receiver and config.receiver not in RECEIVERS:
        raise Failure(f"no receiver {config.receiver}; use one of {', '.join(RECEIVERS)}", allow_retries=False)
    with hub.stage("requeue") as run:
        from orderpipe.dispatch import operator

        chosen = config.instructions or operator.stuck(run.lake, config.receiver or None)
        count = operator.requeue(run, chosen, actor=config.by, reason=config.reason)
    context.log.info(f"{count} instructions will be sent again")
    context.add_output_metadata({"requeued": count})


@job(
    executor_def=in_process_executor,
    description="一键重发 · Send again what was refused or given up: every instruction that `orderpipe outbox list` "
    "shows, or those that the launchpad names.",
    run_tags={MAX_RUNTIME: "300", PRIORITY: "20"},
)
def requeue() -> None:
    send_again()
