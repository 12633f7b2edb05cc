"""The typed rows of a pooled batch once more, for whoever wants to judge them apart from the tick."""

from typing import TYPE_CHECKING

from orderpipe.flow.pool import stage_batch
from orderpipe.flow.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

TABLES = ("orders", "order_items", "refunds", "products", "stock")


def quality_batch(run: Run, seq_from: int, seq_to: int) -> "dict[str, pa.Table]":
    """The staging tables of the payloads seq_from … seq_to (inclusive) by name; no personal data in clear."""
    stage_batch(run, seq_from, seq_to)
    return {name: run.lake.execute(f"FROM staging.{name} ORDER BY source_seq").to_arrow_table() for name in TABLES}
