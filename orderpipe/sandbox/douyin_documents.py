"""How Douyin writes an order and an after-sale case: whole fen, unix seconds with 0 for none, receivers in ciphertext,
one child order per line."""

import base64
import hashlib
from typing import Any

from orderpipe.sandbox.model import Line, Order, Refund, allocate

STATUS = {"unpaid": 1, "deposit": 1, "paid": 2, "part_shipped": 101, "shipped": 3, "completed": 5, "closed": 4}
STATUS_TEXT = {
    1: "待支付", 105: "已支付", 2: "待发货", 101: "部分发货", 3: "已发货", 4: "已取消", 5: "已完成",
}  # fmt: skip
AFTER_SALE = {"requested": 6, "returning": 7, "refused": 27, "success": 12, "closed": 28}
COMPANIES = {"SF": "shunfeng"}  # the courier of orders that ship by themselves, in this platform's spelling


def order_status(order: Order) -> int:
    """The status code of a shop order; 105 is paid and not to be shipped yet."""
    if order.platform_status is not None:
        return int(order.platform_status) if order.platform_status.isdigit() else 999
    return 105 if order.hold and order.phase == "paid" else STATUS[order.phase]


def main_status(order: Order) -> int:
    """The status code of the main process, which also knows an order paid in part or ended by a refund."""
    if order.platform_status is None and order.phase == "deposit":
        return 103
    if order.platform_status is None and order.phase == "closed" and order.paid_at is not None:
        return 39 if order.completed_at else 22 if order.shipped_at else 21
    return order_status(order)


def shop_order(order: Order) -> dict[str, Any]:
    """A shop order with its child orders. Rendered once per version of the order."""
    if order.document is None:
        order.document = _shop_order(order)
    return order.document


def _shop_order(order: Order) -> dict[str, Any]:
    status = order_status(order)
    shares = _postage(order)
    document = {
        "shop_id": 4463798,
        "shop_name": order.shop.name,
        "order_id": order.no,
        "order_level": 2,
        "order_type": 0,
        "order_status": status,
        "order_status_desc": STATUS_TEXT.get(status, "未知"),
        "main_status": main_status(order),
        "open_id": "",
        "doudian_open_id": f"1@#{hashlib.sha256(order.buyer.key.encode()).hexdigest()[:32]}",
        "create_time": order.created,
        "pay_time": order.paid_at or 0,
        "update_time": order.modified,
        "ship_time": order.shipped_at or 0,
        # A cancelled order ends as well.
        "finish_time": order.completed_at or order.closed_at or 0,
        "order_expire_time": 1800,
        "exp_ship_time": (order.confirmed_at or 0) and order.confirmed_at + 48 * 3600,
        "appointment_ship_time": 0,
        # 0 is cash on delivery, and what an order shows whose buyer has not paid yet.
        "pay_type": 0 if order.cod or order.paid_at is None else 1 + order.id % 2,
        "channel_payment_no": f"pay{order.id}" if order.paid_at else "",
        "order_amount": sum(line.total for line in order.lines) + order.shipping_fee,
        "pay_amount": order.payable,
        "post_amount": order.shipping_fee,
        "post_insurance_amount": 0,
        "modify_amount": sum(line.adjust for line in order.lines),
        "promotion_amount": sum(line.discount + line.allocated for line in order.lines),
        "promotion_shop_amount": sum(line.discount for line in order.lines),
        "promotion_platform_amount": order.order_discount,
        "promotion_talent_amount": 0,
        "promotion_pay_amount": 0,
        "promotion_redpack_amount": 0,
        "tax_amount": 0,
        "buyer_words": order.message,
        "seller_words": order.memo,
        "seller_remark_stars": order.flag,
        "cancel_reason": "" if order.phase != "closed" else "用户取消",
        **_receiver(order),
        "logistics_info": [_parcel(order, number) for number in range(len(order.shipments))],
        "sku_order_list": [_child(order, line, share) for line, share in zip(order.lines, shares, strict=True)],
        "shop_order_tag_ui": [{"key": "risk_processing", "text": "风控中"}] if order.hold else [],
        "address_tag_ui": [],
    }
    if order.presale:
        document["order_phase_list"] = _phases(order)
    return document


