"""Shopify Admin GraphQL API: client-credentials tokens, search with its lag, cost and throttling, listing.

Errors come as the platform documentation has them: THROTTLED and MAX_COST_EXCEEDED with HTTP 200, 401 for a token
that is not or no longer valid.
"""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.routing import Route

from orderpipe.sandbox import shopify_documents as documents
from orderpipe.sandbox import shopify_fulfilment as fulfilment
from orderpipe.sandbox import shopify_products as products
from orderpipe.sandbox.gateway import Answer, Call, decode, door
from orderpipe.sandbox.model import Order
from orderpipe.sandbox.shopify_query import (
    BadQuery,
    Query,
    Root,
    Variables,
    compile_query,
    connection,
    cursor,
    open_cursor,
)
from orderpipe.sandbox.shopify_search import Search, parse_search
from orderpipe.sandbox.world import ShopState, World

NAME = "shopify"
FAULTS = frozenset({
    "business_busy", "throttle", "expired_token", "missing_field", "duplicate_rows", "shifted_page",
    "late_commit", "partial_data",
})  # fmt: skip
SHOPS = {"demo": "shopify-us"}
SCOPES = (
    "read_orders,read_products,write_products,read_customers,read_fulfillments,"
    "read_merchant_managed_fulfillment_orders,write_merchant_managed_fulfillment_orders"
)
SUPPORTED = ("2026-01", "2026-04", "2026-07", "2026-10", "2027-01")
DAY = 86400
ORDER_WALL = 60 * DAY  # read_orders without read_all_orders
PAGE_MAX = 250
COST_MAX, MUTATION_COST = 1000, 10
BUCKET, RESTORE = 2000.0, 100.0
RATE_LIMITS = "https://shopify.dev/api/usage/rate-limits"


def routes(world: World) -> list[Route]:
    """The GraphQL endpoint of any version, and the token grant."""
    base = "/shopify/{shop}/admin"
    return [
        door(world, NAME, base + "/api/{version}/graphql.json", _name_of, graphql),
        door(world, NAME, base + "/oauth/access_token", lambda call: "oauth.access_token", access_token),
    ]


def platform_status(order: Order) -> str:
    """The two statuses the platform shows for an order."""
    return f"{documents.financial_status(order)}/{documents.fulfillment_status(order)}"


# ---- tokens


def access_token(call: Call) -> Answer:
    """Client credentials grant: a token for a day, no refresh token."""
    asked = call.form or _json(call.body)
    environment = call.world.credentials.environment()
    if call.path["shop"] not in SHOPS:
        return Answer({"errors": "Not Found"}, 404)
    if asked.get("grant_type") != "client_credentials":
        return Answer(
            {"error": "unsupported_grant_type", "error_description": "grant_type must be client_credentials"}, 400
        )
    expected = (environment["SHOPIFY_CLIENT_ID"], environment["SHOPIFY_CLIENT_SECRET"])
    if (asked.get("client_id"), asked.get("client_secret")) != expected:
        return Answer({"error": "invalid_client", "error_description": "Client authentication failed"}, 401)
    token = call.world.credentials.grant_shopify(call.world.now)
    if token is None:
        return Answer({"error": "app_not_installed", "error_description": "The app is not installed on this shop"}, 400)
    return Answer({"access_token": token, "scope": SCOPES, "expires_in": DAY - 1})


# ---- GraphQL


