"""A shipment on Shopify: an order's fulfilment orders, one or more for each location, are fulfilled with a parcel.

Source of every fact: platform documentation of the Admin API, objects FulfillmentOrder and Fulfillment, mutation
fulfillmentCreate (one call takes fulfilment orders of one order and one location).
"""

import random
from collections.abc import Callable
from typing import Any

import msgspec

from orderpipe.config import Shop
from orderpipe.platforms.base import Refused, Unanswered
from orderpipe.platforms.shopify_graphql import AdminApi

AT_ONCE = 5  # fulfilment orders per page
MORE = 100  # lines per page of a fulfilment order with more than its page holds
CALLED_OFF = frozenset({"CANCELLED", "ERROR", "FAILURE"})


class _PageInfo(msgspec.Struct, rename="camel"):
    has_next_page: bool
    end_cursor: str | None = None


class _Named(msgspec.Struct):
    name: str | None = None


class _Identified(msgspec.Struct):
    id: str


class _Action(msgspec.Struct):
    action: str


class _Line(msgspec.Struct, rename="camel"):
    id: str
    remaining_quantity: int
    line_item: _Identified


class _Lines(msgspec.Struct, rename="camel"):
    page_info: _PageInfo
    nodes: list[_Line]


class _Tracking(msgspec.Struct):
    number: str | None = None


class _Parcel(msgspec.Struct, rename="camel"):
    status: str
    tracking_info: list[_Tracking]


class _Parcels(msgspec.Struct):
    nodes: list[_Parcel]


class _FulfilmentOrder(msgspec.Struct, rename="camel"):
    """What is to leave from one place."""

    id: str
    status: str
    supported_actions: list[_Action]
    assigned_location: _Named
    fulfillments: _Parcels
    line_items: _Lines

    @property
    def ready(self) -> bool:
        """Whether we may ship it: not held, not scheduled for later, not another service's."""
        return any(action.action == "CREATE_FULFILLMENT" for action in self.supported_actions)

    @property
    def tracking_numbers(self) -> list[str]:
        parcels = [parcel for parcel in self.fulfillments.nodes if parcel.status not in CALLED_OFF]
        return [tracking.number for parcel in parcels for tracking in parcel.tracking_info if tracking.number]

    def remaining(self, lines: set[str] | None) -> list[_Line]:
        """The lines with pieces still to be shipped: of all, or of those with these ids."""
        return [
            line
            for line in self.line_items.nodes
            if line.remaining_quantity > 0 and (lines is None or _number(line.line_item.id) in lines)
        ]


class _Page(msgspec.Struct, rename="camel"):
    page_info: _PageInfo
    nodes: list[_FulfilmentOrder]


class _Order(msgspec.Struct, rename="camel"):
    display_fulfillment_status: str
    fulfillment_orders: _Page


class _Found(msgspec.Struct):
    order: _Order | None = None


class _Whole(msgspec.Struct, rename="camel"):
    line_items: _Lines


class _MoreLines(msgspec.Struct, rename="camel"):
    fulfillment_order: _Whole


class _Created(msgspec.Struct, rename="camel"):
    fulfillment: _Identified | None = None
    user_errors: list[dict[str, Any]] = []


class _Creation(msgspec.Struct, rename="camel"):
    fulfillment_create: _Created


