"""The flow, stage by stage, as plain functions: what the command line and the Dagster assets call."""

from orderpipe.dispatch.dispatcher import RECEIVERS, DispatchReport, dispatch
from orderpipe.flow.batch import quality_batch
from orderpipe.flow.check import Check, check
from orderpipe.flow.decide import DecideReport, decide
from orderpipe.flow.pool import PoolReport, pool
from orderpipe.flow.pull import Lane, LaneReport, PullReport, behind, lanes, pull
from orderpipe.flow.run import Run, open_run
from orderpipe.flow.tick import TickReport, alerts_of, tick

__all__ = [
    "RECEIVERS",
    "Check",
    "DecideReport",
    "DispatchReport",
    "Lane",
    "LaneReport",
    "PoolReport",
    "PullReport",
    "Run",
    "TickReport",
    "alerts_of",
    "behind",
    "check",
    "decide",
    "dispatch",
    "lanes",
    "open_run",
    "pool",
    "pull",
    "quality_batch",
    "tick",
]
