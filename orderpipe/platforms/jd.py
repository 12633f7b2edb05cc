"""JD (POP shops): orders, after-sale cases, listing and shipping write-backs of one shop.

Source of every fact: platform documentation of JD. The gateway itself (signature, token, errors) is in jd_gateway.py,
the walks of its lists in jd_lists.py.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from orderpipe.clock import Clock
from orderpipe.errors import BadResponse, ConfigError
from orderpipe.platforms.base import Page, RawPayload, Refused, Unanswered, Window, WindowPolicy
from orderpipe.platforms.china_time import time_text
from orderpipe.platforms.client import ShopClient
from orderpipe.platforms.jd_gateway import BeingShipped, JdGateway
from orderpipe.platforms.jd_lists import APPLICATIONS, ORDERS, SERVICES, Listing, ListPage, TooMany, Walk
from orderpipe.platforms.tokens import TokenStore

# Unpaid orders cannot be searched for; an order in a state that is not named here does not come.
ORDER_STATES = (
    "WAIT_SELLER_STOCK_OUT", "WAIT_SELLER_DELIVERY", "WAIT_SEND_CODE", "WAIT_GOODS_RECEIVE_CONFIRM", "FINISHED_L",
    "TRADE_CANCELED", "PARENT_TRADE_CANCELED", "LOCKED", "PAUSE", "POP_ORDER_PAUSE",
)  # fmt: skip
ORDER_FIELDS = (
    "orderId,venderId,orderType,payType,orderTotalPrice,orderSellerPrice,orderPayment,freightPrice,sellerDiscount,"
    "orderState,orderStateRemark,orderRemark,venderRemark,orderStartTime,orderEndTime,modified,paymentConfirmTime,"
    "consigneeInfo,itemInfoList,couponDetailList,balanceUsed,pin,open_id_buyer,returnOrder,waybill,logisticsId,"
    "parentOrderId,directParentOrderId,orderSource,storeOrder,storeId,idSopShipmenttype,popSignMap"
)
PAGE_SIZE, CENSUS_PAGE_SIZE = 100, 40
CASES_PAGE_SIZE, CASES_CENSUS_PAGE_SIZE = 50, 20
LONGEST = timedelta(days=30)  # of one call of a list: a month at most
SHIPPED = ("WAIT_GOODS_RECEIVE_CONFIRM", "FINISHED_L")
# Carriers' ids on the platform; uncertain in the documentation, therefore a setting corrects and extends them.
CARRIERS = {
    "SF": "467", "ZTO": "1499", "YUNDA": "1327", "STO": "470", "YTO": "463", "EMS": "465", "JD": "2087", "OWN": "1274",
}  # fmt: skip


class _OrderState(msgspec.Struct):
    orderState: str = ""
    waybill: str | None = None


class _Detail(msgspec.Struct):
    orderInfo: _OrderState


class JdClient(ShopClient):
    """One JD shop. Its orders' modified time follows state and waybill: a remark that changes alone comes with the next
    of these changes. Settings:

    bu_id: the merchant's number, without which the list of after-sale services cannot be asked for; after_sale_service:
    false leaves that list out, for an application without permission for it. operate_pin, operate_nick: in whose
    name it is asked for (default orderpipe).
    refund_lookback_days: default 30. Lists of cases know only when a case was applied for, not when it changed: every
    pull reads them so far back. A case that changes later than that is not seen to change.
    refund_sum_unit: fen (default) or yuan: what applyRefundSum is counted in. The documentation suggests fen; compare
    it with one live case. Where it is yuan, documents are marked with "_applyRefundSumUnit".
    receiver: encrypted (default) or plain, for the few applications that may call the APIs with receivers in clear.
    order_states: the states to ask for, a list, or [ALL], which some accounts accept.
    carrier_ids: couriers' codes → the platform's carrier ids, over those this module knows.
    stock_method: default jingdong.stock.write.updateSkuStock, which is said to be withdrawn one day.
    oauth_url: where tokens are renewed, when it is not the platform's own host for a base_url of the platform.
    page_size, throttle_budget_seconds, read_timeout_seconds, window_*_minutes.
    """

    # Cases are looked for far behind the window: cutting it would only repeat that.
    windows: ClassVar = {
        "order": WindowPolicy(span=timedelta(minutes=30), overlap=timedelta(minutes=5), lag=timedelta(minutes=1)),
        "refund": WindowPolicy(span=LONGEST, overlap=timedelta(minutes=5), lag=timedelta(minutes=1)),
    }

    def _open(self, tokens: TokenStore, clock: Clock) -> None:
        settings = self._shop.settings
        self._jd = JdGateway(self._shop, tokens, clock, self._http, self._sleep)
        self._encrypted = self._choice("receiver", "encrypted", "plain") == "encrypted"
        self._in_yuan = self._choice("refund_sum_unit", "fen", "yuan") == "yuan"
        self._lookback = timedelta(days=float(settings.get("refund_lookback_days", 30)))
        plain = replace(ORDERS, method="jingdong.pop.order.search")
        self._orders = ORDERS if self._encrypted else plain

    def _choice(self, name: str, *values: str) -> str:
        found = self._shop.settings.get(name, values[0])
        if found not in values:
            remedy = f"use {' or '.join(values)}"
            raise ConfigError(f"the setting {name} is {found!r}", where=self._shop.id, remedy=remedy)
        return found

    def pull(self, kind: str, window: Window) -> Iterator[Page]:
        """Every order modified in the window; of after-sale cases every one applied for in the window or, at most
        refund_lookback_days, before it.

        The first page carries the platform's count. Raises BadResponse after the last page when a list would not hold
        still or counts more than could be read, ConfigError when bu_id is missing, and the kinds of `JdGateway.call`.
        """
        self._require(kind)
        reported, rows, unsettled = 0, {}, []
        for listing in self._listings(kind):
            found: dict[str, str] = {}
            for count, read, settled in self._settled(listing, window):
                # A row that two stretches list at their border counts once.
                reported += count - len(found.keys() & read.keys())
                found |= read
                if not settled:
                    unsettled.append(f"{count} counted, {len(read)} read")
            # Two lists may give one number to two cases: both land, and count as the one number they have.
            rows |= {(listing.method, key): self._document(listing, text, window) for key, text in found.items()}
        ids = [document.source_id for document in rows.values() if document.source_id]
        reported -= len(ids) - len(set(ids))
        yield Page(list(rows.values()), reported)
        if unsettled:
            raise BadResponse(
                f"the list did not settle: {'; '.join(unsettled)}",
                where=f"{self._shop.id}, {kind} {window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M} UTC",
                remedy="the window stays open and is pulled again; if it stays so, run `orderpipe verify`",
            )

    def census(self, kind: str, window: Window) -> dict[str, datetime]:
        """Id and modified time of the same documents by a walk that never believes a count, cuts the pages
        differently and reads orders newest change first."""
        self._require(kind)
        found: dict[str, datetime] = {}
        for listing in self._listings(kind):
            size = CENSUS_PAGE_SIZE if kind == "order" else CASES_CENSUS_PAGE_SIZE
            stretches = self._stretches(listing, window)
            while stretches:
                stretch = stretches.pop()
                walk = self._walk(listing, stretch, size, {"sortType": "1", "optional_fields": "orderId,modified"})
                try:
                    rows = list(walk.uncounted())
                except TooMany:
                    stretches += self._halves(listing, stretch)
                    continue
                for document in (listing.document(text, window.start) for text in rows):
                    if document.source_id:
                        known = found.get(document.source_id, document.source_updated_at)
                        found[document.source_id] = max(known, document.source_updated_at)
        return found

    # Lists

    def _listings(self, kind: str) -> list[Listing]:
        if kind == "order":
            return [self._orders]
        if not self._shop.settings.get("after_sale_service", True):
            return [APPLICATIONS]
        if not self._shop.settings.get("bu_id"):
            remedy = "set bu_id to the merchant's number, or after_sale_service: false to do without these cases"
            raise ConfigError("the after-sale service list needs the setting bu_id", where=self._shop.id, remedy=remedy)
        return [APPLICATIONS, SERVICES]

    def _settled(self, listing: Listing, window: Window) -> Iterator[tuple[int, dict[str, str], bool]]:
        default = PAGE_SIZE if listing is self._orders else CASES_PAGE_SIZE
        size = min(default, int(self._shop.settings.get("page_size", default)))
        stretches = self._stretches(listing, window)
        while stretches:
            stretch = stretches.pop()
            try:
                yield self._walk(listing, stretch, size).settled()
            except TooMany:
                stretches += self._halves(listing, stretch)

    def _stretches(self, listing: Listing, window: Window) -> list[Window]:
        """What must be asked one after the other to have asked for the window, in whole seconds, rounded outwards."""
        start = window.start if listing is self._orders else window.start - self._lookback
        start = start.replace(microsecond=0)
        end = (window.end + timedelta(microseconds=999_999)).replace(microsecond=0)
        found = []
        while not found or start < end:
            found.append(Window(start, min(start + LONGEST, end)))
            start += LONGEST
        return found

    def _halves(self, listing: Listing, stretch: Window) -> list[Window]:
        middle = stretch.start + (stretch.end - stretch.start) / 2
        middle = middle.replace(microsecond=0)
        if not stretch.start < middle < stretch.end:
            raise BadResponse(
                "one second holds more rows than the list shows",
                where=f"{self._shop.id}, {listing.method}, {stretch.start:%Y-%m-%d %H:%M:%S} UTC",
                remedy="import these orders from an export of the platform's console",
            )
        # Whether the bounds belong to the range is not documented: the halves share their border.
        return [Window(stretch.start, middle), Window(middle, stretch.end)]

    def _walk(self, listing: Listing, stretch: Window, size: int, changes: dict[str, str] | None = None) -> Walk:
        start, end = time_text(stretch.start), time_text(stretch.end)
        params: dict[str, Any]
        if listing is self._orders:
            states = self._shop.settings.get("order_states", ORDER_STATES)
            params = {
                "start_date": start,
                "end_date": end,
                "order_state": ",".join(states),
                "optional_fields": ORDER_FIELDS,
                "sortType": "0",
                "dateType": "0",
                **(changes or {}),
            }
        elif listing is APPLICATIONS:
            params = {"applyTimeStart": start, "applyTimeEnd": end}
        else:
            params = {
                "buId": str(self._shop.settings["bu_id"]),
                "operatePin": str(self._shop.settings.get("operate_pin", "orderpipe")),
                "operateNick": str(self._shop.settings.get("operate_nick", "orderpipe")),
                "applyTimeBegin": start,
                "applyTimeEnd": end,
            }

        def ask(page: dict[str, Any]) -> ListPage:
            return self._jd.call(listing.method, params | page, listing.result, ListPage)

        return Walk(listing, ask, size, f"{self._shop.id}, {listing.method}")

    def _document(self, listing: Listing, text: str, window: Window) -> RawPayload:
        if listing is APPLICATIONS and self._in_yuan:
            text = '{"_applyRefundSumUnit":"yuan",' + text.removeprefix("{")
        return listing.document(text, window.start)

    # Write-backs

    def confirm_shipment(
        self, order_no: str, courier_code: str, tracking_no: str, lines: list[str] | None = None
    ) -> dict[str, Any]:
        """Tell the platform that an order has left (jingdong.pop.order.shipment).

        courier_code: the platform's carrier id, or a code of CARRIERS or of the setting carrier_ids. lines: part of the
        common interface; an order ships whole here. Effect once: after a refusal or an unclear end the order is read;
        one that is shipped already, or is just being shipped, is not sent again. Returns a receipt {"status": …,
        "already_shipped": bool}. Raises ConfigError for a courier nobody translated, Refused when the order cannot be
        shipped (cancelled, locked, paused), Unanswered when the outcome stays unknown.
        """
        params = {"orderId": order_no, "logiCoprId": self._carrier(courier_code), "logiNo": tracking_no}
        failure: Refused | Unanswered | None = None
        for attempt in range(3):
            if attempt:
                self._sleep(random.uniform(0, 2**attempt))
            if not isinstance(failure, BeingShipped):
                try:
                    self._jd.write("jingdong.pop.order.shipment", params, repeatable=False)
                    return {"status": "sent", "already_shipped": False}
                except (Refused, Unanswered) as error:
                    failure = error
            state = self._order_state(order_no)
            if state.orderState in SHIPPED:
                return {"status": state.orderState, "waybill": state.waybill, "already_shipped": True}
            if isinstance(failure, Refused):
                where = f"{self._shop.id}, order {order_no}"
                raise Refused(f"{failure.what}, the order is {state.orderState}", where=where, remedy=failure.remedy)
        raise failure

    def _carrier(self, courier_code: str) -> str:
        known = {**CARRIERS, **self._shop.settings.get("carrier_ids", {})}
        found = str(known.get(courier_code, known.get(courier_code.upper(), courier_code)))
        if not found.isdigit():
            remedy = "add it to the shop's setting carrier_ids (numbers: the platform's list of carriers)"
            raise ConfigError(f"no carrier id for courier {courier_code!r}", where=self._shop.id, remedy=remedy)
        return found

    def _order_state(self, order_no: str) -> _OrderState:
        method = "jingdong.pop.order.enGet" if self._encrypted else "jingdong.pop.order.get"
        params = {"order_id": order_no, "optional_fields": "orderId,orderState,waybill"}
        return self._jd.call(method, params, "orderDetailInfo", _Detail).orderInfo

    def suspend_listing(self, product_id: str) -> dict[str, Any]:
        """Take a ware off the shelf (jingdong.ware.write.upOrDown). Returns a receipt. Raises Refused."""
        return self._shelve(product_id, "2")

    def resume_listing(self, product_id: str, quantity: int | None = None) -> dict[str, Any]:
        """Put a ware on the shelf again. quantity belongs to the common interface of the clients: stock is kept by
        sku here (`set_stock`), and a ware does not say which. Returns a receipt. Raises Refused."""
        return self._shelve(product_id, "1")

    def _shelve(self, ware_id: str, op_type: str) -> dict[str, Any]:
        self._jd.write("jingdong.ware.write.upOrDown", {"wareId": ware_id, "opType": op_type, "note": "orderpipe"})
        return {"ware_id": ware_id, "op_type": op_type}

    def set_stock(self, sku_id: str, quantity: int) -> dict[str, Any]:
        """Set the pieces of a sku that are for sale, whatever there were. Returns a receipt. Raises Refused."""
        method = self._shop.settings.get("stock_method", "jingdong.stock.write.updateSkuStock")
        self._jd.write(method, {"skuId": sku_id, "stockNum": str(quantity)})
        return {"sku_id": sku_id, "quantity": quantity}
