"""How orders age: created → paid or closed → shipped → completed, some refunded, some held, some re-addressed.

Every delay of an order is drawn at its birth, so the world is a function of seed and clock and never of who looks at
it. The same transitions serve the order's own plan, the platforms' write-backs and the control endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from orderpipe.sandbox import people
from orderpipe.sandbox.habits import HABITS, Habits
from orderpipe.sandbox.model import Line, Order, Refund, Shipment

if TYPE_CHECKING:
    from orderpipe.sandbox.world import World

MINUTE, HOUR, DAY = 60, 3600, 86400
REASONS = ("不想要了", "拍错了", "商品与描述不符", "质量问题", "未按约定时间发货")
TARGETS = ("paid", "shipped", "completed", "closed", "refund_requested", "refund_refused", "refunded", "forbid_consign")


class Impossible(ValueError):
    """The order is not in a state that allows this."""


@dataclass(slots=True)
class Complaint:
    """A refund to come. after: seconds after payment (or shipping); what: order, line or amount."""

    after_shipping: bool
    after: int
    settle_after: int
    what: str
    goods_back: bool
    refused: bool
    reason: str


@dataclass(slots=True)
class Plan:
    """All delays of one order's life, in seconds at the world's pace; None means it never happens."""

    deposit_after: int | None
    pay_after: int | None
    close_after: int
    release_after: int | None
    ship_after: int
    complete_after: int
    readdress_after: int | None
    memo_after: int | None
    complaint: Complaint | None


def draw_plan(rng: Random, order: Order, pace: float) -> Plan:
    """Draw a life. pace 2 means everything happens twice as fast."""

    def between(low: int, high: int) -> int:
        return max(1, int(low * (high / low) ** rng.random() / pace))

    habits = HABITS[order.shop.platform]
    two_payments = (people.chance(rng, habits.two_payments) or order.presale) and not order.cod
    if two_payments:
        order.presale = True
        order.deposit = max(1, order.payable // 5)
    complaint = None
    draw = rng.random()
    if draw < 0.08:
        after_shipping = draw >= 0.045
        complaint = Complaint(
            after_shipping=after_shipping,
            after=between(6 * HOUR, 3 * DAY) if after_shipping else between(10 * MINUTE, 3 * HOUR),
            settle_after=between(12 * HOUR, 4 * DAY) if after_shipping else between(30 * MINUTE, 5 * HOUR),
            what=_refunded_part(habits, after_shipping, rng),
            goods_back=after_shipping and people.chance(rng, 0.7),
            refused=people.chance(rng, 0.15),
            reason=rng.choice(REASONS),
        )
    return Plan(
        deposit_after=between(20, 10 * MINUTE) if two_payments else None,
        pay_after=between(2 * HOUR, 12 * HOUR)
        if two_payments
        else (between(20, 20 * MINUTE) if people.chance(rng, 0.93) else None),
        close_after=between(DAY, DAY + HOUR),
        release_after=between(3 * HOUR, 20 * HOUR) if habits.held and people.chance(rng, habits.held) else None,
        ship_after=between(4 * HOUR, 30 * HOUR),
        complete_after=between(2 * DAY, 9 * DAY),
        readdress_after=between(15 * MINUTE, 4 * HOUR) if people.chance(rng, 0.02) else None,
        memo_after=between(5 * MINUTE, 5 * HOUR) if habits.noted and people.chance(rng, habits.noted) else None,
        complaint=None if order.cod else complaint,
    )


def _refunded_part(habits: Habits, after_shipping: bool, rng: Random) -> str:
    if after_shipping:
        what = rng.choices(("order", "line", "amount"), (55, 30, 15))[0]
        return what if habits.partial or what != "amount" else "line"
    what = rng.choice(("order", "order", "line"))
    return "order" if habits.whole_before_shipping else what


def begin(world: World, order: Order) -> None:
    """Set a newborn order's plan in motion."""
    plan = order.plan
    if plan.deposit_after is not None:
        world.schedule(order.created + plan.deposit_after, "deposit", order)
    elif plan.pay_after is not None:
        world.schedule(order.created + plan.pay_after, "pay", order)
    world.schedule(order.created + plan.close_after, "close", order)


