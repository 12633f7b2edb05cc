"""A pool in a temporary folder, and documents as Taobao and Shopify write them, made from a few words."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from orderpipe import config, flow
from orderpipe.lake.hashes import table_hashes
from orderpipe.lake.landing import PulledWindow, land
from tests.homes import empty_home

KEY = "5f" * 32
START = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
SHOPS = {"taobao": "taobao-hz", "shopify": "shopify-us"}
# Goods of config/goods.csv: (list price in yuan, in dollars).
GOODS = {"CUP-500-BL": ("89.00", "24.00"), "GLS-WINE-2": ("128.00", "32.00"), "NOT-IN-MASTER": ("10.00", "3.00")}
PEOPLE = [
    ("王小明", "13812345678", "浙江省", "杭州市", "西湖区", "文三路88号", "ZJ"),
    ("李建国", "13987654321", "广东省", "广州市", "天河区", "体育东路5号", "GD"),
    ("欧阳娜娜", "13700001111", "上海市", "上海市", "徐汇区", "漕溪北路18号", "SH"),
]


@dataclass(frozen=True)
class Document:
    """What a platform sent: an order or a refund, its modified time (UTC), its JSON text."""

    platform: str
    kind: str
    source_id: str
    updated: datetime
    text: str = field(repr=False)

    def changed(self, **fields: Any) -> "Document":
        """The same document with other values at top level; None takes the field away."""
        content = {**json.loads(self.text), **fields}
        return replace(self, text=json.dumps({k: v for k, v in content.items() if v is not None}, ensure_ascii=False))


@dataclass(frozen=True)
class Line:
    """An order line. refund: none, requested, refunded or closed, or any name of Taobao's."""

    sku: str | None = "CUP-500-BL"
    quantity: int = 1
    refund: str = "none"


@dataclass(frozen=True)
class State:
    """One state of an order as the platform shows it, minutes after it was placed; both platforms can write it.

    status: unpaid, paid, held, shipped, part_shipped, completed, closed or odd (a status nobody knows).
    receiver: index into PEOPLE. masked: the receiver is hidden.
    """

    number: str
    minutes: int = 1
    status: str = "paid"
    lines: tuple[Line, ...] = (Line(),)
    receiver: int = 0
    masked: bool = False
    buyer: str | None = "B1"
    country: str = "CN"
    test: bool = False
    message: str | None = None
    ordered: datetime = START

    @property
    def updated(self) -> datetime:
        return self.ordered + timedelta(minutes=self.minutes)

    @property
    def is_paid(self) -> bool:
        return self.status != "unpaid"


def _money(value: Decimal) -> str:
    return f"{value:.2f}"


def _gmt8(moment: datetime | None) -> str | None:
    return moment.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S") if moment else None