def _child(order: Order, line: Line, postage: int) -> dict[str, Any]:
    listing = line.goods.listing("douyin")
    status = order_status(order)
    if status == 101:
        status = 3 if line.shipped else 2
    if line.removed >= line.quantity and not line.shipped:
        status = 4
    document = {
        "order_id": str(line.id),
        "parent_order_id": order.no,
        "order_level": 3,
        "order_status": status,
        "main_status": status,
        "trade_type": 2 if order.presale else 0,
        "pre_sale_type": 0,
        "create_time": order.created,
        "pay_time": order.paid_at or 0,
        "update_time": order.modified,
        "ship_time": next((parcel.at for parcel in order.shipments if _holds(parcel.lines, line)), 0),
        "product_id": int(listing.product_id),
        "product_id_str": listing.product_id,
        "sku_id": int(listing.sku_id),
        "out_product_id": "",
        "out_sku_id": "",
        "code": line.goods.sku,
        "product_name": line.goods.name,
        "product_pic": f"https://img.example.test/{line.goods.sku}.jpg",
        "spec": [{"name": "规格", "value": line.goods.name.split(" ")[-1]}],
        "item_num": line.quantity,
        "origin_amount": line.price,
        "sum_amount": line.gross,
        "order_amount": line.total + postage,
        "pay_amount": line.paid + postage,
        "post_amount": postage,
        "modify_amount": line.adjust,
        "promotion_amount": line.discount + line.allocated,
        "promotion_shop_amount": line.discount,
        "promotion_platform_amount": line.allocated,
        "promotion_talent_amount": 0,
        "tax_amount": 0,
        "after_sale_info": _after_sale(order, line),
        "inventory_list": [{"warehouse_id": "0", "out_warehouse_id": "", "count": line.quantity}],
        "given_product_type": "FREE" if line.is_gift else "",
        "master_sku_order_id_list": [str(order.lines[0].id)] if line.is_gift else [],
    }
    return document


def _after_sale(order: Order, line: Line) -> dict[str, int]:
    newest = order.refund_of(line)
    if newest is None:
        return {"after_sale_status": 0, "after_sale_type": 0, "refund_status": 0}
    # A case the buyer withdrew keeps refund_status 1.
    refund_status = 3 if newest.state == "success" else 1
    return {
        "after_sale_status": AFTER_SALE[newest.state],
        "after_sale_type": _case_type(newest),
        "refund_status": refund_status,
    }


def _case_type(refund: Refund) -> int:
    if not refund.after_shipping:
        return 2
    return 0 if refund.goods_back else 1


def _postage(order: Order) -> list[int]:
    """Each line's share of the postage."""
    weights = [line.paid for line in order.lines]
    if sum(weights) < order.shipping_fee:
        return [order.shipping_fee] + [0] * (len(weights) - 1)
    return allocate(order.shipping_fee, weights)


def _parcel(order: Order, number: int) -> dict[str, Any]:
    parcel = order.shipments[number]
    packed = [
        {
            "sku_order_id": str(line.id),
            "product_name": line.goods.name,
            "product_count": line.quantity,
            "sku_id": int(line.goods.listing("douyin").sku_id),
        }
        for line in parcel.lines
    ]
    return {
        "tracking_no": parcel.tracking,
        "company": COMPANIES.get(parcel.company, parcel.company),
        "company_name": parcel.company,
        "ship_time": parcel.at,
        "delivery_id": str(parcel.id),
        "product_info": packed,
    }