def graphql(call: Call) -> Answer:
    """Check token and version, price the query, take it out of the bucket, answer exactly the selected fields."""
    world = call.world
    if call.path["shop"] not in SHOPS:
        return Answer({"errors": "Not Found"}, 404)
    if not re.fullmatch(r"20\d\d-(01|04|07|10)", call.path["version"]):
        return Answer({"errors": "Not Found"}, 404)
    headers = {"X-Shopify-API-Version": call.path["version"] if call.path["version"] in SUPPORTED else SUPPORTED[0]}
    if call.fault("expired_token"):
        world.credentials.expire("shopify-us", world.now)
    if not world.credentials.knows_shopify(call.headers.get("x-shopify-access-token", ""), world.now):
        return Answer(
            {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"},
            401,
            headers=headers,
        )
    asked = _json(call.body)
    if not isinstance(asked.get("query"), str):
        return Answer({"errors": {"query": "Required parameter missing or invalid"}}, 400, headers=headers)
    try:
        query = compile_query(asked["query"], asked.get("operationName"))
        variables = query.variables(asked.get("variables") or {})
        return Answer(_execute(call, query, variables), headers=headers)
    except BadQuery as bad:
        return Answer({"errors": bad.errors}, headers=headers)


def _execute(call: Call, query: Query, variables: Variables) -> dict[str, Any]:
    bucket = _bucket(call.world, call.path["shop"])
    requested = MUTATION_COST if query.is_mutation else sum(_requested(root, variables) for root in query.roots)
    if requested > COST_MAX:
        message = f"Query cost is {requested}, which exceeds the single query max cost limit ({COST_MAX})."
        code = {"code": "MAX_COST_EXCEEDED", "cost": requested, "maxCost": COST_MAX, "documentation": RATE_LIMITS}
        return {"errors": [{"message": message, "extensions": code}]}
    busy = call.fault("throttle") or call.fault("business_busy")
    worked = bool(busy and busy.options.get("worked"))
    if not bucket.has(requested) or (busy and not worked):
        return _throttled(bucket, requested)
    data: dict[str, Any] = {}
    extensions: dict[str, Any] = {}
    actual = 0
    for root in query.roots:
        document, count = _resolve(call, root, root.arguments(variables), extensions)
        data[root.key] = None if document is None else root.pick(document, variables)
        actual += MUTATION_COST if query.is_mutation else count * root.price(variables)
    actual = min(actual, requested)
    bucket.take(actual)
    if worked:
        return _throttled(bucket, requested)
    extensions = {"cost": bucket.cost(requested, actual), **extensions}
    return _partial(call, {"data": data, "extensions": extensions})


def _requested(root: Root, variables: Variables) -> int:
    if root.name not in ("orders", "products"):
        return root.price(variables)
    first = root.arguments(variables).get("first")
    if first is None:
        raise _refusal("you must provide one of first or last", "BAD_REQUEST")
    if not 1 <= first <= PAGE_MAX:
        raise _refusal(f"first must be between 1 and {PAGE_MAX}", "BAD_REQUEST")
    return 2 + first * root.price(variables)


def _resolve(call: Call, root: Root, arguments: Variables, extensions: dict[str, Any]) -> tuple[Any, int]:
    """The document of a root field and how many objects it took."""
    world = call.world
    shop = world.shops[SHOPS[call.path["shop"]]]
    if root.name == "orders":
        found = _orders(call, shop, arguments, extensions)
        return found, len(found["nodes"])
    if root.name == "order":
        number = _number(arguments["id"], "Order")
        order = shop.orders.get(number) if number is not None else None
        hidden = order is None or order.created < world.now - ORDER_WALL
        return (None if hidden else documents.order_document(order)), 1
    if root.name == "fulfillmentOrder":
        order = fulfilment.order_of(shop, _number(arguments["id"], "FulfillmentOrder"))
        return (order and documents.fulfillment_order(order)), 1
    if root.name == "fulfillmentCreate":
        return fulfilment.create(call, shop, arguments["fulfillment"], _number), 1
    if root.name == "products":
        found = products.search(call, shop, arguments, extensions, _position)
        return found, len(found["nodes"])
    if root.name == "product":
        return _product(world, shop, arguments["id"]), 1
    if root.name == "productUpdate":
        return _product_update(call, shop, arguments.get("product") or {}), 1
    return {"name": "demo", "currencyCode": shop.shop.currency, "myshopifyDomain": "demo.myshopify.com"}, 1


# ---- order search


def _orders(call: Call, shop: ShopState, arguments: Variables, extensions: dict[str, Any]) -> dict[str, Any]:
    """A page of orders by value: the cursor names (time, id) of its last row, so a page never depends on positions."""
    first, sort = arguments["first"], arguments["sortKey"]
    search = parse_search(arguments.get("query") or "")
    if search.warnings:
        extensions["search"] = [{"path": ["orders"], "query": arguments["query"], "warnings": search.warnings}]
    rows = _sorted_rows(call.world, shop, search, sort)
    reverse = arguments["reverse"]
    start = _position(rows, arguments.get("after"), sort, reverse)
    shown = rows[::-1][start : start + first] if reverse else rows[start : start + first]
    nodes = [documents.order_document(shop.orders[number]) for _, number in shown]
    if nodes and (fault := call.fault("missing_field")):
        nodes[0] = nodes[0] | {fault.options.get("field", "createdAt"): None}
    cursors = [cursor(last_id=number, last_value=value, sort=sort) for value, number in shown]
    if nodes and call.fault("duplicate_rows"):
        nodes.append(nodes[-1])
        cursors.append(cursors[-1])
    if rows and call.fault("shifted_page"):
        order = shop.orders[rows[-1][1]]  # the newest row of the range changes before the next page is read
        order.flag += 1
        call.world.touch(order, call.world.now)
    return connection(nodes, cursors, start + len(shown) < len(rows), start > 0)


def _sorted_rows(world: World, shop: ShopState, search: Search, sort: str) -> list[tuple[int, int]]:
    if sort == "UPDATED_AT":
        low, high = search.bounds("updated_at")
        rows = shop.by_modified[
            bisect_left(shop.by_modified, (low, 0)) : bisect_right(shop.by_modified, (high, 1 << 63))
        ]
    else:
        seen = [shop.orders[number] for _, number in shop.by_modified]
        rows = sorted((0 if sort == "ID" else order.created, order.id) for order in seen)
    wall = world.now - ORDER_WALL
    if search.only_updated_at and sort == "UPDATED_AT":
        return [row for row in rows if shop.orders[row[1]].created >= wall]
    return [row for row in rows if shop.orders[row[1]].created >= wall and search.matches(shop.orders[row[1]])]


def _position(rows: list[tuple[int, int]], after: str | None, sort: str, reverse: bool) -> int:
    if after is None:
        return 0
    try:
        place = open_cursor(after)
        value = (place["last_value"], place["last_id"])
    except (ValueError, KeyError):
        raise _refusal("Invalid cursor for current pagination sort.", "BAD_REQUEST") from None
    if place.get("sort") != sort:
        raise _refusal("Invalid cursor for current pagination sort.", "BAD_REQUEST")
    return len(rows) - bisect_left(rows, value) if reverse else bisect_right(rows, value)


# ---- products


def _product(world: World, shop: ShopState, product_id: str) -> dict[str, Any] | None:
    found = products.find(world, shop, str(_number(product_id, "Product")))
    return found and products.document(found, shop.shop.currency)


def _product_update(call: Call, shop: ShopState, product: Variables) -> dict[str, Any]:
    """Set a product's status: DRAFT takes it off every channel, ACTIVE puts it back."""
    world = call.world
    found = _product(world, shop, product.get("id") or "")
    if found is None:
        return {"product": None, "userErrors": [{"field": ["id"], "message": "Product does not exist"}]}
    if status := product.get("status"):
        number = product["id"].rsplit("/", 1)[-1]
        listed = status == "ACTIVE"
        (world.delisted.discard if listed else world.delisted.add)((shop.shop.id, number))
        world.receipts.note(
            NAME,
            "listing" if listed else "delisting",
            number,
            world.now,
            call.body.decode("utf-8", "replace"),
            status=status,
        )
        found = _product(world, shop, product["id"]) | {"status": status}
    return {"product": found, "userErrors": []}


# ---- cost


@dataclass(slots=True)
class Bucket:
    """A leaky bucket of query points. It refills by simulated time, and by real time where that is longer: nobody can
    wait on a stopped clock."""

    world: World
    level: float
    simulated: float
    real: float

    def has(self, points: float) -> bool:
        self._refill()
        return self.level >= points

    def take(self, points: float) -> None:
        self.level -= points

    def cost(self, requested: int, actual: int | None) -> dict[str, Any]:
        status = {"maximumAvailable": BUCKET, "currentlyAvailable": round(self.level, 1), "restoreRate": RESTORE}
        return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}

    def _refill(self) -> None:
        simulated, real = self.world.clock.now(), self.world.clock.real()
        gone = max(simulated - self.simulated, real - self.real)
        self.level = min(BUCKET, self.level + gone * RESTORE)
        self.simulated, self.real = simulated, real


