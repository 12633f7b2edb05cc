"""The envelope of the Lazada Open Platform (LazOP): signature, token, errors in HTTP 200, lists that move.

Signed are the API's path and every parameter of query and form; the time stamp is in milliseconds.
"""

import hashlib
import hmac
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import datetime
from typing import Any

from orderpipe.sandbox.gateway import Answer, Call, same

TIMESTAMP_TOLERANCE = 7200  # seconds
SHOP = "lazada-my"
Params = dict[str, str]
Row = tuple[int, int]
Method = Callable[[Call, Params], dict[str, Any]]


class Refusal(Exception):
    """An error as the platform answers it: code and message, with HTTP 200."""

    def __init__(self, code: str, message: str, kind: str = "ISV"):
        super().__init__(message)
        self.body = {"code": code, "type": kind, "message": message}


def sign(path: str, params: Params, secret: str) -> str:
    """The signature of a call, upper-case hex: HMAC-SHA256 over the path and the parameters but `sign`, sorted by
    the bytes of their names, names and values run together."""
    pairs = sorted((name.encode(), value.encode()) for name, value in params.items() if name != "sign")
    text = path.encode() + b"".join(name + value for name, value in pairs)
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest().upper()


def answer(call: Call, path: str, method: Method, needs_token: bool) -> Answer:
    """Answer a call of one API."""
    params = call.query | call.form
    request_id = call.world.next_request_id()
    try:
        result = _work(call, path, params, method, needs_token)
    except Refusal as refusal:
        return Answer(refusal.body | {"request_id": request_id})
    return Answer({"code": "0", "request_id": request_id} | result)


def _work(call: Call, path: str, params: Params, method: Method, needs_token: bool) -> dict[str, Any]:
    _authenticate(call, path, params, needs_token)
    if fault := call.fault("throttle"):
        seconds = int(fault.options.get("seconds", 1))
        message = f"Api access frequency exceeds the limit. this ban will last {seconds} seconds"
        raise Refusal(fault.options.get("code", "ApiCallLimit"), message)
    busy = call.fault("business_busy")
    if busy is None or busy.options.get("worked"):
        result = method(call, params)
    if busy:
        code = str(busy.options.get("code", "6"))
        raise Refusal(code, busy.options.get("message", "E006: Unexpected internal error"), "SYSTEM")
    return result


def _authenticate(call: Call, path: str, params: Params, needs_token: bool) -> None:
    world = call.world
    for name in ("app_key", "timestamp", "sign_method", "sign", *(["access_token"] if needs_token else [])):
        if not params.get(name):
            raise Refusal("MissingParameter", f"The input parameter '{name}' that is mandatory is not supplied", "ISP")
    environment = world.credentials.environment()
    if params["app_key"] != environment["LAZADA_APP_KEY"]:
        raise Refusal("InvalidAppKey", "The specified App Key is invalid", "ISP")
    if not params["timestamp"].isdigit():
        raise Refusal("InvalidTimestamp", "The specified timestamp is invalid", "ISP")
    if abs(world.clock.now() - int(params["timestamp"]) / 1000) > world.clock.tolerance(TIMESTAMP_TOLERANCE):
        raise Refusal("InvalidTimestamp", "The specified timestamp is expired", "ISP")
    right = params["sign_method"] == "sha256" and sign(path, params, environment["LAZADA_APP_SECRET"])
    if not right or not same(right, params["sign"]):
        raise Refusal("IncompleteSignature", "The request signature does not conform to platform standards", "ISP")
    if not needs_token:
        return
    if call.fault("expired_token"):
        world.credentials.expire(SHOP, world.now)
    if not world.credentials.knows(SHOP, params["access_token"], world.now):
        raise Refusal("IllegalAccessToken", "The specified access token is invalid or expired", "ISP")


# ---- what lists share


def page(
    call: Call,
    rows: list[Row],
    first: int,
    size: int,
    render: Callable[[int], dict[str, Any]],
    shift: Callable[[int], None],
    field: str,
) -> tuple[list[dict[str, Any]], int]:
    """(documents, total) of the rows from `first` on. field: what the fault missing_field takes away. shift: changes
    the first row of the list, which then leaves a closed range and draws all others forward."""
    keys = [key for _, key in rows[first : first + size]]
    found = [render(key) for key in keys]
    if keys and (fault := call.fault("missing_field")):
        found[0] = {name: value for name, value in found[0].items() if name != fault.options.get("field", field)}
    if keys and call.fault("duplicate_rows"):
        found.append(found[-1])
    fault = call.fault("wrong_count")
    total = max(0, len(rows) + (int(fault.options.get("delta", 1)) if fault else 0))
    if rows and call.fault("shifted_page"):
        shift(rows[0][1])
    return found, total


def between(rows: list[Row], start: int | None, end: int | None) -> list[Row]:
    """The rows from start to end, both included."""
    low = 0 if start is None else bisect_left(rows, (start, 0))
    return rows[low:] if end is None else rows[low : bisect_right(rows, (end, 1 << 63))]


def need(params: Params, name: str) -> str:
    if not params.get(name):
        raise Refusal("MissingParameter", f"The input parameter '{name}' that is mandatory is not supplied", "ISP")
    return params[name]


def time_of(params: Params, name: str) -> int | None:
    """An ISO time with its offset, as epoch seconds; a time without one is refused, and so is one whose plus sign
    arrived as a blank."""
    text = params.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or "T" not in text:
        raise Refusal("17", f'E017: "{text}" Invalid Date Format')
    return int(at.timestamp())


def integer(params: Params, name: str, default: int, low: int, high: int, code: str, what: str) -> int:
    text = params.get(name, str(default))
    if not text.isdigit() or not low <= int(text) <= high:
        raise Refusal(code, f'E{int(code):03d}: "{text}" {what}')
    return int(text)


def one_of(params: Params, name: str, allowed: tuple[str, ...], code: str, what: str) -> str:
    text = params.get(name, allowed[0])
    if text not in allowed:
        raise Refusal(code, f"E{int(code):03d}: {what}")
    return text
