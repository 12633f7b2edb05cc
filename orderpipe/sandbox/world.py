"""The world: shops, goods, stock, orders, and time passing over them.

Everything runs on one event-loop thread, and a handler never waits between reading and writing, so each call sees
and leaves a consistent world; that thread is the lock.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Collection
from dataclasses import dataclass, field
from random import Random
from typing import Any

from orderpipe.sandbox import births, life
from orderpipe.sandbox.callbacks import Postman
from orderpipe.sandbox.clock import Clock
from orderpipe.sandbox.credentials import Credentials
from orderpipe.sandbox.faults import Faults
from orderpipe.sandbox.habits import HABITS
from orderpipe.sandbox.model import Goods, Order, Refund, Shop
from orderpipe.sandbox.receipts import Receipts

SHOPS = (
    Shop("taobao-hz", "taobao", "杭州家居旗舰店", "CNY"),
    Shop("pinduoduo-hz", "pinduoduo", "杭州家居专营店", "CNY"),
    Shop("douyin-hz", "douyin", "杭州家居官方旗舰店", "CNY"),
    Shop("jd-hz", "jd", "杭州家居京东旗舰店", "CNY"),
    Shop("shopee-sg", "shopee", "Hangzhou Home SG", "SGD"),
    Shop("lazada-my", "lazada", "Hangzhou Home MY", "MYR"),
    Shop("shopify-us", "shopify", "demo", "USD", index_lag=60),
)
PERSONAL = ("phones", "names", "addresses", "id_numbers", "ips", "emails", "oaids")


@dataclass
class ShopState:
    """What one shop holds. The lists are sorted and hold (time, id); order search reads `by_modified`, which follows
    a change only after the shop's index lag."""

    shop: Shop
    orders: dict[int, Order] = field(default_factory=dict)
    by_no: dict[str, Order] = field(default_factory=dict)
    by_modified: list[tuple[int, int]] = field(default_factory=list)
    by_created: list[tuple[int, int]] = field(default_factory=list)
    refunds: dict[int, tuple[Order, Refund]] = field(default_factory=dict)
    refunds_by_modified: list[tuple[int, int]] = field(default_factory=list)
    born: int = 0
    made_by_hand: int = 0
    index_lag: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """Since when orders appear at the present rate, and how many each shop had by then."""

    since: int
    born: dict[str, int]


@dataclass
class Settings:
    """What the control endpoint can change while the world runs."""

    qimen_repeat: str = "success"  # or "failure": answer a repeated delivery order with "already exists"
    dingtalk_keywords: tuple[str, ...] = ("订单",)
    kuaidi100_units: int = 1_000_000
    callback_url: str = ""  # where the warehouse reports to; empty for nowhere


