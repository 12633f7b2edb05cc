"""The conformance kit over HTTP, so that a system in any language needs nothing but a way to send a file."""

from datetime import datetime, tzinfo
from types import ModuleType
from typing import Any

import msgspec
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from orderpipe.sandbox import conformance_play as plays
from orderpipe.sandbox.conformance import SCENARIOS, unplayable
from orderpipe.sandbox.conformance_calls import Listener
from orderpipe.sandbox.conformance_score import BadFile, read_held, score
from orderpipe.sandbox.conformance_sheet import html
from orderpipe.sandbox.faults import TRANSPORT
from orderpipe.sandbox.gateway import decode, encode
from orderpipe.sandbox.world import World

PATH = "/_control/conformance"
ASKED = frozenset({"shops", "scenarios", "stretch", "settle", "after"})


def listening(world: World) -> Middleware:
    """What notes the calls of the system under test."""
    return Middleware(Listener, world=world, room=plays.ROOM)


def conformance(world: World, modules: tuple[ModuleType, ...]) -> list[Route]:
    """Start a play, ask where it stands, hand in what was held. modules: platforms and receivers served."""
    by_name = {module.NAME: module for module in modules}

    async def show(request: Request) -> Response:
        world.advance()
        play = plays.current(world)
        return _json({"state": "none"} if play is None else play.describe())

    async def start(request: Request) -> Response:
        world.advance()
        try:
            asked: Any = decode(await request.body() or b"{}")
            if not isinstance(asked, dict) or not set(asked) <= ASKED:
                raise ValueError(f"a JSON object with any of {', '.join(sorted(ASKED))} is expected")
            numbers = {name: int(asked[name]) for name in ("stretch", "settle", "after") if name in asked}
            play = plays.begin(world, by_name, shops=asked.get("shops"), scenarios=asked.get("scenarios"), **numbers)
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            return _json({"error": str(error)}, 400)
        return _json(play.describe())

    async def judge(request: Request) -> Response:
        body = await request.body()
        world.advance()
        play = plays.current(world)
        if play is None:
            return _json({"error": "no play: start one first"}, 409)
        try:
            sheet = score(play, by_name, read_held(body, _zone(request.query_params.get("zone", "+00:00"))))
        except (BadFile, ValueError) as error:
            return _json({"error": str(error)}, 400)
        wanted = request.query_params.get("format") == "html" or "text/html" in request.headers.get("accept", "")
        return HTMLResponse(html(sheet)) if wanted else _json(sheet)

    async def scenarios(request: Request) -> Response:
        served = [state.shop.platform for state in world.shops.values() if state.shop.platform in by_name]
        return _json([
            {
                "id": scenario.id, "zh": scenario.zh, "en": scenario.en, "trap": scenario.trap,
                "platforms": [
                    name for name in served if not unplayable(scenario, name, TRANSPORT | by_name[name].FAULTS)
                ],
            }
            for scenario in SCENARIOS
        ])  # fmt: skip

    return [
        Route(PATH, show, methods=["GET"]),
        Route(PATH, start, methods=["POST"]),
        Route(f"{PATH}/scenarios", scenarios, methods=["GET"]),
        Route(f"{PATH}/score", judge, methods=["POST"]),
    ]


def _zone(text: str) -> tzinfo:
    """An offset such as +08:00; a plus sign that a URL turned into a space is understood."""
    zone = datetime.fromisoformat(f"2000-01-01T00:00:00{text.replace(' ', '+')}").tzinfo
    if zone is None:
        raise ValueError("zone must be an offset such as +08:00")
    return zone


def _json(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, media_type="application/json")
