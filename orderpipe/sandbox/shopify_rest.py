"""Shopify's older Admin REST API, as far as an order pull needs it: orders.json with Link cursors and its call limit.

The GraphQL API is `shopify`; this one is for systems that still speak REST. A cursor (page_info) is unpadded base64 of
the filters, the last row's id and sort value (whole seconds) and a direction, as seen on the platform: a page is found
by value, so it is stable under changes, and a changed row moves to the end of a walk by updated_at, never between two
pages. Facts of the platform documentation: limit 1 to 250 (50), page_info goes with limit and fields only, 40 calls
with 2 a second restored, X-Shopify-Shop-Api-Call-Limit, 429 with Retry-After.
"""

import base64
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.routing import Route

from orderpipe.sandbox import shopify_documents as documents
from orderpipe.sandbox.clock import iso, parse_iso
from orderpipe.sandbox.gateway import Answer, Call, door
from orderpipe.sandbox.model import Line, Order, Refund, money
from orderpipe.sandbox.shopify import ORDER_WALL, SHOPS, SUPPORTED
from orderpipe.sandbox.world import ShopState, World

NAME = "shopify_rest"
FAULTS = frozenset({"throttle", "business_busy", "missing_field", "duplicate_rows", "shifted_page", "short_page"})
HOST_SHOP = "demo"  # the shop at the root of the address, for systems that take a shop for a host
BUCKET, LEAK = 40, 2.0  # calls, calls a second
USUAL_PAGE, LARGEST_PAGE = 50, 250
FOREVER = 1 << 62
SORTS = ("updated_at", "created_at", "processed_at", "id")
FILTERS = ("status", "order", "since_id", "updated_at_min", "updated_at_max", "created_at_min", "created_at_max")
Row = tuple[int, int]


class Refusal(Exception):
    """An error answer: status, and what stands under "errors"."""

    def __init__(self, status: int, errors: Any):
        super().__init__(str(errors))
        self.status, self.errors = status, errors


def routes(world: World) -> list[Route]:
    """orders.json of any version, below /shopify/<shop> and, for the one shop, at the root."""
    return [
        door(world, NAME, f"{base}/admin/api/{{version}}/orders.json", lambda call: "orders", orders, ("GET",))
        for base in ("/shopify/{shop}", "")
    ]


def orders(call: Call) -> Answer:
    """A page of orders, with Link headers to its neighbours."""
    world, shop_name = call.world, call.path.get("shop", HOST_SHOP)
    headers = {"X-Shopify-API-Version": SUPPORTED[0]}
    try:
        if shop_name not in SHOPS:
            raise Refusal(404, "Not Found")
        if not world.credentials.knows_shopify(call.headers.get("x-shopify-access-token", ""), world.now):
            raise Refusal(401, "[API] Invalid API key or access token (unrecognized login or wrong password)")
        bucket = world.rooms.setdefault(NAME, {}).setdefault(shop_name, _Bucket(world))
        allowed = bucket.take()
        headers["X-Shopify-Shop-Api-Call-Limit"] = f"{bucket.filled()}/{BUCKET}"
        if call.fault("throttle") or not allowed:
            headers["Retry-After"] = "2.0"
            raise Refusal(429, "Exceeded 2 calls per second for api client. Reduce request rates to resume.")
        if call.fault("business_busy"):
            raise Refusal(503, "Service Unavailable")
        rows, links = _page(call, world.shops[SHOPS[shop_name]])
    except Refusal as refusal:
        return Answer({"errors": refusal.errors}, refusal.status, headers=headers)
    if links:
        headers["Link"] = ", ".join(links)
    return Answer({"orders": rows}, headers=headers)


# ---- pages


