"""Pace: how many calls a second go out, slower when the other side says that it is too fast."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from orderpipe.config import Receiver
from orderpipe.platforms.http import new_client

TOO_MANY = 429


class Pace:
    """Calls a second, shared by threads: `rate` at first, one more with every answer up to `most`, halved when it was
    too fast, never below one. A second's worth may go at once."""

    def __init__(self, rate: float, *, most: float, sleep: Callable[[float], Any] = time.sleep):
        self._rate, self._most, self._sleep = rate, most, sleep
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait for this call's turn."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - 1.0) + 1 / self._rate
            pause = self._next - now
        if pause > 0:
            self._sleep(pause)

    def heard(self, *, too_fast: bool) -> None:
        """Take an answer into account."""
        with self._lock:
            self._rate = max(1.0, self._rate / 2) if too_fast else min(self._most, self._rate + 1)

    def keep(self, client: httpx.Client) -> httpx.Client:
        """Make every request of a client wait for its turn; HTTP 429 is too fast."""
        client.event_hooks["request"].append(lambda request: self.wait())
        client.event_hooks["response"].append(lambda response: self.heard(too_fast=response.status_code == TOO_MANY))
        return client


def paced_client(receiver: Receiver, read_timeout: float) -> httpx.Client:
    """An HTTP client for one receiver that keeps to its `calls_per_second`, when it is set. read_timeout: seconds."""
    client = new_client(read_timeout=read_timeout)
    rate = float(receiver.settings.get("calls_per_second") or 0)
    return Pace(rate, most=rate).keep(client) if rate > 0 else client
