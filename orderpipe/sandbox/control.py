"""The hand from outside: clock, orders made and moved on purpose, faults, and the truth about everything."""

from collections.abc import Callable
from dataclasses import asdict, replace
from types import ModuleType
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orderpipe.sandbox import life, truth, warehouse_orders, warehouse_reports
from orderpipe.sandbox.clock import iso, parse_iso
from orderpipe.sandbox.faults import TRANSPORT
from orderpipe.sandbox.gateway import decode, encode
from orderpipe.sandbox.model import Order
from orderpipe.sandbox.world import Settings, World

WISHES = frozenset({
    "state", "province", "city", "district", "address", "name", "phone", "country", "skus", "quantity",
    "message", "memo", "ip", "id_number", "test", "cod", "presale", "ages",
})  # fmt: skip
ADDRESS = frozenset({"name", "phone", "city", "district", "address"})
Act = Callable[[Request, dict[str, Any]], Any]


class Mistake(Exception):
    """The caller asked for something that cannot be; status is the HTTP status."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


def routes(world: World, platforms: tuple[ModuleType, ...]) -> list[Route]:
    """All control routes. platforms: the modules served, for their faults and their names of statuses."""
    kinds = {module.NAME: TRANSPORT | module.FAULTS for module in platforms}
    shops = {module.NAME: module for module in platforms if hasattr(module, "platform_status")}

    def describe(order: Order) -> dict[str, Any]:
        module = shops[order.shop.platform]
        shown = getattr(module, "visible", None)
        return truth.describe(order, module.platform_status(order), shown is None or shown(order))

    # ---- clock

    def read_clock(request: Request, asked: dict[str, Any]) -> Any:
        return {"now": _precise(world.clock.now()), "rate": world.clock.rate}

    def move_clock(request: Request, asked: dict[str, Any]) -> Any:
        if not asked or not set(asked) <= {"step", "rate", "set"}:
            raise Mistake('give {"step": seconds}, {"rate": r} or {"set": "ISO time"}')
        try:
            if "set" in asked:
                world.clock.set(parse_iso(asked["set"]))
            if "step" in asked:
                world.clock.step(float(asked["step"]))
            if "rate" in asked:
                world.clock.set_rate(float(asked["rate"]))
        except (ValueError, TypeError) as error:
            raise Mistake(str(error)) from None
        world.advance()
        return read_clock(request, asked)

    # ---- orders

    def make_orders(request: Request, asked: dict[str, Any]) -> Any:
        shop_id, count, spread = asked.get("shop"), int(asked.get("n", 1)), float(asked.get("spread", 0))
        wishes = {name: value for name, value in asked.items() if name not in ("shop", "n", "spread")}
        if unknown := set(wishes) - WISHES:
            raise Mistake(f"unknown overrides: {', '.join(sorted(unknown))}; there are {', '.join(sorted(WISHES))}")
        if shop_id not in world.shops:
            raise Mistake(f"no such shop; there are {', '.join(world.shops)}")
        if wishes.get("state", "unpaid") not in ("unpaid", *life.TARGETS):
            raise Mistake(f"no such state; there are unpaid, {', '.join(life.TARGETS)}")
        try:
            made = [world.make_by_hand(shop_id, world.now - int(spread * n / count), wishes) for n in range(count)]
        except KeyError as error:
            raise Mistake(f"not in this world: {error}") from None
        return {"ids": [order.no for order in made]}

    def advance(request: Request, asked: dict[str, Any]) -> Any:
        order = find(request)
        if asked.get("to") not in life.TARGETS:
            raise Mistake(f"to must be one of {', '.join(life.TARGETS)}")
        life.advance(world, order, asked["to"], world.now, what=asked.get("what", "order"), skus=asked.get("skus"))
        return describe(order)

    def readdress(request: Request, asked: dict[str, Any]) -> Any:
        if unknown := set(asked) - ADDRESS:
            raise Mistake(f"unknown fields: {', '.join(sorted(unknown))}; there are {', '.join(sorted(ADDRESS))}")
        order = find(request)
        life.readdress(world, order, world.now, asked or None)
        return describe(order)

    def set_status(request: Request, asked: dict[str, Any]) -> Any:
        order = find(request)
        order.platform_status = asked.get("platform_status")
        world.touch(order, world.now)
        return describe(order)

    def find(request: Request) -> Order:
        try:
            return world.find(request.path_params["id"])
        except KeyError:
            raise Mistake("no such order", 404) from None

    # ---- faults and settings

    def arm(request: Request, asked: dict[str, Any]) -> Any:
        where, kind = asked.pop("where", None), asked.pop("kind", None)
        if where not in kinds:
            raise Mistake(f"where must be one of {', '.join(kinds)}")
        if kind not in kinds[where]:
            raise Mistake(f"{where} has no fault {kind}; it has {', '.join(sorted(kinds[where]))}")
        try:
            return world.faults.arm(where, kind, **asked).describe()
        except (ValueError, TypeError) as error:
            raise Mistake(str(error)) from None

    def list_faults(request: Request, asked: dict[str, Any]) -> Any:
        return world.faults.describe()

    def disarm(request: Request, asked: dict[str, Any]) -> Any:
        world.faults.clear()
        return []

    def read_settings(request: Request, asked: dict[str, Any]) -> Any:
        lags = {shop_id: state.index_lag for shop_id, state in world.shops.items()}
        return asdict(world.settings) | {"index_lag": lags, "orders_per_hour": world.orders_per_hour}

    def change_settings(request: Request, asked: dict[str, Any]) -> Any:
        for shop_id, seconds in asked.pop("index_lag", {}).items():
            if shop_id not in world.shops:
                raise Mistake(f"no such shop; there are {', '.join(world.shops)}")
            world.shops[shop_id].index_lag = int(seconds)
        flow = asked.pop("orders_per_hour", None)
        try:
            world.settings = replace(world.settings, **asked)
        except TypeError as error:
            names = ", ".join((*asdict(Settings()), "index_lag", "orders_per_hour"))
            raise Mistake(f"{error}; there are {names}") from None
        if flow is not None:
            world.set_flow(float(flow))
        return read_settings(request, asked)

    def set_stock(request: Request, asked: dict[str, Any]) -> Any:
        try:
            shelf, quantity = world.stock[asked["warehouse"]][asked["sku"]], int(asked["quantity"])
        except KeyError as error:
            raise Mistake(f"not in this world: {error}") from None
        change, shelf[0] = quantity - shelf[0], quantity
        if asked.get("report") and change:
            warehouse_reports.report_stock(world, asked["warehouse"], asked["sku"], change)
        return read_stock(request, asked)

    def read_stock(request: Request, asked: dict[str, Any]) -> Any:
        return {
            warehouse: {sku: {"available": free, "locked": locked} for sku, (free, locked) in stock.items()}
            for warehouse, stock in world.stock.items()
        }

    def reset(request: Request, asked: dict[str, Any]) -> Any:
        world.reset(int(asked.get("seed", world.seed)))
        return {"seed": world.seed}

    # ---- what is true

    def orders(request: Request, asked: dict[str, Any]) -> Any:
        wanted = request.query_params.get("shop")
        if wanted is not None and wanted not in world.shops:
            raise Mistake(f"no such shop; there are {', '.join(world.shops)}")
        states = [state for shop_id, state in world.shops.items() if wanted in (None, shop_id)]
        return [describe(state.orders[number]) for state in states for _, number in state.by_created]

    def listings(request: Request, asked: dict[str, Any]) -> Any:
        return [
            {"shop_id": shop_id, "product_id": product_id, "listed": False}
            for shop_id, product_id in sorted(world.delisted)
        ]

    def callbacks(request: Request, asked: dict[str, Any]) -> Any:
        return world.postman.describe()

    def handovers(request: Request, asked: dict[str, Any]) -> Any:
        return [
            {
                "code": effect.key,
                "at": effect.facts["handed_over_at"],
                "tracking": effect.facts["tracking"],
                "orders": effect.facts["platform_orders"],
                "refunds_before": effect.facts["refund_landed_before_handover"],
            }
            for effect in world.receipts.of(warehouse_orders.NAME)
            if "handed_over_at" in effect.facts
        ]

    def receipts(request: Request, asked: dict[str, Any]) -> Any:
        found: dict[str, Any] = {where: [_effect(effect) for effect in world.receipts.of(where)] for where in kinds}
        return found | {"counts": {where: world.receipts.counts(where) for where in kinds}}

    def personal(request: Request, asked: dict[str, Any]) -> Any:
        return {kind: list(values) for kind, values in world.personal.items()}

    def credentials(request: Request, asked: dict[str, Any]) -> Any:
        return world.credentials.environment()

    def change_credentials(request: Request, asked: dict[str, Any]) -> Any:
        shop_id, act = asked.get("shop"), asked.get("do")
        if shop_id not in world.shops:
            raise Mistake(f"no such shop; there are {', '.join(world.shops)}")
        if act == "expire":
            world.credentials.expire(shop_id, world.now)
        elif act == "revoke":
            world.credentials.revoke(shop_id)
        elif act == "authorise":
            world.credentials.authorise(shop_id, world.now)
        else:
            raise Mistake("do must be expire, revoke or authorise")
        return world.credentials.environment()

    table: list[tuple[str, str, Act]] = [
        ("GET", "/clock", read_clock),
        ("POST", "/clock", move_clock),
        ("POST", "/orders", make_orders),
        ("POST", "/orders/{id}/advance", advance),
        ("POST", "/orders/{id}/address", readdress),
        ("POST", "/orders/{id}/status", set_status),
        ("GET", "/faults", list_faults),
        ("POST", "/faults", arm),
        ("DELETE", "/faults", disarm),
        ("GET", "/settings", read_settings),
        ("POST", "/settings", change_settings),
        ("GET", "/stock", read_stock),
        ("POST", "/stock", set_stock),
        ("POST", "/reset", reset),
        ("GET", "/truth/orders", orders),
        ("GET", "/truth/listings", listings),
        ("GET", "/receipts", receipts),
        ("GET", "/handovers", handovers),
        ("GET", "/callbacks", callbacks),
        ("GET", "/personal", personal),
        ("GET", "/credentials", credentials),
        ("POST", "/credentials", change_credentials),
    ]
    return [_route(world, verb, "/_control" + path, act) for verb, path, act in table]


def _route(world: World, verb: str, path: str, act: Act) -> Route:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        world.advance()
        try:
            asked = decode(body) if body else {}
            if not isinstance(asked, dict):
                raise Mistake("the body must be a JSON object")
            return _json(act(request, asked))
        except msgspec.DecodeError as error:
            return _json({"error": f"not JSON: {error}"}, 400)
        except Mistake as mistake:
            return _json({"error": str(mistake)}, mistake.status)
        except life.Impossible as impossible:
            return _json({"error": str(impossible)}, 409)

    return Route(path, endpoint, methods=[verb])


def _json(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, media_type="application/json")


def _effect(effect: Any) -> dict[str, Any]:
    plain = {name: getattr(effect, name) for name in ("kind", "key", "body", "requests", "duplicates")}
    return plain | {"at": iso(effect.at), **effect.facts}


def _precise(at: float) -> str:
    """ISO 8601 UTC with milliseconds: clients measure by this clock."""
    return f"{iso(at)[:-1]}.{int(at % 1 * 1000):03d}Z"