def _bucket(world: World, shop: str) -> Bucket:
    buckets = world.rooms.setdefault(NAME, {})
    return buckets.setdefault(shop, Bucket(world, BUCKET, world.clock.now(), world.clock.real()))


def _throttled(bucket: Bucket, requested: int) -> dict[str, Any]:
    error = {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": RATE_LIMITS}}
    return {"errors": [error], "extensions": {"cost": bucket.cost(requested, None)}}


def _partial(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """With the fault armed: data with holes and errors beside it."""
    if not call.fault("partial_data"):
        return body
    for found in body["data"].values():
        for node in (found or {}).get("nodes", [])[:1]:
            node.update({name: None for name in ("customer", "shippingAddress") if name in node})
    message = "Internal error. Looks like something went wrong on our end."
    errors = [
        {
            "message": message,
            "path": ["orders", "nodes", 0, "shippingAddress"],
            "extensions": {"code": "INTERNAL_SERVER_ERROR"},
        }
    ]
    return {"errors": errors, **body}


# ---- shared pieces


def _name_of(call: Call) -> str:
    """The name of the operation, for matching faults: the one it gives itself, else its first root field."""
    text = _json(call.body).get("query")
    found = (
        re.search(r"(?:query|mutation)\s+(\w+)", text) or re.search(r"\{\s*(\w+)", text)
        if isinstance(text, str)
        else None
    )
    return found[1] if found else "graphql"


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = decode(body)
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _number(global_id: str, kind: str) -> int | None:
    found = re.fullmatch(rf"gid://shopify/{kind}/(\d+)", global_id)
    return int(found[1]) if found else None


def _refusal(message: str, code: str) -> BadQuery:
    return BadQuery([{"message": message, "extensions": {"code": code}}])