class World:
    """A world from a seed. clock: its time. history: seconds of past life to live through at once.
    orders_per_hour: of each shop. pace: speed of an order's life (1 = as in real life). shops: ids of the shops there
    are; None for all. callback_url: where the warehouse reports to. Raises ValueError for a shop nobody knows."""

    def __init__(
        self,
        goods: list[Goods],
        clock: Clock,
        *,
        seed: int = 1,
        history: float = 0,
        orders_per_hour: float = 60,
        pace: float = 1.0,
        shops: Collection[str] | None = None,
        callback_url: str = "",
    ):
        self.goods, self.clock, self.seed, self.pace = goods, clock, seed, pace
        self.history = history
        self.epoch = int(clock.now() - history)
        self.settings = Settings(callback_url=callback_url)
        self.postman = Postman()
        self.faults = Faults(seed)
        self.receipts = Receipts()
        self.only = shops
        self.credentials = Credentials(int(clock.now()))
        self.rooms: dict[str, Any] = {}  # what each platform module keeps for itself, by its name
        if unknown := set(shops or ()) - {shop.id for shop in SHOPS}:
            raise ValueError(f"no shop {', '.join(sorted(unknown))}; there are {', '.join(shop.id for shop in SHOPS)}")
        self.shops = {
            shop.id: ShopState(shop, index_lag=shop.index_lag) for shop in SHOPS if shops is None or shop.id in shops
        }
        self.stock = {
            warehouse: {item.sku: [item.stock[warehouse], 0] for item in goods} for warehouse in goods[0].stock
        }
        self.delisted: set[tuple[str, str]] = set()  # (shop id, the platform's product id)
        self.by_oaid: dict[str, Order] = {}
        self.personal: dict[str, dict[str, None]] = {kind: {} for kind in PERSONAL}
        self._events: list[tuple[int, int, str, Any]] = []
        self._serial = 0
        self._refund_serial = 0
        self._requests = 0
        self._lived = self.epoch  # the last moment everything was let happen up to
        self.set_flow(orders_per_hour)
        self.advance()

    def reset(self, seed: int) -> None:
        """Become another world at the present moment: everything in memory starts anew."""
        settings = {
            "history": self.history, "orders_per_hour": self.orders_per_hour, "pace": self.pace, "shops": self.only,
            "callback_url": self.settings.callback_url,
        }  # fmt: skip
        self.__init__(self.goods, self.clock, seed=seed, **settings)  # in place: every route holds this world

    def set_flow(self, orders_per_hour: float) -> None:
        """From the world's present end on, let so many orders an hour appear in each shop; 0 lets none appear."""
        self.orders_per_hour = orders_per_hour
        self._flow = Flow(self._lived, {shop_id: state.born for shop_id, state in self.shops.items()})
        if orders_per_hour > 0:
            for state in self.shops.values():
                self._await_birth(state)

    @property
    def now(self) -> int:
        """The current second, epoch UTC."""
        return int(self.clock.now())

    def advance(self) -> int:
        """Let everything happen that is due by now, in order of time. Returns now."""
        now = self._lived = self.now
        while self._events and self._events[0][0] <= now:
            at, _, name, subject = heapq.heappop(self._events)
            if name == "birth":
                self._birth(*subject, at)
            elif name == "index":
                self._index(*subject)
            elif name == "do":
                subject(at)
            else:
                life.happen(self, name, subject, at)
        return now

    def schedule(self, at: int, name: str, subject: Any) -> None:
        """Have an event fall due at a moment: an event of an order's life, or `do` with a function of the
        time. Events of one second happen in the order they were scheduled."""
        self._serial += 1
        heapq.heappush(self._events, (at, self._serial, name, subject))

    def stream(self, *name: object) -> Random:
        """A random stream of its own, from the seed and a name."""
        return Random("/".join(map(str, (self.seed, *name))))

    def make_by_hand(self, shop_id: str, at: int, wishes: dict[str, Any]) -> Order:
        """An order made by the control endpoint, placed at `at`. It only ages by itself if wishes["ages"] is true.
        Raises KeyError (unknown shop, sku, province) and life.Impossible (unreachable state)."""
        state = self.shops[shop_id]
        state.made_by_hand += 1
        order, rng, planted = births.make_order(
            self.seed, state.shop, self.goods, 2 * state.made_by_hand + 1, at, wishes
        )
        if wishes.get("ages"):
            order.plan = life.draw_plan(rng, order, self.pace)
        self._admit(state, order, planted)
        to = wishes.get("state", "unpaid")
        if to != "unpaid":
            plan = order.plan
            life.advance(self, order, to, at)
            if plan and order.phase == "paid":
                order.plan = plan
                self.schedule(at + plan.ship_after, "ship", order)
        elif order.plan:
            life.begin(self, order)
        return order

    def find(self, number: str) -> Order:
        """An order of any shop by the number its platform shows. Raises KeyError."""
        for state in self.shops.values():
            if number in state.by_no:
                return state.by_no[number]
        raise KeyError(number)

    def touch(self, order: Order, at: int) -> None:
        """Note that an order changed: its modified time, its rendering, its place in order search (after the lag)."""
        order.modified = max(order.modified, at)
        order.document = None
        state = self.shops[order.shop.id]
        late = self.faults.take(order.shop.platform, "late_commit", "order")
        lag = state.index_lag + (int(late.options.get("seconds", 600)) if late else 0)
        if lag:
            self.schedule(order.modified + lag, "index", (order, order.modified))
        else:
            self._index(order, order.modified)

    def touch_refund(self, order: Order, refund: Refund, at: int) -> None:
        """Note that a refund changed."""
        state = self.shops[order.shop.id]
        if refund.id in state.refunds:
            _remove(state.refunds_by_modified, (refund.modified, refund.id))
        refund.modified = max(refund.modified, at)
        state.refunds[refund.id] = (order, refund)
        insort(state.refunds_by_modified, (refund.modified, refund.id))

    def next_refund_id(self, order: Order) -> int:
        self._refund_serial += 1
        return HABITS[order.shop.platform].refunds_from + (order.id % 10**9) * 10**5 + self._refund_serial

    def next_request_id(self) -> str:
        self._requests += 1
        return f"16h{self._requests:010x}"

    def register(self, order: Order) -> None:
        """Write down the personal data of an order, and give its receiver an encrypted reference where the platform
        has one."""
        who = order.receiver
        if HABITS[order.shop.platform].encrypted:
            who.oaid = births.oaid(self.seed, order)
            self.by_oaid[who.oaid] = order
        self.plant({"phones": who.phone, "names": who.name, "addresses": who.address, "oaids": who.oaid})
        self.plant({"ips": order.ip or "", "id_numbers": order.id_number or ""})
        if not order.guest and order.shop.platform == "shopify":
            buyer = order.buyer
            self.plant({"names": buyer.name, "phones": buyer.phone, "emails": buyer.email})

    def plant(self, planted: dict[str, str]) -> None:
        """Write down personal data that stands somewhere in the world, by kind."""
        for kind, value in planted.items():
            if value:
                self.personal[kind][value] = None

    def _await_birth(self, state: ShopState) -> None:
        """Schedule the next order of a shop: one in each stretch of 1/rate hours, anywhere in it."""
        number, flow = state.born, self._flow
        spread = self.stream(state.shop.id, "arrival", number).random()
        stretch = number - flow.born[state.shop.id] + spread
        self.schedule(flow.since + int(stretch * 3600 / self.orders_per_hour), "birth", (state, flow))

    def _birth(self, state: ShopState, flow: Flow, at: int) -> None:
        if flow is not self._flow:
            return  # the flow was changed meanwhile
        order, rng, planted = births.make_order(self.seed, state.shop, self.goods, 2 * state.born, at, {})
        order.plan = life.draw_plan(rng, order, self.pace)
        self._admit(state, order, planted)
        life.begin(self, order)
        state.born += 1
        self._await_birth(state)

    def _admit(self, state: ShopState, order: Order, planted: dict[str, str]) -> None:
        state.orders[order.id] = state.by_no[order.no] = order
        insort(state.by_created, (order.created, order.id))
        self.register(order)
        self.plant(planted)
        self.touch(order, order.created)

    def _index(self, order: Order, key: int) -> None:
        rows = self.shops[order.shop.id].by_modified
        if order.indexed is not None:
            if order.indexed >= key:
                return
            _remove(rows, (order.indexed, order.id))
        order.indexed = key
        insort(rows, (key, order.id))


def _remove(rows: list[tuple[int, int]], row: tuple[int, int]) -> None:
    del rows[bisect_left(rows, row)]
