"""What one attempt to hand an instruction to a receiver came to."""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from orderpipe.dispatch.masking import scrub
from orderpipe.errors import ConfigError
from orderpipe.platforms.http import retry_after

ACKNOWLEDGED, REJECTED, RETRY, UNSENT = "acknowledged", "rejected", "retry", "unsent"

BUSY = re.compile(
    r"isp\.|time[d]?[ -]?out|超时|system[ -]?(is )?busy|server[ -]?busy|系统繁忙|系统忙|服务繁忙|service unavailable",
    re.I,
)


@dataclass(frozen=True)
class Outcome:
    """status: 'acknowledged', 'rejected' (final, an operator must act), 'retry' (nothing happened, or unknown) or
    'unsent' (it never left, because the receiver is out of order).

    receipt: numbers and ids the receiver gave, never personal data. error: text for people, masked. retry_after:
    seconds. latency_ms: of all requests of this attempt. body_masked: the request body with personal data masked.
    reached: whether anything came back that the receiver itself can have written. halts: no other call to this
    receiver can work now either (a wrong key, an empty account). too_late: refused because the world has moved on,
    which is an answer and no fault. code: the receiver's own code of a refusal.
    """

    status: str
    receipt: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    request_id: str | None = None
    http_status: int | None = None
    latency_ms: int = 0
    retry_after: float | None = None
    body_masked: str = ""
    reached: bool = True
    halts: bool = False
    too_late: bool = False
    code: str | None = None


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP. text is None when nothing did; then failure says why, for people."""

    text: str | None = field(repr=False)
    failure: str = ""
    http_status: int | None = None
    latency_ms: int = 0
    retry_after: float | None = None

    def outcome(
        self, status: str, body_masked: str, error: str | None = None, *, hidden: Iterable[str] = (), **more: Any
    ) -> Outcome:
        """The outcome of this answer. hidden: personal values the receiver may have quoted in `error`."""
        made = Outcome(
            status,
            error=scrub(error, hidden) if error else None,
            http_status=self.http_status,
            latency_ms=self.latency_ms,
            retry_after=self.retry_after,
            body_masked=body_masked,
        )
        return replace(made, **more)


def post(http: httpx.Client, url: str, auth: httpx.Auth, **body: Any) -> Answer:
    """POST once and read whatever comes back; a lost answer is an Answer too, for only the outbox may try again.

    Raises ConfigError when a credential cannot be sent at all.
    """
    started = time.perf_counter()

    def elapsed() -> int:
        return round((time.perf_counter() - started) * 1000)

    try:
        response = http.post(url, auth=auth, **body)
    except httpx.LocalProtocolError:
        remedy = "look for a stray line break in its credentials"
        raise ConfigError("the request cannot be built", where=httpx.URL(url).host, remedy=remedy) from None
    except httpx.RequestError as error:
        return Answer(None, failure=f"没有收到应答（{type(error).__name__}）", latency_ms=elapsed())
    try:
        text = response.content.decode()
    except UnicodeDecodeError:
        text = ""
    return Answer(text, http_status=response.status_code, latency_ms=elapsed(), retry_after=retry_after(response))
