"""What the platforms pay out, as monthly statements in CSV, and mistakes in them on request.

A platform settles an order when it is final (completed, or closed after money was paid), the refunds it paid back by
then with it, later refunds when they are paid back, and takes its commission from each. Every mistake hits one order,
each another one, and commissions stay right but for the mistakes that are about them.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from random import Random

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orderpipe.sandbox.model import Order, Shop, money
from orderpipe.sandbox.world import ShopState, World

CHINA = timezone(timedelta(hours=8))
SETTLES_AFTER = 3600  # seconds from the end of an order to its money
LATE = 20 * 86_400  # what a late line comes later by
# Hundredths of a percent of what is paid out.
COMMISSION = {"taobao": 60, "pinduoduo": 60, "douyin": 500, "jd": 800, "shopee": 600, "lazada": 400, "shopify": 290}
INSURED = ("taobao", "douyin")  # every seventh order pays for freight insurance there
INSURANCE = -80
TYPES = {
    "order": "订单货款", "refund": "退款", "commission": "技术服务费", "freight_insurance": "运费险",
    "penalty": "违规扣款",
}  # fmt: skip
HEADERS = ("结算单号", "结算明细号", "平台订单号", "费用类型", "结算金额", "币种", "结算时间", "备注")
EXPLAINED = ("本期结算单", "每笔唯一", "对应的订单", "见费用说明", "正数入账，负数出账", "ISO 代码", "北京时间", "")
KINDS = (
    "missing_in_statement", "unknown_order", "amount_differs", "settled_twice", "refund_not_settled", "refund_unknown",
    "fee_unexpected", "currency_differs", "late",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a statement. amount: whole cents, positive into the shop's account. at: epoch seconds UTC."""

    line: str
    order_no: str
    type: str
    amount: int
    currency: str
    at: int
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class Planted:
    """A mistake: its kind, the order it stands at, what is true and what the statement tells, in whole cents."""

    kind: str
    order_no: str
    true: int
    told: int


def entries(order: Order) -> Iterator[Entry]:
    """Everything the platform ever pays out or takes for an order as it stands; nothing before it is final."""
    final = order.completed_at or order.closed_at
    if order.test or final is None or order.paid == 0:
        return
    at = final + SETTLES_AFTER
    yield from _with_commission(order, 1, "order", order.paid, at)
    if order.shop.platform in INSURED and order.id % 7 == 0:
        yield Entry(f"{order.id}-03", order.no, "freight_insurance", INSURANCE, order.shop.currency, at, order)
    done = [refund for refund in order.refunds if refund.state == "success"]
    for number, refund in enumerate(done):
        settled = max(at, refund.modified + SETTLES_AFTER)
        yield from _with_commission(order, 4 + 2 * number, "refund", -refund.amount, settled)


def _with_commission(order: Order, number: int, kind: str, amount: int, at: int) -> Iterator[Entry]:
    yield Entry(f"{order.id}-{number:02d}", order.no, kind, amount, order.shop.currency, at, order)
    fee = (abs(amount) * COMMISSION[order.shop.platform] + 5000) // 10000 * (-1 if amount > 0 else 1)
    if fee:
        yield Entry(f"{order.id}-{number + 1:02d}", order.no, "commission", fee, order.shop.currency, at, order)


def statement(state: ShopState, month: str, now: int, errors: int, seed: int) -> tuple[list[Entry], list[Planted]]:
    """The lines of a shop's month (YYYY-MM, Beijing time) by now, and the mistakes in them.

    errors: how many mistakes, of all kinds in turn; fewer when the month has not enough orders. Raises ValueError for
    a month that is none.
    """
    datetime.strptime(month, "%Y-%m")
    lines = [
        entry
        for _, order_id in state.by_created
        for entry in entries(state.orders[order_id])
        if entry.at <= now and _month(entry.at) == month
    ]
    lines.sort(key=lambda entry: (entry.at, entry.line))
    return _spoilt(lines, state.shop, now, errors, Random(f"{seed}/{state.shop.id}/{month}"))


def _spoilt(lines: list[Entry], shop: Shop, now: int, errors: int, rng: Random) -> tuple[list[Entry], list[Planted]]:
    whole = {entry.order.no for entry in lines if entry.type == "order"}  # orders all of whose money is in this month
    late = {entry.order.no for entry in lines if entry.at > now - LATE}
    touched: set[str] = set()
    planted: list[Planted] = []
    for number in range(errors * len(KINDS)):
        if len(planted) == errors:
            break
        kind = KINDS[number % len(KINDS)]
        wanted = "refund" if kind == "refund_not_settled" else "order"
        fitting = [
            entry
            for entry in lines
            if entry.type == wanted
            and entry.order is not None
            and entry.order_no in whole - touched
            and not (kind == "late" and entry.order_no in late)
            and not (kind == "refund_unknown" and entry.order.refunds)
            and not (kind in ("missing_in_statement", "amount_differs", "currency_differs") and entry.order.refunded)
        ]
        if not fitting:
            continue
        chosen = rng.choice(fitting)
        touched.add(chosen.order_no)
        lines, mistake = _mistake(lines, chosen, kind, shop, rng)
        planted.append(mistake)
    return lines, planted


