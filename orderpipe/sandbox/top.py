"""The envelope of Taobao's Open Platform (TOP): signature, session, error_response, fields, pages.

HTTP 200 also for errors, GMT+8 times, only the fields asked for, lists newest first.
"""

import hashlib
import hmac
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any

from orderpipe.sandbox.clock import parse_gmt8
from orderpipe.sandbox.gateway import Answer, Call, same

TIMESTAMP_TOLERANCE = 600  # seconds
REQUIRED = (("method", 21), ("app_key", 28), ("timestamp", 30), ("v", 32), ("sign", 24))
XML_REFUSAL = (
    b'<?xml version="1.0" encoding="utf-8" ?><error_response><code>23</code><msg>Invalid format</msg></error_response>'
)
Params = dict[str, str]
Row = tuple[int, int]
Method = Callable[[Call, Params], dict[str, Any]]


class Refusal(Exception):
    """An error_response: the platform's code and message, and the sub code that says whose fault it is."""

    def __init__(self, code: int, msg: str, sub_code: str | None = None, sub_msg: str | None = None):
        super().__init__(msg)
        self.body = {"code": code, "msg": msg}
        if sub_code:
            self.body |= {"sub_code": sub_code, "sub_msg": sub_msg or msg}


def sign(params: Params, secret: str) -> str:
    """The signature of a request: all non-empty parameters but `sign`, sorted, key+value concatenated; the md5 form
    wraps the text in the secret, the hmac forms key with it. Raises KeyError for an unknown sign_method."""
    text = "".join(key + params[key] for key in sorted(params) if key != "sign" and key and params[key])
    method = params["sign_method"]
    if method == "md5":
        return hashlib.md5(f"{secret}{text}{secret}".encode()).hexdigest().upper()
    digest = {"hmac": "md5", "hmac-sha256": "sha256"}[method]
    return hmac.new(secret.encode(), text.encode(), digest).hexdigest().upper()


def answer(call: Call, methods: dict[str, tuple[Method, bool]]) -> Answer:
    """Answer a call by its method. methods: name → (method, whether it needs a session)."""
    params = params_of(call)
    if params.get("format", "xml") != "json":
        return Answer(XML_REFUSAL, media_type="text/xml;charset=utf-8")
    request_id = call.world.next_request_id()
    try:
        result = _work(call, params, methods)
    except Refusal as refusal:
        return Answer({"error_response": refusal.body | {"request_id": request_id}})
    simple = params.get("simplify") == "true"
    body = (_unwrapped(result) if simple else result) | {"request_id": request_id}
    root = params["method"].removeprefix("taobao.").replace(".", "_") + "_response"
    return Answer(body if simple else {root: body})


def params_of(call: Call) -> Params:
    return call.query | call.form


def _work(call: Call, params: Params, methods: dict[str, tuple[Method, bool]]) -> dict[str, Any]:
    method = _authenticate(call, params, methods)
    if fault := call.fault("throttle"):
        seconds = int(fault.options.get("seconds", 1))
        raise Refusal(
            7,
            "App Call Limited",
            "accesscontrol.limited-by-api-access-count",
            f"This ban will last for {seconds} more seconds",
        )
    busy = call.fault("business_busy")
    if busy is None or busy.options.get("worked"):
        result = method(call, params)
    if busy:
        raise Refusal(15, "Remote service error", "isp.top-remote-connection-timeout", "服务暂时不可用，请稍后重试")
    return result


def _authenticate(call: Call, params: Params, methods: dict[str, tuple[Method, bool]]) -> Method:
    """Every check that comes before the method's own; returns the method."""
    world = call.world
    for name, code in REQUIRED:
        if not params.get(name):
            raise Refusal(code, f"Missing {name}")
    if params["method"] not in methods:
        raise Refusal(22, "Invalid method", "isv.invalid-method", f"不存在的方法名: {params['method']}")
    environment = world.credentials.environment()
    if params["app_key"] != environment["TAOBAO_APP_KEY"]:
        raise Refusal(29, "Invalid app Key", "isv.appkey-not-exists")
    if params["v"] != "2.0":
        raise Refusal(33, "Invalid version")
    try:
        skew = abs(world.clock.now() - parse_gmt8(params["timestamp"]))
    except ValueError:
        raise Refusal(31, "Invalid timestamp") from None
    if skew > world.clock.tolerance(TIMESTAMP_TOLERANCE):
        raise Refusal(31, "Invalid timestamp")
    if params.get("sign_method") not in ("md5", "hmac", "hmac-sha256"):
        raise Refusal(40 if not params.get("sign_method") else 41, "Invalid arguments:sign_method")
    if not same(sign(params, environment["TAOBAO_APP_SECRET"]), params["sign"]):
        raise Refusal(25, "Invalid signature")
    method, needs_session = methods[params["method"]]
    if needs_session:
        _check_session(call, params)
    return method


