"""The gateway of Shopee's Open Platform v2: signature over path, time stamp and token only, errors with HTTP 200 and
403, cursors that mean nothing to anybody, lists that move.
"""

import base64
import hashlib
import hmac
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from orderpipe.sandbox.gateway import Answer, Call, decode, encode, same
from orderpipe.sandbox.world import ShopState, World

NAME, SHOP = "shopee", "shopee-sg"
TIMESTAMP_TOLERANCE = 300  # seconds
GRACE = 300  # seconds for which a token that was replaced still works
LONGEST = 15 * 86400
Row = tuple[int, int]
Method = Callable[[Call], Any]


class Refusal(Exception):
    """An error as the platform answers it."""

    def __init__(self, error: str, message: str, status: int = 200):
        super().__init__(message)
        self.error, self.message, self.status = error, message, status


@dataclass
class Room:
    """What the platform keeps for itself. previous: the access token before the present one, and until when it still
    works; arranged: tracking numbers of orders whose parcel is arranged and not picked up yet, by order id."""

    previous: tuple[str, int] = ("", 0)
    arranged: dict[int, str] = field(default_factory=dict)


def room_of(world: World) -> Room:
    return world.rooms.setdefault(NAME, Room())


def shop_of(call: Call) -> ShopState:
    return call.world.shops[SHOP]


def sign(key: str, *parts: str) -> str:
    """The signature over the parts run together, lower-case hex."""
    return hmac.new(key.encode(), "".join(parts).encode(), hashlib.sha256).hexdigest()


def answer(call: Call, path: str, method: Method, *, public: bool = False, success: str = "") -> Answer:
    """Answer a call. public: it needs no shop's token, and its answer stands at top level. success: what `error` says
    when there is none."""
    request_id = call.world.next_request_id()
    try:
        result = _work(call, path, method, public)
    except Refusal as refusal:
        body = {"error": refusal.error, "message": refusal.message, "request_id": request_id}
        return Answer(body, refusal.status)
    head = {"error": success, "message": success, "request_id": request_id}
    return Answer(head | (result if public else {"response": result}))


def _work(call: Call, path: str, method: Method, public: bool) -> Any:
    _authenticate(call, path, public)
    if call.fault("throttle"):
        raise Refusal("error_rate_limit", "Your request exceeds the rate limit.", 403)
    busy = call.fault("business_busy")
    if busy is None or busy.options.get("worked"):
        result = method(call)
    if busy:  # by default the trap: a parameter error that is none
        error = busy.options.get("error", "error_param")
        message = busy.options.get("message", "Inner error, please try later. [1].")
        raise Refusal(error, message, int(busy.options.get("status", 200)))
    return result


def _authenticate(call: Call, path: str, public: bool) -> None:
    world, query = call.world, call.query
    environment = world.credentials.environment()
    if query.get("partner_id") != environment["SHOPEE_PARTNER_ID"]:
        raise Refusal("error_param", "There is no partner_id in query.", 403)
    stamp = query.get("timestamp", "")
    skew = abs(world.clock.now() - int(stamp)) if stamp.isdigit() else float("inf")
    if skew > world.clock.tolerance(TIMESTAMP_TOLERANCE) or call.fault("clock_skew"):
        raise Refusal("error_param", "Invalid timestamp", 403)
    parts = [query["partner_id"], path, stamp]
    if not public:
        parts += [query.get("access_token", ""), query.get("shop_id", "")]
    if not same(sign(environment["SHOPEE_PARTNER_KEY"], *parts), query.get("sign", "")):
        raise Refusal("error_sign", "Wrong sign.", 403)
    if public:
        return
    if query.get("shop_id") != environment["SHOPEE_SHOP_ID"]:
        raise Refusal("error_auth", "Invalid partner_id or shopid.", 403)
    if call.fault("expired_token"):
        world.credentials.expire(SHOP, world.now)
        room_of(world).previous = ("", 0)
    token = query.get("access_token", "")
    previous, until = room_of(world).previous
    if world.credentials.knows(SHOP, token, world.now) or (token == previous and world.now < until):
        return
    raise Refusal("invalid_acceess_token", "Invalid access_token, please have a check.", 403)


