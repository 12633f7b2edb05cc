"""Orders as they truly are, in words no platform invented: what a pipeline's result is compared with."""

from typing import Any

from orderpipe.sandbox.clock import iso
from orderpipe.sandbox.model import Line, Order, Refund, money

LINE_REFUND = {
    "requested": "requested",
    "returning": "returning",
    "refused": "refused",
    "success": "refunded",
    "closed": "closed",
}
STATUS = {
    "unpaid": "pending_payment",
    "deposit": "pending_payment",
    "paid": "paid",
    "part_shipped": "paid",
    "shipped": "shipped",
    "completed": "completed",
    "closed": "closed",
}


def status(order: Order) -> str:
    """The unified status: pending_payment, paid, shipped, completed, after_sale, closed; unknown while the platform
    shows a status nobody knows."""
    if order.platform_status is not None:
        return "unknown"
    if order.refund_open and order.phase != "closed":
        return "after_sale"
    return STATUS[order.phase]


def snapshot(order: Order) -> dict[str, Any]:
    """The state an effect met, for judging it: was the order still to be shipped when the instruction arrived?"""
    return {
        "platform_order_no": order.no,
        "status": status(order),
        "hold": order.hold,
        "refund_open": order.refund_open,
        "refunded": any(refund.state == "success" for refund in order.refunds),
    }


def describe(order: Order, platform_status: str, listed: bool = True) -> dict[str, Any]:
    """One order in full; money as decimal text in the order's currency, times ISO 8601 UTC.

    paid_amount is what was paid so far, refunds not taken off; payable_amount what the buyer owes in all.
    listed: order search shows the order at all (some platforms hide unpaid ones); visible: also its newest change.
    """
    who = order.receiver
    return {
        "platform": order.shop.platform,
        "shop_id": order.shop.id,
        "platform_order_no": order.no,
        "status": status(order),
        "platform_status": platform_status,
        "created": iso(order.created),
        "paid": iso(order.paid_at),
        "shipped": iso(order.shipped_at),
        "completed": iso(order.completed_at),
        "closed": iso(order.closed_at),
        "modified": iso(order.modified),
        "currency": order.shop.currency,
        "goods_amount": money(sum(line.gross for line in order.lines)),
        "discount_amount": money(sum(line.discount - line.adjust + line.allocated for line in order.lines)),
        "shipping_fee": money(order.shipping_fee),
        "tax_amount": money(sum(line.tax for line in order.lines)),
        "payable_amount": money(order.payable),
        "paid_amount": money(order.paid),
        "refunded_amount": money(order.refunded),
        "lines": [_line(order, line) for line in order.lines],
        "refunds": [_refund(refund) for refund in order.refunds],
        "receiver": {
            "name": who.name,
            "phone": who.phone,
            "country": who.country,
            "province": who.province,
            "city": who.city,
            "district": who.district,
            "address": who.address,
            "oaid": who.oaid or None,
            "vague": who.vague,
        },
        "buyer": None if order.guest else order.buyer.key,
        "id_number": order.id_number,
        "ip": order.ip,
        "buyer_message": order.message,
        "seller_memo": order.memo,
        "is_test": order.test,
        "is_presale": order.presale,
        "hold": order.hold,
        "is_cod": order.cod,
        "listed": listed,
        "visible": listed and order.indexed == order.modified,
    }


def _line(order: Order, line: Line) -> dict[str, Any]:
    refund = order.refund_of(line)
    return {
        "platform_line_id": str(line.id),
        "sku": line.goods.sku,
        "name": line.goods.name if order.shop.currency == "CNY" else line.goods.name_en,
        "quantity": line.quantity,
        "ship_quantity": line.quantity - line.removed,
        "unit_price": money(line.price),
        "discount_amount": money(line.discount - line.adjust + line.allocated),
        "line_amount": money(line.paid),
        "is_gift": line.is_gift,
        "shipped": line.shipped,
        "refund_status": LINE_REFUND[refund.state] if refund else "none",
    }


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "platform_refund_id": str(refund.id),
        "platform_line_id": str(refund.line.id),
        "amount": money(refund.amount),
        "quantity": refund.quantity,
        "status": LINE_REFUND[refund.state],
        "after_shipping": refund.after_shipping,
        "reason": refund.reason,
        "created": iso(refund.created),
        "modified": iso(refund.modified),
    }
