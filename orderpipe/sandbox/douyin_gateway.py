"""The envelope of the Douyin shop platform: signature over the body, token, code and sub_code, pages from 0.

HTTP 200 also for errors. Strict: a body whose keys are not sorted is refused, as its signature would be elsewhere.
"""

import hashlib
import hmac
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any

from orderpipe.sandbox.clock import gmt8, parse_gmt8
from orderpipe.sandbox.gateway import Answer, Call, same

SHOP = "douyin-hz"
TIMESTAMP_TOLERANCE = 600  # seconds
DEPTH = 10_000  # rows of a list that can be reached by paging
REQUIRED = ("app_key", "method", "timestamp", "v", "sign")
Params = dict[str, Any]
Row = tuple[int, int]
Method = Callable[[Call, Params], Any]
# Failures `business_busy` plays, by the code asked for.
BUSY = {
    20000: ("服务不可用", "isp.service-error", "系统繁忙，请稍后重试"),
    20001: ("内部超时", "isp.service-error", "服务超时"),
    50001: ("平台处理失败", "isp.service-error", "平台处理异常"),
    90000: ("其他", "dop.unknown-error", "未知错误"),
}


class Refusal(Exception):
    """An answer other than success: code and message, and the sub code that says whose fault it is."""

    def __init__(self, code: int, msg: str, sub_code: str, sub_msg: str):
        super().__init__(msg)
        self.body = {"code": code, "msg": msg, "sub_code": sub_code, "sub_msg": sub_msg}


def invalid(what: str, sub_code: str = "isv.parameter-invalid") -> Refusal:
    return Refusal(40004, "参数非法", sub_code, what)


def business(what: str, sub_code: str = "isv.business-failed") -> Refusal:
    return Refusal(50002, "业务处理失败", sub_code, what)


def sign(query: dict[str, str], param_json: str, secret: str) -> str:
    """The signature of a call: five parameters in order, wrapped in the secret; md5 where no sign_method is named."""
    signed = {"app_key": query["app_key"], "method": query["method"], "param_json": param_json}
    signed |= {"timestamp": query["timestamp"], "v": query["v"]}
    text = secret + "".join(name + value for name, value in signed.items()) + secret
    if query.get("sign_method") == "hmac-sha256":
        return hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()
    return hashlib.md5(text.encode()).hexdigest()


def method_of(call: Call) -> str:
    """order.searchList for /order/searchList."""
    return f"{call.path['group']}.{call.path['name']}"


def answer(call: Call, methods: dict[str, tuple[Method, bool]]) -> Answer:
    """Answer a call by its method. methods: name → (method, whether it needs a token)."""
    log_id = gmt8(call.world.now).translate({ord(sign): None for sign in "- :"}) + call.world.next_request_id()
    try:
        data = _work(call, methods)
    except Refusal as refusal:
        body = refusal.body | {"log_id": log_id}
        if call.headers.get("x-open-no-old-err-code") != "1":
            body |= {"err_no": refusal.body["code"], "message": refusal.body["msg"]}
        return Answer(body)
    body = {"code": 10000, "msg": "success", "sub_code": "", "sub_msg": "", "log_id": log_id, "data": data}
    if call.headers.get("x-open-no-old-err-code") != "1":
        body |= {"err_no": 0, "message": "success"}
    return Answer(body)


def _work(call: Call, methods: dict[str, tuple[Method, bool]]) -> Any:
    method, params = _authenticate(call, methods)
    if call.fault("throttle"):
        raise Refusal(60000, "请求过于频繁", "isv.traffic-limited", "触发限流，请稍后重试")
    busy = call.fault("business_busy")
    if busy is None or busy.options.get("worked"):
        data = method(call, params)
    if busy:
        code = int(busy.options.get("code", 20000))
        raise Refusal(code, *BUSY[code])
    return data


def _authenticate(call: Call, methods: dict[str, tuple[Method, bool]]) -> tuple[Method, Params]:
    """Every check that comes before the method's own; returns the method and its parameters."""
    world, query = call.world, call.query
    for name in REQUIRED:
        if not query.get(name):
            raise Refusal(40002, "缺少参数", "isv.missing-parameter", f"缺少参数 {name}")
    if call.name not in methods or query["method"] != call.name:
        raise Refusal(40004, "参数非法", "isv.method-invalid", f"不存在的 method {query['method']}")
    environment = world.credentials.environment()
    if query["app_key"] != environment["DOUYIN_APP_KEY"]:
        raise Refusal(40004, "参数非法", "isv.app-key-invalid", "app_key 不存在")
    if query["v"] != "2" or query.get("sign_method", "md5") not in ("md5", "hmac-sha256"):
        raise invalid("v 或 sign_method 非法")
    _check_time(call)
    param_json = _param_json(call)
    if not same(sign(query, param_json, environment["DOUYIN_APP_SECRET"]), query["sign"]):
        raise Refusal(40003, "参数非法", "isv.signature-invalid", "签名校验失败")
    method, needs_token = methods[call.name]
    if needs_token:
        _check_token(call)
    return method, _params(param_json)