def _iso(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _moments(state: State) -> tuple[datetime | None, datetime | None, datetime | None]:
    """When it was paid, shipped and completed: fixed minutes after the order, so that all states agree."""
    paid = state.ordered + timedelta(seconds=30) if state.is_paid else None
    shipped = state.ordered + timedelta(hours=2) if state.status in ("shipped", "part_shipped", "completed") else None
    completed = state.ordered + timedelta(hours=9) if state.status == "completed" else None
    return paid, shipped, completed


_TAOBAO_STATUS = {
    "unpaid": "WAIT_BUYER_PAY",
    "paid": "WAIT_SELLER_SEND_GOODS",
    "held": "PAID_FORBID_CONSIGN",
    "part_shipped": "SELLER_CONSIGNED_PART",
    "shipped": "WAIT_BUYER_CONFIRM_GOODS",
    "completed": "TRADE_FINISHED",
    "closed": "TRADE_CLOSED",
    "odd": "BRAND_NEW_STATUS",
}
_TAOBAO_REFUND = {
    "none": "NO_REFUND",
    "requested": "WAIT_SELLER_AGREE",
    "refunded": "SUCCESS",
    "closed": "CLOSED",
}


def taobao(state: State) -> Document:
    """The order as taobao.trade.fullinfo.get gives it."""
    name, phone, province, city, district, address, _ = PEOPLE[state.receiver]
    paid, shipped, completed = _moments(state)
    total = sum(Decimal(GOODS.get(line.sku, ("10.00",))[0]) * line.quantity for line in state.lines)
    trade = {
        "tid": int(state.number),
        "status": _TAOBAO_STATUS[state.status],
        "created": _gmt8(state.ordered),
        "modified": _gmt8(state.updated),
        "pay_time": _gmt8(paid),
        "consign_time": _gmt8(shipped),
        "end_time": _gmt8(completed),
        "total_fee": _money(total),
        "discount_fee": "5.00",
        "post_fee": "8.00",
        "payment": _money(total + 3),
        "buyer_open_uid": state.buyer,
        "buyer_message": state.message,
        "receiver_name": name[0] + "**" if state.masked else name,
        "receiver_mobile": "*******" + phone[-4:] if state.masked else phone,
        "receiver_state": province,
        "receiver_city": city,
        "receiver_district": district,
        "receiver_address": "***" if state.masked else address,
        "oaid": f"OAID-{state.number}-{state.receiver}" if state.masked else None,
        "orders": {
            "order": [
                {
                    "oid": int(f"{state.number}{n:02}"),
                    "outer_sku_id": line.sku,
                    "title": "商品",
                    "price": GOODS.get(line.sku, ("10.00",))[0],
                    "num": line.quantity,
                    "discount_fee": "0.00",
                    "adjust_fee": "0.00",
                    "divide_order_fee": _money(Decimal(GOODS.get(line.sku, ("10.00",))[0]) * line.quantity),
                    "refund_status": _TAOBAO_REFUND.get(line.refund, line.refund),
                }
                for n, line in enumerate(state.lines, 1)
            ]
        },
    }
    text = json.dumps({name: value for name, value in trade.items() if value is not None}, ensure_ascii=False)
    return Document("taobao", "order", state.number, state.updated, text)


def taobao_refund(
    number: str, of: str, minutes: int, status: str, line: int | None = 1, ordered: datetime = START
) -> Document:
    """An after-sale case as taobao.refunds.receive.get gives it; status as in Line.refund, or any name of Taobao's."""
    updated = ordered + timedelta(minutes=minutes)
    case = {
        "refund_id": number,
        "tid": int(of),
        "oid": int(f"{of}{line:02}") if line else None,
        "status": _TAOBAO_REFUND.get(status, status),
        "refund_fee": "89.00",
        "reason": "不想要了",
        "created": _gmt8(ordered + timedelta(minutes=1)),
        "modified": _gmt8(updated),
        "refund_phase": "onsale",
        "dispute_type": "REFUND",
    }
    text = json.dumps({name: value for name, value in case.items() if value is not None}, ensure_ascii=False)
    return Document("taobao", "refund", number, updated, text)


_FINANCIAL = {"unpaid": "PENDING", "closed": "REFUNDED", "odd": "BRAND_NEW_STATUS"}
_FULFILMENT = {
    "held": "ON_HOLD",
    "part_shipped": "PARTIALLY_FULFILLED",
    "shipped": "FULFILLED",
    "completed": "FULFILLED",
}


def shopify(state: State) -> Document:
    """The order as Shopify's GraphQL Admin API gives it; a line's `requested` refund shows as a return."""
    name, phone, _, city, district, address, code = PEOPLE[state.receiver]
    paid, shipped, completed = _moments(state)
    total = sum(Decimal(GOODS.get(line.sku, ("", "3.00"))[1]) * line.quantity for line in state.lines)
    refunded = [n for n, line in enumerate(state.lines, 1) if line.refund == "refunded"]
    financial = _FINANCIAL.get(state.status, "PAID")
    if refunded and financial == "PAID":
        financial = "REFUNDED" if len(refunded) == len(state.lines) else "PARTIALLY_REFUNDED"

    def bag(value: Decimal | str) -> dict[str, Any]:
        return {"shopMoney": {"amount": _money(Decimal(value)), "currencyCode": "USD"}}

    order = {
        "id": f"gid://shopify/Order/{state.number}",
        "legacyResourceId": state.number,
        "test": state.test,
        "createdAt": _iso(state.ordered),
        "processedAt": _iso(state.ordered),
        "updatedAt": _iso(state.updated),
        "closedAt": None,
        "cancelledAt": _iso(state.updated) if state.status == "closed" else None,
        "currencyCode": "USD",
        "displayFinancialStatus": financial,
        "displayFulfillmentStatus": _FULFILMENT.get(state.status, "UNFULFILLED"),
        "returnStatus": "RETURN_REQUESTED" if any(x.refund == "requested" for x in state.lines) else "NO_RETURN",
        "paymentGatewayNames": ["shopify_payments"],
        "clientIp": "203.0.113.7",
        "note": state.message,
        "taxesIncluded": False,
        "totalPriceSet": bag(total + 5),
        "totalShippingPriceSet": bag("5"),
        "totalTaxSet": bag("0"),
        "totalDiscountsSet": bag("0"),
        "totalOutstandingSet": bag(0 if paid else total + 5),
        "customer": {"id": f"gid://shopify/Customer/{state.buyer}"} if state.buyer else None,
        "shippingAddress": {
            "name": name,
            "address1": None if state.masked else district + address,
            "city": city,
            "province": "Zhejiang",
            "provinceCode": code,
            "zip": "310000",
            "countryCodeV2": state.country,
            "phone": None if state.masked else f"+86 {phone}",
        },
        "lineItems": {
            "nodes": [
                {
                    "id": f"gid://shopify/LineItem/{state.number}{n:02}",
                    "sku": line.sku,
                    "name": "Goods",
                    "quantity": line.quantity,
                    "currentQuantity": 0 if line.refund == "refunded" else line.quantity,
                    "originalUnitPriceSet": bag(GOODS.get(line.sku, ("", "3.00"))[1]),
                    "discountAllocations": [],
                }
                for n, line in enumerate(state.lines, 1)
            ]
        },
        "refunds": [
            {
                "id": f"gid://shopify/Refund/{state.number}{n:02}",
                "createdAt": _iso(state.ordered + timedelta(minutes=1)),
                "updatedAt": _iso(state.ordered + timedelta(minutes=1)),
                "totalRefundedSet": bag("3"),
                "refundLineItems": {
                    "nodes": [
                        {
                            "quantity": state.lines[n - 1].quantity,
                            "restockType": "CANCEL",
                            "lineItem": {"id": f"gid://shopify/LineItem/{state.number}{n:02}"},
                        }
                    ]
                },
            }
            for n in refunded
        ],
        "transactions": [{"kind": "SALE", "status": "SUCCESS", "processedAt": _iso(paid)}] if paid else [],
        "fulfillments": [
            {
                "id": f"gid://shopify/Fulfillment/{state.number}",
                "status": "SUCCESS",
                "createdAt": _iso(shipped),
                "deliveredAt": _iso(completed),
                "trackingInfo": [{"company": "SF", "number": "SF123"}],
            }
        ]
        if shipped
        else [],
    }
    return Document("shopify", "order", state.number, state.updated, json.dumps(order, ensure_ascii=False))


class Pool:
    """A home with an open run: land documents, pool, decide, look. `now` is when the run believes to have started."""

    def __init__(self, home: Path, config_dir: Path):
        self.settings = config.Settings(config.Home(home), config_dir, {"ORDERPIPE_PII_KEY": KEY})
        self._stack = contextlib.ExitStack()
        if not home.exists():
            empty_home(home)
        self.reopen()

    def reopen(self, config_dir: Path | None = None) -> None:
        """A new run, as the next tick's process would have; config_dir: with another configuration."""
        self.close()
        if config_dir:
            self.settings = config.Settings(self.settings.home, config_dir, self.settings.env)
        self.run = self._stack.enter_context(flow.open_run(self.settings, "run-1", say=lambda text: None))
        self.run.started_at = START

    def close(self) -> None:
        self._stack.close()

    def land(self, *documents: Document, known: datetime = START) -> int:
        """Land documents in this order, each in a window of its own moment; known: when. Gives how many are new."""
        windows = [
            PulledWindow(d.platform, SHOPS[d.platform], d.kind, START + n * timedelta(microseconds=1),
                         START + timedelta(hours=1), 1, [(d.source_id, d.updated, d.text)], 1, 1)
            for n, d in enumerate(documents)
        ]  # fmt: skip
        with self.run.writing("landing"):
            return sum(land(self.run.lake, self.settings, windows, run_id="run-1", now=known)) if windows else 0

    def land_together(self, *documents: Document) -> int:
        """Land documents in one window of each kind; their numbers follow from their content."""
        windows = []
        for platform, kind in sorted({(d.platform, d.kind) for d in documents}):
            rows = [(d.source_id, d.updated, d.text) for d in documents if (d.platform, d.kind) == (platform, kind)]
            windows.append(
                PulledWindow(platform, SHOPS[platform], kind, START, START + timedelta(hours=1), 1, rows, len(rows), 1)
            )
        with self.run.writing("landing"):
            return sum(land(self.run.lake, self.settings, windows, run_id="run-1", now=START))

    def pool(self, bite: int = 1000) -> flow.PoolReport:
        return flow.pool(self.run, bite)

    def decide(self) -> flow.DecideReport:
        return flow.decide(self.run)

    def take(self, *documents: Document, known: datetime = START) -> flow.DecideReport:
        """Land, pool and decide."""
        self.land(*documents, known=known)
        self.pool()
        return self.decide()

    def hashes(self) -> dict[str, tuple[int, str]]:
        return table_hashes(self.run.lake)

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """Rows of a query on both lakes."""
        cursor = self.run.lake.execute(query, values) if values else self.run.lake.execute(query)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def order(self, number: str) -> dict[str, Any]:
        (row,) = self.rows("FROM core.orders WHERE platform_order_no = $number", number=number)
        return row

    def failed_checks(self) -> list[str]:
        return [f"{check.name}: {check.detail}" for check in flow.check(self.run) if not check.ok]


# The orders of these tests share a few receivers: nothing merges them, nobody finds them odd.
CALM = (
    ("rules/routing.yaml", "merge_window_minutes: 60", "merge_window_minutes: 0"),
    ("rules/risk.yaml", "phone_buyers_90d: {gte: 4}", "phone_buyers_90d: {gte: 4000}"),
    ("rules/risk.yaml", "  - {facts: {phone_buyers_90d: 4, address_buyers_90d: 8}, rules: [one_phone_many_accounts, "
                        "one_address_many_buyers]}\n", ""),
)  # fmt: skip


@pytest.fixture(scope="session")
def calm_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped configuration, but for rules that look at more than one order."""
    return _changed(tmp_path_factory.mktemp("calm") / "config", CALM)


@pytest.fixture(scope="session")
def new_pool(tmp_path_factory: pytest.TempPathFactory, calm_config: Path) -> Iterator[Callable[..., Pool]]:
    """new_pool() opens a pool in a new home, new_pool(config_dir) with another configuration."""
    opened: list[Pool] = []

    def make(config_dir: Path = calm_config) -> Pool:
        opened.append(Pool(tmp_path_factory.mktemp("pool") / "home", config_dir))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def pool(new_pool) -> Iterator[Pool]:
    """A pool of the test's own."""
    one = new_pool()
    yield one
    one.close()


@pytest.fixture(scope="session")
def write() -> Callable[[str, State], Document]:
    """write(platform, state): the state as that platform's document."""
    return lambda platform, state: {"taobao": taobao, "shopify": shopify}[platform](state)


@pytest.fixture(scope="session")
def refund() -> Callable[..., Document]:
    """refund(number, of, minutes, status): a Taobao after-sale document."""
    return taobao_refund


@pytest.fixture(scope="session")
def state() -> type[State]:
    """State(number, …): one state of an order."""
    return State


@pytest.fixture(scope="session")
def line() -> type[Line]:
    """Line(sku, quantity, refund): an order line."""
    return Line


@pytest.fixture(scope="session")
def people() -> list[tuple[str, ...]]:
    """Receivers: name, phone, province, city, district, address, province code."""
    return PEOPLE


@pytest.fixture(scope="session")
def rules_config(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """rules_config(changes): the calm configuration with other rules: (file, old, new). Examples are left out, since
    they speak of the rules as shipped."""

    def make(changes: Iterable[tuple[str, str, str]] = ()) -> Path:
        folder = _changed(tmp_path_factory.mktemp("rules") / "config", (*CALM, *changes))
        for path in (folder / "rules").glob("*.yaml"):
            path.write_text(path.read_text("utf-8").split("\nexamples:")[0] + "\n", "utf-8")
        return folder

    return make


@pytest.fixture
def changed_config(tmp_path: Path) -> Callable[..., Path]:
    """changed_config(name, **texts): a copy of config/ with `file__yaml="text to append"` style changes."""

    def make(name: str, changes: Iterable[tuple[str, str, str]] = ()) -> Path:
        return _changed(tmp_path / name, (*CALM, *changes))

    return make


@pytest.fixture
def hub(new_pool, rules_config, sandbox):
    """hub(changes): a pool whose warehouse and courier are the sandbox's."""
    world = sandbox()

    def make(*changes):
        pool = new_pool(rules_config(changes))
        env = {**pool.settings.env, "ORDERPIPE_SANDBOX_URL": world.url, **world.credentials}
        pool.settings = config.Settings(pool.settings.home, pool.settings.config_dir, env)
        pool.reopen()
        pool.world = world
        return pool

    return make


def _changed(folder: Path, changes: Iterable[tuple[str, str, str]]) -> Path:
    """A copy of config/ in which texts are replaced: (file, old, new)."""
    shutil.copytree(config.ROOT / "config", folder)
    for file, old, new in changes:
        path = folder / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")
    return folder
