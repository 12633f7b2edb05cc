"""The envelope of the Pinduoduo Open Platform: signature, access token, quotas, error_response, pages.

HTTP 200 also for errors, response roots that do not follow from the type, lists by update time, oldest first.
"""

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable
from typing import Any

from orderpipe.sandbox.gateway import Answer, Call, decode, same

NAME, SHOP = "pinduoduo", "pinduoduo-hz"
TIMESTAMP_TOLERANCE = 600  # seconds
HALF_HOUR, DAY = 1800, 86400
REFRESH = "pdd.pop.auth.token.refresh"
# Calls a merchant may make in so many seconds.
QUOTAS = {
    "pdd.order.list.get": (10_000, 60),
    "pdd.order.number.list.increment.get": (3_000, 60),
    "pdd.order.information.get": (30_000, 60),
    "pdd.refund.list.increment.get": (100, 10),
}
MESSAGES = {
    10000: "参数错误", 10001: "公共参数错误", 10016: "client下线或者clientId不正确", 10017: "type不正确",
    10019: "access_token已过期", 20004: "签名sign校验失败", 20031: "用户没有授权访问此接口",
    20032: "access_token或client_id错误", 50000: "系统内部错误", 50001: "业务服务错误", 52001: "网关系统错误",
    52002: "网关业务服务错误", 52101: "当前接口被限流，请稍后重试", 70031: "调用过于频繁，请调整调用频率",
}  # fmt: skip
XML_ANSWER = b'<?xml version="1.0" encoding="utf-8"?><error_response><error_code>10001</error_code></error_response>'
Params = dict[str, str]
Row = tuple[int, int]
Api = Callable[[Call, Params], dict[str, Any]]


class Refusal(Exception):
    """An error_response: the platform's code, and what it says besides."""

    def __init__(self, code: int, sub_msg: str = ""):
        super().__init__(sub_msg)
        msg = f"{MESSAGES[code]}:{sub_msg}" if code == 10001 else MESSAGES[code]
        self.body = {"error_code": code, "error_msg": msg, "sub_code": str(code), "sub_msg": sub_msg}


def sign(params: Params, secret: str) -> str:
    """The signature of a request: all parameters with a value but `sign`, sorted, key+value, wrapped in the secret."""
    pairs = sorted((name, value) for name, value in params.items() if name != "sign" and value != "")
    text = secret + "".join(name + value for name, value in pairs) + secret
    return hashlib.md5(text.encode()).hexdigest().upper()


def params_of(call: Call) -> Params:
    """The parameters as signed: of a form, or of a JSON body, where what is no text stands as JSON text."""
    if call.form or not call.headers.get("content-type", "").startswith("application/json"):
        return call.form
    try:
        body = decode(call.body)
    except ValueError:
        return {}
    pairs = body.items() if isinstance(body, dict) else ()
    return {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for name, value in pairs}


def answer(call: Call, apis: dict[str, tuple[str | None, Api]]) -> Answer:
    """Answer a call by its type. apis: type → (root of the answer, None for fields at top level; what makes it)."""
    params = params_of(call)
    if params.get("data_type", "JSON") == "XML":
        return Answer(XML_ANSWER, media_type="text/xml;charset=utf-8")
    request_id = str(int(call.world.next_request_id().removeprefix("16h"), 16) + 17_726_742_000_000_000)
    try:
        body = _work(call, params, apis) | {"request_id": request_id}
    except Refusal as refusal:
        return Answer({"error_response": refusal.body | {"request_id": request_id}})
    root = apis[params["type"]][0]
    return Answer(body if root is None else {root: body})


def _work(call: Call, params: Params, apis: dict[str, tuple[str | None, Api]]) -> dict[str, Any]:
    _authenticate(call, params, apis)
    _count(call, params["type"])
    if fault := call.fault("throttle"):
        raise Refusal(int(fault.options.get("code", 70031)))
    busy = call.fault("business_busy")
    if busy is None or busy.options.get("worked"):
        result = apis[params["type"]][1](call, params)
    if busy:
        raise Refusal(int(busy.options.get("code", 52002)))
    return result


