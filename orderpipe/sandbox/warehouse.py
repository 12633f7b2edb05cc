"""A warehouse at work: orders are picked, packed and handed over, goods come back, and all of it is reported.

It hands a parcel over only under a label of the courier that is alive and bears the parcel's code: without one it
waits, and when every label of a parcel was cancelled, or somebody tried to cancel the order, it puts the goods back.
"""

from typing import Any

from orderpipe.sandbox import couriers, truth, warehouse_reports
from orderpipe.sandbox.clock import gmt8, iso
from orderpipe.sandbox.model import Order
from orderpipe.sandbox.warehouse_orders import DeliveryOrder, Package, ReturnOrder, room
from orderpipe.sandbox.warehouse_reports import confirmed, plays, process
from orderpipe.sandbox.world import World

# What the warehouse plays on orders whose code the fault's `match` names; see docs/sandbox.md.
FAULTS = frozenset({
    "duplicate_confirm", "two_packages", "early_confirm", "short_pick", "serial_numbers", "reordered_process",
    "callback_wrong_sign", "callback_lost", "late_confirm", "cancel_refused", "return_short", "return_defective",
})  # fmt: skip
PICKED_AFTER, DELIVERED_AFTER = 40 * 60, 2 * 3600  # seconds at pace 1; from picking on a cancel comes too late
LOOKS_AGAIN, SECOND_PACKAGE, RETURNS_AFTER, LATE = 600, 1800, 24 * 3600, 8 * 3600


# ---- an order's life


def begin(world: World, order: DeliveryOrder) -> None:
    """Put an accepted order to work."""
    _move_stock(world, order, available=-1, locked=1)
    for line in order.lines:
        if order.type == "JYCK" and line.source:
            holders = room(world).live_lines.setdefault((line.source, line.source_line), set())
            if holders:
                order.effect.duplicates = 1  # another live pick order already ships this very line
            holders.add(order.code)
    for found in _platform_orders(world, order):
        found.with_warehouse = True
    if plays(world, "serial_numbers", order.code):
        order.effect.facts["serials"] = True
    process(world, order, "ACCEPT")
    early = plays(world, "early_confirm", order.code)
    pick, leave = (1, 2) if early else (PICKED_AFTER, DELIVERED_AFTER)
    world.schedule(world.now + int(pick / world.pace), "do", lambda at: _pick(world, order))
    world.schedule(world.now + int(leave / world.pace), "do", lambda at: _leave(world, order))
    if early:
        _pick(world, order)
        _leave(world, order)


def cancel(world: World, order: DeliveryOrder) -> bool:
    """Stop an order before it is picked; whether that was still possible."""
    if order.status == "CANCELED":
        return True
    if order.status != "ACCEPT" or plays(world, "cancel_refused", order.code):
        order.wanted_back = True
        return False
    _end(world, order, "CANCELED")
    return True


def expect_back(world: World, back: ReturnOrder) -> None:
    """Wait for returned goods."""
    world.schedule(world.now + int(RETURNS_AFTER / world.pace), "do", lambda at: _goods_in(world, back))


def _pick(world: World, order: DeliveryOrder) -> None:
    if order.status == "ACCEPT":
        order.status = "PICK"
        process(world, order, "PICK")


def _leave(world: World, order: DeliveryOrder) -> None:
    if order.status not in ("PICK", "PACKAGE"):
        return
    labels = couriers.labels_of(world, order.code)
    alive = [label for label in labels if label.cancelled_at is None]
    if not alive and (labels or order.wanted_back):
        process(world, order, "EXCEPTION", "面单已取消")
        _end(world, order, "CLOSED")
        process(world, order, "CANCELED")
        return
    if order.status == "PICK":
        order.status = "PACKAGE"
        process(world, order, "PACKAGE")
    if not alive:
        world.schedule(world.now + max(1, int(LOOKS_AGAIN / world.pace)), "do", lambda at: _leave(world, order))
        return
    pieces = {place: line.pieces for place, line in enumerate(order.lines, 1)}
    if plays(world, "short_pick", order.code):
        place = max(pieces)
        pieces[place] -= 1
    if plays(world, "two_packages", order.code) and sum(pieces.values()) > 1:
        first, second = _halves(pieces)
        _hand_over(world, order, alive[0], first, final=False)
        number = f"{alive[0].number}002"
        extra = couriers.child_of(world, alive[0], number)
        world.schedule(
            world.now + max(1, int(SECOND_PACKAGE / world.pace)), "do",
            lambda at: _hand_over(world, order, extra, second, final=True),
        )  # fmt: skip
    else:
        _hand_over(world, order, alive[0], pieces, final=True)