def _page(call: Call, shop: ShopState) -> tuple[list[dict[str, Any]], list[str]]:
    asked = dict(call.query)
    size, fields = asked.pop("limit", str(USUAL_PAGE)), asked.pop("fields", "")
    if not size.isdigit():
        raise Refusal(400, {"limit": "must be a number"})
    size = min(max(int(size), 1), LARGEST_PAGE)
    place: dict[str, Any] = {}
    if "page_info" in asked:
        place = _open(asked.pop("page_info"))
        if asked:
            name = next(iter(asked))
            raise Refusal(400, {name: f"{name} cannot be passed when page_info is present."})
        asked = {name: place[name] for name in FILTERS if name in place}
    sort, _, direction = asked.get("order", "created_at desc").partition(" ")
    if sort not in SORTS or direction.lower() not in ("", "asc", "desc"):
        raise Refusal(400, {"order": "Invalid order"})
    rows = _rows(call.world, shop, asked, sort)
    if direction.lower() == "desc":
        rows = [(-value, -number) for value, number in reversed(rows)]
    first, last = _bounds(rows, place, size, sort, direction.lower() == "desc")
    shown = rows[first:last]
    filters = {name: asked[name] for name in FILTERS if name in asked}
    links = []
    if shown and first > 0:
        links.append(_link(call, "previous", shown[0], filters, size, fields, sort))
    if shown and last < len(rows):
        links.append(_link(call, "next", shown[-1], filters, size, fields, sort))
    found = [_document(shop.orders[abs(number)]) for _, number in shown]
    found = _spoil(call, found)
    if rows and call.fault("shifted_page"):
        newest = max(rows, key=lambda row: abs(row[0]))
        order = shop.orders[abs(newest[1])]  # the newest row of the range changes before the next page is read
        order.flag += 1
        call.world.touch(order, call.world.now)
    if fields:
        wanted = {name.strip() for name in fields.split(",")}
        found = [{name: value for name, value in row.items() if name in wanted} for row in found]
    return found, links


def _spoil(call: Call, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A page as armed faults leave it."""
    if found and (fault := call.fault("missing_field")):
        field = fault.options.get("field", "created_at")
        found[0] = {name: value for name, value in found[0].items() if name != field}
    if found and call.fault("duplicate_rows"):
        found = [*found, found[-1]]
    if found and call.fault("short_page"):
        found = found[:-1]
    return found


def _rows(world: World, shop: ShopState, asked: dict[str, str], sort: str) -> list[Row]:
    """(sort value, id) of the orders that fit, ascending. What the index does not show yet is not there."""
    low, high = _moment(asked, "updated_at_min", 0), _moment(asked, "updated_at_max", FOREVER)
    index = shop.by_modified
    seen = index[bisect_left(index, (low, 0)) : bisect_right(index, (high, FOREVER))]
    born = _moment(asked, "created_at_min", 0), _moment(asked, "created_at_max", FOREVER)
    since, wall, status = int(asked.get("since_id") or 0), world.now - ORDER_WALL, asked.get("status", "open")
    rows = []
    for value, number in seen:
        order = shop.orders[number]
        if not born[0] <= order.created <= born[1] or order.created < wall or number <= since:
            continue
        if status != "any" and _status(order) != status:
            continue
        rows.append((value if sort == "updated_at" else number if sort == "id" else order.created, number))
    return rows if sort == "updated_at" else sorted(rows)


def _bounds(rows: list[Row], place: dict[str, Any], size: int, sort: str, falling: bool) -> tuple[int, int]:
    """Where the page lies in the sorted rows: behind the cursor's row by value, or before it."""
    if not place:
        return 0, size
    try:
        number = int(place["last_id"])
        value = number if sort == "id" else int(parse_iso(place["last_value"].replace(" ", "T")))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise Refusal(400, {"page_info": "Invalid value."}) from None
    mark = (-value, -number) if falling else (value, number)
    if place.get("direction") == "prev":
        last = bisect_left(rows, mark)
        return max(0, last - size), last
    first = bisect_right(rows, mark)
    return first, first + size


def _link(call: Call, rel: str, row: Row, filters: dict[str, str], size: int, fields: str, sort: str) -> str:
    value, number = abs(row[0]), abs(row[1])
    shown = str(value) if sort == "id" else iso(value)[:-1].replace("T", " ")
    place = {**filters, "last_id": number, "last_value": shown, "direction": "prev" if rel == "previous" else "next"}
    query = {"limit": str(size)} | ({"fields": fields} if fields else {})
    query["page_info"] = base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")
    base = f"/shopify/{call.path['shop']}" if "shop" in call.path else ""
    host = call.headers.get("host", "")
    return f'<http://{host}{base}/admin/api/{call.path["version"]}/orders.json?{urlencode(query)}>; rel="{rel}"'


def _open(text: str) -> dict[str, Any]:
    try:
        place = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.DecodeError):
        place = None
    if not isinstance(place, dict):
        raise Refusal(400, {"page_info": "Invalid value."})
    return place