def _check_session(call: Call, params: Params) -> None:
    world, session = call.world, call.world.credentials.grants["taobao-hz"]
    if call.fault("expired_token"):
        world.credentials.expire(session.shop_id, world.now)
    if not params.get("session"):
        raise Refusal(26, "Missing session")
    if params["session"] != session.access_token:
        raise Refusal(27, "Invalid session", "invalid-sessionkey", "SessionKey非法")
    if session.expires_at <= world.now:
        raise Refusal(27, "Invalid session", "session-expired", "SessionKey已过期")


# ---- what methods share


def page(
    call: Call,
    params: Params,
    rows: list[Row],
    render: Callable[[int], dict[str, Any]],
    names: tuple[str, str],
    shift: Callable[[int], None],
    most: int = 100,
    last: int = 10**6,
) -> dict[str, Any]:
    """One page of rows (ascending in, newest first out). An empty page has no list at all; a page asked for with
    use_has_next=true has no total. most: rows in a page. last: the last page number."""
    number, size = _integer(params, "page_no", 1, 1, last), _integer(params, "page_size", 40, 1, most)
    first = (number - 1) * size
    keys = [key for _, key in rows[::-1][first : first + size]]
    found = [render(key) for key in keys]
    if keys and (fault := call.fault("missing_field")):
        field = fault.options.get("field") or ("created" if "created" in found[0] else "modified")
        found[0].pop(field, None)
    if keys and call.fault("duplicate_rows"):
        found.append(found[-1])
    result: dict[str, Any] = {names[0]: {names[1]: found}} if found else {}
    if params.get("use_has_next") == "true":
        result["has_next"] = first + size < len(rows)
    else:
        fault = call.fault("wrong_count")
        result["total_results"] = max(0, len(rows) + (int(fault.options.get("delta", 1)) if fault else 0))
    if rows and call.fault("shifted_page"):
        shift(max(rows)[1])  # the newest row of the range changes before the next page is read
    return result


def between(rows: list[Row], start: int, end: int) -> list[Row]:
    return rows[bisect_left(rows, (start, 0)) : bisect_right(rows, (end, 1 << 63))]


def project(document: dict[str, Any], fields: set[str]) -> dict[str, Any]:
    """The asked-for fields; `orders.title` asks for one field of the lines."""
    row = {name: value for name, value in document.items() if name in fields}
    nested = {field.partition(".")[2] for field in fields if field.startswith("orders.")}
    if nested and "orders" not in fields and "orders" in document:
        lines = document["orders"]["order"]
        row["orders"] = {"order": [{name: line[name] for name in line if name in nested} for line in lines]}
    return row


def _unwrapped(result: Any) -> Any:
    """Without the list wrappers, as simplify=true asks: trades:[…] for trades:{trade:[…]}."""
    if isinstance(result, dict):
        if len(result) == 1 and isinstance(inner := next(iter(result.values())), list):
            return [_unwrapped(item) for item in inner]
        return {name: _unwrapped(value) for name, value in result.items()}
    return result


def fields_of(params: Params) -> set[str]:
    return {field.strip() for field in need(params, "fields").split(",")} - {""}


def need(params: Params, name: str) -> str:
    if not params.get(name):
        raise Refusal(40, f"Missing required arguments:{name}", f"isv.missing-parameter:{name}")
    return params[name]


def time_of(params: Params, name: str) -> int:
    try:
        return parse_gmt8(need(params, name))
    except ValueError:
        raise Refusal(41, f"Invalid arguments:{name}", f"isv.invalid-parameter:{name}", "时间格式错误") from None


def span_of(params: Params, first: str, last: str, longest: int) -> tuple[int, int]:
    start, end = time_of(params, first), time_of(params, last)
    if not 0 <= end - start <= longest:
        raise Refusal(15, "Remote service error", "isv.invalid-parameter", f"{first} 与 {last} 间隔不能超过一天")
    return start, end


def _integer(params: Params, name: str, default: int, low: int, high: int) -> int:
    text = params.get(name) or str(default)
    if not text.isdigit() or not low <= int(text) <= high:
        raise Refusal(41, f"Invalid arguments:{name}", f"isv.invalid-parameter:{name}", f"{name} 取值范围 {low}-{high}")
    return int(text)
