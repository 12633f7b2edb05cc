"""orderpipe: the order hub as a data pipeline. Plain Python; nothing here imports Dagster."""

__version__ = "0.1.0"