def _authenticate(call: Call, params: Params, apis: dict[str, Any]) -> None:
    """Every check that comes before the API's own."""
    world = call.world
    for name in ("type", "client_id", "timestamp", "sign"):
        if not params.get(name):
            raise Refusal(10001, name)
    if params.get("data_type", "JSON") != "JSON":
        raise Refusal(10001, "data_type")
    if params["type"] not in apis:
        raise Refusal(10017)
    environment = world.credentials.environment()
    if params["client_id"] != environment["PINDUODUO_CLIENT_ID"]:
        raise Refusal(10016)
    text = params["timestamp"]
    if not (text.isascii() and text.isdigit()):
        raise Refusal(10001, "timestamp")
    if abs(world.clock.now() - int(text)) > world.clock.tolerance(TIMESTAMP_TOLERANCE):
        raise Refusal(10001, "timestamp")
    if not same(sign(params, environment["PINDUODUO_CLIENT_SECRET"]), params["sign"]):
        raise Refusal(20004)
    if SHOP not in world.shops:
        raise Refusal(20031)
    if params["type"] != REFRESH:
        _check_token(call, params)


def _check_token(call: Call, params: Params) -> None:
    world, given = call.world, params.get("access_token", "")
    if call.fault("expired_token"):
        world.credentials.expire(SHOP, world.now)
    if world.credentials.knows(SHOP, given, world.now):
        return
    expired = {world.credentials.grants[SHOP].access_token} | room(call)["spent"]
    raise Refusal(10019 if given in expired else 20032)


def room(call: Call) -> dict[str, Any]:
    """What this platform keeps for itself: access tokens that were replaced, moments of calls by type."""
    return call.world.rooms.setdefault(NAME, {"spent": set(), "calls": {}})


def _count(call: Call, api: str) -> None:
    """Hold the merchant's quota. A stepped clock stands still between calls, so that a quota would never open."""
    if api not in QUOTAS or not call.world.clock.rate:
        return
    most, seconds = QUOTAS[api]
    now, moments = call.world.clock.now(), room(call)["calls"].setdefault(api, deque())
    while moments and moments[0] <= now - seconds:
        moments.popleft()
    if len(moments) >= most:
        raise Refusal(70031)
    moments.append(now)


# ---- what APIs share


def page(
    call: Call,
    params: Params,
    rows: list[Row],
    render: Callable[[int], dict[str, Any]],
    name: str,
    touch: Callable[[int], None],
    *,
    hides_count: bool = True,
) -> dict[str, Any]:
    """One page of rows, oldest first. name: the key of the list. touch: changes a row. hides_count: with
    use_has_next=true the count is left out."""
    number, size = integer(params, "page", 1, 10**6, 1), integer(params, "page_size", 1, 100, 100)
    first = (number - 1) * size
    found = [dict(render(key)) for _, key in rows[first : first + size]]
    if found and (fault := call.fault("missing_field")):
        default = "created_time" if "created_time" in found[0] else "updated_at"
        found[0].pop(fault.options.get("field", default), None)
    if found and call.fault("duplicate_rows"):
        found.append(found[-1])
    if found and call.fault("short_page"):
        found.pop()
    result: dict[str, Any] = {name: found}
    if hides_count and params.get("use_has_next") == "true":
        result["has_next"] = first + size < len(rows)
    else:
        fault = call.fault("wrong_count")
        result["total_count"] = max(0, len(rows) + (int(fault.options.get("delta", 1)) if fault else 0))
    if rows and call.fault("shifted_page"):
        touch(min(rows)[1])  # the oldest row of the range changes before the next page is read
    return result


def between(rows: list[Row], start: int, end: int) -> list[Row]:
    return rows[bisect_left(rows, (start, 0)) : bisect_right(rows, (end, 1 << 63))]


def span(params: Params, first: str, last: str, longest: int) -> tuple[int, int]:
    start, end = integer(params, first, 0, 10**11), integer(params, last, 0, 10**11)
    if not 0 <= end - start <= longest:
        raise Refusal(10000, f"{last} 与 {first} 间隔不能超过 {longest // 60} 分钟")
    return start, end


def choice(params: Params, name: str, values: tuple[int, ...]) -> int:
    """A required parameter out of a few values."""
    found = integer(params, name, min(values), max(values))
    if found not in values:
        raise Refusal(10000, f"{name} 取值不正确")
    return found


def integer(params: Params, name: str, low: int, high: int, default: int | None = None) -> int:
    text = params.get(name) or ("" if default is None else str(default))
    if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
        raise Refusal(10000, f"{name} 取值不正确")
    return int(text)


def need(params: Params, name: str) -> str:
    if not params.get(name):
        raise Refusal(10000, f"{name} 不能为空")
    return params[name]
