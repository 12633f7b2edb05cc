"""How Pinduoduo writes an order and an after-sale case: yuan as numbers here and text there, receivers as ciphertext
that is new in every version of an order and gone once it is shipped, no unpaid orders."""

import base64
import hashlib
from typing import Any

from orderpipe.sandbox.clock import gmt8
from orderpipe.sandbox.model import Order, Refund, money

DAY = 86400
# after_sales_status by state; a request that wants the goods to go back has a number of its own.
CASE_STATUS = {"requested": 2, "returning": 7, "refused": 6, "success": 10, "closed": 11}
REFUND_STATUS = {"requested": 2, "returning": 2, "refused": 2, "success": 4, "closed": 1}
LOGISTICS = {"SF": 44, "ZTO": 115, "YTO": 85, "YUNDA": 121, "STO": 1}
GROUPING = "grouping"  # forced by hand: the order's group is not full yet


def visible(order: Order) -> bool:
    """Whether the platform's APIs show the order: once it is dealt, that is paid (or its deposit is) and grouped."""
    return order.platform_status != GROUPING and (order.paid_at is not None or order.deposit_at is not None)


def platform_status(order: Order) -> str:
    """order_status/refund_status/after_sales_status, then what is unusual of the other states."""
    shown = order_info(order)
    parts = [str(shown[name]) for name in ("order_status", "refund_status", "after_sales_status")]
    for name, word, usual in (("confirm_status", "CONFIRM", 1), ("group_status", "GROUP", 1),
                              ("risk_control_status", "RISK", 0)):  # fmt: skip
        if shown[name] != usual:
            parts.append(f"{word}_{shown[name]}")
    if step := shown["step_order_info"]:
        parts.append(f"STEP_{step['step_trade_status']}")
    return "/".join(parts)


def order_info(order: Order) -> dict[str, Any]:
    """Every field of an order. Rendered once per version of the order."""
    if order.document is None:
        order.document = _order_info(order)
    return order.document


def _order_info(order: Order) -> dict[str, Any]:
    (line,) = order.lines
    goods, listing = line.goods, line.goods.listing("pinduoduo")
    newest = order.refund_of(line)
    shipment = order.shipments[0] if order.shipments else None
    # Who gave the discounts shows in different places, by order.
    by_hand = line.discount - line.adjust if order.id % 5 == 0 or line.adjust else 0
    seller = line.discount - line.adjust - by_hand
    free = line.allocated if order.id % 7 == 0 else 0
    fee = order.shipping_fee if order.id % 11 == 0 else 0
    return {
        "order_sn": order.no,
        "trade_type": 1 if order.presale else 0,
        "is_lucky_flag": 1,
        "confirm_status": 1 if order.paid_at is not None else 2 if order.phase == "closed" else 0,
        "group_status": 0 if order.platform_status == GROUPING else 1,
        "order_status": _order_status(order),
        "refund_status": REFUND_STATUS[newest.state] if newest else 1,
        "after_sales_status": case_status(newest) if newest else 0,
        "risk_control_status": 1 if order.hold else 0,
        "created_time": gmt8(order.created),
        "pay_time": gmt8(order.paid_at) or "",
        "confirm_time": gmt8(order.paid_at) or "",
        "updated_at": gmt8(order.modified),
        "shipping_time": gmt8(order.shipped_at) or "",
        "receive_time": gmt8(order.completed_at) or "",
        "last_ship_time": gmt8(order.paid_at + 2 * DAY) if order.paid_at is not None else "",
        "goods_amount": money(line.gross - by_hand),
        "discount_amount": _number(seller + line.allocated),
        "platform_discount": _number(line.allocated - free),
        "seller_discount": money(seller),
        "capital_free_discount": _number(free),
        "order_change_amount": money(by_hand),
        "postage": _number(order.shipping_fee - fee),
        "service_fee_detail": [{"service_name": "sf_express_fee", "service_fee": _number(fee)}] if fee else [],
        "pay_amount": _number(order.payable),
        "pay_type": "WEIXIN",
        "pay_no": f"42{order.id}",
        "item_list": [
            {
                "goods_id": int(listing.product_id),
                "goods_name": goods.name,
                "goods_img": f"https://img.example.test/{goods.sku}.jpg",
                "goods_price": _number(line.price),
                "goods_count": line.quantity,
                "goods_spec": goods.name.split(" ")[-1],
                "sku_id": int(listing.sku_id),
                "outer_goods_id": goods.sku.rsplit("-", 1)[0],
                "outer_id": goods.sku,
            }
        ],
        "gift_list": [],
        "logistics_id": logistics_id(shipment.company) if shipment else 0,
        "tracking_number": shipment.tracking if shipment else "",
        "extra_delivery_list": [],
        "remark": order.memo,
        "remark_tag": order.flag or None,
        "buyer_memo": order.message,
        **_receiver(order),
        "stock_out_handle_status": -1,
        "order_tag_list": [{"name": "no_trace_delivery", "value": 0}],
        "step_order_info": _step(order) if order.presale else None,
    }


