"""How Lazada writes an order, its units and a reverse order: no status and no currency on the order, one row for each
piece, values that come as numbers or as text, times in two ways, masked receivers."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orderpipe.sandbox.clock import gmt8
from orderpipe.sandbox.model import Goods, Line, Order, Refund, Shipment, money
from orderpipe.sandbox.world import World

RETURN_STATUS = {
    "requested": "REQUEST_INITIATE",
    "returning": "RTM_SHIPPING_BACK",
    "refused": "REQUEST_REJECT",
    "success": "REFUND_SUCCESS",
    "closed": "REQUEST_CANCEL",
}
COUNTRIES = {
    "MY": "Malaysia", "SG": "Singapore", "PH": "Philippines", "TH": "Thailand", "VN": "Vietnam", "ID": "Indonesia"
}  # fmt: skip


@dataclass
class Room:
    """What only this platform knows. packed: package number by unit. inactive: variants that were switched off, by
    number; stock: what was set for a variant; updated: when a product last changed (epoch seconds)."""

    packed: dict[int, str] = field(default_factory=dict)
    inactive: set[str] = field(default_factory=set)
    stock: dict[str, int] = field(default_factory=dict)
    updated: dict[str, int] = field(default_factory=dict)


def room_of(world: World) -> Room:
    """This platform's room in a world."""
    return world.rooms.setdefault("lazada", Room())


def order_row(order: Order, room: Room) -> dict[str, Any]:
    """The order as its list gives it. Rendered once per version of the order."""
    return _rendered(order, room)[0]


def units(order: Order, room: Room) -> list[dict[str, Any]]:
    """The pieces of an order."""
    return _rendered(order, room)[1]


def _rendered(order: Order, room: Room) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if order.document is None:
        order.document = _order(order, room), [_unit(order, line, room) for line in order.lines]
    return order.document


def _order(order: Order, room: Room) -> dict[str, Any]:
    who, flip = order.receiver, _flip(order.id)
    voucher = sum(line.discount + line.allocated for line in order.lines)
    number: Any = str(order.id) if flip(0) else order.id
    asked = any(_cancel_asked(order, line) for line in order.lines)
    address = {
        "first_name": _masked_name(who.name),
        "last_name": "",
        "phone": _masked_phone(who.phone),
        "phone2": "",
        "address1": who.address[:1] + "*" * 15,
        "address2": "",
        "address3": who.province,
        "address4": who.city,
        "address5": who.zip,
        "city": who.city,
        "post_code": who.zip,
        "country": COUNTRIES.get(who.country, who.country),
        "addressDsitrict": who.district,  # as the platform spells it
    }
    return {
        "order_id": number,
        "order_number": number,
        "created_at": time_text(order.created, flip(1)),
        "updated_at": time_text(order.modified, flip(2)),
        "address_updated_at": time_text(order.created, flip(1)),
        "price": _amount(sum(line.gross for line in order.lines), flip(3)),
        "voucher": _amount(voucher, flip(4)),
        "voucher_platform": _amount(sum(line.allocated for line in order.lines), flip(5)),
        "voucher_seller": _amount(sum(line.discount for line in order.lines), flip(5)),
        "voucher_code": "",
        "shipping_fee": _amount(order.shipping_fee, flip(6)),
        "shipping_fee_original": _amount(order.shipping_fee + 400, flip(6)),
        "shipping_fee_discount_platform": _amount(400, flip(6)),
        "shipping_fee_discount_seller": 0.0,
        "payment_method": "COD" if order.cod else "MIXEDCARD",
        "statuses": statuses(order, room),
        "items_count": len(order.lines),
        "customer_first_name": _masked_name(who.name),
        "customer_last_name": "",
        "gift_option": "0" if flip(7) else False,
        "gift_message": "",
        "remarks": order.memo,
        "buyer_note": order.message,
        "delivery_info": "",
        "promised_shipping_times": gmt8(order.created + 3 * 86400),  # without an offset
        "national_registration_number": "",
        "tax_code": "",
        "branch_number": "",
        "warehouse_code": "dropshipping",
        "extra_attributes": '{"TaxInvoiceRequested":false}',
        "address_shipping": address,
        "address_billing": address,
        "recipient_info": {"identify_no": order.id_number or "", "passport_no": "", "detail_address": ""},
        "need_cancel_confirm": str(asked).lower() if flip(8) else asked,
        "is_cancel_pending": "false" if flip(8) else False,
    }


