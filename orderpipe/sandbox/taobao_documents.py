"""How Taobao writes an order and a refund: masked receivers, money as the platform's arithmetic has it, GMT+8 times."""

import base64
import hashlib
from typing import Any

from orderpipe.sandbox.clock import gmt8
from orderpipe.sandbox.model import Line, Order, Refund, Shipment, money

TRADE_STATUS = {
    "unpaid": "WAIT_BUYER_PAY",
    "deposit": "WAIT_BUYER_PAY",
    "paid": "WAIT_SELLER_SEND_GOODS",
    "part_shipped": "SELLER_CONSIGNED_PART",
    "shipped": "WAIT_BUYER_CONFIRM_GOODS",
    "completed": "TRADE_FINISHED",
}
REFUND_STATUS = {
    "requested": "WAIT_SELLER_AGREE",
    "returning": "WAIT_BUYER_RETURN_GOODS",
    "refused": "SELLER_REFUSE_BUYER",
    "success": "SUCCESS",
    "closed": "CLOSED",
}


def trade_status(order: Order) -> str:
    """The trade's status; a closed trade says whether it was closed before or after payment."""
    if order.platform_status is not None:
        return order.platform_status
    if order.phase == "closed":
        return "TRADE_CLOSED" if order.paid_at is not None else "TRADE_CLOSED_BY_TAOBAO"
    return "PAID_FORBID_CONSIGN" if order.hold else TRADE_STATUS[order.phase]


def trade(order: Order) -> dict[str, Any]:
    """Every field of a trade; fields without a value are absent. Rendered once per version of the order."""
    if order.document is None:
        order.document = _trade(order)
    return order.document


def _trade(order: Order) -> dict[str, Any]:
    who, lines = order.receiver, order.lines
    document = {
        "tid": order.id,
        "tid_str": order.no,
        "type": "cod" if order.cod else "step" if order.presale else "fixed",
        "status": trade_status(order),
        "seller_nick": order.shop.name,
        "buyer_nick": f"{order.buyer.name[0]}**",
        "buyer_open_uid": _open_uid(order),
        "created": gmt8(order.created),
        "pay_time": gmt8(order.paid_at),
        "modified": gmt8(order.modified),
        "consign_time": gmt8(order.shipped_at),
        "end_time": gmt8(order.completed_at or order.closed_at),
        "num": lines[0].quantity if len(lines) == 1 else 0,
        "total_fee": money(sum(line.gross for line in lines)),
        "discount_fee": money(order.order_discount),
        "adjust_fee": money(sum(line.adjust for line in lines)),
        "post_fee": money(order.shipping_fee),
        "payment": money(order.payable),
        "received_payment": money(order.paid - order.refunded if order.completed_at else 0),
        "seller_flag": order.flag,
        "seller_memo": order.memo or None,
        "buyer_message": order.message or None,
        "receiver_country": "中国",
        "receiver_state": who.province,
        "receiver_city": who.city,
        "receiver_district": who.district,
        "receiver_town": who.town,
        "receiver_address": "***",
        "receiver_zip": who.zip,
        "receiver_name": who.name[0] + "*" * (len(who.name) - 1),
        "receiver_mobile": "*******" + who.phone[-4:],
        "receiver_phone": None,
        "oaid": who.oaid,
        "shipping_type": "express",
        "is_part_consign": order.phase == "part_shipped",
        "is_sh_ship": False,
        "promotion_details": _promotions(order),
        "orders": {"order": [_line(order, line) for line in lines]},
    }
    if order.presale:
        document["step_trade_status"] = _step_status(order)
        document["step_paid_fee"] = money(order.paid)
    return {name: value for name, value in document.items() if value is not None}


