"""The one resource: settings, and the flow run that every step of a Dagster run shares."""

import logging
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dagster import ConfigurableResource, Failure, InitResourceContext
from pydantic import PrivateAttr

from orderpipe import config
from orderpipe.errors import ConfigError, OrderpipeError

if TYPE_CHECKING:
    from orderpipe import flow

log = logging.getLogger("orderpipe.stages")


class Hub(ConfigurableResource):
    """Opens orderpipe for a Dagster run: one flow run under Dagster's run id, one connection for all of its steps.

    alerts: what the pool found for the operators, (key, Chinese text); the decision after it writes them down.
    """

    _run_id: str | None = PrivateAttr(default=None)
    _run: "flow.Run | None" = PrivateAttr(default=None)
    _alerts: list[tuple[str, str]] = PrivateAttr(default_factory=list)
    _open: ExitStack = PrivateAttr(default_factory=ExitStack)

    def setup_for_execution(self, context: InitResourceContext) -> None:
        self._run_id = context.run.run_id if context.run else None

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        self._close()

    @property
    def alerts(self) -> list[tuple[str, str]]:
        return self._alerts

    @property
    def settings(self) -> config.Settings:
        """The configuration as it stands on disk now."""
        return config.load()

    @contextmanager
    def stage(self, name: str) -> "Iterator[flow.Run]":
        """The flow run, for one stage of the flow.

        What goes wrong inside becomes a Failure that is safe to show: our own errors carry no personal data, and
        say what to do; of any other error only the class is shown, because a database or parser quotes the values
        it stumbles over. Its full text goes to logs/errors.log under ORDERPIPE_HOME, which only the owner can read.
        """
        began = time.perf_counter()
        try:
            if self._run is None:
                from orderpipe import flow

                self._run = self._open.enter_context(flow.open_run(self.settings, run_id=self._run_id))
            yield self._run
            log.info(f"{name}: {time.perf_counter() - began:.2f} s")
        except Failure:
            raise
        except OrderpipeError as error:
            self._close()
            raise Failure(str(error), allow_retries=not isinstance(error, ConfigError)) from None
        except Exception as error:
            self._close()
            raise Failure(f"{name}: {type(error).__name__}; the details are in {self._record(name, error)}") from None

    def _close(self) -> None:
        """Close the connection; a retry opens a fresh one, since a failure may have left this one unusable."""
        self._run = None
        self._open.close()

    def _record(self, name: str, error: Exception) -> str:
        path = self.settings.home.path / "logs" / "errors.log"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat()} run {self._run_id} {name}\n")
            file.writelines(traceback.format_exception(error))
        return str(path)