def _phases(order: Order) -> list[dict[str, Any]]:
    """Deposit and balance, each as one phase per line that costs something."""
    paying = [line for line in order.lines if line.paid > 0]
    deposits = allocate(order.deposit, [line.paid for line in paying])
    postage = dict(zip((line.id for line in order.lines), _postage(order), strict=True))
    phases = []
    for line, deposit in zip(paying, deposits, strict=True):
        rest = line.paid + postage[line.id] - deposit
        for number, amount, at in ((1, deposit, order.deposit_at or order.paid_at), (2, rest, order.paid_at)):
            phases.append({
                "phase_order_id": f"{line.id}{number}",
                "total_phase": 2,
                "current_phase": number,
                "pay_success": at is not None,
                "sku_order_id": str(line.id),
                "phase_pay_time": at or 0,
                "phase_pay_amount": amount,
                "phase_promotion_amount": 0,
                "current_phase_status_desc": "已支付" if at else "待支付",
            })  # fmt: skip
    return phases


def _receiver(order: Order) -> dict[str, Any]:
    who = order.receiver

    def place(detail: dict[str, str]) -> dict[str, Any]:
        parts = {"province": who.province, "city": who.city, "town": who.district, "street": who.town}
        named = {name: {"name": value, "id": str(len(value))} for name, value in parts.items()}
        return {**named, **detail}

    return {
        "post_receiver": "",
        "post_tel": "",
        "post_addr": place({"detail": "", "encrypt_detail": cipher(who.oaid, "detail", "##")}),
        "encrypt_post_receiver": cipher(who.oaid, "receiver", "##"),
        "encrypt_post_tel": cipher(who.oaid, "tel", "$$"),
        "open_address_id": who.oaid,
        "mask_post_receiver": who.name[0] + "*" * (len(who.name) - 1),
        "mask_post_tel": f"{who.phone[:3]}****{who.phone[-4:]}",
        "mask_post_addr": place({"detail": "****"}),
    }


def cipher(reference: str, name: str, mark: str) -> str:
    """The ciphertext of one field of a receiver, between the marks of its kind."""
    digest = hashlib.sha384(f"{reference}/{name}".encode()).digest()
    return f"{mark}{base64.b64encode(digest).decode()}{mark}"


def after_sale(order: Order, item: Refund) -> dict[str, Any]:
    """A row of the after-sale list."""
    line, status = item.line, AFTER_SALE[item.state]
    whole = item.amount > line.paid + line.tax
    postage = item.amount - line.paid - line.tax if whole else 0
    return {
        "aftersale_info": {
            "aftersale_id": str(item.id),
            "aftersale_order_type": 1,
            "aftersale_type": _case_type(item),
            "aftersale_status": status,
            "related_id": str(line.id),
            "apply_time": item.created,
            "create_time": item.created,
            "update_time": item.modified,
            "status_deadline": 0 if item.state in ("success", "closed") else item.modified + 172_800,
            "refund_amount": item.amount,
            "refund_post_amount": postage,
            "aftersale_num": item.quantity,
            "refund_status": 3 if item.state == "success" else 1,
            "return_logistics_code": "",
            "return_logistics_company_name": "",
            "got_pkg": int(item.after_shipping),
        },
        "order_info": {
            "shop_order_id": order.no,
            "related_order_info": [
                {
                    "sku_order_id": str(line.id),
                    "order_status": 5 if order.completed_at else 3 if order.shipped_at else 2,
                    "pay_amount": line.paid,
                    "post_amount": 0,
                    "item_num": line.quantity,
                    "product_id": int(line.goods.listing("douyin").product_id),
                    "product_name": line.goods.name,
                    "shop_sku_code": line.goods.sku,
                    "aftersale_pay_amount": item.amount,
                    "aftersale_item_num": item.quantity,
                    "given_sku_order_ids": [],
                }
            ],
        },
        "text_part": {
            "reason_text": item.reason,
            "aftersale_status_text": {6: "待商家处理", 12: "售后成功", 28: "售后关闭"}.get(status, "售后中"),
        },
    }


def _holds(lines: list[Line], line: Line) -> bool:
    return any(one is line for one in lines)