def case(order: Order, item: Refund) -> dict[str, Any]:
    """Every field of an after-sale case in the list. Some have their times formatted, as older ones do."""
    goods, listing = item.line.goods, item.line.goods.listing("pinduoduo")

    def time(at: int) -> str:
        return (gmt8(at) or "") if item.id % 4 == 0 else str(at)

    return {
        "id": item.id,
        "order_sn": order.no,
        "after_sales_type": 3 if item.goods_back else 2,
        "after_sales_status": case_status(item),
        "after_sale_reason": item.reason,
        "refund_amount": money(item.amount),
        "order_amount": money(order.payable),
        "discount_amount": money(item.line.discount + item.line.allocated),
        "goods_id": int(listing.product_id),
        "goods_name": goods.name,
        "goods_number": str(item.line.quantity),
        "goods_price": money(item.line.price),
        "sku_id": listing.sku_id,
        "outer_id": goods.sku,
        "created_time": time(item.created),
        "updated_time": time(item.modified),
        "confirm_time": time(order.paid_at or order.created),
        "tracking_number": "",
        "shipping_name": "",
        "speed_refund_flag": 0,
        "user_shipping_status": "2" if order.completed_at else "1" if item.after_shipping else "0",
        "dispute_refund_status": 0,
    }


def case_in_fen(order: Order, item: Refund) -> dict[str, Any]:
    """The same case asked for by its id: amounts are fen, and the types have other numbers than in the list."""
    listing = item.line.goods.listing("pinduoduo")
    return {
        "id": item.id,
        "order_sn": order.no,
        "after_sales_type": 2 if item.goods_back else 1,
        "after_sales_status": case_status(item),
        "refund_amount": item.amount,
        "order_amount": order.payable,
        "goods_id": int(listing.product_id),
        "sku_id": listing.sku_id,
        "created_time": str(item.created),
        "updated_time": str(item.modified),
    }


def case_status(item: Refund) -> int:
    return 3 if item.state == "requested" and item.goods_back else CASE_STATUS[item.state]


def logistics_id(company: str) -> int:
    """The number of a courier; one that is given as a number stays it."""
    return int(company) if company.isdigit() else LOGISTICS.get(company, 0)


def _order_status(order: Order) -> int:
    forced = order.platform_status
    if forced is not None and forced != GROUPING:
        return int(forced) if forced.isdigit() else 0
    if order.completed_at is not None:
        return 3
    return 2 if order.shipped_at is not None else 1


def _number(amount: int) -> float:
    """Whole fen as a JSON number of yuan: the careless read it as a float."""
    return amount / 100


def _step(order: Order) -> dict[str, Any]:
    status = 2 if order.paid_at is not None else 1 if order.deposit_at is not None else 0
    return {
        "step_trade_status": status,
        "advanced_paid_fee": money(order.deposit),
        "step_paid_fee": _number(order.paid),
        "step_discount_amount": 0,
    }


def _receiver(order: Order) -> dict[str, Any]:
    """Region always; the receiver only while the order waits to be shipped and is not under review."""
    who = order.receiver
    region = {"province": who.province, "city": who.city, "town": who.district}
    names = ("receiver_name", "receiver_phone", "receiver_address")
    if _order_status(order) != 1 or order.hold:
        hidden = dict.fromkeys((*names, *(f"{name}_mask" for name in names)), "")
        return region | hidden | {"open_address_id": ""}
    name, phone, address = (_cipher(order, name) for name in names)
    return (
        region
        | {
            "receiver_name": f"~{name}~{name[:8]}~1~~" if order.id % 2 else name,  # with the search index, and without
            "receiver_phone": f"${phone}${phone[:8]}$1$$",
            "receiver_address": f"~{address}~{address[:8]}~1~~",
            "receiver_name_mask": who.name[0] + "*" * (len(who.name) - 1),
            "receiver_phone_mask": f"{who.phone[:3]}****{who.phone[-4:]}",
            "receiver_address_mask": "*******",
            "open_address_id": who.oaid,
        }
    )


def _cipher(order: Order, field: str) -> str:
    """A ciphertext of one field; one and the same text looks different in every version of the order."""
    text = f"{order.receiver.oaid}|{field}|{order.modified}"
    return "AgAAAA" + base64.b64encode(hashlib.sha384(text.encode()).digest()).decode()