def _mistake(lines: list[Entry], chosen: Entry, kind: str, shop: Shop, rng: Random) -> tuple[list[Entry], Planted]:
    amount, number = chosen.amount, chosen.order_no
    if kind == "missing_in_statement":
        return [entry for entry in lines if entry.order_no != number], Planted(kind, number, amount, 0)
    if kind == "refund_not_settled":
        return [entry for entry in lines if entry is not chosen], Planted(kind, number, amount, 0)
    if kind == "late":
        later = [replace(entry, at=entry.at + LATE) if entry.order_no == number else entry for entry in lines]
        return later, Planted(kind, number, amount, amount)
    if kind in ("amount_differs", "currency_differs"):
        wrong = rng.choice((-1, 1)) * rng.randrange(1, max(2, amount))
        other = "USD" if shop.currency == "CNY" else "CNY"
        told = replace(chosen, **({"amount": amount + wrong} if kind == "amount_differs" else {"currency": other}))
        return [told if entry is chosen else entry for entry in lines], Planted(kind, number, amount, told.amount)
    extra = {
        "unknown_order": replace(chosen, order_no=_stranger(number, rng), order=None),
        "settled_twice": chosen,
        "refund_unknown": replace(chosen, type="refund", amount=-max(1, amount // 3)),
        "fee_unexpected": replace(chosen, type="penalty", amount=-rng.randrange(500, 5000)),
    }[kind]
    extra = replace(extra, line=f"{chosen.line}-{rng.randrange(10, 99)}")
    return [*lines, extra], Planted(kind, extra.order_no, 0, extra.amount)


def _stranger(number: str, rng: Random) -> str:
    """A number like this one that no order has."""
    return number[:-6] + f"{rng.randrange(10**6):06d}" + "7"


def as_csv(shop: Shop, month: str, lines: list[Entry]) -> str:
    """The statement as the back office exports it. Douyin explains its columns in a second row and puts an apostrophe
    before long numbers (platform document on settlement exports)."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(HEADERS)
    douyin = shop.platform == "douyin"
    if douyin:
        rows.writerow(EXPLAINED)
    mark, zone = "'" if douyin else "", "" if shop.currency == "CNY" else "+08:00"
    for entry in lines:
        at = datetime.fromtimestamp(entry.at, CHINA).strftime("%Y-%m-%d %H:%M:%S")
        rows.writerow(
            [f"{mark}{shop.id}-{month}", f"{mark}{entry.line}", f"{mark}{entry.order_no}", TYPES[entry.type],
             money(entry.amount), entry.currency, at + zone, ""]
        )  # fmt: skip
    return text.getvalue()


def _month(at: int) -> str:
    return datetime.fromtimestamp(at, CHINA).strftime("%Y-%m")


def routes(world: World) -> list[Route]:
    """GET /_control/settlements?shop=…&month=YYYY-MM&errors=N&seed=S: the statement as CSV; /errors below it with the
    same arguments: the mistakes in it."""

    def read(request: Request) -> tuple[ShopState, str, list[Entry], list[Planted]]:
        asked = request.query_params
        if asked.get("shop") not in world.shops:
            raise ValueError(f"no such shop; there are {', '.join(world.shops)}")
        state, month = world.shops[asked["shop"]], asked.get("month", "")
        errors, seed = int(asked.get("errors", 0)), int(asked.get("seed", 1))
        lines, planted = statement(state, month, world.advance(), errors, seed)
        return state, month, lines, planted

    async def as_file(request: Request) -> Response:
        try:
            state, month, lines, _ = read(request)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return Response(as_csv(state.shop, month, lines).encode("utf-8-sig"), media_type="text/csv")

    async def mistakes(request: Request) -> Response:
        try:
            _, _, _, planted = read(request)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(
            [{"kind": one.kind, "platform_order_no": one.order_no, "true": money(one.true), "told": money(one.told)}
             for one in planted]
        )  # fmt: skip

    return [
        Route("/_control/settlements", as_file, methods=["GET"]),
        Route("/_control/settlements/errors", mistakes, methods=["GET"]),
    ]
