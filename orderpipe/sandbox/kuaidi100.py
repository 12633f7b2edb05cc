"""Kuaidi100 electronic waybills: a number per call, unless reorder=false and an orderId name an earlier one."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.routing import Route

from orderpipe.sandbox import truth
from orderpipe.sandbox.clock import iso
from orderpipe.sandbox.gateway import Answer, Call, decode, door, same
from orderpipe.sandbox.model import Order
from orderpipe.sandbox.receipts import Effect
from orderpipe.sandbox.world import World

NAME = "kuaidi100"
FAULTS = frozenset({"business_busy", "throttle"})
REMEMBERED = 48 * 3600  # how long reorder=false returns the first result
PICKED_UP_AFTER = 4 * 3600  # seconds at pace 1; from then on a label cannot be cancelled
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


@dataclass(slots=True)
class Label:
    """A waybill that was bought."""

    courier: str
    number: str
    courier_order: str
    task: str
    at: int
    effect: Effect
    cancelled_at: int | None = None

    def data(self) -> dict[str, Any]:
        return {
            "taskId": self.task,
            "kuaidinum": self.number,
            "childNum": "",
            "returnNum": "",
            "label": "",
            "bulkpen": "755A-01",
            "orgCode": "755",
            "destCode": "571",
            "kdComOrderNum": self.courier_order,
            "expressCode": "",
            "pkgName": "",
        }


@dataclass(slots=True)
class Desk:
    """Labels by number, and by the caller's orderId in the order they were bought."""

    by_number: dict[str, Label] = field(default_factory=dict)
    by_order: dict[str, list[Label]] = field(default_factory=dict)


def routes(world: World) -> list[Route]:
    """The label endpoint."""
    return [door(world, NAME, "/kuaidi100/label/order", lambda call: call.form.get("method", ""), answer)]


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
        param["kuaidicom"], number, f"01639{36_000_000 + serial:09d}KD", f"F0A1{serial:08X}", world.now, effect
    )
    effect.facts["numbers"].append(number)
    desk.by_number[number] = label
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
    if world.now - label.at >= PICKED_UP_AFTER / world.pace:
        raise Failure(10001, "快件已揽收，无法取消")
    label.cancelled_at = world.now
    label.effect.facts.setdefault("cancelled", []).append(label.number)
    world.receipts.note(NAME, "cancel", label.number, world.now, call.form["param"])
    return {"kuaidinum": label.number, "cancelledAt": iso(world.now)}


METHODS: dict[str, Callable[[Call, Param], Any]] = {"order": order, "cancel": cancel}


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
    return world.rooms.setdefault(NAME, Desk())


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
