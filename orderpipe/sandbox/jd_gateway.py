"""The envelope of JD's open platform (routerjson): signature, access token, error_response, failures inside code 0.

HTTP 200 also for errors, GMT+8 times, the answer's root misspelt as the platform misspells it.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from orderpipe.sandbox.clock import parse_gmt8
from orderpipe.sandbox.gateway import Answer, Call, decode, same

SHOP = "jd-hz"
TIMESTAMP_TOLERANCE = 360  # seconds
# What must be there, and the code of an answer to a call without it.
REQUIRED = (("method", "14"), ("app_key", "20"), ("timestamp", "7"), ("v", "4"), ("sign", "11"))
TEXTS = {
    "2": ("调用次数超限", "Call count exceeded"),
    "4": ("缺少版本参数", "Missing version"),
    "5": ("无效版本参数", "Invalid version"),
    "7": ("缺少时间戳参数", "Missing timestamp"),
    "8": ("无效时间戳参数", "Invalid timestamp"),
    "11": ("缺少签名参数", "Missing sign"),
    "12": ("无效签名", "Invalid sign"),
    "14": ("缺少方法名参数", "Missing method"),
    "15": ("不存在的方法名", "Invalid method"),
    "18": ("缺少access_token参数", "Missing access_token"),
    "19": ("无效access_token", "Invalid access_token"),
    "20": ("缺少app_key参数", "Missing app_key"),
    "21": ("无效app_key", "Invalid app_key"),
    "24": ("无权限调用API", "No permission"),
    "50": ("缺少或无效的应用参数", "Invalid application parameter"),
    "61": ("应用参数不是合法的JSON", "Invalid json"),
    "67": ("平台连接后端服务超时", "Back-end service timeout"),
    "70": ("订单正在出库中", "The order is being shipped"),
    "71": ("订单不属于该商家", "Order not of this vender"),
}
SUCCESS = {"success": True, "englishErrCode": "success", "chineseErrCode": "成功", "numberCode": 10100000}
Params = dict[str, Any]
Method = Callable[[Call, Params], dict[str, Any]]


class Refusal(Exception):
    """An error_response with that code."""

    def __init__(self, code: str, detail: str = ""):
        chinese, english = TEXTS[code]
        super().__init__(english)
        self.body = {"code": code, "zh_desc": chinese + detail, "en_desc": english}


class Failure(Exception):
    """The business of a call failed: code stays 0, and the result says so."""

    def __init__(self, chinese: str, english: str, number: int = 10100001):
        super().__init__(english)
        self.verdict = {
            "success": False,
            "englishErrCode": english,
            "chineseErrCode": chinese,
            "numberCode": number,
        }


def sign(params: Params, secret: str) -> str:
    """The signature over everything received but `sign`, in the order of the names' bytes."""
    digest = hashlib.md5(secret.encode())
    for name in sorted(params, key=str.encode):
        if name != "sign":
            digest.update(name.encode() + params[name].encode())
    digest.update(secret.encode())
    return digest.hexdigest().upper()


def params_of(call: Call) -> dict[str, str]:
    return call.query | call.form


def answer(call: Call, methods: dict[str, tuple[Method, str]]) -> Answer:
    """Answer a call by its method. methods: name → (method, where a failure of its business stands: under the name of
    its result object, before a dot in that object's apiResult)."""
    sent = params_of(call)
    try:
        params = _authenticate(call, sent, methods)
        method, place = methods[sent["method"]]
        result = _work(call, params, method)
    except Refusal as refusal:
        return Answer({"error_response": refusal.body})
    except Failure as failure:
        name, _, inner = place.partition(".")
        result = {name: {inner: failure.verdict} if inner else failure.verdict} if name else failure.verdict
    return Answer({sent["method"].replace(".", "_") + "_responce": {"code": "0", **result}})


def _work(call: Call, params: Params, method: Method) -> dict[str, Any]:
    if call.fault("throttle"):
        raise Refusal("2")
    if call.fault("api_failure"):
        raise Failure("系统繁忙，请稍后再试", "system busy", 10100099)
    busy = call.fault("business_busy")
    if busy is None or busy.options.get("worked"):
        result = method(call, params)
    if busy:
        raise Refusal("67")
    return result


def _authenticate(call: Call, sent: dict[str, str], methods: dict[str, tuple[Method, str]]) -> Params:
    """Every check that comes before the method's own; returns the business parameters."""
    world = call.world
    for name, code in REQUIRED:
        if not sent.get(name):
            raise Refusal(code)
    if sent["method"] not in methods:
        raise Refusal("15", f": {sent['method']}")
    environment = world.credentials.environment()
    if sent["app_key"] != environment["JD_APP_KEY"]:
        raise Refusal("21")
    if sent["v"] != "2.0":
        raise Refusal("5")
    try:
        skew = abs(world.clock.now() - _timestamp(sent["timestamp"]))
    except ValueError:
        raise Refusal("8") from None
    if skew > world.clock.tolerance(TIMESTAMP_TOLERANCE):
        raise Refusal("8")
    if not same(sign(sent, environment["JD_APP_SECRET"]), sent["sign"]):
        raise Refusal("12")
    if call.fault("expired_token"):
        world.credentials.expire(SHOP, world.now)
    if not sent.get("access_token"):
        raise Refusal("18")
    if not world.credentials.knows(SHOP, sent["access_token"], world.now):
        raise Refusal("19")
    try:
        params = decode(sent.get("360buy_param_json") or "{}")
    except ValueError:
        raise Refusal("61") from None
    if not isinstance(params, dict):
        raise Refusal("61")
    return params


def _timestamp(text: str) -> float:
    """Both ways the platform knows: to the second in GMT+8, or with milliseconds and an offset."""
    if len(text) == 19:
        return parse_gmt8(text)
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f%z").timestamp()


# ---- what methods share


def need(params: Params, name: str) -> str:
    """A business parameter as text; numbers are as good as text here."""
    value = params.get(name)
    if value is None or value == "":
        raise Refusal("50", f": {name}")
    return str(value)


def integer(params: Params, name: str, low: int, high: int) -> int:
    text = need(params, name)
    if not text.isdigit() or not low <= int(text) <= high:
        raise Failure(f"{name} 取值范围 {low}-{high}", f"{name} out of range", 10100010)
    return int(text)


def time_of(params: Params, name: str) -> int:
    try:
        return parse_gmt8(need(params, name))
    except ValueError:
        raise Failure(f"{name} 格式错误", f"{name} is no time", 10100011) from None
