"""How old live data may be before the asset turns yellow, and then red."""

from datetime import timedelta

from dagster import FreshnessPolicy


def live() -> FreshnessPolicy:
    """For what every tick brings up to date: two missed ticks warn, four fail."""
    return FreshnessPolicy.time_window(fail_window=timedelta(minutes=60), warn_window=timedelta(minutes=30))
