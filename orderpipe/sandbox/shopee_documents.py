"""How Shopee writes an order, its money, a return and a listing: masked receivers, bundles priced at nothing, amounts
as numbers, times as seconds."""

from typing import Any
from zlib import crc32

from orderpipe.sandbox.listings import Product
from orderpipe.sandbox.model import OPEN_REFUND, Goods, Line, Order, Refund

ALWAYS = frozenset({
    "order_sn", "region", "currency", "cod", "order_status", "message_to_seller", "create_time", "update_time",
    "days_to_ship", "ship_by_date", "pending_terms",
})  # fmt: skip
RETURN_STATUS = {
    "requested": "REQUESTED",
    "returning": "PROCESSING",
    "refused": "SELLER_DISPUTE",
    "success": "ACCEPTED",
    "closed": "CANCELLED",
}
PARCEL = {
    "unpaid": "LOGISTICS_NOT_START",
    "paid": "LOGISTICS_READY",
    "part_shipped": "LOGISTICS_READY",
    "shipped": "LOGISTICS_PICKUP_DONE",
    "completed": "LOGISTICS_DELIVERY_DONE",
    "closed": "LOGISTICS_INVALID",
}
DAY = 86400


def order_status(order: Order, arranged: bool) -> str:
    """The status the platform shows. arranged: its parcel is, and waits to be picked up."""
    if order.platform_status is not None:
        return order.platform_status
    if order.phase in ("closed", "unpaid"):
        return "CANCELLED" if order.phase == "closed" else "UNPAID"
    open_ = [refund for refund in order.refunds if refund.state in OPEN_REFUND]
    if any(refund.after_shipping for refund in open_) and order.completed_at is None:
        return "TO_RETURN"
    asked = {id(refund.line) for refund in open_ if not refund.after_shipping}
    if asked and all(id(line) in asked for line in order.lines if line.paid > 0 and line.removed < line.quantity):
        return "IN_CANCEL"
    if order.phase in ("shipped", "completed"):
        return order.phase.upper()
    return "PENDING" if order.hold else "PROCESSED" if arranged else "READY_TO_SHIP"


def order(order: Order, arranged: bool, plain: frozenset[str]) -> dict[str, Any]:
    """Every field of an order. plain: product ids of listings without variants, whose goods have no model."""
    if order.document is None:
        order.document = _order(order, arranged, plain)
    return order.document


def _order(order: Order, arranged: bool, plain: frozenset[str]) -> dict[str, Any]:
    status = order_status(order, arranged)
    document = {
        "order_sn": order.no,
        "region": order.receiver.country,
        "currency": order.shop.currency,
        "cod": order.cod,
        "order_status": status,
        "message_to_seller": order.message,
        "create_time": order.created,
        "update_time": order.modified,
        "days_to_ship": 3,
        "ship_by_date": order.created + 3 * DAY,
        "buyer_user_id": order.buyer.id,
        "buyer_username": f"{order.buyer.name[0].lower()}****{order.buyer.name[-1]}",
        "payment_method": "Cash on Delivery" if order.cod else "Online Payment",
        "pay_time": order.paid_at,
        "estimated_shipping_fee": (order.shipping_fee + 150) / 100,  # an estimate; the buyer pays less
        "actual_shipping_fee": 0.0,
        "actual_shipping_fee_confirmed": False,
        "shipping_carrier": "SPX Express",
        "checkout_shipping_carrier": "Standard Delivery",
        "recipient_address": _receiver(order),
        "goods_to_declare": False,
        "note": order.memo,
        "note_update_time": 0,
        "split_up": False,
        "fulfillment_flag": "fulfilled_by_cb_seller",
        "pickup_done_time": order.shipped_at or 0,
        "buyer_cancel_reason": "",
        "cancel_by": "buyer" if status in ("IN_CANCEL", "CANCELLED") else "",
        "cancel_reason": "",
        "dropshipper": "",
        "dropshipper_phone": "",
        "buyer_cpf_id": "",
        "item_list": [_line(order, line, plain) for line in order.lines],
        "package_list": [_parcel(order, arranged, plain)],
    }
    if status == "PENDING":
        document["pending_terms"] = ["SYSTEM_PENDING"]
    if order.confirmed_at is not None:  # before payment there is no total
        document["total_amount"] = order.payable / 100
    return document


def bundled(order: Order, line: Line) -> bool:
    """Whether a line's discount is that of a bundle: every second, and those that cannot be told by the piece."""
    return line.discount > 0 and (chance(order) % 2 == 0 or line.total % line.quantity != 0)


def chance(order: Order) -> int:
    """A number that an order has by chance."""
    return crc32(order.no.encode())