def refund(order: Order, item: Refund) -> dict[str, Any]:
    """Every field of a refund."""
    line = item.line
    document = {
        "refund_id": str(item.id),
        "tid": order.id,
        "oid": line.id,
        "status": REFUND_STATUS[item.state],
        "order_status": _line_status(order, line),
        "good_status": "BUYER_RECEIVED" if item.after_shipping else "BUYER_NOT_RECEIVED",
        "has_good_return": item.goods_back,
        "refund_fee": money(item.amount),
        "total_fee": money(line.total),
        "payment": money(line.paid),
        "reason": item.reason,
        "desc": "",
        "created": gmt8(item.created),
        "modified": gmt8(item.modified),
        "refund_phase": "aftersale" if order.completed_at and item.created >= order.completed_at else "onsale",
        "dispute_type": "REFUND_AND_RETURN" if item.goods_back else "REFUND",
        "refund_version": item.modified * 1000,
        "num_iid": line.goods.taobao_num_iid,
        "outer_id": line.goods.sku,
        "sku": f"{line.goods.taobao_sku_id}|{line.goods.name}",
        "title": line.goods.name,
        "num": item.quantity,
        "buyer_nick": f"{order.buyer.name[0]}**",
        "buyer_open_uid": _open_uid(order),
        "seller_nick": order.shop.name,
    }
    return document


def _line(order: Order, line: Line) -> dict[str, Any]:
    newest = order.refund_of(line)
    parcel = _parcel(order, line)
    document = {
        "oid": line.id,
        "oid_str": str(line.id),
        "num_iid": line.goods.taobao_num_iid,
        "sku_id": line.goods.taobao_sku_id,
        "outer_iid": line.goods.sku.rsplit("-", 1)[0],
        "outer_sku_id": line.goods.sku,
        "title": line.goods.name,
        "sku_properties_name": "规格:" + line.goods.name.split(" ")[-1],
        "price": money(line.price),
        "num": line.quantity,
        "discount_fee": money(line.discount),
        "adjust_fee": money(line.adjust),
        "total_fee": money(line.total),
        # With one line order.payment equals trade.payment; with several it leaves out shared discount and postage.
        "payment": money(order.payable if len(order.lines) == 1 else line.total),
        "part_mjz_discount": money(line.allocated),
        "divide_order_fee": money(line.paid),
        "status": _line_status(order, line),
        "refund_status": REFUND_STATUS[newest.state] if newest else "NO_REFUND",
        "refund_id": str(newest.id) if newest else None,
        "consign_time": gmt8(parcel.at) if parcel else None,
        "logistics_company": parcel.company if parcel else None,
        "invoice_no": parcel.tracking if parcel else None,
        "pic_path": f"https://img.example.test/{line.goods.sku}.jpg",
    }
    return {name: value for name, value in document.items() if value is not None}


def _line_status(order: Order, line: Line) -> str:
    if line.removed >= line.quantity:
        return "TRADE_CLOSED"
    if order.phase == "part_shipped":
        return "WAIT_BUYER_CONFIRM_GOODS" if line.shipped else "WAIT_SELLER_SEND_GOODS"
    return trade_status(order)


def _parcel(order: Order, line: Line) -> Shipment | None:
    return next((shipment for shipment in order.shipments if any(item is line for item in shipment.lines)), None)


def _promotions(order: Order) -> dict[str, Any] | None:
    details = []
    if order.order_discount:
        details.append(
            {"id": order.id, "promotion_name": order.discount_name, "discount_fee": money(order.order_discount)}
        )
    for line in order.lines:
        if line.discount:
            details.append({"id": line.id, "promotion_name": "单品优惠", "discount_fee": money(line.discount)})
        if line.is_gift:
            details.append(
                {"id": line.id, "promotion_name": "满就送", "discount_fee": "0.00", "gift_item_name": line.goods.name}
            )
    return {"promotion_detail": details} if details else None


def _step_status(order: Order) -> str:
    if order.paid_at is not None:
        return "FRONT_PAID_FINAL_PAID"
    if order.deposit_at is None:
        return "FRONT_NOPAID_FINAL_NOPAID"
    return "FRONT_PAID_FRONT_FORFEITED" if order.phase == "closed" else "FRONT_PAID_FINAL_NOPAID"


def _open_uid(order: Order) -> str:
    return "AAH" + base64.urlsafe_b64encode(hashlib.sha256(order.buyer.key.encode()).digest()[:18]).decode()