def deposit(world: World, order: Order, at: int) -> None:
    """The first of two payments."""
    _require(order.phase == "unpaid" and order.deposit > 0, order)
    order.phase, order.deposit_at = "deposit", at
    if order.plan and order.plan.pay_after is not None:
        world.schedule(at + order.plan.pay_after, "pay", order)
    world.touch(order, at)


def pay(world: World, order: Order, at: int) -> None:
    """Payment in full, or the confirmation of an order that is paid on delivery. What the order's plan holds for
    later starts to run now."""
    _require(order.phase in ("unpaid", "deposit"), order)
    order.phase, order.confirmed_at = "paid", at
    if not order.cod:
        order.paid_at = at
    if plan := order.plan:
        order.hold = plan.release_after is not None
        later = [
            ("release", plan.release_after),
            ("ship", plan.ship_after),
            ("readdress", plan.readdress_after),
            ("memo", plan.memo_after),
        ]
        if plan.complaint and not plan.complaint.after_shipping:
            later.append(("complain", plan.complaint.after))
        for name, after in later:
            if after is not None:
                world.schedule(at + after, name, order)
    world.touch(order, at)


def close(world: World, order: Order, at: int) -> None:
    """Closed before payment in full; on delivery: before it is shipped."""
    _require(order.phase in ("unpaid", "deposit") or (order.cod and order.phase == "paid"), order)
    order.phase, order.closed_at = "closed", at
    world.touch(order, at)


def forbid(world: World, order: Order, at: int) -> None:
    """The platform forbids shipping a paid order."""
    _require(order.phase == "paid", order)
    order.hold = True
    world.touch(order, at)


def release(world: World, order: Order, at: int) -> None:
    """The platform allows shipping again."""
    _require(order.phase == "paid" and order.hold, order)
    order.hold = False
    _ship_later(world, order, at)
    world.touch(order, at)


def ship(world: World, order: Order, at: int, company: str, tracking: str, lines: list[Line] | None = None) -> Shipment:
    """Hand over to a courier: the given lines, or all that are still to be shipped. Raises Impossible."""
    _require(order.phase in ("paid", "part_shipped") and not order.hold, order)
    parcel = [line for line in lines or order.lines if not line.shipped and line.removed < line.quantity]
    _require(bool(parcel), order)
    for line in parcel:
        line.shipped = True
    shipment = Shipment(order.id + len(order.shipments) + 500, at, company, tracking, parcel)
    order.shipments.append(shipment)
    order.shipped_at = order.shipped_at or at
    done = all(line.shipped or line.removed >= line.quantity for line in order.lines)
    order.phase = "shipped" if done else "part_shipped"
    if done and (plan := order.plan):
        world.schedule(at + plan.complete_after, "complete", order)
        if plan.complaint and plan.complaint.after_shipping:
            world.schedule(at + plan.complaint.after, "complain", order)
    world.touch(order, at)
    return shipment


def complete(world: World, order: Order, at: int) -> None:
    """Received: confirmed by the buyer, or delivered where the platform knows no confirmation."""
    _require(order.phase == "shipped", order)
    order.phase, order.completed_at = "completed", at
    if order.cod:
        order.paid_at = at
    for shipment in order.shipments:
        shipment.delivered_at = at
    world.touch(order, at)