def _line(order: Order, line: Line, plain: frozenset[str]) -> dict[str, Any]:
    item_id, model_id = _ids(line.goods, plain)
    in_bundle = bundled(order, line)
    # By design a bundle's lines cost nothing here; some show no original price either once they are paid.
    blind = in_bundle and order.confirmed_at is not None and line.id % 2 == 0
    cancelled, returned = _taken_back(order, line)
    open_ = [refund for refund in order.refunds if refund.line is line and refund.state in OPEN_REFUND]
    to_return = sum(refund.quantity or line.quantity for refund in open_ if refund.after_shipping)
    to_cancel = sum(refund.quantity or line.quantity for refund in open_ if not refund.after_shipping)
    promotion = "bundle_deal" if in_bundle else "product_promotion" if line.discount else ""
    return {
        "item_id": item_id,
        "item_name": line.goods.name_en,
        "item_sku": line.goods.sku if not model_id else line.goods.sku.rsplit("-", 1)[0],
        "model_id": model_id,
        "model_name": line.goods.name_en.split(" ")[-1] if model_id else "",
        "model_sku": line.goods.sku if model_id else "",
        "model_quantity_purchased": line.quantity,
        "model_original_price": 0 if blind else line.price / 100,
        "model_discounted_price": 0 if in_bundle else line.total // line.quantity / 100,
        "wholesale": False,
        "weight": float(line.goods.weight_kg),
        "add_on_deal": line.is_gift,
        "main_item": False,
        "add_on_deal_id": 0,
        "promotion_type": "add_on_free_gift_sub" if line.is_gift else promotion,
        "promotion_id": 660011 if promotion else 0,
        "promotion_group_id": order.id % 10**9 if in_bundle else 0,
        "order_item_id": order.id if in_bundle else item_id,
        "line_item_id": line.id,
        "image_info": {"image_url": f"https://cf.example.test/{line.goods.sku}.jpg"},
        "product_location_id": ["SG0001Z"],
        "active_qty": line.quantity - cancelled - returned - to_cancel - to_return,
        "cancel_requested_qty": to_cancel,
        "cancelled_qty": cancelled,
        "return_requested_qty": to_return,
        "returned_qty": returned,
        "promotion_list": [],
    }


def _taken_back(order: Order, line: Line) -> tuple[int, int]:
    """(pieces cancelled, pieces returned)."""
    done = [refund for refund in order.refunds if refund.line is line and refund.state == "success"]
    cancelled = sum(refund.quantity for refund in done if not refund.after_shipping)
    returned = sum(refund.quantity for refund in done if refund.after_shipping)
    rest = line.removed - cancelled - returned  # gifts go with the order
    if order.phase == "closed" and order.paid_at is None:
        rest = line.quantity - cancelled - returned
    return (cancelled, returned + rest) if order.shipped_at else (cancelled + rest, returned)


def _parcel(order: Order, arranged: bool, plain: frozenset[str]) -> dict[str, Any]:
    ready = order.phase in ("paid", "part_shipped")
    items = []
    for line in order.lines:
        item_id, model_id = _ids(line.goods, plain)
        items.append({
            "item_id": item_id, "model_id": model_id, "model_quantity": line.quantity,
            "order_item_id": order.id if bundled(order, line) else item_id,
            "promotion_group_id": order.id % 10**9 if bundled(order, line) else 0,
            "product_location_id": "SG0001Z",
        })  # fmt: skip
    return {
        "package_number": package_number(order),
        "logistics_status": "LOGISTICS_REQUEST_CREATED" if ready and arranged else PARCEL[order.phase],
        "logistics_channel_id": 28016,
        "shipping_carrier": "SPX Express",
        "allow_self_design_awb": False,
        "item_list": items,
    }


def package_number(order: Order) -> str:
    return f"OFG{order.id}"


def _receiver(order: Order) -> dict[str, Any]:
    """In clear or masked: a third of the orders never show their receiver, the others not when all is over."""
    who = order.receiver
    full = f"{who.address}, {who.zip}, {who.city}"
    hidden = chance(order) % 3 == 0 or order.phase in ("completed", "closed")
    return {
        "name": f"{who.name[0]}******{who.name[-1]}" if hidden else who.name,
        "phone": f"******{who.phone[-2:]}" if hidden else who.phone,
        "town": who.town,
        "district": who.district,
        "city": who.city,
        "state": who.province,
        "region": who.country,
        "zipcode": f"{who.zip[:1]}*****" if hidden else who.zip,
        "full_address": "".join(c if i % 4 == 0 or c in " ,0" else "*" for i, c in enumerate(full)) if hidden else full,
    }


