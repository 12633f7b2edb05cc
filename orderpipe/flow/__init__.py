"""The flow, stage by stage, as plain functions: what the command line and the Dagster assets call."""

from orderpipe.dispatch.dispatcher import RECEIVERS, DispatchReport, dispatch
from orderpipe.flow.batch import quality_batch
from orderpipe.flow.check import Check, check
from orderpipe.flow.decide import DecideReport, decide
from orderpipe.flow.marts import build_marts, mart_names
from orderpipe.flow.pool import PoolReport, pool
from orderpipe.flow.pull import Lane, LaneReport, PullReport, behind, lanes, pull
from orderpipe.flow.run import Run, open_run
from orderpipe.flow.tick import TickReport, alerts_of, tick
from orderpipe.flow.verify import LaneVerified, sweep, swept

__all__ = [
    "RECEIVERS",
    "Check",
    "DecideReport",
    "DispatchReport",
    "Lane",
    "LaneReport",
    "LaneVerified",
    "PoolReport",
    "PullReport",
    "Run",
    "TickReport",
    "alerts_of",
    "behind",
    "build_marts",
    "check",
    "decide",
    "dispatch",
    "lanes",
    "mart_names",
    "open_run",
    "pool",
    "pull",
    "quality_batch",
    "sweep",
    "swept",
    "tick",
]