def refresh(call: Call) -> dict[str, Any]:
    """A new pair of tokens for a refresh token, which is spent by this."""
    world, body = call.world, body_of(call)
    environment = world.credentials.environment()
    known = (int(environment["SHOPEE_PARTNER_ID"]), int(environment["SHOPEE_SHOP_ID"]))
    if (body.get("partner_id"), body.get("shop_id")) != known:
        raise Refusal("error_param", "Wrong parameters, detail: partner_id or shop_id.", 403)
    old = world.credentials.grants[SHOP]
    grant = world.credentials.refresh(SHOP, str(body.get("refresh_token", "")), world.now)
    if grant is None:
        raise Refusal("error_auth", "Invalid refresh_token.", 403)
    if world.now < old.expires_at:
        room_of(world).previous = (old.access_token, min(world.now + GRACE, old.expires_at))
    return {
        "partner_id": known[0],
        "shop_id": known[1],
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "expire_in": grant.expires_at - world.now,
    }


# ---- what methods share


def body_of(call: Call) -> dict[str, Any]:
    """The JSON object of a POST."""
    try:
        found = decode(call.body)
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict):
        raise Refusal("error_param", "The request body is not a valid json format")
    return found


def span(call: Call, first: str, last: str, error: str, *, required: bool, longest: int | None = LONGEST) -> Row | None:
    """The range asked for, in seconds; None where none is asked for and none is needed."""
    given = [call.query.get(name, "") for name in (first, last)]
    if given == ["", ""] and not required:
        return None
    if not all(text.isdigit() for text in given):
        raise Refusal("error_param", f"Wrong parameters, detail: {first}, {last}.")
    start, end = map(int, given)
    if not start < end or (longest is not None and end - start > longest):
        raise Refusal(error, "Start time must be earlier than end time and diff in 15days.")
    return start, end


def integer(call: Call, name: str, low: int, high: int) -> int:
    text = call.query.get(name, "")
    if not text.isdigit() or not low <= int(text) <= high:
        raise Refusal("error_param", f"Wrong parameters, detail: {name} must be from {low} to {high}.")
    return int(text)


def between(call: Call, rows: list[Row], bounds: Row) -> list[Row]:
    """The rows of a range, newest first. Whether the bounds belong to it is not documented: they do, unless the fault
    exclusive_bounds takes them away."""
    start, end = bounds
    found = rows[bisect_left(rows, (start, 0)) : bisect_right(rows, (end, 1 << 63))]
    if call.fault("exclusive_bounds"):
        found = [row for row in found if start < row[0] < end]
    return found[::-1]


def page(
    call: Call,
    rows: list[Row],
    first: int,
    size: int,
    render: Callable[[int], dict[str, Any]],
    shift: Callable[[int], None],
    field_name: str,
) -> tuple[list[dict[str, Any]], bool]:
    """(documents, whether more follow) of the rows from `first` on. field_name: what the fault missing_field takes
    away. shift: changes the first row of the list, which then leaves a closed range and draws the others forward."""
    found = [render(key) for _, key in rows[first : first + size]]
    more = first + size < len(rows)
    if found and (fault := call.fault("missing_field")):
        name = fault.options.get("field", field_name)
        found[0] = {key: value for key, value in found[0].items() if key != name}
    if found and call.fault("duplicate_rows"):
        found.append(found[-1])
    if found and call.fault("short_page"):  # the rest is kept back, and nothing says so
        found, more = found[:-1], False
    if rows and call.fault("shifted_page"):
        shift(rows[0][1])
    return found, more


def cursor_of(call: Call, offset: int) -> str:
    """An opaque cursor, bound to the query it was given for."""
    return base64.urlsafe_b64encode(encode([_query_hash(call), offset])).decode().rstrip("=")


def offset_of(call: Call) -> int:
    """Where the cursor of a call points."""
    text = call.query.get("cursor", "")
    if not text:
        return 0
    try:
        query, offset = decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError):
        query, offset = "", 0
    if query != _query_hash(call) or not isinstance(offset, int):
        raise Refusal("error_param", "Wrong parameters, detail: cursor.")
    return offset


def _query_hash(call: Call) -> str:
    own = {"cursor", "sign", "timestamp", "access_token"}
    text = encode(sorted((name, value) for name, value in call.pairs if name not in own))
    return hashlib.sha256(text).hexdigest()[:12]