def _hand_over(world: World, order: DeliveryOrder, label: Any, pieces: dict[int, int], final: bool) -> None:
    facts = order.effect.facts
    if not order.packages:
        orders = _platform_orders(world, order)
        facts["handed_over_at"] = iso(world.now)
        facts["platform_state_at_handover"] = {found.no: truth.snapshot(found) for found in orders}
        facts["refund_landed_before_handover"] = _refunds(orders, order, world.now)
        _forget_lines(world, order)
    pieces = {place: count for place, count in pieces.items() if count}
    order.packages.append(Package(label.number, order.logistics, world.now, pieces))
    facts.setdefault("tracking", []).append(label.number)
    order.status = "DELIVERED" if final else "PARTDELIVERED"
    for place, count in pieces.items():
        _shelf(world, order.warehouse, order.lines[place - 1].sku)[1] -= count
    if final:  # what was not found is locked no more
        for place, line in enumerate(order.lines, 1):
            missing = line.pieces - sum(package.pieces.get(place, 0) for package in order.packages)
            shelf = _shelf(world, order.warehouse, line.sku)
            shelf[1] -= missing
    couriers.pick_up(world, label)
    wait = LATE / world.pace if plays(world, "late_confirm", order.code) else 0
    order.confirmed += 1
    serial, shown = order.confirmed, list(order.packages) if final else [order.packages[-1]]
    status, packages = order.status, shown if order.confirmed == 1 else [order.packages[-1]]

    def report(at: int) -> None:
        confirmed(world, order, status, packages, final, f"CONFIRM-{order.id}-{serial}", at)

    if plays(world, "reordered_process", order.code):
        report(world.now)
        process(world, order, "PICK")
        process(world, order, status)
    elif wait:
        world.schedule(world.now + int(wait), "do", report)
    else:
        process(world, order, status, number=label.number)
        report(world.now)


def _end(world: World, order: DeliveryOrder, status: str) -> None:
    order.status = status
    order.effect.facts["cancelled_at"] = gmt8(world.now)
    _move_stock(world, order, available=1, locked=-1)
    _forget_lines(world, order)


def _goods_in(world: World, back: ReturnOrder) -> None:
    back.arrived = True
    back.effect.facts["arrived_at"] = iso(world.now)
    short, defective = (plays(world, kind, back.code) for kind in ("return_short", "return_defective"))
    found = []
    for place, line in enumerate(back.lines, 1):
        count, kind = line.pieces - (short and place == 1), "CC" if defective and place == 1 else "ZP"
        found.append((line, kind, count))
        if kind == "ZP":
            _shelf(world, back.warehouse, line.sku)[0] += count
    warehouse_reports.goods_in(world, back, found)


# ---- shared pieces


def _halves(pieces: dict[int, int]) -> tuple[dict[int, int], dict[int, int]]:
    """Two packages: the first half of the pieces, and the rest."""
    left = sum(pieces.values()) // 2
    first: dict[int, int] = {}
    for place, count in pieces.items():
        first[place] = min(count, left)
        left -= first[place]
    return first, {place: count - first[place] for place, count in pieces.items()}


def _move_stock(world: World, order: DeliveryOrder, available: int, locked: int) -> None:
    for line in order.lines:
        row = _shelf(world, order.warehouse, line.sku)
        row[0] += available * line.pieces
        row[1] += locked * line.pieces


def _shelf(world: World, warehouse: str, sku: str) -> list[int]:
    return world.stock[warehouse].setdefault(sku, [0, 0])


def _forget_lines(world: World, order: DeliveryOrder) -> None:
    """An order that is over ships no line any more; one that has left keeps its lines: they must not leave again."""
    if order.live:
        return
    for line in order.lines:
        room(world).live_lines.get((line.source, line.source_line), set()).discard(order.code)


def _platform_orders(world: World, order: DeliveryOrder) -> list[Order]:
    found = []
    for number in dict.fromkeys(line.source for line in order.lines if line.source):
        try:
            found.append(world.find(number))
        except KeyError:
            continue
    return found


def _refunds(orders: list[Order], parcel: DeliveryOrder, now: int) -> dict[str, str]:
    """Platform orders in the parcel with a refund, alive or paid, of something in it, and since when."""
    lines = {(line.source, line.source_line) for line in parcel.lines}
    since: dict[str, str] = {}
    for order in orders:
        times = [
            refund.created
            for refund in order.refunds
            if refund.created <= now and refund.quantity and refund.state in ("requested", "returning", "success")
            and (order.no, str(refund.line.id)) in lines
        ]  # fmt: skip
        if times:
            since[order.no] = iso(min(times))
    return since
