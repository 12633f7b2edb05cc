"""A shipment on Lazada: units are packed, which gives them a package and a tracking number, then handed over.

Source of every fact: platform documentation of Lazada, sections "Pack", "ReadyToShip" and "Order status flow".
"""

import random
from collections.abc import Callable
from typing import Any

import msgspec

from orderpipe.config import Shop
from orderpipe.platforms.base import Refused, Unanswered
from orderpipe.platforms.lazada_gateway import LazadaGateway
from orderpipe.platforms.lazada_lists import text_of

TO_PACK = frozenset({"pending", "topack", "repacked"})
PACKED = frozenset({"packed", "toship"})
SENT = frozenset({"ready_to_ship", "ready_to_ship_pending", "shipped", "shipping", "delivered", "confirmed"})


class Unit(msgspec.Struct):
    """One piece of an order."""

    order_item_id: msgspec.Raw = msgspec.Raw()
    status: str = ""
    package_id: str | None = None
    tracking_code: str | None = None
    shipment_provider: str | None = None


class _Result(msgspec.Struct):
    """What became of one unit or one package. code: "0" for success."""

    item_err_code: str | int = "0"
    msg: str | None = None
    package_id: str | None = None

    @property
    def failed(self) -> bool:
        return str(self.item_err_code) != "0"


class _PackedOrder(msgspec.Struct):
    order_item_list: list[_Result] = []


class _Data(msgspec.Struct):
    pack_order_list: list[_PackedOrder] = []
    packages: list[_Result] = []


class _Answer(msgspec.Struct):
    """success alone does not say that everything was done; without it, nothing was."""

    success: bool = False
    data: _Data | None = None


class Fulfilment:
    """Ships units of orders. Setting: shipping_allocate_type ("TFS" for a local store; "NTFS" for a cross-border
    one, which must name its carrier)."""

    def __init__(self, gateway: LazadaGateway, shop: Shop, sleep: Callable[[float], Any]):
        self._gateway, self._shop, self._sleep = gateway, shop, sleep
        self._allocation = str(shop.settings.get("shipping_allocate_type", "TFS"))

    def confirm(self, order_no: str, courier_code: str, lines: list[str] | None) -> dict[str, Any]:
        """Pack and hand over. After a refusal or an unclear end the units are read before anything is sent again.

        courier_code: the carrier of a cross-border store. Returns a receipt with the packages and their tracking
        numbers. Raises Refused, or Unanswered when the outcome stays unknown.
        """
        failure: Refused | Unanswered | None = None
        for attempt in range(3):
            if attempt:
                self._sleep(random.uniform(0, 2**attempt))
            units = self._units(order_no, lines)
            if not any(unit.status in TO_PACK | PACKED for unit in units):
                return self._receipt(order_no, units, already=True)
            if isinstance(failure, Refused):
                break
            try:
                self._send(order_no, units, courier_code)
            except (Refused, Unanswered) as error:
                failure = error
            else:
                return self._receipt(order_no, self._units(order_no, lines), already=False)
        raise failure

    def _send(self, order_no: str, units: list[Unit], courier_code: str) -> None:
        waiting = [text_of(unit.order_item_id) for unit in units if unit.status in TO_PACK]
        packages = [unit.package_id for unit in units if unit.status in PACKED and unit.package_id]
        if waiting:
            packages += self._pack(order_no, waiting, courier_code)
        entries = ",".join(f'{{"package_id":{_quoted(package)}}}' for package in dict.fromkeys(packages))
        request = f'{{"packages":[{entries}]}}'
        answer = self._gateway.write(
            "/order/package/rts", {"readyToShipReq": request}, _Answer, root="result", repeatable=False
        )
        self._check(order_no, answer, answer.data.packages if answer.data else [])

    def _pack(self, order_no: str, unit_ids: list[str], courier_code: str) -> list[str]:
        provider = f',"shipment_provider_code":{_quoted(courier_code)}' if self._allocation == "NTFS" else ""
        # Ids beyond 2^53 are written as they were read.
        request = (
            f'{{"pack_order_list":[{{"order_item_list":[{",".join(unit_ids)}],"order_id":{order_no}}}],'
            f'"delivery_type":"dropship","shipping_allocate_type":{_quoted(self._allocation)}{provider}}}'
        )
        answer = self._gateway.write(
            "/order/fulfill/pack", {"packReq": request}, _Answer, root="result", repeatable=False
        )
        results = [result for order in (answer.data or _Data()).pack_order_list for result in order.order_item_list]
        self._check(order_no, answer, results)
        return [result.package_id for result in results if result.package_id]

    def _check(self, order_no: str, answer: _Answer, results: list[_Result]) -> None:
        failed = [result for result in results if result.failed]
        if answer.success and results and not failed:
            return
        told = "; ".join(f"{result.item_err_code} {result.msg or ''}".strip() for result in failed) or "no success"
        remedy = "check the order's units in the seller centre"
        raise Refused(f"not shipped ({told})", where=f"{self._shop.id}, order {order_no}", remedy=remedy)

    def _units(self, order_no: str, lines: list[str] | None) -> list[Unit]:
        """The units to ship as they are now. Raises Refused when one of `lines` is not of this order."""
        units = self._gateway.read("/order/items/get", {"order_id": order_no}, list[Unit])
        if lines is None:
            return units
        chosen = [unit for unit in units if text_of(unit.order_item_id) in lines]
        if len(chosen) != len(set(lines)):
            where = f"{self._shop.id}, order {order_no}"
            raise Refused("the order does not hold all of these units", where=where, remedy="pull the order again")
        return chosen

    def _receipt(self, order_no: str, units: list[Unit], already: bool) -> dict[str, Any]:
        sent = [unit for unit in units if unit.status in SENT]
        if not sent:
            states = ", ".join(sorted({unit.status for unit in units})) or "no units"
            where = f"{self._shop.id}, order {order_no}"
            raise Refused(f"nothing can be shipped ({states})", where=where, remedy="check the order's state")
        packages = {
            unit.package_id: {
                "package_id": unit.package_id,
                "tracking_number": unit.tracking_code,
                "shipment_provider": unit.shipment_provider,
            }
            for unit in sent
            if unit.package_id
        }
        return {"status": sent[0].status, "already_shipped": already, "packages": list(packages.values())}


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
