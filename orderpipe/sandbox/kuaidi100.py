"""Kuaidi100: electronic waybills, a number per call unless reorder=false and an orderId name an earlier one; tracking
by question and by subscription."""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.routing import Route

from orderpipe.sandbox import couriers, truth
from orderpipe.sandbox.clock import iso
from orderpipe.sandbox.couriers import NAME, Desk, Label, Subscription, journey_of
from orderpipe.sandbox.gateway import Answer, Call, decode, door, same
from orderpipe.sandbox.model import Order
from orderpipe.sandbox.world import World

FAULTS = frozenset({"business_busy", "throttle"}) | couriers.FAULTS
REMEMBERED = 48 * 3600  # how long reorder=false returns the first result
ASK_EVERY = 30 * 60  # a number that is asked for more often is locked
PREFIX = {
    "shunfeng": "SF1",
    "zhongtong": "756",
    "yuantong": "YT2",
    "shentong": "773",
    "yunda": "463",
    "ems": "125",
    "jd": "JDV",
}
COURIERS = frozenset(PREFIX) | frozenset(
    ["youzhengguonei", "debangkuaidi", "jtexpress", "zhaijisong", "huitongkuaidi", "annengwuliu", "kuayue", "shansong"]
)
PAY_TYPES = frozenset({"SHIPPER", "CONSIGNEE", "MONTHLY", "THIRDPARTY"})
Param = dict[str, Any]


class Failure(Exception):
    """`success: false` with a code and a message."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code, self.message = code, message


def routes(world: World) -> list[Route]:
    """The label endpoint, and those of tracking."""
    return [
        door(world, NAME, "/kuaidi100/label/order", lambda call: call.form.get("method", ""), answer),
        door(world, NAME, "/kuaidi100/poll", lambda call: "poll", subscribe),
        door(world, NAME, "/kuaidi100/poll/query.do", lambda call: "query", query),
    ]


def sign(param: str, t: str, key: str, secret: str) -> str:
    """MD5 over the text of `param` as posted, time, key and secret; upper-case hex."""
    return hashlib.md5(f"{param}{t}{key}{secret}".encode()).hexdigest().upper()


def answer(call: Call) -> Answer:
    try:
        busy = call.fault("business_busy") or call.fault("throttle")
        method, param = _check(call)
        data = None if busy and not busy.options.get("worked") else method(call, param)
        if busy:
            raise Failure(-1, "服务器繁忙，请稍后重试")
    except Failure as failure:
        if failure.code != -1:
            call.world.receipts.refuse(NAME)
        return Answer({"success": False, "code": failure.code, "message": failure.message, "data": None, "time": 3})
    return Answer({"success": True, "code": 200, "message": "success", "data": data, "time": 120})


def _check(call: Call) -> tuple[Callable[[Call, Param], Any], Param]:
    form, environment = call.form, call.world.credentials.environment()
    for name in ("method", "key", "t", "sign", "param"):
        if not form.get(name):
            raise Failure(30001, f"参数错误: 缺少 {name}")
    if form["key"] != environment["KUAIDI100_KEY"]:
        raise Failure(30003, "授权 key 不存在")
    if not form["t"].isdigit():
        raise Failure(30001, "参数错误: t")
    if not same(sign(form["param"], form["t"], form["key"], environment["KUAIDI100_SECRET"]), form["sign"]):
        raise Failure(30002, "签名校验失败")
    if (method := METHODS.get(form["method"])) is None:
        raise Failure(30001, f"参数错误: 不支持的 method {form['method']}")
    try:
        param = decode(form["param"].encode())
    except msgspec.DecodeError:
        raise Failure(30001, "参数错误: param 不是 JSON") from None
    if not isinstance(param, dict):
        raise Failure(30001, "参数错误: param 不是对象")
    return method, param


# ---- methods


def order(call: Call, param: Param) -> dict[str, Any]:
    """Buy a label. With reorder=false and an orderId the first result of the last 48 hours comes back; else each call
    buys another one."""
    world, desk = call.world, _desk(call.world)
    _validate(param)
    reference = str(param.get("orderId") or "")
    earlier = desk.by_order.get(reference, []) if reference else []
    remembered = [label for label in earlier if world.now - label.at < REMEMBERED]
    if param.get("reorder") is False and remembered:
        world.receipts.note(NAME, "waybill", reference, world.now, "")
        return remembered[0].data()
    if world.settings.kuaidi100_units <= 0:
        raise Failure(30004, "账号单量不足")
    world.settings.kuaidi100_units -= 1
    serial = len(desk.by_number) + 1
    number = f"{PREFIX.get(param['kuaidicom'], 'KD1')}{390_000_000_000 + serial * 37}"
    platform_order = _platform_order(world, str(param.get("thirdOrderId") or ""), str(param.get("oaid") or ""))
    effect = world.receipts.note(
        NAME,
        "waybill",
        reference or number,
        world.now,
        call.form["param"],
        numbers=[],
        platform_state=truth.snapshot(platform_order) if platform_order else None,
        receiver_current=_receiver_current(param, platform_order),
    )
    if any(label.cancelled_at is None for label in earlier):
        effect.duplicates += 1  # the world now holds two live labels for one reference
    label = Label(
        param["kuaidicom"], number, f"01639{36_000_000 + serial:09d}KD", f"F0A1{serial:08X}", world.now, effect,
        phone=str(param["recMan"].get("mobile") or param["recMan"].get("tel")),
    )  # fmt: skip
    effect.facts["numbers"].append(number)
    desk.by_number[number] = desk.by_task[label.task] = label
    if reference:
        desk.by_order.setdefault(reference, []).append(label)
    return label.data()


def cancel(call: Call, param: Param) -> dict[str, Any]:
    """Give a label back: needs the courier's own order number from the reply, before the parcel is picked up."""
    world = call.world
    for name in ("kuaidicom", "kuaidinum"):
        if not param.get(name):
            raise Failure(30001, f"参数错误: 缺少 {name}")
    label = _desk(world).by_number.get(str(param["kuaidinum"]))
    if label is None or label.courier != param["kuaidicom"]:
        raise Failure(30009, "运单不存在")
    if param.get("orderId") != label.courier_order:
        raise Failure(30001, "参数错误: orderId 应为下单返回的 kdComOrderNum")
    if label.cancelled_at is not None:
        raise Failure(30009, "运单已取消")
    if label.picked_up_at is not None:
        raise Failure(10001, "快件已揽收，无法取消")
    label.cancelled_at = world.now
    label.effect.facts.setdefault("cancelled", []).append(label.number)
    world.receipts.note(NAME, "cancel", label.number, world.now, call.form["param"])
    return {"kuaidinum": label.number, "cancelledAt": iso(world.now)}


