"""The conformance kit's scenarios: what happens in a shop while another order management system pulls it.

A scenario is data: steps on a stretch of simulated time, at shares of it between 0 and 1. Only what the sandbox can
really play is here. `conformance_play` plays them, `conformance_score` judges what the other system then holds.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from orderpipe.sandbox.credentials import AUTHORISATIONS
from orderpipe.sandbox.habits import HABITS

# What can be wrong with an order: in the books of the system under test, and in what it sent.
ERRORS = ("lost", "stale", "duplicated", "wrong_status", "wrong_money", "sent_twice", "sent_wrongly")
MORE_THAN_A_PAGE = -1
LARGEST_PAGE = {"shopify": 250}  # rows of the largest page a platform gives
USUAL_PAGE = 100
SAFE_INTEGER = 2**53
LATE, VERY_LATE = 180, 1500  # seconds: what overlapping windows catch, and what only a later check finds
# Platforms whose order numbers no float can hold.
LONG_NUMBERS = frozenset({"taobao", "douyin", "shopify"})
# A status nobody documents, in the form the platform writes statuses.
STRANGE_STATUS = {"pinduoduo": "77", "douyin": "977"}
# The method that ships an order, as far as its name is matched by a fault.
SHIPPING = {
    "taobao": "logistics.offline.send",
    "pinduoduo": "logistics.online.send",
    "douyin": "logisticsAdd",
    "jd": "shipment",
    "shopee": "ship_order",
    "lazada": "rts",
    "qimen": "deliveryorder.create",
    "kuaidi100": "order",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done. at: share of the scenario's stretch. do: make, advance, deposit, readdress, show_status,
    touch, arm, expire. group: the orders it is about."""

    at: float
    do: str
    group: str = "orders"
    choice: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """trap: what a careless system does. needs: a fault kind the platform's module must play. fits: whether the
    platform knows such a thing at all."""

    id: str
    zh: str
    en: str
    trap: str
    steps: tuple[Step, ...]
    needs: str | None = None
    fits: Callable[[str], bool] = lambda platform: True


def make(at: float, n: int = 8, group: str = "orders", **choice: Any) -> Step:
    """Orders are placed. spread: share of the stretch they are strewn over (0: all in one second); edges: on whole
    minutes and a second to either side; late: seconds until the order list shows them; the rest are wishes."""
    return Step(at, "make", group, {"n": n, **choice})


def advance(at: float, to: str, group: str = "orders", **choice: Any) -> Step:
    """Orders are taken to a state. first: only so many of them; late: seconds until the order list shows it."""
    return Step(at, "advance", group, {"to": to, **choice})


def arm(at: float, kind: str, **choice: Any) -> Step:
    """A fault of the platform, until it has fired or one more stretch has passed. where: another receiver."""
    return Step(at, "arm", choice={"kind": kind, **choice})


def _touches() -> Iterable[Step]:
    return (Step(0.3 + 0.1 * n, "touch", choice={"offset": n, "every": 5}) for n in range(5))


def _has(habit: str) -> Callable[[str], bool]:
    return lambda platform: getattr(HABITS[platform], habit) > 0


