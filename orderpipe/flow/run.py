"""A run: one identity, one clock reading, one writer connection, shared by the stages that belong together."""

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from orderpipe import clock
from orderpipe.config import Settings
from orderpipe.lake import lease, open_writer, transaction

log = logging.getLogger("orderpipe")


@dataclass
class Run:
    """What every stage of the flow is handed. id names the run in raw, core and the outbox; started_at is UTC.

    sleep: how its clients wait for a platform, seconds; in a simulated world, waiting moves the world's clock.
    """

    settings: Settings
    id: str
    clock: clock.Clock
    started_at: datetime
    say: Callable[[str], None] = field(default=log.info, repr=False)
    sleep: Callable[[float], Any] = field(default=time.sleep, repr=False)

    @cached_property
    def lake(self):
        """The writer connection, opened when first needed."""
        return open_writer(self.settings)

    def writing(self, purpose: str) -> contextlib.AbstractContextManager[None]:
        """The writer lease, for the block. The connection is opened first: making tables takes the lease itself."""
        assert self.lake is not None
        return lease(self.settings.home.lock("writer"), purpose)

    def note_start(self) -> None:
        """Fill work.run with this run's id and start, for the models that ask."""
        self.lake.execute(
            "CREATE OR REPLACE TABLE work.run AS SELECT $id AS id, $now::TIMESTAMPTZ AS started_at",
            {"id": self.id, "now": self.started_at},
        )

    def transaction(self, catalog: str, message: str) -> contextlib.AbstractContextManager[None]:
        """One durable transaction on a catalog; the lease must be held."""
        return transaction(self.lake, self.settings, catalog, f"{message} run={self.id}")

    def close(self) -> None:
        """Close the connection if one was opened."""
        if "lake" in self.__dict__:
            self.lake.close()
            del self.lake


@contextlib.contextmanager
def open_run(settings: Settings, run_id: str | None = None, say: Callable[[str], None] | None = None) -> Iterator[Run]:
    """A run for the block; run_id defaults to a new one."""
    now = clock.from_environment().frozen()
    run = Run(settings, run_id or uuid.uuid4().hex, now, now.now(), say or log.info)
    try:
        yield run
    finally:
        run.close()