def ask_refund(
    world: World,
    order: Order,
    at: int,
    *,
    what: str = "order",
    skus: list[str] | None = None,
    goods_back: bool = False,
    reason: str = REASONS[0],
) -> list[Refund]:
    """The buyer asks for money back. what: order, line (its first paid line, or those of `skus`), amount (a tenth of
    that line, goods stay)."""
    _require(order.paid_at is not None and order.phase != "closed", order)
    payable = [line for line in order.lines if line.paid > 0 and line.removed == 0 and order.refund_of(line) is None]
    if skus is not None:
        payable = [line for line in payable if line.goods.sku in skus]
    elif what != "order":
        payable = payable[:1]
    _require(bool(payable), order)
    after_shipping = order.shipped_at is not None
    made = []
    for line in payable:
        amount, quantity = line.paid + line.tax, line.quantity
        if what == "amount":
            amount, quantity = max(1, amount // 10), 0
        made.append(
            Refund(world.next_refund_id(order), line, amount, quantity, after_shipping, goods_back, reason, at, at)
        )
    whole = what == "order" and skus is None and not order.refunds
    if whole:  # the whole order goes back: so does its postage
        made[-1].amount += order.shipping_fee
    order.refunds += made
    _refunds_changed(world, order, made, at)
    return made


def agree_return(world: World, order: Order, at: int) -> None:
    """The seller agrees and the buyer is to send the goods back."""
    waiting = [refund for refund in order.refunds if refund.state == "requested"]
    _require(bool(waiting), order)
    _set_state(world, order, waiting, "returning", at)


def refuse_refund(world: World, order: Order, at: int) -> None:
    """The seller refuses; the request stays open until the buyer gives up."""
    waiting = [refund for refund in order.refunds if refund.state in ("requested", "returning")]
    _require(bool(waiting), order)
    _set_state(world, order, waiting, "refused", at)
    if (plan := order.plan) and plan.complaint:
        world.schedule(at + plan.complaint.settle_after, "give_up", order)


def give_up_refund(world: World, order: Order, at: int) -> None:
    """The buyer withdraws; an order that waited for this can ship."""
    open_ = [refund for refund in order.refunds if refund.state in ("requested", "returning", "refused")]
    _require(bool(open_), order)
    _set_state(world, order, open_, "closed", at)
    _ship_later(world, order, at)


def pay_back(world: World, order: Order, at: int) -> None:
    """The money goes back; an order refunded in full is closed."""
    open_ = [refund for refund in order.refunds if refund.state in ("requested", "returning", "refused")]
    _require(bool(open_), order)
    for refund in open_:
        refund.line.removed += refund.quantity
        refund.state = "success"
    paid_lines = [line for line in order.lines if line.paid > 0]
    if all(line.removed >= line.quantity for line in paid_lines):
        order.phase, order.closed_at = "closed", at
        for line in order.lines:
            line.removed = line.quantity
    _refunds_changed(world, order, open_, at)
    _ship_later(world, order, at)


def readdress(world: World, order: Order, at: int, changes: dict[str, str] | None = None) -> None:
    """The buyer moves the parcel before it is shipped: other house, same city, or exactly these receiver fields."""
    _require(order.phase in ("unpaid", "deposit", "paid"), order)
    rng = world.stream("readdress", order.id, at)
    if changes is None:
        place = (
            people.detail_address(rng, 0)
            if order.receiver.country == "CN"
            else f"{rng.randrange(10, 990)} Orchard Lane"
        )
        changes = {"address": place}
    order.receiver = replace(order.receiver, **changes)
    world.register(order)
    world.touch(order, at)


def write_memo(world: World, order: Order, at: int) -> None:
    """The seller notes something down and sets a flag."""
    note, planted = people.write_note(
        world.stream("memo", order.id), people.CHINA_MEMOS, people.CHINA_PERSONAL_MEMOS, order.receiver
    )
    order.memo, order.flag = note, order.flag % 5 + 1
    world.plant(planted)
    world.touch(order, at)


def advance(
    world: World, order: Order, to: str, at: int, *, what: str = "order", skus: list[str] | None = None
) -> None:
    """Take an order by hand to a state, through the states between; its own plan ends. to: one of TARGETS.

    Raises Impossible when no way leads there.
    """
    _require(to in TARGETS, order)
    order.plan = None
    if to == "closed" and (order.phase in ("unpaid", "deposit") or (order.cod and order.phase == "paid")):
        return close(world, order, at)
    if order.phase in ("unpaid", "deposit"):
        pay(world, order, at)
    elif to == "paid":
        _require(order.phase == "paid" and order.hold, order)
    if order.hold and to in ("paid", "shipped", "completed"):
        release(world, order, at)
    if to == "forbid_consign":
        return forbid(world, order, at)
    if to in ("shipped", "completed") and order.phase in ("paid", "part_shipped"):
        _ship_by_hand(world, order, at)
    if to == "completed":
        return complete(world, order, at)
    if to in ("refund_requested", "refund_refused", "refunded", "closed"):
        if not order.refund_open:
            ask_refund(world, order, at, what=what, skus=skus, goods_back=order.shipped_at is not None)
        if to == "refund_refused":
            refuse_refund(world, order, at)
        elif to != "refund_requested":
            pay_back(world, order, at)


def happen(world: World, name: str, order: Order, at: int) -> None:
    """A planned event falls due. It lapses when a hand has taken the order elsewhere meanwhile."""
    if order.plan is None:
        return
    may, act = EVENTS[name]
    if may(order):
        act(world, order, at)


def _waits_for_its_seller(order: Order) -> bool:
    free = not order.hold and not order.refund_open and not order.with_warehouse
    return free and order.phase in ("paid", "part_shipped")


def _ship_by_hand(world: World, order: Order, at: int) -> None:
    ship(world, order, at, "SF", f"SF{world.stream('ship', order.id).randrange(10**13):013d}")


def _ship_later(world: World, order: Order, at: int) -> None:
    """What stopped a paid order is over: it ships when it would have, or some time from now where that has passed."""
    if (plan := order.plan) and order.phase == "paid":
        world.schedule(max(order.confirmed_at + plan.ship_after, at + plan.ship_after // 4), "ship", order)


def _complain(world: World, order: Order, at: int) -> None:
    complaint = order.plan.complaint
    ask_refund(world, order, at, what=complaint.what, goods_back=complaint.goods_back, reason=complaint.reason)
    if order.shop.platform == "shopify" and not complaint.after_shipping:
        return pay_back(world, order, at)  # before fulfilment the merchant refunds directly; there is nothing to return
    if complaint.goods_back:
        world.schedule(at + complaint.settle_after // 2, "agree", order)
    world.schedule(at + complaint.settle_after, "refuse" if complaint.refused else "pay_back", order)


def _set_state(world: World, order: Order, refunds: list[Refund], state: str, at: int) -> None:
    for refund in refunds:
        refund.state = state
    _refunds_changed(world, order, refunds, at)


def _refunds_changed(world: World, order: Order, refunds: list[Refund], at: int) -> None:
    world.touch(order, at)
    for refund in refunds:
        world.touch_refund(order, refund, at)


def _require(condition: bool, order: Order) -> None:
    if not condition:
        notes = [order.phase, "on hold" if order.hold else "", "refund open" if order.refund_open else ""]
        raise Impossible(f"order {order.id} is {', '.join(filter(None, notes))}")


EVENTS: dict[str, tuple[Callable[[Order], bool], Callable[[World, Order, int], object]]] = {
    "deposit": (lambda o: o.phase == "unpaid", deposit),
    "pay": (lambda o: o.phase in ("unpaid", "deposit"), pay),
    "close": (lambda o: o.phase == "unpaid" or (o.phase == "deposit" and o.plan.pay_after is None), close),
    "release": (lambda o: o.phase == "paid" and o.hold, release),
    "ship": (_waits_for_its_seller, _ship_by_hand),
    "complete": (lambda o: o.phase == "shipped", complete),
    "complain": (lambda o: o.phase in ("paid", "shipped", "completed") and not o.refunds, _complain),
    "agree": (lambda o: any(r.state == "requested" for r in o.refunds), agree_return),
    "refuse": (lambda o: any(r.state in ("requested", "returning") for r in o.refunds), refuse_refund),
    "give_up": (lambda o: o.refund_open, give_up_refund),
    "pay_back": (lambda o: o.refund_open and o.phase != "closed", pay_back),
    "readdress": (lambda o: o.phase == "paid", readdress),
    "memo": (lambda o: o.phase != "closed", write_memo),
}
