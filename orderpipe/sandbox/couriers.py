"""Couriers: labels that were bought, parcels under way, and who is told about them."""

import hashlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from orderpipe.sandbox.callbacks import Letter
from orderpipe.sandbox.clock import gmt8, iso
from orderpipe.sandbox.gateway import decode, encode
from orderpipe.sandbox.receipts import Effect
from orderpipe.sandbox.world import World

NAME = "kuaidi100"
FAULTS = frozenset({"push_lost", "push_wrong_sign", "parcel_problem", "parcel_returned"})
# Seconds after the hand-over, at pace 1, by state of the documentation; and what a courier writes.
JOURNEY = (
    (0, "1", "揽收", "快件已揽收，收件人电话已加密"),
    (6 * 3600, "0", "在途", "快件到达转运中心"),
    (30 * 3600, "5", "派件", "快件派送中，派件员 张师傅 13800138000"),
    (34 * 3600, "3", "签收", "已签收，签收人 本人"),
)
PROBLEM = (20 * 3600, "2", "疑难", "地址不详，等待处理")
RETURN = ((36 * 3600, "6", "退回", "快件退回中"), (60 * 3600, "4", "退签", "退回签收"))


@dataclass(slots=True)
class Label:
    """A waybill that was bought. steps: where the parcel was, oldest first: (time, state, status, text)."""

    courier: str
    number: str
    courier_order: str
    task: str
    at: int
    effect: Effect
    phone: str = ""
    cancelled_at: int | None = None
    picked_up_at: int | None = None
    steps: list[tuple[int, str, str, str]] = field(default_factory=list)

    @property
    def status(self) -> str:
        if self.cancelled_at is not None:
            return "cancelled"
        return "live" if self.picked_up_at is None else "picked_up"

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
class Subscription:
    """Who wants to hear of a number, and with which salt."""

    url: str
    salt: str
    pushed: int = 0  # steps told so far


@dataclass(slots=True)
class Desk:
    """Labels by number, and by the caller's orderId in the order they were bought; subscriptions; questions asked."""

    by_number: dict[str, Label] = field(default_factory=dict)
    by_order: dict[str, list[Label]] = field(default_factory=dict)
    by_task: dict[str, Label] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)


def desk(world: World) -> Desk:
    """The desk of a world."""
    return world.rooms.setdefault(NAME, Desk())


def labels_of(world: World, reference: str) -> list[Label]:
    """Every label bought under the caller's reference."""
    return desk(world).by_order.get(reference, [])


def child_of(world: World, label: Label, number: str) -> Label:
    """The label of another package of the same parcel."""
    child = Label(label.courier, number, label.courier_order, label.task, world.now, label.effect, label.phone)
    desk(world).by_number[number] = child
    return child


def pick_up(world: World, label: Label) -> None:
    """The courier takes a parcel; its journey begins."""
    label.picked_up_at = world.now
    label.effect.facts["picked_up_at"] = iso(world.now)
    journey = list(JOURNEY)
    if world.faults.take(NAME, "parcel_problem", label.number):
        journey.insert(2, PROBLEM)
    if world.faults.take(NAME, "parcel_returned", label.number):
        journey[-1:] = RETURN
    for after, *step in journey:
        at = world.now + int(after / world.pace)
        if at == world.now:
            _move(world, label, at, tuple(step))
        else:
            world.schedule(at, "do", lambda at, step=tuple(step): _move(world, label, at, step))


def push(world: World, label: Label) -> None:
    """Tell the subscriber the whole journey so far."""
    subscription = desk(world).subscriptions.get(label.number)
    if subscription is None or not label.steps or subscription.pushed == len(label.steps):
        return
    subscription.pushed = len(label.steps)
    if world.faults.take(NAME, "push_lost", label.number):
        return
    over = label.steps[-1][1] in ("3", "4")
    message = {
        "status": "shutdown" if over else "polling",
        "billstatus": "check" if over else "got",
        "message": "",
        "autoCheck": "0",
        "comOld": "",
        "comNew": "",
        "lastResult": journey_of(label),
    }
    param = encode(message).decode()
    salt = "wrong" if world.faults.take(NAME, "push_wrong_sign", label.number) else subscription.salt
    sign = hashlib.md5(f"{param}{salt}".encode()).hexdigest().upper()
    world.postman.give(
        Letter(
            "push",
            subscription.url,
            urlencode({"param": param, "sign": sign}).encode(),
            {"Content-Type": "application/x-www-form-urlencoded"},
            _taken,
        )
    )


def journey_of(label: Label) -> dict[str, Any]:
    """Where a parcel was, newest first, as questions and pushes show it."""
    return {
        "message": "ok",
        "nu": label.number,
        "ischeck": "1" if label.steps[-1][1] == "3" else "0",
        "com": label.courier,
        "status": "200",
        "state": label.steps[-1][1],
        "condition": "F00",
        "data": [
            {"time": gmt8(at), "ftime": gmt8(at), "context": text, "status": status, "statusCode": state}
            for at, state, status, text in reversed(label.steps)
        ],
    }


def _move(world: World, label: Label, at: int, step: tuple[str, str, str]) -> None:
    label.steps.append((at, *step))
    push(world, label)


def _taken(answer: str) -> bool:
    try:
        reply = decode(answer.encode())
    except ValueError:
        return False
    return isinstance(reply, dict) and reply.get("result") is True and str(reply.get("returnCode")) == "200"