def detail(call: Call, param: Param) -> dict[str, Any]:
    """What a label is, by the caller's orderId or by taskId. The documentation gives this method's name only:
    parameters and answer are a guess, made from its neighbours."""
    desk, label = _desk(call.world), None
    if reference := str(param.get("orderId") or ""):
        found = desk.by_order.get(reference, [])
        label = next((one for one in reversed(found) if one.cancelled_at is None), found[-1] if found else None)
    elif task := str(param.get("taskId") or ""):
        label = desk.by_task.get(task)
    else:
        raise Failure(30001, "参数错误: 缺少 orderId")
    if label is None:
        raise Failure(30009, "任务不存在")
    return {
        "taskId": label.task, "kuaidinum": label.number, "kdComOrderNum": label.courier_order, "status": label.status
    }  # fmt: skip


METHODS: dict[str, Callable[[Call, Param], Any]] = {"order": order, "cancel": cancel, "detail": detail}


# ---- tracking


def subscribe(call: Call) -> Answer:
    """Pushes about a number to an address; once subscribed, 501."""
    world, desk = call.world, _desk(call.world)
    try:
        param = decode(call.form.get("param", "").encode())
        parameters = param["parameters"]
        company, number = str(param["company"]), str(param["number"])
        url, salt = str(parameters["callbackurl"]), str(parameters.get("salt") or "")
    except (msgspec.DecodeError, KeyError, TypeError):
        return _tracking(False, "400", "提交的数据不完整")
    if call.form.get("schema") != "json" or not url.startswith("http") or not 6 <= len(number) <= 32:
        return _tracking(False, "400", "提交的数据不完整")
    if param.get("key") != world.credentials.environment()["KUAIDI100_KEY"]:
        world.receipts.refuse(NAME)
        return _tracking(False, "600", "您不是合法的订阅者")
    if company not in COURIERS:
        return _tracking(False, "700", "不支持的快递公司")
    world.receipts.note(NAME, "subscription", number, world.now, "")
    if number in desk.subscriptions:
        return _tracking(False, "501", "重复订阅")
    desk.subscriptions[number] = Subscription(url, salt)
    if label := desk.by_number.get(number):
        couriers.push(world, label)
    return _tracking(True, "200", "提交成功")