def _moment(asked: dict[str, str], name: str, default: int) -> int:
    if name not in asked:
        return default
    try:
        return int(parse_iso(asked[name].replace(" ", "+")))  # a plus sign that was not escaped
    except ValueError:
        raise Refusal(400, {name: "Invalid date"}) from None


# ---- documents


def _status(order: Order) -> str:
    """Which of the list's states an order is in; here no order is archived."""
    return "cancelled" if _cancelled(order) else "open"


def _cancelled(order: Order) -> bool:
    return order.phase == "closed" and order.shipped_at is None


def _document(order: Order) -> dict[str, Any]:
    """The fields that order systems read; the newest state, whatever place the list still shows it at."""
    who, fulfilled = order.receiver, documents.fulfillment_status(order)
    subtotal, tax = sum(line.paid for line in order.lines), sum(line.tax for line in order.lines)
    return {
        "id": order.id,
        "admin_graphql_api_id": documents.gid("Order", order.id),
        "name": order.name,
        "order_number": int(order.name[1:]),
        "created_at": _zoned(order.created),
        "updated_at": _zoned(order.modified),
        "processed_at": _zoned(order.created),
        "cancelled_at": _zoned(order.closed_at) if _cancelled(order) else None,
        "closed_at": None,
        "currency": order.shop.currency,
        "financial_status": documents.financial_status(order).lower(),
        "fulfillment_status": {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial"}.get(fulfilled),
        "subtotal_price": money(subtotal),
        "total_tax": money(tax),
        "total_discounts": money(sum(line.discount + line.allocated for line in order.lines)),
        "total_price": money(order.payable),
        "total_outstanding": money(0 if order.phase == "closed" else order.payable - order.paid),
        "test": order.test,
        "note": "\n".join(filter(None, (order.message, order.memo))) or None,
        "customer": None if order.guest else {"id": order.buyer.id},
        "shipping_address": {"country_code": who.country, "province": who.province_en or None, "city": who.city},
        "line_items": [_line(line) for line in order.lines],
        "refunds": [_refund(refund) for refund in order.refunds if refund.state == "success"],
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "id": line.id,
        "sku": line.goods.sku,
        "title": line.goods.name_en,
        "quantity": line.quantity,
        "price": money(line.price),
        "total_discount": money(line.discount),
        "product_id": None if line.deleted else int(line.goods.shopify_product_id),
        "variant_id": None if line.deleted else int(line.goods.shopify_variant_id),
    }


def _refund(refund: Refund) -> dict[str, Any]:
    return {"id": refund.id, "created_at": _zoned(refund.modified), "amount": money(refund.amount)}


def _zoned(at: int | None) -> str | None:
    """ISO 8601 with the offset of the shop's time zone, here New York's in winter."""
    return None if at is None else f"{iso(at - 5 * 3600)[:-1]}-05:00"


@dataclass(slots=True)
class _Bucket:
    """A leaky bucket of calls. It leaks by simulated time, and by real time where that is longer: nobody can wait on
    a stopped clock."""

    world: World
    level: float = 0.0
    simulated: float = 0.0
    real: float = 0.0

    def take(self) -> bool:
        """Count a call in; False when the bucket is full."""
        simulated, real = self.world.clock.now(), self.world.clock.real()
        gone = max(simulated - self.simulated, real - self.real)
        self.level = max(0.0, self.level - gone * LEAK)
        self.simulated, self.real = simulated, real
        if self.level + 1 > BUCKET:
            return False
        self.level += 1
        return True

    def filled(self) -> int:
        return int(self.level) if self.level == int(self.level) else int(self.level) + 1
