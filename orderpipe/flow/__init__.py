"""The flow, stage by stage, as plain functions: what the command line and the Dagster assets call."""

from orderpipe.dispatch.dispatcher import RECEIVERS, DispatchReport, dispatch
from orderpipe.flow.batch import quality_batch
from orderpipe.flow.callbacks import CallbackReport, land_callbacks, unreadable
from orderpipe.flow.check import Check, check
from orderpipe.flow.decide import DecideReport, decide
from orderpipe.flow.guard import GuardReport, guard_stock
from orderpipe.flow.marts import build_marts, mart_names
from orderpipe.flow.polling import PollReport, lost_parcels, poll_silent
from orderpipe.flow.pool import PoolReport, pool
from orderpipe.flow.pull import Lane, LaneReport, PullReport, behind, lanes, pull
from orderpipe.flow.review import Review, Reviewed, decide_review, list_open
from orderpipe.flow.review_alerts import review_alerts
from orderpipe.flow.run import Run, open_run
from orderpipe.flow.ship_by import ship_by_alerts
from orderpipe.flow.stock import StockReport, pull_stock, stale_stock
from orderpipe.flow.tick import TickReport, alerts_of, tick
from orderpipe.flow.verify import LaneVerified, sweep, swept

__all__ = [
    "RECEIVERS",
    "CallbackReport",
    "Check",
    "DecideReport",
    "DispatchReport",
    "GuardReport",
    "Lane",
    "LaneReport",
    "LaneVerified",
    "PollReport",
    "PoolReport",
    "PullReport",
    "Review",
    "Reviewed",
    "Run",
    "StockReport",
    "TickReport",
    "alerts_of",
    "behind",
    "build_marts",
    "check",
    "decide",
    "decide_review",
    "dispatch",
    "guard_stock",
    "land_callbacks",
    "lanes",
    "list_open",
    "lost_parcels",
    "mart_names",
    "open_run",
    "poll_silent",
    "pool",
    "pull",
    "pull_stock",
    "quality_batch",
    "review_alerts",
    "ship_by_alerts",
    "stale_stock",
    "sweep",
    "swept",
    "tick",
    "unreadable",
]
