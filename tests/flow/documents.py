"""Orders and refunds as Taobao and Shopify write them, made from a few words."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

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
