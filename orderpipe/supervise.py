"""Child processes that start, live and stop together: each in its own process group, its output in its own log.

Whatever happens to the parent, nothing of theirs stays behind.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import httpx

from orderpipe.errors import OrderpipeError

GRACE = 10.0  # seconds between SIGTERM and SIGKILL; every stage survives either
LOG_LIMIT = 20_000_000  # bytes; a larger log starts anew, the old one is kept once
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass
class Child:
    """A running child. Its process group has the number of its first process."""

    name: str
    process: subprocess.Popen
    log: Path

    def tail(self, lines: int = 8) -> str:
        """The end of its log, for an error message."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])


class Stopped(Exception):
    """Not an error: SIGINT, SIGTERM or SIGHUP arrived."""


class Supervisor:
    """Starts children and stops them all at the end of the block, in reverse order.

    logs: folder of their output, one file each, mode 0600.
    """

    def __init__(self, logs: Path):
        self._logs = logs
        self._children: list[Child] = []
        self._asked_to_stop = False
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # orphans of our children become ours, so that they can be waited for
        self._handlers = {number: signal.signal(number, self._ask_to_stop) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def start(self, name: str, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, port: int) -> Child:
        """Start a child that will listen on a local port. Raises OrderpipeError when the port is taken."""
        if not free(port):
            raise OrderpipeError(
                f"port {port} is in use", where=name, remedy="stop what listens there, or choose another port"
            )
        log = self._logs / f"{name}.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".old.log"))
        with os.fdopen(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "ab") as output:
            process = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=_die_with_parent,  # even kill -9 of the parent leaves none behind
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def wait_until_ready(self, child: Child, url: str, timeout: float) -> None:
        """Wait until the child answers the URL with success, at most timeout seconds.

        Raises OrderpipeError with the end of its log when it does not, Stopped when someone asks us to stop.
        """
        deadline = time.monotonic() + timeout
        with httpx.Client(trust_env=False, timeout=5) as http:
            while time.monotonic() < deadline:
                self._check(child)
                with contextlib.suppress(httpx.TransportError):
                    if http.get(url).is_success:
                        return
                time.sleep(0.1)
        raise OrderpipeError(
            f"no answer within {timeout:.0f} s", where=child.name, remedy=f"see {child.log}:\n{child.tail()}"
        )

    def watch(self) -> NoReturn:
        """Stay until someone asks us to stop (raises Stopped) or a child dies (raises OrderpipeError naming it)."""
        while True:
            for child in self._children:
                self._check(child)
            time.sleep(0.2)

    def sleep(self, seconds: float) -> None:
        """Sleep, unless someone asks us to stop (raises Stopped)."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._asked_to_stop:
                raise Stopped
            time.sleep(min(0.1, seconds))

    def stop(self) -> None:
        """Stop all children: SIGTERM to their process groups, SIGKILL to what is left after the grace."""
        for child in reversed(self._children):
            _signal(child, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while any(_alive(child) for child in self._children) and time.monotonic() < deadline:
            time.sleep(0.05)
        for child in self._children:
            _signal(child, signal.SIGKILL)
        while any(_alive(child) for child in self._children) and time.monotonic() < deadline + 5:
            time.sleep(0.05)
        self._children.clear()

    def _ask_to_stop(self, number: int, frame: object) -> None:
        self._asked_to_stop = True

    def _check(self, child: Child) -> None:
        if self._asked_to_stop:
            raise Stopped
        code = child.process.poll()
        if code is not None:
            raise OrderpipeError(
                f"stopped by itself (exit code {code})", where=child.name, remedy=f"see {child.log}:\n{child.tail()}"
            )


def free(port: int) -> bool:
    """Whether nothing listens on this local port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _signal(child: Child, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.process.pid, number)


def _alive(child: Child) -> bool:
    """Whether any process of the child's group is left; reaps those that have ended."""
    child.process.poll()
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-child.process.pid, os.WNOHANG)[0]:
            pass
    try:
        os.killpg(child.process.pid, 0)
    except ProcessLookupError:
        return False
    return True


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _prctl(option: int, value: int) -> None:
    if _libc is not None:
        _libc.prctl(option, value, 0, 0, 0)


def _die_with_parent() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
