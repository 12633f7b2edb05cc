"""The web application and its server."""

import logging

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from orderpipe import spool
from orderpipe.config import Settings
from orderpipe.console import callbacks


def build(settings: Settings) -> Starlette:
    """The application over a home and a configuration. Raises ConfigError when receivers.yaml is wrong."""
    assert settings.receivers is not None  # now, not with the first callback

    def health(request: Request) -> JSONResponse:
        return JSONResponse({"ok": True, "callbacks_waiting": len(spool.waiting(settings))})

    return Starlette(routes=[Route("/healthz", health), *callbacks.routes(settings)])


def serve(settings: Settings, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve until SIGTERM or SIGINT. Signatures stand in the query string, so no access log is kept."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    app = build(settings)
    uvicorn.run(app, host=host, port=port, access_log=False, log_level="warning", timeout_graceful_shutdown=5)
