"""The door every platform stands behind: reads a request, lets the world catch up, plays transport faults, answers.

A platform module is `NAME`, `FAULTS` (the kinds it plays besides the transport's) and `routes(world) -> list[Route]`,
whose routes are made by `door`.
"""

import asyncio
import contextlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from orderpipe.sandbox.faults import AFTER_WORK, Fault

if TYPE_CHECKING:
    from orderpipe.sandbox.world import World

BAD_GATEWAY = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)
HANG_SECONDS = 60.0
encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


@dataclass(slots=True)
class Answer:
    """What to send back: JSON of `body`, or `body` as it is when it is bytes."""

    body: Any
    status: int = 200
    media_type: str = "application/json;charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        body = self.body if isinstance(self.body, bytes) else encode(self.body)
        return Response(body, self.status, self.headers, self.media_type)


@dataclass(slots=True)
class Call:
    """One request as a platform sees it. name: the API method, for matching faults. pairs: the query with names that
    are repeated; `query` knows the last of them."""

    world: "World"
    where: str
    verb: str
    path: dict[str, str]
    query: dict[str, str]
    headers: Any
    body: bytes
    form: dict[str, str]
    name: str = ""
    pairs: list[tuple[str, str]] = field(default_factory=list)

    def fault(self, kind: str) -> Fault | None:
        """The armed fault of that kind that fires on this call."""
        return self.world.faults.take(self.where, kind, self.name)


def same(expected: str, given: str) -> bool:
    """Whether a signature is the expected one; takes equally long wherever they differ."""
    return hmac.compare_digest(expected.encode(), given.encode())


def door(
    world: "World",
    where: str,
    path: str,
    name_of: Callable[[Call], str],
    answer: Callable[[Call], Answer],
    verbs: tuple[str, ...] = ("POST",),
) -> Route:
    """A route on which a platform answers. name_of: the API method a call names."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        form = _form(request.headers.get("content-type", ""), body)
        call = Call(
            world, where, request.method, request.path_params, dict(request.query_params), request.headers, body, form
        )
        call.pairs = request.query_params.multi_items()
        call.name = name_of(call)
        world.advance()
        if blunt := await _before_work(call, request):
            return blunt
        response = answer(call).response()
        for kind in AFTER_WORK:
            if fault := call.fault(kind):
                return _spoilt(kind, fault, response)
        return response

    return Route(path, endpoint, methods=list(verbs))


def _form(content_type: str, body: bytes) -> dict[str, str]:
    """The body as form fields; empty when it is no form."""
    if not content_type.startswith("application/x-www-form-urlencoded"):
        return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


async def _before_work(call: Call, request: Request) -> Response | None:
    if call.fault("http_429"):
        return Response(b'{"errors":"Too Many Requests"}', 429, {"Retry-After": "1.0"}, "application/json")
    if call.fault("http_500"):
        return Response(b"Internal Server Error", 500, media_type="text/plain")
    if call.fault("http_502_html"):
        return Response(BAD_GATEWAY, 502, media_type="text/html")
    if fault := call.fault("hang"):
        try:
            await asyncio.wait_for(_gone(request), fault.options.get("seconds", HANG_SECONDS))
        except TimeoutError:
            call.world.advance()  # the caller was patient: time has passed, the work is done now
        else:
            return Response(status_code=499)  # the caller hung up before the work began
    return None


async def _gone(request: Request) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.05)


def _spoilt(kind: str, fault: Fault, response: Response) -> Response:
    if kind == "timeout_after_write":
        return _CutOff(response, 0, fault.options.get("seconds", 0.0))
    half = len(response.body) // 2
    if kind == "truncated_body":
        return _CutOff(response, half, 0.0)
    return Response(bytes(response.body[:half]) + b'"<', 200, media_type=response.media_type)


class _CutOff(Response):
    """Promises a whole body, waits, sends the first bytes of it and drops the connection."""

    def __init__(self, whole: Response, size: int, seconds: float):
        self._whole, self._size, self._seconds = whole, size, seconds
        super().__init__()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._seconds:
            with contextlib.suppress(TimeoutError):  # nobody hung up: we do
                await asyncio.wait_for(_gone(Request(scope, receive)), self._seconds)
        await send(
            {"type": "http.response.start", "status": self._whole.status_code, "headers": self._whole.raw_headers}
        )
        await send({"type": "http.response.body", "body": bytes(self._whole.body[: self._size]), "more_body": True})
