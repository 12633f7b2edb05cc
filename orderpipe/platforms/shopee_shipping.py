"""Shopee's way of shipping: ask what a parcel's channel needs, then arrange it, once.

Source of every fact: platform documentation of Shopee, section "Logistics".
"""

import random
from collections.abc import Callable
from typing import Any

import msgspec

from orderpipe.config import Shop
from orderpipe.errors import ConfigError
from orderpipe.platforms.base import Refused, Unanswered
from orderpipe.platforms.shopee_gateway import Answer, NotFound, ShopeeGateway

DETAIL, PARAMETER = "/api/v2/order/get_order_detail", "/api/v2/logistics/get_shipping_parameter"
SHIP = "/api/v2/logistics/ship_order"
METHODS = ("non_integrated", "dropoff", "pickup")
ARRANGED = frozenset({"PROCESSED", "SHIPPED", "TO_CONFIRM_RECEIVE", "TO_RETURN", "COMPLETED"})
ON_THEIR_WAY = frozenset(
    f"LOGISTICS_{state}"
    for state in ("REQUEST_CREATED", "PICKUP_DONE", "DELIVERY_DONE", "DELIVERY_FAILED", "LOST", "COD_REJECTED")
)
# Packages that still wait; RETRY is one whose pickup failed.
WAITING = frozenset(
    {"", "LOGISTICS_NOT_START", "LOGISTICS_READY", "LOGISTICS_PICKUP_RETRY", "LOGISTICS_PENDING_ARRANGE"}
)


class _Package(msgspec.Struct):
    package_number: str | None = None
    logistics_status: str | None = None


class _Order(msgspec.Struct):
    order_status: str
    package_list: list[_Package] | None = None


class _Orders(msgspec.Struct):
    order_list: list[_Order]


class _Slot(msgspec.Struct):
    pickup_time_id: str
    flags: list[str] | None = None


class _Address(msgspec.Struct):
    address_id: int
    address_flag: list[str] | None = None
    time_slot_list: list[_Slot] | None = None


class _Pickup(msgspec.Struct):
    address_list: list[_Address] | None = None


class _Parameter(msgspec.Struct):
    """info_needed: by method, the fields it wants; a method that is not offered is absent or null."""

    info_needed: dict[str, list[str] | None]
    pickup: _Pickup | None = None


class Shipping:
    """Arranges the parcels of one shop's orders."""

    def __init__(self, shop: Shop, shopee: ShopeeGateway, sleep: Callable[[float], Any]):
        self._shop, self._shopee, self._sleep = shop, shopee, sleep
        method = shop.settings.get("ship_method", "auto")
        if method not in ("auto", *METHODS):
            remedy = f"use auto, {', '.join(METHODS)}"
            raise ConfigError(f"ship_method is {method!r}", where=shop.id, remedy=remedy)
        self._methods = METHODS if method == "auto" else (method,)

    def arrange(self, order_sn: str, tracking_no: str) -> dict[str, Any]:
        """See ShopeeClient.confirm_shipment."""
        for attempt in range(3):
            if attempt:
                self._sleep(random.uniform(0, 2**attempt))
            order = self._order(order_sn)
            waiting = self._waiting(order)
            if not waiting:
                return {"status": order.order_status, "already_shipped": True}
            try:
                return self._send(order_sn, waiting, tracking_no)
            except (Refused, Unanswered) as error:
                failure = error
            order = self._order(order_sn)
            if not self._waiting(order):  # it went through, or somebody arranged it since it was read
                return {"status": order.order_status, "already_shipped": True}
            if isinstance(failure, Refused):
                break
        raise failure

    def _order(self, order_sn: str) -> _Order:
        params = {"order_sn_list": order_sn, "response_optional_fields": "package_list"}
        params["request_order_status_pending"] = "true"
        orders = self._shopee.call(DETAIL, params, _Orders).order_list
        if not orders:
            where = f"{self._shop.id}, order {order_sn}"
            raise NotFound("the platform does not know the order", where=where, remedy="check the order number")
        return orders[0]

    def _waiting(self, order: _Order) -> list[str]:
        """The packages still to be arranged; "" stands for the only one: just an order that was split names them."""
        if order.order_status in ARRANGED:
            return []
        packages = order.package_list or [_Package()]
        names = [package.package_number or "" for package in packages if (package.logistics_status or "") in WAITING]
        if not names and any(package.logistics_status in ON_THEIR_WAY for package in packages):
            return []
        # With none waiting and none on its way the order is cancelled: the platform says so when it is asked.
        return names if len(packages) > 1 and names else [""]

    def _send(self, order_sn: str, packages: list[str], tracking_no: str) -> dict[str, Any]:
        for name in packages:
            which = {"order_sn": order_sn} | ({"package_number": name} if name else {})
            answer, method = self._ship(which, tracking_no)
        return {
            "status": "sent", "already_shipped": False, "method": method, "packages": len(packages),
            "request_id": answer.request_id or "",
        }  # fmt: skip

    def _ship(self, which: dict[str, str], tracking_no: str) -> tuple[Answer, str]:
        asked = self._shopee.call(PARAMETER, which, _Parameter)
        offered = [method for method in self._methods if asked.info_needed.get(method) is not None]
        where = f"{self._shop.id}, order {which['order_sn']}"
        if not offered:
            methods = ", ".join(name for name, wanted in asked.info_needed.items() if wanted is not None) or "none"
            what = f"the channel does not offer {' or '.join(self._methods)}, only {methods}"
            raise Refused(what, where=where, remedy="set the shop's ship_method to one it offers")
        method = offered[0]
        given = self._given(method, asked, tracking_no, where)
        return self._shopee.act(SHIP, {**which, method: given}, repeatable=False), method

    def _given(self, method: str, asked: _Parameter, tracking_no: str, where: str) -> dict[str, Any]:
        """The fields the channel wants; none wants an empty object."""
        given: dict[str, Any] = {}
        for name in asked.info_needed[method] or []:
            if name in ("tracking_no", "tracking_number"):
                given["tracking_number"] = tracking_no
            elif name == "address_id":
                given["address_id"] = self._address(asked, where).address_id
            elif name == "pickup_time_id":
                slots = self._address(asked, where).time_slot_list or []
                advised = [slot for slot in slots if "recommended" in (slot.flags or [])]
                given["pickup_time_id"] = (advised or slots)[0].pickup_time_id if slots else ""
            elif name in _SETTINGS:
                given[name] = self._setting(_SETTINGS[name], where)
            else:
                what = f"the channel asks for {name}, which is not known here"
                raise Refused(what, where=where, remedy="arrange this order in the platform's console")
        return given

    def _address(self, asked: _Parameter, where: str) -> _Address:
        found = (asked.pickup.address_list if asked.pickup else None) or []
        wanted = str(self._shop.settings.get("pickup_address_id", ""))
        if wanted:
            found = [address for address in found if str(address.address_id) == wanted]
        if not found:
            remedy = "check the shop's addresses and its setting pickup_address_id"
            raise Refused("the channel offers no address to pick up at", where=where, remedy=remedy)
        flagged = [address for address in found if "pickup_address" in (address.address_flag or [])]
        return (flagged or found)[0]

    def _setting(self, name: str, where: str) -> Any:
        value = self._shop.settings.get(name)
        if value in (None, ""):
            remedy = f"set {name} among the shop's settings"
            raise ConfigError(f"the channel asks for {name}", where=where, remedy=remedy)
        return value


_SETTINGS = {"branch_id": "dropoff_branch_id", "slug": "dropoff_slug", "sender_real_name": "sender_real_name"}
