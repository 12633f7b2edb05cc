"""What every HTTP client of this package shares: a careful connection, retries that end, a clock cheap to ask."""

import logging
import random
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import httpx

from orderpipe.clock import Clock
from orderpipe.errors import ConfigError, PlatformError, Unavailable
from orderpipe.platforms.base import Unanswered

# At INFO both print whole URLs, and some platforms carry tokens and signatures in the query string.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

T = TypeVar("T")


def new_client(*, read_timeout: float = 30.0) -> httpx.Client:
    """An HTTP client that ignores the machine's proxy settings and never waits without end. Seconds."""
    return httpx.Client(
        trust_env=False,
        verify=_certificates(),
        timeout=httpx.Timeout(read_timeout, connect=5.0),
        limits=httpx.Limits(max_connections=32, max_keepalive_connections=16),
        headers={"User-Agent": "orderpipe"},
    )


@cache
def _certificates() -> ssl.SSLContext:
    """The authorities every client trusts; reading them takes 50 ms, a tick opens a client for every shop."""
    return httpx.create_ssl_context(trust_env=False)


def endpoint(base_url: str, path: str, *, where: str) -> str:
    """base_url + path. Raises ConfigError when base_url is no http(s) URL."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError("base_url is not an http(s) URL", where=where, remedy="correct base_url in the configuration")
    return base_url.rstrip("/") + path


class Again(Exception):
    """One attempt failed in a way that another may mend; `Retry.run` catches it.

    error: what to raise when patience ends. after: seconds the platform asked us to wait; None means our own
    back-off, and only those attempts are counted.
    """

    def __init__(self, error: PlatformError, *, after: float | None = None):
        super().__init__(str(error))
        self.error, self.after = error, after


@dataclass(frozen=True)
class Retry:
    """How patient a client is with one call: attempts, the back-off in seconds (exponential, full jitter), and the
    seconds of waiting allowed in total."""

    tries: int = 4
    base: float = 0.5
    cap: float = 8.0
    budget: float = 60.0
    sleep: Callable[[float], Any] = time.sleep

    def run(self, attempt: Callable[[], T]) -> T:
        """The result of the first attempt that succeeds. Raises the last `Again.error` when patience ends."""
        failures, waited = 0, 0.0
        while True:
            try:
                return attempt()
            except Again as again:
                if again.after is None:
                    failures += 1
                    wait = random.uniform(0, min(self.cap, self.base * 2**failures))
                else:
                    wait = max(0.5, again.after)
                if failures >= self.tries or waited + wait > self.budget:
                    raise again.error from None
            self.sleep(wait)
            waited += wait


def exchange(
    http: httpx.Client, request: httpx.Request, auth: httpx.Auth, *, where: str, repeatable: bool
) -> httpx.Response:
    """Send a request and read the answer, whatever its status.

    Raises Again(Unavailable) when it may simply be sent again, and Unanswered when it reached the other side but no
    answer came and repeating it is not harmless (repeatable=False). The text of transport errors is never passed on.
    """
    try:
        return http.send(request, auth=auth)
    except httpx.LocalProtocolError:
        raise ConfigError(
            "a credential cannot be sent in an HTTP header", where=where, remedy="look for a stray line break in it"
        ) from None
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise Again(Unavailable(f"no connection ({type(error).__name__})", where=where, remedy=_NETWORK)) from None
    except httpx.RequestError as error:
        what = f"no complete answer ({type(error).__name__})"
        if not repeatable:
            raise Unanswered(what, where=where, remedy="it is read again before it is sent again") from None
        raise Again(Unavailable(what, where=where, remedy=_NETWORK)) from None


_NETWORK = "check network and base_url; the next run tries again"


def retry_after(response: httpx.Response) -> float | None:
    """Seconds asked for by a Retry-After header, when it gives seconds (some platforms write them as 2.0)."""
    text = response.headers.get("Retry-After", "").strip()
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


class SteadyClock:
    """The same time as `clock`, asking its source (which may be across HTTP) at most twice a second."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._frozen: Clock | None = None
        self._asked = 0.0

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        if self._frozen is None or time.monotonic() - self._asked > 0.5:
            self._frozen, self._asked = self._clock.frozen(), time.monotonic()
        return self._frozen.now()