def query(call: Call) -> Answer:
    """Where a number is. SF tells only who knows the last digits of a phone; asked too often, a number is locked."""
    world, desk, environment = call.world, _desk(call.world), call.world.credentials.environment()
    text, customer = call.form.get("param", ""), environment["KUAIDI100_CUSTOMER"]
    if call.form.get("customer") != customer:
        return _tracking(False, "400", "customer 错误")
    expected = hashlib.md5(f"{text}{environment['KUAIDI100_KEY']}{customer}".encode()).hexdigest().upper()
    if not same(expected, call.form.get("sign", "")):
        world.receipts.refuse(NAME)
        return _tracking(False, "503", "验证签名失败")
    try:
        param = decode(text.encode())
        company, number, phone = str(param["com"]), str(param["num"]), str(param.get("phone") or "")
    except (msgspec.DecodeError, KeyError, TypeError):
        return _tracking(False, "400", "找不到对应公司")
    label = desk.by_number.get(number)
    asked = desk.asked.get(number)
    if asked is not None and world.now - asked < ASK_EVERY / world.pace:
        return _tracking(False, "502", "查询过于频繁，单号已锁定")
    desk.asked[number] = world.now
    if company == "shunfeng" and (len(phone) < 4 or (label and not label.phone.endswith(phone[-4:]))):
        return _tracking(False, "408", "验证码错误")
    if label is None or label.courier != company or not label.steps:
        return _tracking(False, "500", "查询无结果，请隔段时间再查")
    return Answer(journey_of(label))


def _tracking(result: bool, code: str, message: str) -> Answer:
    return Answer({"result": result, "returnCode": code, "message": message})


# ---- shared pieces


def _validate(param: Param) -> None:
    if param.get("kuaidicom") not in COURIERS:
        raise Failure(30001, "参数错误: kuaidicom")
    if not param.get("partnerId"):
        raise Failure(30001, "参数错误: 缺少 partnerId")
    if param.get("payType", "SHIPPER") not in PAY_TYPES:
        raise Failure(30001, "参数错误: payType")
    if not isinstance(param.get("reorder", True), bool):
        raise Failure(30001, "参数错误: reorder 应为布尔值")
    for name in ("recMan", "sendMan"):
        person = param.get(name)
        if not isinstance(person, dict) or not person.get("name") or not (person.get("mobile") or person.get("tel")):
            raise Failure(30001, f"参数错误: {name} 缺少姓名或电话")
        if not person.get("printAddr") and not all(person.get(part) for part in ("province", "city", "addr")):
            raise Failure(30001, f"参数错误: {name} 缺少地址")
    receiver = param["recMan"]
    masked = any("*" in str(receiver.get(name) or "") for name in ("name", "mobile", "printAddr", "addr"))
    if masked and not (param.get("oaid") and param.get("thirdOrderId")):
        raise Failure(30001, "参数错误: 收件人信息已脱敏，需提供 oaid 和 thirdOrderId")


def _desk(world: World) -> Desk:
    return couriers.desk(world)


def _platform_order(world: World, number: str, oaid: str) -> Order | None:
    try:
        return world.find(number)
    except KeyError:
        return world.by_oaid.get(oaid)  # no more than a guess: all orders of one receiver and week share it


def _receiver_current(param: Param, found: Order | None) -> bool | None:
    """Whether the label goes where the buyer wants it now; None when no platform order stands behind it."""
    if found is None:
        return None
    if oaid := param.get("oaid"):
        return oaid == found.receiver.oaid
    receiver = param["recMan"]
    return (
        found.receiver.address in str(receiver.get("printAddr") or receiver.get("addr"))
        and receiver["name"] == found.receiver.name
    )