def statuses(order: Order, room: Room) -> list[str]:
    """The set of its units' statuses."""
    return list(dict.fromkeys(unit_status(order, line, room) for line in order.lines))


def unit_status(order: Order, line: Line, room: Room) -> str:
    """The status the platform shows for a piece."""
    if order.platform_status is not None:
        return order.platform_status
    if line.removed >= line.quantity:
        return "returned" if line.shipped and order.refund_of(line) else "canceled"
    if order.phase == "closed":
        return "canceled"
    if order.phase in ("unpaid", "deposit"):
        return "unpaid"
    if line.shipped:
        return "delivered" if order.phase == "completed" else "shipped"
    return "packed" if line.id in room.packed else "pending"


def parcel_of(order: Order, line: Line) -> Shipment | None:
    return next((shipment for shipment in order.shipments if any(item is line for item in shipment.lines)), None)


def cases(order: Order) -> dict[int, list[Refund]]:
    """The reverse orders of an order, by number: what was asked for at one moment is one reverse order."""
    found: dict[int, list[Refund]] = {}
    for refund in order.refunds:
        found.setdefault(_case_number(order, refund), []).append(refund)
    return found


def case_row(order: Order, number: int, lines: list[Refund]) -> dict[str, Any]:
    """A reverse order: amounts in cents, times in milliseconds, and no currency."""
    flip = _flip(number)
    kind = "CANCEL" if not lines[0].after_shipping else "RETURN" if lines[0].goods_back else "ONLY_REFUND"
    return {
        "reverse_order_id": str(number) if flip(0) else number,
        "trade_order_id": order.id,
        "request_type": "ONLY_ REFUND" if kind == "ONLY_REFUND" and flip(1) else kind,
        "is_rtm": True,
        "shipping_type": "PICK_UP",
        "reverse_order_lines": [_case_line(order, refund, flip(2)) for refund in lines],
    }


def product_row(goods: list[Goods], room: Room, born: int, quantity: dict[str, int]) -> dict[str, Any]:
    """A product with its variants. born: when it was made, epoch seconds; quantity: stock by seller sku."""
    product_id = goods[0].listing("lazada").product_id
    skus = []
    for item in goods:
        sku_id = item.listing("lazada").sku_id
        left = room.stock.get(sku_id, quantity[item.sku])
        skus.append(
            {
                "Status": "inactive" if sku_id in room.inactive else "active",
                "quantity": left,
                "Available": left,
                "Images": [],
                "SellerSku": item.sku,
                "ShopSku": f"{product_id}_MY-{sku_id}",
                "SkuId": int(sku_id),
                "price": item.price("MYR") / 100,
                "special_price": 0.0,
                "package_width": "10.00",
                "package_height": "10.00",
                "package_length": "10.00",
                "package_weight": item.weight_kg,
            }
        )
    return {
        "item_id": int(product_id),
        "created_time": str(born * 1000),
        "updated_time": str(room.updated.get(product_id, born) * 1000),
        "images": [],
        "skus": skus,
        "trialProduct": False,
        "primary_category": 8707,
        "marketImages": [],
        "attributes": {"name": goods[0].name_en, "brand": "No Brand"},
        "status": "InActive" if all(sku["Status"] == "inactive" for sku in skus) else "Active",
    }


def time_text(at: int, iso: bool) -> str:
    """A time in GMT+8, in one of the two ways it is written."""
    plain = gmt8(at)
    return f"{plain.replace(' ', 'T')}+08:00" if iso else f"{plain} +0800"