def escrow(order: Order, plain: frozenset[str]) -> dict[str, Any]:
    """What an order brings: who pays what. Amounts of items are for all pieces of the line."""
    items = []
    for line in order.lines:
        item_id, model_id = _ids(line.goods, plain)
        items.append({
            "item_id": item_id,
            "item_name": line.goods.name_en,
            "model_id": model_id,
            "line_item_id": line.id,
            "original_price": line.gross / 100,
            "selling_price": line.total / 100,
            "discounted_price": line.total / 100,
            "seller_discount": line.discount / 100,
            "shopee_discount": 0,
            "discount_from_coin": 0,
            "discount_from_voucher_shopee": 0,
            "discount_from_voucher_seller": line.allocated / 100,
            "activity_type": "bundle_deal" if bundled(order, line) else "",
            "activity_id": 0,
            "is_main_item": False,
            "quantity_purchased": line.quantity,
        })  # fmt: skip
    fee = order.payable * 6 // 100
    return {
        "order_sn": order.no,
        "buyer_user_name": order.buyer.name[0].lower() + "****",
        "return_order_sn_list": [str(refund.id) for refund in order.refunds if refund.after_shipping],
        "order_income": {
            "escrow_amount": (order.payable - fee) / 100,
            "buyer_total_amount": order.payable / 100,
            "voucher_from_seller": order.order_discount / 100,
            "voucher_from_shopee": 0,
            "coins": 0,
            "buyer_paid_shipping_fee": order.shipping_fee / 100,
            "cross_border_tax": 0,
            "escrow_tax": 0,
            "commission_fee": fee / 100,
            "service_fee": 0,
            "items": items,
        },
        "buyer_payment_info": {
            "buyer_payment_method": "Cash on Delivery" if order.cod else "Online Payment",
            "buyer_service_fee": 0,
            "buyer_tax_amount": 0,
            "buyer_total_amount": order.payable / 100,
            "merchant_subtotal": sum(line.total for line in order.lines) / 100,
            "seller_voucher": -order.order_discount / 100,
            "shipping_fee": order.shipping_fee / 100,
            "shopee_voucher": 0,
            "shopee_coins_redeemed": 0,
        },
    }


def return_(order: Order, item: Refund, plain: frozenset[str]) -> dict[str, Any]:
    """Every field of a return."""
    item_id, model_id = _ids(item.line.goods, plain)
    late = order.completed_at is not None and item.created >= order.completed_at
    return {
        "return_sn": str(item.id),
        "order_sn": order.no,
        "status": RETURN_STATUS[item.state],
        "negotiation_status": "PENDING_RESPOND" if item.state == "requested" else "",
        "seller_proof_status": "",
        "seller_compensation_status": "COMPENSATION_NOT_APPLICABLE",
        "refund_amount": item.amount / 100,
        "amount_before_discount": item.line.gross / 100,
        "currency": order.shop.currency,
        "create_time": item.created,
        "update_time": item.modified,
        "reason": "ITEM_DAMAGED" if item.goods_back else "NOT_RECEIPT",
        "text_reason": item.reason,
        "needs_logistics": item.goods_back,
        "return_refund_type": "RRAOC" if late else "RRBOC",
        "return_solution": 0 if item.goods_back else 1,
        "return_refund_request_type": 0,
        "validation_type": "seller_validation",
        "due_date": item.created + 2 * DAY,
        "tracking_number": "",
        "image": [],
        "user": {"username": order.buyer.name[0].lower() + "****", "email": "*********@example.test", "portrait": ""},
        "item": [{
            "item_id": item_id, "model_id": model_id, "name": item.line.goods.name_en,
            "amount": item.quantity or item.line.quantity, "item_price": item.line.price / 100,
            "item_sku": item.line.goods.sku, "variation_sku": item.line.goods.sku if model_id else "",
            "is_add_on_deal": False, "is_main_item": False, "add_on_deal_id": 0, "images": [],
        }],
    }  # fmt: skip


# ---- listings


def listing(product: Product, modified: int) -> dict[str, Any]:
    """A listing without its models. modified: as search knows it."""
    first, several = product.goods[0], len(product.goods) > 1
    document = {
        "item_id": int(product.id),
        "category_id": 100012,
        "item_name": first.name_en,
        "item_sku": first.sku.rsplit("-", 1)[0] if several else first.sku,
        "create_time": product.created,
        "update_time": modified,
        "weight": first.weight_kg,
        "condition": "NEW",
        "item_status": "NORMAL" if product.listed else "UNLIST",
        "has_model": several,
    }
    if not several:
        document |= _offer(first, product)
    return document


def models(product: Product) -> dict[str, Any]:
    """The models of a listing; one without variants has none."""
    several = len(product.goods) > 1
    return {
        "tier_variation": [{"name": "Kind", "option_list": [{"option": goods.name_en} for goods in product.goods]}]
        if several
        else [],
        "model": [
            {
                "model_id": int(goods.listing("shopee").sku_id), "model_sku": goods.sku, "tier_index": [number],
                "model_status": "MODEL_NORMAL", **_offer(goods, product),
            }
            for number, goods in enumerate(product.goods if several else [])
        ],
    }  # fmt: skip


def _offer(goods: Goods, product: Product) -> dict[str, Any]:
    price = goods.price("SGD") / 100
    return {
        "price_info": [{"currency": "SGD", "original_price": price, "current_price": price}],
        "stock_info_v2": {
            "summary_info": {"total_reserved_stock": 0, "total_available_stock": product.stock[goods.sku]}
        },
    }


def _ids(goods: Goods, plain: frozenset[str]) -> tuple[int, int]:
    """(item id, model id); goods of a listing without variants have model 0."""
    found = goods.listing("shopee")
    return int(found.product_id), 0 if found.product_id in plain else int(found.sku_id)
