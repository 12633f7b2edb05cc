"""The code location: the one place where assets, checks, jobs, schedules and sensors meet."""

from dagster import Definitions, in_process_executor

from assets import jobs
from assets.backtest import backtest
from assets.callbacks import callbacks
from assets.core import pool
from assets.decision import decide
from assets.imports import imports
from assets.mart import marts
from assets.outbox import senders
from assets.quality import expectations
from assets.raw import pull, reviews
from assets.requeue import requeue
from assets.resources import Hub
from assets.rules import rules
from assets.stock import guard, wms_stock
from sensors.callbacks import callbacks_sensor
from sensors.dispatch import dispatch_sensors
from sensors.failure import failure_sensor
from sensors.housekeeping import housekeeping, housekeeping_schedule, maintenance, maintenance_schedule
from sensors.inbox import inbox_sensor
from sensors.quality import quality_sensor
from sensors.schedules import tick_schedule
from sensors.sweeps import sweep, sweep_schedules

defs = Definitions(
    assets=[pull, imports, reviews, wms_stock, callbacks, pool, rules, decide, guard, backtest, *marts, *senders],
    asset_checks=[expectations],
    jobs=[
        jobs.tick,
        jobs.import_files,
        jobs.callbacks,
        *jobs.dispatch.values(),
        jobs.quality,
        jobs.backtest,
        requeue,
        sweep,
        housekeeping,
        maintenance,
    ],
    schedules=[tick_schedule, *sweep_schedules, housekeeping_schedule, maintenance_schedule],
    sensors=[*dispatch_sensors, callbacks_sensor, inbox_sensor, quality_sensor, failure_sensor],
    resources={"hub": Hub()},
    # In one process: spawning a process per step would cost a tick 20 seconds and more. Set here and not on a job,
    # because a backfill ignores a job's executor.
    executor=in_process_executor,
)
