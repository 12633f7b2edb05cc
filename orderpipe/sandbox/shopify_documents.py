"""How Shopify writes an order: every field of the schema's Order type, ready to be picked from."""

from typing import Any

from orderpipe.sandbox.clock import iso
from orderpipe.sandbox.model import Line, Order, Refund, Shipment, money

PRESENTMENT_RATE = {"USD": 100, "EUR": 92, "GBP": 79, "CAD": 137}  # per 100 USD
RETURN_STATUS = {
    "requested": "REQUESTED",
    "returning": "OPEN",
    "refused": "DECLINED",
    "success": "CLOSED",
    "closed": "CANCELED",
}
ACTIONS = {
    "OPEN": ("CREATE_FULFILLMENT", "HOLD"),
    "IN_PROGRESS": ("CREATE_FULFILLMENT", "HOLD"),
    "ON_HOLD": ("RELEASE_HOLD",),
    "CLOSED": (),
}
FULFILLMENT_ORDER = 700  # what the id of an order's fulfilment order is above its own
CREDENTIALS = {
    "CN": ("SHIPPING_CREDENTIAL_CN", "Resident ID number"),
    "BR": ("TAX_CREDENTIAL_BR", "CPF/CNPJ"),
    "KR": ("SHIPPING_CREDENTIAL_KR", "Personal customs clearance code"),
}


def gid(kind: str, number: int | str) -> str:
    """A global id."""
    return f"gid://shopify/{kind}/{number}"


def financial_status(order: Order) -> str:
    """displayFinancialStatus."""
    if order.platform_status is not None:
        return order.platform_status
    if order.refunded:
        return "REFUNDED" if order.refunded >= order.paid else "PARTIALLY_REFUNDED"
    if order.paid_at is not None:
        return "PAID"
    if order.phase == "closed":
        return "VOIDED"
    return "PARTIALLY_PAID" if order.deposit_at is not None else "PENDING"


def fulfillment_status(order: Order) -> str:
    """displayFulfillmentStatus."""
    if order.hold:
        return "ON_HOLD"
    if order.phase == "part_shipped":
        return "PARTIALLY_FULFILLED"
    return "FULFILLED" if order.shipped_at is not None else "UNFULFILLED"


def return_status(order: Order) -> str:
    """returnStatus of the whole order, from its returns."""
    states = {refund.state for refund in _returns(order)}
    for state, shown in (
        ("requested", "RETURN_REQUESTED"),
        ("returning", "IN_PROGRESS"),
        ("refused", "RETURN_FAILED"),
        ("success", "RETURNED"),
    ):
        if state in states:
            return shown
    return "NO_RETURN"


def order_document(order: Order) -> dict[str, Any]:
    """The order with every field; connections as lists of their nodes. Rendered once per version of the order."""
    if order.document is None:
        order.document = _order(order)
    return order.document


def fulfillment_order(order: Order) -> dict[str, Any]:
    """What is to leave from the shop's one location."""
    return order_document(order)["fulfillmentOrders"][0]


def _order(order: Order) -> dict[str, Any]:
    def bag(amount: int) -> dict[str, Any]:
        return _bag(order, amount)

    lines = {line.id: _line(order, line) for line in order.lines}
    subtotal = sum(line.paid for line in order.lines)
    tax = sum(line.tax for line in order.lines)
    returned = sum(
        line.paid * line.removed // line.quantity + line.tax * line.removed // line.quantity for line in order.lines
    )
    if order.refunded >= order.payable:
        returned = order.payable
    cancelled = order.phase == "closed" and order.shipped_at is None
    parcels = [_fulfillment(order, shipment, lines) for shipment in order.shipments]
    return {
        "id": gid("Order", order.id),
        "legacyResourceId": str(order.id),
        "name": order.name,
        "test": order.test,
        "confirmed": True,
        "createdAt": iso(order.created),
        "processedAt": iso(order.created),
        "updatedAt": iso(order.modified),
        "closedAt": None,
        "cancelledAt": iso(order.closed_at) if cancelled else None,
        "cancelReason": ("CUSTOMER" if order.paid_at else "DECLINED") if cancelled else None,
        "currencyCode": order.shop.currency,
        "presentmentCurrencyCode": order.presentment,
        "displayFinancialStatus": financial_status(order),
        "displayFulfillmentStatus": fulfillment_status(order),
        "returnStatus": return_status(order),
        "paymentGatewayNames": [_gateway(order)],
        "sourceName": "web",
        "clientIp": order.ip,
        "tags": ["presale"] if order.presale else [],
        "note": "\n".join(filter(None, (order.message, order.memo))) or None,
        "dutiesIncluded": False,
        "taxesIncluded": False,
        "totalPriceSet": bag(order.payable),
        "currentTotalPriceSet": bag(order.payable - returned),
        "subtotalPriceSet": bag(subtotal),
        "totalShippingPriceSet": bag(order.shipping_fee),
        "totalTaxSet": bag(tax),
        "totalDiscountsSet": bag(sum(line.discount + line.allocated for line in order.lines)),
        "totalRefundedSet": bag(order.refunded),
        "currentTotalDutiesSet": None,
        "totalOutstandingSet": bag(0 if order.phase == "closed" else order.payable - order.paid),
        "totalReceivedSet": bag(order.paid),
        "customer": None if order.guest else _customer(order),
        "shippingAddress": _address(order),
        "lineItems": list(lines.values()),
        "refunds": [_refund(order, refund, lines) for refund in order.refunds if refund.state == "success"],
        "returns": [_return(order, number, refund) for number, refund in enumerate(_returns(order), 1)],
        "fulfillments": parcels,
        "fulfillmentOrders": [_fulfillment_order(order, parcels, lines)],
        "discountApplications": _discounts(order),
        "transactions": _transactions(order),
        "localizedFields": _localized(order),
    }