def _check_time(call: Call) -> None:
    text, clock = call.query["timestamp"], call.world.clock
    try:
        at = int(text) if text.isdigit() else parse_gmt8(text)
    except ValueError:
        at = 0
    if abs(clock.now() - at) > clock.tolerance(TIMESTAMP_TOLERANCE):
        raise Refusal(40003, "参数非法", "isv.timestamp-invalid", "时间戳非法")


def _param_json(call: Call) -> str:
    """The parameters as sent: the body, or for older clients a form or query field."""
    older = call.form.get("param_json") or call.query.get("param_json")
    return older if older is not None else call.body.decode("utf-8", "replace")


def _params(param_json: str) -> Params:
    try:
        params = json.loads(param_json)
    except ValueError:
        raise invalid("param_json 不是 JSON") from None
    if not isinstance(params, dict):
        raise invalid("param_json 不是 JSON 对象")
    sorted_json = json.dumps(params, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    escaped = sorted_json.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    if param_json not in (sorted_json, escaped):
        raise Refusal(40003, "参数非法", "isv.signature-invalid", "签名校验失败：param_json 的键未排序")
    return params


def _check_token(call: Call) -> None:
    world, token = call.world, call.query.get("access_token", "")
    if call.fault("expired_token"):
        world.credentials.expire(SHOP, world.now)
    require_consent(call)
    if not token:
        raise Refusal(40002, "缺少参数", "isv.missing-parameter", "缺少参数 access_token")
    if token != world.credentials.grants[SHOP].access_token:
        raise Refusal(40003, "参数非法", "isv.access-token-no-existed", "access_token 不存在")
    if not world.credentials.knows(SHOP, token, world.now):
        raise Refusal(40003, "参数非法", "isv.access-token-expired", "access_token 已过期")


def require_consent(call: Call) -> None:
    """Refuse everything once the seller has taken the authorisation back."""
    if call.world.credentials.grants[SHOP].refresh_expires_at == 0:
        raise Refusal(30001, "无权限", "dop.authorization-closed", "商家已关闭授权")


# ---- what methods share


def page(
    call: Call, params: Params, rows: list[Row], render: Callable[[int], dict[str, Any]], shift: Callable[[int], None]
) -> tuple[dict[str, Any], list[dict[str, Any]], bool]:
    """One page of rows, in the order given: (page, total and size; the rows; whether there are more). Pages count
    from 0 and must be said; what lies deeper than DEPTH cannot be reached."""
    number, size = integer(params, "page"), integer(params, "size")
    if number < 0 or not 1 <= size <= 100:
        raise invalid("page 从 0 开始，size 取值范围 1-100")
    shallow = call.fault("shallow_pages")
    depth = int(shallow.options.get("depth", 100)) if shallow else DEPTH
    if (number + 1) * size > depth:
        raise invalid(f"翻页过深，page*size 不能超过 {depth}")
    keys = [key for _, key in rows[number * size : (number + 1) * size]]
    found = [render(key) for key in keys]
    if found and (fault := call.fault("missing_field")):
        found[0] = without(found[0], fault.options.get("field", "create_time"))
    if found and call.fault("duplicate_rows"):
        found.append(found[-1])
    fault = call.fault("wrong_count")
    total = max(0, len(rows) + (int(fault.options.get("delta", 1)) if fault else 0))
    if keys and call.fault("shifted_page"):
        shift(min(rows)[1])  # the oldest row of the range changes before the next page is read, and leaves the range
    return {"page": number, "size": size, "total": total}, found, (number + 1) * size < len(rows)


def without(document: dict[str, Any], field: str) -> dict[str, Any]:
    """The document without a field, wherever in it the field stands."""
    return {
        name: without(value, field) if isinstance(value, dict) else value
        for name, value in document.items()
        if name != field
    }


def between(rows: list[Row], start: int, end: int) -> list[Row]:
    return rows[bisect_left(rows, (start, 0)) : bisect_right(rows, (end, 1 << 63))]


def need(params: Params, name: str) -> Any:
    if params.get(name) in (None, ""):
        raise Refusal(40002, "缺少参数", "isv.missing-parameter", f"缺少参数 {name}")
    return params[name]


def integer(params: Params, name: str) -> int:
    """A whole number, also as text. A missing one is refused: 0 must be said."""
    value = need(params, name)
    if isinstance(value, bool) or not str(value).lstrip("-").isdigit():
        raise invalid(f"{name} 必须为整数")
    return int(value)


def span_of(params: Params, first: str, last: str) -> tuple[int, int] | None:
    """Both bounds in unix seconds; None where neither is given. Milliseconds lie beyond every order."""
    if first not in params and last not in params:
        return None
    start, end = integer(params, first), integer(params, last)
    if start > end or end > 10**11:
        raise invalid(f"{first}、{last} 必须为秒级时间戳且起止有序")
    return start, end
