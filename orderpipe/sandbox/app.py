"""The sandbox assembled: one web application, one process."""

import time
from collections.abc import Collection
from datetime import datetime
from html import escape
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from orderpipe.sandbox import (
    control,
    dingtalk,
    douyin,
    jd,
    kuaidi100,
    lazada,
    pinduoduo,
    qimen,
    settlements,
    shopee,
    shopify,
    shopify_rest,
    taobao,
)
from orderpipe.sandbox.clock import Clock, epoch, iso
from orderpipe.sandbox.conformance_routes import conformance, listening
from orderpipe.sandbox.model import load_goods
from orderpipe.sandbox.world import World

# One line per platform or receiver: a module with NAME, FAULTS, routes(world) and, for a platform with orders,
# platform_status(order).
PLATFORMS = (taobao, pinduoduo, douyin, jd, shopee, lazada, shopify, shopify_rest, qimen, kuaidi100, dingtalk)


def build(world: World) -> Starlette:
    """The web application over a world."""
    served = [route for module in PLATFORMS for route in module.routes(world)]
    controls = [*control.routes(world, PLATFORMS), *settlements.routes(world), *conformance(world, PLATFORMS)]

    async def index(request: Request) -> HTMLResponse:
        shops = "".join(
            f"<li>{escape(state.shop.id)}: {len(state.orders)} orders</li>" for state in world.shops.values()
        )
        paths = "".join(
            f"<li><code>{escape(path)}</code></li>" for path in dict.fromkeys(r.path for r in (*served, *controls))
        )
        return HTMLResponse(
            f"<!doctype html><title>orderpipe sandbox</title><h1>orderpipe sandbox</h1>"
            f"<p>Simulated platforms and receivers; "
            f"{iso(world.now)}, rate {world.clock.rate}, seed {world.seed}.</p><ul>{shops}</ul><ul>{paths}</ul>"
        )

    return Starlette(routes=[Route("/", index), *served, *controls], middleware=[listening(world)])


def serve(
    host: str = "127.0.0.1",
    port: int = 8790,
    seed: int = 1,
    rate: float = 1.0,
    history_hours: float = 6,
    orders_per_hour: float = 60,
    pace: float = 1.0,
    start: datetime | None = None,
    goods: str | Path = "config/goods.csv",
    shops: Collection[str] | None = None,
    callback_url: str = "",
    quiet: bool = False,
) -> None:
    """Run until SIGTERM or SIGINT; both stop at once, also in the middle of a hanging request.

    port 0 takes a free one. rate: simulated seconds per real second, 0 for a stepped clock. history_hours: past life
    lived through before the first request. pace: speed of an order's life. start: first reading of the clock (UTC
    where it has no offset; None for now). shops: ids of the shops that exist; None for all. callback_url: root of the
    application the warehouse reports to. Prints one line with the address when it listens, unless quiet.
    Raises OSError or ValueError when the goods master cannot be read or a shop is unknown.
    """
    clock = Clock(time.time() if start is None else epoch(start), rate)
    world = World(
        load_goods(goods),
        clock,
        seed=seed,
        history=history_hours * 3600,
        orders_per_hour=orders_per_hour,
        pace=pace,
        shops=shops,
        callback_url=callback_url,
    )
    config = uvicorn.Config(
        build(world),
        host=host,
        port=port,
        log_level="critical",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=0,
    )
    _Server(config, quiet).run()


class _Server(uvicorn.Server):
    """Says where it listens, and leaves without waiting for anybody."""

    def __init__(self, config: uvicorn.Config, quiet: bool):
        super().__init__(config)
        self._quiet = quiet

    async def startup(self, sockets: list | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self._quiet:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            print(f"sandbox ready on http://{host}:{port}", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True  # and not re-raised afterwards: being stopped is a normal end
