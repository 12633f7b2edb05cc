"""How JD writes an order and an after-sale case: text for every value, encrypted receivers, the year 1 for no time."""

import base64
import hashlib
import re
from typing import Any

from orderpipe.sandbox.clock import gmt8
from orderpipe.sandbox.model import Order, Refund, money

NO_TIME = "0001-01-01 00:00:00"
VENDER_ID = "10000001"
STATES = {
    "unpaid": "NOT_PAY",
    "deposit": "NOT_PAY",
    "paid": "WAIT_SELLER_STOCK_OUT",
    "part_shipped": "WAIT_SELLER_STOCK_OUT",
    "shipped": "WAIT_GOODS_RECEIVE_CONFIRM",
    "completed": "FINISHED_L",
    "closed": "TRADE_CANCELED",
}
REMARKS = {
    "WAIT_SELLER_STOCK_OUT": "等待出库",
    "WAIT_GOODS_RECEIVE_CONFIRM": "等待确认收货",
    "FINISHED_L": "完成",
    "TRADE_CANCELED": "取消",
    "LOCKED": "锁定",
    "PAUSE": "暂停",
    "POP_ORDER_PAUSE": "POP暂停",
}
CARRIERS = {"SF": "467", "ZTO": "1499", "YUNDA": "1327", "STO": "470", "YTO": "463", "EMS": "465", "JD": "2087"}
APPLICATION_STATUS = {"requested": 0, "returning": 6, "refused": 2, "success": 3, "closed": 9}
SERVICE_STATUS = {
    "requested": (1, "待审核"),
    "returning": (3, "待收货"),
    "refused": (2, "审核不通过"),
    "success": (9, "完成"),
    "closed": (8, "取消"),
}


def order_state(order: Order) -> str:
    """The order's state. A refund before shipping locks the order; what risk control stops is paused."""
    if order.platform_status is not None:
        return order.platform_status
    waiting = order.phase in ("paid", "part_shipped")
    if waiting and order.refund_open:
        return "LOCKED"
    if waiting and order.hold:
        return "PAUSE" if order.id % 2 else "POP_ORDER_PAUSE"
    return STATES[order.phase]


def order_info(order: Order) -> dict[str, Any]:
    """Every field of an order. Rendered once per version of the order."""
    if order.document is None:
        order.document = _order_info(order)
    return order.document


def _order_info(order: Order) -> dict[str, Any]:
    state, total = order_state(order), sum(line.gross for line in order.lines)
    discount = sum(line.gross - line.paid for line in order.lines)
    parcels: dict[str, list[str]] = {}
    for shipment in order.shipments:
        carrier = CARRIERS.get(shipment.company, shipment.company)
        parcels.setdefault(carrier, []).append(shipment.tracking)
    return {
        "orderId": order.no,
        "venderId": VENDER_ID,
        "orderType": "22",
        "payType": "1-货到付款" if order.cod else "4-在线支付",
        "orderTotalPrice": money(total),
        "orderSellerPrice": money(total - discount),
        "orderPayment": money(order.payable),
        "freightPrice": money(order.shipping_fee),
        "sellerDiscount": money(discount),
        "orderState": state,
        "orderStateRemark": REMARKS.get(state, ""),
        "deliveryType": "任意时间",
        "invoiceInfo": "不需要开具发票",
        "orderRemark": order.message,
        "venderRemark": order.memo,
        "orderStartTime": gmt8(order.created),
        "paymentConfirmTime": gmt8(order.paid_at) or NO_TIME,
        "modified": gmt8(order.modified),
        "orderEndTime": gmt8(order.completed_at or order.closed_at) or NO_TIME,
        "pin": f"jd_{_hash(order.buyer.key)[:8]}***",
        "open_id_buyer": "oid" + _hash(f"{order.shop.id}/{order.buyer.key}")[:32],
        "parentOrderId": "0",
        "directParentOrderId": "0",
        "idSopShipmenttype": 68,
        "waybill": "|".join(",".join(numbers) for numbers in parcels.values()),
        "logisticsId": "|".join(parcels),
        "returnOrder": "0",
        "orderSource": "移动端订单",
        "storeOrder": "",
        "balanceUsed": "0.00",
        "consigneeInfo": _consignee(order),
        "itemInfoList": [_item(order, number) for number in range(len(order.lines))],
        "couponDetailList": _coupons(order),
    }


def application(order: Order, refund: Refund) -> dict[str, Any]:
    """A refund application of before shipping. The sum is counted in fen."""
    row = {
        "id": refund.id,
        "orderId": order.no,
        "buyerId": f"jd_{_hash(order.buyer.key)[:8]}***",
        "applyTime": gmt8(refund.created),
        "applyRefundSum": float(refund.amount),
        "status": APPLICATION_STATUS[refund.state],
        "reason": refund.reason,
        "systemId": 10,
    }
    if refund.state != "requested":
        row |= {"checkTime": gmt8(refund.modified), "checkRemark": ""}
    return row


def service(order: Order, refund: Refund) -> dict[str, Any]:
    """An after-sale service, of after shipping."""
    status, name = SERVICE_STATUS[refund.state]
    return {
        "applyId": refund.id + 5 * 10**14,
        "serviceId": refund.id,
        "orderId": order.no,
        "skuId": refund.line.goods.listing("jd").sku_id,
        "wareName": refund.line.goods.name,
        "serviceCount": refund.quantity or 1,
        "serviceStatus": status,
        "serviceStatusName": name,
        "customerExpect": 10 if refund.goods_back else 11,
        "applyTime": gmt8(refund.created),
        "updateDate": gmt8(refund.modified),
        "actualPayPrice": money(refund.amount),
        "approveResult": "",
        "pickwareType": 40,
    }


def _consignee(order: Order) -> dict[str, str]:
    who = order.receiver
    return {
        "fullname": _cipher(who.oaid, "fullname"),
        "telephone": _cipher(who.oaid, "telephone"),
        "mobile": _cipher(who.oaid, "mobile"),
        "fullAddress": who.oaid,  # the reference that WMS and courier accept
        "province": re.sub("(省|市|维吾尔自治区)$", "", who.province),
        "city": who.city,
        "county": who.district,
        "town": who.town,
        "provinceId": "0",
        "cityId": "0",
        "countyId": "0",
        "townId": "0",
    }


def _item(order: Order, number: int) -> dict[str, str]:
    line = order.lines[number]
    listing = line.goods.listing("jd")
    return {
        "skuId": listing.sku_id,
        "wareId": listing.product_id,
        "outerSkuId": line.goods.sku,
        "skuName": line.goods.name,
        "jdPrice": money(line.price),
        "itemTotal": str(line.quantity),
        "giftPoint": "0",
        "productNo": line.goods.sku.rsplit("-", 1)[0],
        "newStoreId": "0",
        "invoiceContentId": "",
    }


def _coupons(order: Order) -> list[dict[str, str]]:
    rows = [
        {"skuId": line.goods.listing("jd").sku_id, "couponType": "30-单品促销优惠", "couponPrice": money(line.discount)}
        for line in order.lines
        if line.discount
    ]
    if order.order_discount:
        rows.append({"skuId": "", "couponType": "41-京东券优惠", "couponPrice": money(order.order_discount)})
    return [{"orderId": order.no, **row} for row in rows]


def _cipher(oaid: str, name: str) -> str:
    return base64.b64encode(hashlib.sha256(f"{oaid}/{name}".encode()).digest()).decode()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
