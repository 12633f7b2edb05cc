"""The code location: the one place where assets, checks, jobs, schedules and sensors meet."""

from dagster import Definitions, in_process_executor

from assets import jobs
from assets.core import pool
from assets.decision import decide
from assets.outbox import senders
from assets.quality import expectations
from assets.raw import pull
from assets.resources import Hub
from sensors.dispatch import dispatch_sensors
from sensors.failure import failure_sensor
from sensors.housekeeping import housekeeping, housekeeping_schedule, maintenance, maintenance_schedule
from sensors.quality import quality_sensor
from sensors.schedules import tick_schedule

defs = Definitions(
    assets=[pull, pool, decide, *senders],
    asset_checks=[expectations],
    jobs=[jobs.tick, *jobs.dispatch.values(), jobs.quality, housekeeping, maintenance],
    schedules=[tick_schedule, housekeeping_schedule, maintenance_schedule],
    sensors=[*dispatch_sensors, quality_sensor, failure_sensor],
    resources={"hub": Hub()},
    # In one process: spawning a process per step would cost a tick 20 seconds and more. Set here and not on a job,
    # because a backfill ignores a job's executor.
    executor=in_process_executor,
)
