"""The doors of the receivers: the warehouse reports at /callbacks/qimen, the courier at /callbacks/kuaidi100.

Whatever is answered with success is on disk by then; anything else is repeated by its sender. Nothing is understood
here but the signature: `flow.callbacks` does that.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orderpipe import spool
from orderpipe.config import Settings
from orderpipe.dispatch import inbound
from orderpipe.errors import OrderpipeError
from orderpipe.failpoint import reach

LARGEST = 1_000_000  # bytes of one callback
log = logging.getLogger("orderpipe.console")


class _Refused(Exception):
    """A callback that is not taken: code and message for its sender."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message


def routes(settings: Settings) -> list[Route]:
    """The doors, over a home and a configuration."""

    async def qimen(request: Request) -> Response:
        return await _answer(request, _qimen_answer, lambda body: _from_warehouse(settings, request, body))

    async def kuaidi100(request: Request) -> Response:
        return await _answer(request, _kuaidi100_answer, lambda body: _from_courier(settings, body))

    return [
        Route("/callbacks/qimen", qimen, methods=["POST"]),
        Route("/callbacks/kuaidi100", kuaidi100, methods=["POST"]),
    ]


async def _answer(request: Request, answer: Callable[[str, str], Response], take: Callable[[str], None]) -> Response:
    try:
        await run_in_threadpool(take, await _body(request))
    except _Refused as refused:
        log.warning("%s: not taken, %s", request.url.path, refused.message)
        return answer(refused.code, refused.message)
    except OrderpipeError as error:  # a credential is not set
        log.error("%s: not taken, %s", request.url.path, error)
        return answer("system-error", "not configured, try again")
    except OSError as error:
        log.error("%s: cannot be kept, %s", request.url.path, error.strerror)
        return answer("system-error", "cannot be kept, try again")
    return answer("", "")


async def _body(request: Request) -> str:
    """The text as it came. Raises _Refused when it is too large or no text."""
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > LARGEST:
            raise _Refused("too-large", "the body is larger than 1 MB")
    try:
        return found.decode()
    except UnicodeDecodeError:
        raise _Refused("not-utf8", "the body is not UTF-8") from None


def _from_warehouse(settings: Settings, request: Request, body: str) -> None:
    params = dict(request.query_params.multi_items())
    if not inbound.is_from_warehouse(settings.receivers["wms"], params, body):
        raise _Refused("sign-check-failure", "Illegal request")
    if "<!DOCTYPE" in body:
        raise _Refused("invalid-body", "a document type is not accepted")
    _keep(settings, inbound.QIMEN, inbound.method_of(params), body)


def _from_courier(settings: Settings, body: str) -> None:
    fields = inbound.form(body)
    param = fields.get("param", "")
    if not inbound.is_from_courier(settings.receivers["courier"], param, fields.get("sign", "")):
        raise _Refused("500", "签名验证失败")
    _keep(settings, inbound.KUAIDI100, "", param)


def _keep(settings: Settings, sender: str, method: str, body: str) -> None:
    spool.keep(settings, spool.Callback(sender, method, body, datetime.now(UTC)))
    reach("callbacks.spooled")


def _qimen_answer(code: str, message: str) -> Response:
    flag = "failure" if code else "success"
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f"<response><flag>{flag}</flag><code>{code or 0}</code><message>{message or 'ok'}</message></response>"
    )
    return Response(text, media_type="text/xml; charset=utf-8")


def _kuaidi100_answer(code: str, message: str) -> Response:
    if code:
        return JSONResponse({"result": False, "returnCode": "500", "message": message})
    return JSONResponse({"result": True, "returnCode": "200", "message": "成功"})
