"""The two DuckLakes: connect, lease, transactions, models, reference files, merge, maintenance."""

from orderpipe.lake.connection import connect, keyed, open_workbench, open_writer, reader
from orderpipe.lake.lease import lease
from orderpipe.lake.rows import dicts
from orderpipe.lake.transaction import snapshot, transaction

__all__ = ["connect", "dicts", "keyed", "lease", "open_workbench", "open_writer", "reader", "snapshot", "transaction"]
