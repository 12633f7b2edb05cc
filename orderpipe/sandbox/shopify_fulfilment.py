"""Shopify's fulfillmentCreate: ships lines of an order's fulfilment order, refusing with userErrors.

An order has one fulfilment order here, and a line ships whole.
"""

from collections.abc import Callable
from typing import Any

from orderpipe.sandbox import life, truth
from orderpipe.sandbox import shopify_documents as documents
from orderpipe.sandbox.gateway import Call
from orderpipe.sandbox.model import Line, Order
from orderpipe.sandbox.world import ShopState

NAME = "shopify"
NumberOf = Callable[[str, str], int | None]
Wanted = tuple[Line, int]  # a line and its pieces


class _UserError(Exception):
    """What stands under userErrors."""


def order_of(shop: ShopState, number: int | None) -> Order | None:
    """The order a fulfilment order belongs to. number: of the fulfilment order."""
    return None if number is None else shop.orders.get(number - documents.FULFILLMENT_ORDER)


def create(call: Call, shop: ShopState, wish: dict[str, Any], number_of: NumberOf) -> dict[str, Any]:
    """Ship. wish: a FulfillmentInput. number_of: number of a global id of some kind."""
    world = call.world
    tracking = wish.get("trackingInfo") or {}
    company = tracking.get("company") or ""
    number = tracking.get("number") or next(iter(tracking.get("numbers") or []), "")
    key = ""
    try:
        order, lines = _wanted(shop, wish["lineItemsByFulfillmentOrder"], number_of)
        key = _key(order, lines)
        met = truth.snapshot(order)
        _check(order, lines)
        try:
            life.ship(world, order, world.now, company, number, [line for line, _ in lines] or None)
        except life.Impossible:
            raise _UserError(f"{_named(order)} could not be fulfilled.") from None
    except _UserError as error:
        if key and world.receipts.known(NAME, "shipment", key):
            world.receipts.note(NAME, "shipment", key, world.now, "")
        else:
            world.receipts.refuse(NAME)
        return {"fulfillment": None, "userErrors": [{"field": ["fulfillment"], "message": str(error)}]}
    facts = {"company": company, "tracking": number, "notified": bool(wish["notifyCustomer"]), "platform_state": met}
    world.receipts.note(NAME, "shipment", key, world.now, call.body.decode("utf-8", "replace"), **facts)
    return {"fulfillment": documents.order_document(order)["fulfillments"][-1], "userErrors": []}


def _wanted(shop: ShopState, entries: list[dict[str, Any]], number_of: NumberOf) -> tuple[Order, list[Wanted]]:
    """The order, and the lines with pieces that are named; none named means all that wait."""
    if not entries:
        raise _UserError("Line items by fulfillment order can't be blank.")
    orders = [order_of(shop, number_of(entry["fulfillmentOrderId"], "FulfillmentOrder")) for entry in entries]
    if None in orders:
        raise _UserError("Fulfillment order does not exist.")
    if len(entries) > 1:
        raise _UserError("All fulfillment orders must be distinct, of one order and of one location.")
    (order,) = orders
    by_id = {line.id: line for line in order.lines}
    lines = []
    for row in entries[0].get("fulfillmentOrderLineItems") or []:
        line = by_id.get(number_of(row["id"], "FulfillmentOrderLineItem"))
        if line is None:
            raise _UserError("Fulfillment order line item does not exist.")
        lines.append((line, row["quantity"]))
    return order, lines


def _check(order: Order, lines: list[Wanted]) -> None:
    document = documents.fulfillment_order(order)
    if document["status"] not in ("OPEN", "IN_PROGRESS"):
        raise _UserError(f"{_named(order)} has an unfulfillable status= {document['status'].lower()}.")
    for line, pieces in lines:
        remaining = 0 if line.shipped else line.quantity - line.removed
        if not 1 <= pieces <= remaining:
            raise _UserError("Invalid fulfillment order line item quantity requested.")
        if pieces < remaining:
            raise _UserError("The sandbox ships a line whole.")


def _key(order: Order, lines: list[Wanted]) -> str:
    return ":".join([str(order.id), ",".join(str(line.id) for line, _ in lines)]) if lines else str(order.id)


def _named(order: Order) -> str:
    return f"Fulfillment order {order.id + documents.FULFILLMENT_ORDER}"