class Fulfilment:
    """Ships orders; needs the scopes read_ and write_merchant_managed_fulfillment_orders. Setting: notify_customer
    (true: the platform writes to the customer)."""

    def __init__(self, api: AdminApi, shop: Shop, sleep: Callable[[float], Any]):
        self._api, self._shop, self._sleep = api, shop, sleep
        self._notify = bool(shop.settings.get("notify_customer", True))

    def confirm(self, order_no: str, company: str, tracking_no: str, lines: list[str] | None) -> dict[str, Any]:
        """See ShopifyClient.confirm_shipment."""
        where = f"{self._shop.id}, order {_number(order_no)}"
        chosen = None if lines is None else {_number(line) for line in lines}
        failure: Refused | Unanswered | None = None
        for attempt in range(3):
            if attempt:
                self._sleep(random.uniform(0, 2**attempt))
            status, found = self._read(order_no, where)
            self._require_known(chosen, found, where)
            parcels = _to_ship(found, chosen, tracking_no)
            if not parcels:
                left = chosen is not None and any(one.remaining(chosen) for one in found)
                return self._done(status, found, None if left else tracking_no, where)
            if isinstance(failure, Refused):
                break
            try:
                ids = [self._send(parcel, chosen, company, tracking_no, where) for parcel in parcels]
            except (Refused, Unanswered) as error:
                failure = error
            else:
                return {"status": "sent", "already_shipped": False, "fulfillment_ids": ids}
        raise failure

    def _done(self, status: str, found: list[_FulfilmentOrder], tracking_no: str | None, where: str) -> dict[str, Any]:
        """The receipt for an order of which nothing can be shipped. Raises Refused when that is not because it has
        left: with this tracking number (None: lines that are named still wait), or all of it with whatever number."""
        numbers = list(dict.fromkeys(number for one in found for number in one.tracking_numbers))
        if tracking_no in numbers or status == "FULFILLED":
            return {"status": status, "already_shipped": True, "tracking_numbers": numbers}
        states = ", ".join(sorted({one.status for one in found})) or "no fulfilment orders"
        remedy = "look at the order in the platform's admin: held, scheduled, cancelled, or another service's to ship"
        raise Refused(f"nothing of it can be shipped ({states})", where=where, remedy=remedy)

    def _send(
        self, parcel: list[_FulfilmentOrder], chosen: set[str] | None, company: str, tracking_no: str, where: str
    ) -> str:
        what = []
        for one in parcel:
            # Without lines all of a fulfilment order is meant, also what was added to it a moment ago.
            rows = [] if chosen is None else [
                {"id": line.id, "quantity": line.remaining_quantity} for line in one.remaining(chosen)
            ]  # fmt: skip
            what.append({"fulfillmentOrderId": one.id} | ({"fulfillmentOrderLineItems": rows} if rows else {}))
        fulfillment = {
            "lineItemsByFulfillmentOrder": what,
            "trackingInfo": {"company": company, "number": tracking_no},
            "notifyCustomer": self._notify,
        }
        answer = self._api.run("fulfilment_create", {"fulfillment": fulfillment}, _Creation, repeatable=False)
        created = answer.fulfillment_create
        if created.user_errors or not created.fulfillment:
            told = ", ".join(str(error.get("message", "")) for error in created.user_errors) or "nothing came back"
            raise Refused(f"the shipment was refused ({told})", where=where, remedy="check the order's state")
        return _number(created.fulfillment.id)

    def _read(self, order_no: str, where: str) -> tuple[str, list[_FulfilmentOrder]]:
        """The order's fulfilment status, and its fulfilment orders with all of their lines."""
        variables = {"id": f"gid://shopify/Order/{_number(order_no)}", "first": AT_ONCE, "after": None}
        found: list[_FulfilmentOrder] = []
        while True:
            order = self._api.run("fulfilment_orders", variables, _Found).order
            if order is None:
                remedy = "check the order number; without read_all_orders an app sees the orders of 60 days"
                raise Refused("no such order is shown", where=where, remedy=remedy)
            found += order.fulfillment_orders.nodes
            page = order.fulfillment_orders.page_info
            if not page.has_next_page:
                break
            variables = variables | {"after": page.end_cursor}
        for one in found:
            while (page := one.line_items.page_info).has_next_page:
                more = {"id": one.id, "first": MORE, "after": page.end_cursor}
                rows = self._api.run("more_fulfilment_lines", more, _MoreLines).fulfillment_order.line_items
                one.line_items = _Lines(rows.page_info, one.line_items.nodes + rows.nodes)
        return order.display_fulfillment_status, found

    @staticmethod
    def _require_known(chosen: set[str] | None, found: list[_FulfilmentOrder], where: str) -> None:
        known = {_number(line.line_item.id) for one in found for line in one.line_items.nodes}
        if chosen is not None and not (chosen and chosen <= known):
            raise Refused("the order does not hold all of these lines", where=where, remedy="pull the order again")


def _to_ship(found: list[_FulfilmentOrder], chosen: set[str] | None, tracking_no: str) -> list[list[_FulfilmentOrder]]:
    """The fulfilment orders to ship, those of one location together. Where this parcel is known already nothing is
    left to ship, unless lines are named that still wait: a parcel may be told of line by line."""
    places: dict[str | None, list[_FulfilmentOrder]] = {}
    for one in found:
        places.setdefault(one.assigned_location.name, []).append(one)
    parcels = []
    for place in places.values():
        if chosen is None and any(tracking_no in one.tracking_numbers for one in place):
            continue
        if ready := [one for one in place if one.ready and one.remaining(chosen)]:
            parcels.append(ready)
    return parcels


def _number(id_text: str) -> str:
    """The number at the end of a global id, or the number itself."""
    return id_text.rpartition("/")[2]