def _unit(order: Order, line: Line, room: Room) -> dict[str, Any]:
    flip, parcel, refund = _flip(line.id), parcel_of(order, line), order.refund_of(line)
    listing, asked = line.goods.listing("lazada"), _cancel_asked(order, line)
    paid_ms = (order.paid_at or 0) * 1000
    return {
        "order_item_id": str(line.id) if flip(0) else line.id,
        "order_id": order.id,
        "sku": line.goods.sku,
        "shop_sku": f"{listing.product_id}_MY-{listing.sku_id}",
        "sku_id": listing.sku_id,
        "product_id": listing.product_id,
        "name": line.goods.name_en,
        "variation": "",
        "item_price": _amount(line.price, flip(1)),
        "paid_price": _amount(line.paid, flip(2)),
        "currency": order.shop.currency,
        "tax_amount": 0,
        "voucher_amount": _amount(line.discount + line.allocated, flip(3)),
        "voucher_platform": _amount(line.allocated, flip(4)),
        "voucher_seller": _amount(line.discount, flip(4)),
        "wallet_credits": 0,
        "shipping_amount": _amount(order.shipping_fee // len(order.lines), flip(5)),
        "shipping_service_cost": 0,
        "status": unit_status(order, line, room),
        "reason": refund.reason if refund else "",
        "reason_detail": "",
        "cancel_return_initiator": "buyer-cancel" if refund else "",
        "return_status": _return_status(refund) if refund else "",
        "reverse_order_id": _case_number(order, refund) if refund else "",
        "shipping_type": "Dropshipping",
        "shipping_provider_type": "standard",
        "shipment_provider": parcel.company if parcel else "",
        "tracking_code": parcel.tracking if parcel else "",
        "tracking_code_pre": "",
        "package_id": room.packed.get(line.id) or (f"FP{parcel.id}" if parcel else ""),
        "created_at": time_text(order.created, flip(6)),
        "updated_at": time_text(_changed(order, line, parcel, refund), flip(7)),
        "payment_time": str(paid_ms) if flip(8) else paid_ms,
        "sla_time_stamp": time_text(order.created + 3 * 86400, True),
        "order_type": "Normal",
        "stage_pay_status": "",
        "order_flag": "NORMAL",
        "is_fbl": 0,
        "is_digital": "0" if flip(9) else 0,
        "warehouse_code": "dropshipping",
        "buyer_id": order.buyer.id,
        "extra_attributes": "{}",
        "need_cancel_confirm": "1" if asked and flip(9) else asked,
        "is_cancel_pending": False,
        "mp3_order": False,
        "semi_managed": False,
    }


def _changed(order: Order, line: Line, parcel: Shipment | None, refund: Refund | None) -> int:
    """When this piece last changed."""
    moments = [order.created, order.confirmed_at, order.closed_at, refund and refund.modified]
    if parcel:
        moments += [parcel.at, order.completed_at]
    return max(moment for moment in moments if moment)


def _return_status(refund: Refund) -> str:
    if refund.state == "success" and not refund.after_shipping:
        return "CANCEL_SUCCESS"
    return RETURN_STATUS[refund.state]


def _case_number(order: Order, refund: Refund) -> int:
    return next(other.id for other in order.refunds if other.created == refund.created) * 10


def _cancel_asked(order: Order, line: Line) -> bool:
    """The buyer asks to cancel a piece that has not left, and the seller has not answered."""
    refund = order.refund_of(line)
    return refund is not None and refund.state == "requested" and not refund.after_shipping


def _case_line(order: Order, refund: Refund, as_text: bool) -> dict[str, Any]:
    line = refund.line
    listing = line.goods.listing("lazada")
    return {
        "reverse_order_line_id": refund.id,
        "trade_order_line_id": str(line.id) if as_text else line.id,
        "reverse_status": _return_status(refund),
        "ofc_status": "INITIAL",
        "refund_amount": str(refund.amount) if as_text else refund.amount,
        "item_unit_price": line.price,
        "reason_code": 123,
        "reason_text": refund.reason,
        "refund_payment_method": "",
        "whqc_decision": "",
        "is_dispute": False,
        "is_need_refund": "true",
        "trade_order_gmt_create": order.created * 1000,
        "return_order_line_gmt_create": refund.created * 1000,
        "return_order_line_gmt_modified": refund.modified * 1000,
        "seller_sku_id": line.goods.sku,
        "platform_sku_id": listing.sku_id,
        "tracking_number": "",
        "receiver_address": "",
        "sla": (refund.created + 2 * 86400) * 1000,
        "buyer": {"buyer_id": order.buyer.id},
        "product": {"product_id": int(listing.product_id), "product_sku": listing.sku_id},
    }


def _flip(number: int) -> Callable[[int], bool]:
    """Decisions that are the same whenever a document is written: which of its values come in which type."""
    bits = int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:4], "big")
    return lambda place: bool(bits >> place & 1)


def _amount(cents: int, as_text: bool) -> str | float:
    return money(cents) if as_text else float(money(cents))


def _masked_name(name: str) -> str:
    return f"{name[0]}***{name[-1]}" if name else ""


def _masked_phone(phone: str) -> str:
    digits = phone.lstrip("+")
    return f"{digits[:2]}*******{digits[-2:]}" if digits else ""