def _bag(order: Order, amount: int) -> dict[str, Any]:
    shown = (amount * PRESENTMENT_RATE[order.presentment] + 50) // 100
    return {
        "shopMoney": {"amount": money(amount), "currencyCode": order.shop.currency},
        "presentmentMoney": {"amount": money(shown), "currencyCode": order.presentment},
    }


def _line(order: Order, line: Line) -> dict[str, Any]:
    title, goods = line.goods.name_en, line.goods
    allocations = [amount for amount in (line.discount, line.allocated) if amount]
    variant = {
        "id": gid("ProductVariant", goods.shopify_variant_id),
        "sku": goods.sku,
        "inventoryItem": {
            "id": gid("InventoryItem", goods.shopify_variant_id),
            "harmonizedSystemCode": goods.hs_code[:6],
            "countryCodeOfOrigin": "CN",
            "measurement": {"weight": {"unit": "KILOGRAMS", "value": float(goods.weight_kg)}},
        },
    }
    return {
        "id": gid("LineItem", line.id),
        "sku": goods.sku,
        "name": title,
        "title": title,
        "variantTitle": None,
        "vendor": "Hangzhou Home",
        "quantity": line.quantity,
        "currentQuantity": line.quantity - line.removed,
        "refundableQuantity": line.quantity - line.removed,
        "unfulfilledQuantity": 0 if line.shipped else line.quantity - line.removed,
        "requiresShipping": True,
        "isGiftCard": False,
        "originalUnitPriceSet": _bag(order, line.price),
        "discountedUnitPriceAfterAllDiscountsSet": _bag(order, (2 * line.paid + line.quantity) // (2 * line.quantity)),
        "discountAllocations": [{"allocatedAmountSet": _bag(order, amount)} for amount in allocations],
        "duties": [],
        "product": None if line.deleted else {"id": gid("Product", goods.shopify_product_id), "title": goods.name_en},
        "variant": None if line.deleted else variant,
    }


def _customer(order: Order) -> dict[str, Any]:
    buyer = order.buyer
    return {
        "id": gid("Customer", buyer.id),
        "displayName": buyer.name,
        "firstName": buyer.receiver.first_name,
        "lastName": buyer.receiver.last_name,
        "defaultEmailAddress": {"emailAddress": buyer.email},
        "defaultPhoneNumber": {"phoneNumber": _phone(buyer.phone)},
    }


def _address(order: Order) -> dict[str, Any]:
    who = order.receiver
    china = who.country == "CN"
    return {
        "name": who.name,
        "firstName": who.first_name,
        "lastName": who.last_name,
        "company": None,
        "address1": f"{who.district}{who.town}{who.address}" if china else who.address,
        "address2": None,
        "city": who.city,
        "province": who.province_en or None,
        "provinceCode": who.province_code or None,
        "zip": who.zip,
        "country": {
            "CN": "China",
            "US": "United States",
            "GB": "United Kingdom",
            "DE": "Germany",
            "CA": "Canada",
            "BR": "Brazil",
        }.get(who.country, "South Korea"),
        "countryCodeV2": who.country,
        "phone": _phone(who.phone),
    }


def _phone(text: str) -> str:
    return text if text.startswith("+") else f"+86{text}"


def _refund(order: Order, refund: Refund, lines: dict[int, dict[str, Any]]) -> dict[str, Any]:
    restock = "NO_RESTOCK" if not refund.quantity else "RETURN" if refund.after_shipping else "CANCEL"
    row = {
        "quantity": refund.quantity,
        "restockType": restock,
        "lineItem": lines[refund.line.id],
        "subtotalSet": _bag(order, min(refund.amount, refund.line.paid)),
    }
    return {
        "id": gid("Refund", refund.id),
        "createdAt": iso(refund.modified),
        "updatedAt": iso(refund.modified),
        "note": refund.reason,
        "totalRefundedSet": _bag(order, refund.amount),
        "refundLineItems": [row] if refund.quantity else [],
    }


def _returns(order: Order) -> list[Refund]:
    """Refunds that a return stands behind: all but money given back without anything to return."""
    return [refund for refund in order.refunds if refund.goods_back or refund.state != "success"]


def _return(order: Order, number: int, refund: Refund) -> dict[str, Any]:
    return {
        "id": gid("Return", refund.id),
        "name": f"{order.name}-R{number}",
        "status": RETURN_STATUS[refund.state],
        "totalQuantity": refund.quantity,
    }


def _fulfillment(order: Order, shipment: Shipment, lines: dict[int, dict[str, Any]]) -> dict[str, Any]:
    url = f"https://track.example.test/{shipment.tracking}"
    rows = [
        {
            "id": gid("FulfillmentLineItem", shipment.id + number),
            "quantity": line.quantity - _taken_off_before(order, line),
            "lineItem": lines[line.id],
        }
        for number, line in enumerate(shipment.lines, 1)
    ]
    return {
        "id": gid("Fulfillment", shipment.id),
        "status": "SUCCESS",
        "displayStatus": "DELIVERED" if shipment.delivered_at else "FULFILLED",
        "createdAt": iso(shipment.at),
        "deliveredAt": iso(shipment.delivered_at),
        "trackingInfo": [{"company": shipment.company, "number": shipment.tracking, "url": url}],
        "fulfillmentLineItems": rows,
    }


def _fulfillment_order(order: Order, parcels: list[dict[str, Any]], lines: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """The order's one fulfilment order. What is not paid or confirmed is held: the model knows no shipment of it."""
    if order.phase in ("shipped", "completed", "closed"):
        status = "CLOSED"
    elif order.hold or order.phase in ("unpaid", "deposit"):
        status = "ON_HOLD"
    else:
        status = "IN_PROGRESS" if order.phase == "part_shipped" else "OPEN"
    rows = [
        {
            "id": gid("FulfillmentOrderLineItem", line.id),
            "lineItem": lines[line.id],
            "totalQuantity": line.quantity - _taken_off_before(order, line),
            "remainingQuantity": 0 if line.shipped or status == "CLOSED" else line.quantity - line.removed,
        }
        for line in order.lines
    ]
    return {
        "id": gid("FulfillmentOrder", order.id + FULFILLMENT_ORDER),
        "orderId": gid("Order", order.id),
        "status": status,
        "requestStatus": "UNSUBMITTED",
        "supportedActions": [{"action": action} for action in ACTIONS[status]],
        "assignedLocation": {"name": "Shop location"},
        "fulfillments": parcels,
        "lineItems": rows,
    }


def _taken_off_before(order: Order, line: Line) -> int:
    """Pieces of a line that were refunded before it was shipped."""
    return sum(
        refund.quantity
        for refund in order.refunds
        if refund.line is line and refund.state == "success" and not refund.after_shipping
    )


def _gateway(order: Order) -> str:
    if order.cod:
        return "Cash on Delivery (COD)"
    return "bogus" if order.test else "shopify_payments"


def _discounts(order: Order) -> list[dict[str, Any]]:
    found = []
    if order.order_discount:
        common = {
            "allocationMethod": "ACROSS",
            "targetSelection": "ALL",
            "targetType": "LINE_ITEM",
            "value": {
                "__typename": "MoneyV2",
                "amount": money(order.order_discount),
                "currencyCode": order.shop.currency,
            },
        }
        if order.discount_code:
            found.append({"__typename": "DiscountCodeApplication", "code": order.discount_code, **common})
        else:
            found.append({"__typename": "AutomaticDiscountApplication", "title": order.discount_name, **common})
    for line in order.lines:
        if line.discount:
            percentage = round(line.discount * 100 / line.gross, 1)
            found.append({
                "__typename": "ManualDiscountApplication",
                "title": "Line discount",
                "description": None,
                "allocationMethod": "ONE",
                "targetSelection": "EXPLICIT",
                "targetType": "LINE_ITEM",
                "value": {"__typename": "PricingPercentageValue", "percentage": percentage},
            })  # fmt: skip
    return found


def _transactions(order: Order) -> list[dict[str, Any]]:
    gateway = _gateway(order)
    payments = []
    if order.deposit_at is not None:
        payments.append((order.deposit_at, order.deposit))
    if order.paid_at is not None:
        payments.append((order.paid_at, order.payable - (order.deposit if order.deposit_at is not None else 0)))

    def transaction(number: int, kind: str, at: int, amount: int, parent: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "id": gid("OrderTransaction", order.id + 600 + number),
            "kind": kind,
            "status": "SUCCESS",
            "gateway": gateway,
            "processedAt": iso(at),
            "amountSet": _bag(order, amount),
            "parentTransaction": parent,
        }

    found = [transaction(number, "SALE", at, amount, None) for number, (at, amount) in enumerate(payments)]
    for refund in order.refunds:
        if refund.state == "success":
            found.append(transaction(len(found), "REFUND", refund.modified, refund.amount, found[0]))
    return found


def _localized(order: Order) -> list[dict[str, Any]]:
    country = order.receiver.country
    if not order.id_number or country not in CREDENTIALS:
        return []
    key, title = CREDENTIALS[country]
    return [
        {"key": key, "title": title, "value": order.id_number, "countryCode": country, "purpose": key.split("_")[0]}
    ]