SCENARIOS = (
    Scenario(
        "plain_walk", "普通翻页", "plain walk", "reads the first page only",
        (make(0, MORE_THAN_A_PAGE, spread=0.4, state="paid"),),
    ),
    Scenario(
        "moving_orders", "边拉边改", "orders change while they are pulled", "keeps the first version it saw",
        (make(0, MORE_THAN_A_PAGE, spread=0.2, state="paid"), *_touches()),
    ),
    Scenario(
        "shifted_page", "翻页错位", "an order changes between two pages", "pages forward over a list that shifts",
        (arm(0, "shifted_page", times=8), make(0, MORE_THAN_A_PAGE, spread=0.2, state="paid")), needs="shifted_page",
    ),
    Scenario(
        "late_order", "迟到的新单", "a new order shows late", "moves its watermark past orders not shown yet",
        (
            make(0.1, 6, "late", late=LATE, state="paid"),
            make(0.2, 6, "prompt", spread=0.6, state="paid"),
        ), needs="late_commit",
    ),
    Scenario(
        "late_change", "迟到的修改", "a change shows late", "keeps the old state for ever",
        (
            make(0, 6, "late", state="paid"),
            make(0.1, 6, "prompt", spread=0.8, state="paid"),
            advance(0.5, "shipped", "late", late=LATE),
        ), needs="late_commit",
    ),
    Scenario(
        "very_late_order", "迟到很久的新单", "a new order shows 25 minutes late", "never looks back",
        (
            make(0.1, 6, "late", late=VERY_LATE, state="paid"),
            make(0.2, 6, "prompt", spread=0.6, state="paid"),
        ), needs="late_commit",
    ),
    Scenario(
        "duplicate_rows", "重复行", "a row comes twice", "counts or stores the order twice",
        (arm(0, "duplicate_rows", times=6), make(0, 12, spread=0.5, state="paid")), needs="duplicate_rows",
    ),
    Scenario(
        "wrong_count", "总数不符", "the count does not fit the rows", "trusts the count, or stops for ever",
        (arm(0, "wrong_count", times=3, delta=2), make(0, 12, spread=0.5, state="paid")), needs="wrong_count",
    ),
    Scenario(
        "short_page", "静默截断", "a page is silently short", "closes the window on fewer rows than there are",
        (arm(0, "short_page", times=3), make(0, MORE_THAN_A_PAGE, spread=0.4, state="paid")), needs="short_page",
    ),
    Scenario(
        "throttle", "限流风暴", "a storm of rate limits", "skips the page it was refused",
        (arm(0, "throttle", times=8, after=1), make(0, MORE_THAN_A_PAGE, spread=0.4, state="paid")), needs="throttle",
    ),
    Scenario(
        "busy", "平台繁忙", "the platform says it is busy", "takes an error in a 200 answer for an empty page",
        (arm(0, "business_busy", times=5, after=1), make(0, 12, spread=0.5, state="paid")), needs="business_busy",
    ),
    Scenario(
        "broken_answers", "坏响应", "429, 500, an HTML page, half a body, broken JSON", "skips the window that failed",
        (
            *(arm(0, kind, times=2, after=n) for n, kind in enumerate(
                ("http_500", "http_502_html", "http_429", "truncated_body", "malformed_json")
            )),
            make(0, 12, spread=0.5, state="paid"),
        ),
    ),
    Scenario(
        "missing_field", "缺字段", "a document lacks a field", "one bad document stops all others",
        (
            arm(0, "missing_field", times=2), make(0, 12, spread=0.4, state="paid"),
            Step(0.9, "touch", choice={"offset": 0, "every": 1}),
        ), needs="missing_field",
    ),
    Scenario(
        "expired_token", "令牌中途过期", "the access token ends in the middle of a walk", "loses the pages after it",
        (arm(0, "expired_token", times=1, after=1), make(0, MORE_THAN_A_PAGE, spread=0.4, state="paid")),
        needs="expired_token",
    ),
    Scenario(
        "refresh_once", "刷新令牌只能用一次", "the refresh token is good once", "refreshes twice, or does not save it",
        (Step(0.1, "expire"), make(0.2, 8, spread=0.3, state="paid"), Step(0.6, "expire"), make(0.7, 4, state="paid")),
        fits=lambda platform: any(shop.startswith(f"{platform}-") for shop in AUTHORISATIONS),
    ),
    Scenario(
        "window_edges", "窗口边界秒", "changes exactly on whole minutes", "loses what falls between two windows",
        (make(0, 24, edges=True, state="paid"),),
    ),
    Scenario(
        "same_second", "同一秒", "more than a page of orders in one second", "takes the time alone for a cursor",
        (make(0.1, MORE_THAN_A_PAGE, spread=0, state="paid"),),
    ),
    Scenario(
        "unpaid_then_paid", "未付后付", "unpaid first, paid later", "never sees the payment",
        (make(0, 8, spread=0.3), advance(0.6, "paid", first=5)),
    ),
    Scenario(
        "closed_unpaid", "未付关闭", "closed without payment", "waits for the money for ever",
        (make(0, 6, spread=0.3), advance(0.6, "closed")),
    ),
    Scenario(
        "long_numbers", "超长单号", "order numbers beyond 2^53", "reads them as floats: last digits turn to zeros",
        (make(0, 12, spread=0.5, state="paid"),), fits=lambda platform: platform in LONG_NUMBERS,
    ),
    Scenario(
        "money", "金额", "discounts, postage, several pieces", "takes fen for yuan, or adds floats",
        (make(0, 20, spread=0.5, state="paid"),),
    ),
    Scenario(
        "cash_on_delivery", "货到付款", "paid in cash when delivered", "waits for a payment before it ships",
        (make(0, 6, cod=True, state="paid"), advance(0.4, "shipped"), advance(0.8, "completed")),
        fits=_has("on_delivery"),
    ),
    Scenario(
        "presale", "预售定金", "paid in two steps", "takes the deposit for the payment",
        (make(0, 6, presale=True), Step(0.3, "deposit"), advance(0.7, "paid", first=3)), fits=_has("two_payments"),
    ),
    Scenario(
        "refund_before_shipping", "付款后退款", "refunded before it is shipped", "ships it all the same",
        (make(0, 8, state="paid"), advance(0.3, "refund_requested"), advance(0.7, "refunded", first=4)),
    ),
    Scenario(
        "refund_after_shipping", "发货后部分退款", "part of it refunded after shipping", "takes it for all of it",
        (
            make(0, 6, state="shipped"), advance(0.3, "refund_requested", what="line"),
            advance(0.7, "refunded", first=3),
        ),
    ),
    Scenario(
        "hold", "禁止发货", "paid, but the platform forbids shipping", "ships it all the same",
        (make(0, 8, state="forbid_consign"), advance(0.7, "paid", first=4)), fits=_has("held"),
    ),
    Scenario(
        "unknown_status", "未知状态", "a status nobody documents", "drops the order, or stops",
        (make(0, 6, state="paid"), Step(0.5, "show_status")),
    ),
    Scenario(
        "changed_address", "改地址", "the buyer moves the parcel", "keeps the first address",
        (make(0, 6, state="paid"), Step(0.5, "readdress")),
    ),
    Scenario(
        "write_timeout", "写出超时", "shipping works, the answer is lost", "sends the parcel twice",
        (
            arm(0, "timeout_after_write", times=3, match=SHIPPING),
            arm(0, "timeout_after_write", times=3, match=SHIPPING, where="qimen"),
            arm(0, "timeout_after_write", times=3, match=SHIPPING, where="kuaidi100"),
            make(0, 12, spread=0.3, state="paid", province="浙江省"),
        ), fits=lambda platform: platform in SHIPPING,
    ),
)  # fmt: skip
BY_ID = {scenario.id: scenario for scenario in SCENARIOS}


def largest_page(platform: str) -> int:
    """Rows of the largest page a platform gives."""
    return LARGEST_PAGE.get(platform, USUAL_PAGE)


def unplayable(scenario: Scenario, platform: str, faults: Iterable[str]) -> str:
    """Why a scenario cannot be played on a platform, or nothing. faults: the kinds the platform's module plays."""
    if not scenario.fits(platform):
        return "the platform has no such thing"
    if scenario.needs and scenario.needs not in faults:
        return f"the sandbox does not play {scenario.needs} there"
    return ""
