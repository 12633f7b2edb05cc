"""Taobao / Tmall: orders, refunds, items, listing and shipping write-backs of one shop.

Source of every fact: platform documentation of TOP. The gateway itself (signature, session, errors) is in top.py.
"""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse
from orderpipe.platforms.base import Page, RawPayload, Refused, Unanswered, Window, WindowPolicy
from orderpipe.platforms.client import ShopClient
from orderpipe.platforms.taobao_lists import WALKS, Listing, Lists, document, text_of
from orderpipe.platforms.tokens import TokenStore
from orderpipe.platforms.top import TopGateway

# Without all of receiver_name, receiver_address, created, receiver_mobile and receiver_phone there is no oaid.
TRADE_FIELDS = (
    "tid,tid_str,type,status,step_trade_status,step_paid_fee,created,pay_time,modified,consign_time,end_time,"
    "payment,post_fee,total_fee,discount_fee,adjust_fee,received_payment,seller_flag,seller_memo,buyer_message,buyer_open_uid,"
    "receiver_name,receiver_state,receiver_city,receiver_district,receiver_town,receiver_address,receiver_zip,"
    "receiver_mobile,receiver_phone,oaid,promotion_details,orders,is_part_consign,is_sh_ship"
)
REFUND_FIELDS = (
    "refund_id,tid,oid,status,order_status,good_status,has_good_return,refund_fee,payment,total_fee,reason,desc,"
    "created,modified,refund_phase,dispute_type,refund_version,company_name,sid,num_iid,outer_id,sku,num"
)
# With `sku` the platform gives all of an item's skus.
ITEM_FIELDS = (
    "num_iid,title,nick,type,cid,outer_id,price,num,approve_status,list_time,delist_time,created,modified,pic_url,sku"
)
SHIPPED = ("WAIT_BUYER_CONFIRM_GOODS", "TRADE_BUYER_SIGNED", "TRADE_FINISHED")
CHUNK = 100  # trades per yielded page
ITEMS_AT_ONCE = 20  # items of one call for their details


LISTINGS = {
    # Rows of the trade list are masked and incomplete: it serves as an index, the truth is trade.fullinfo.get.
    "order": Listing("taobao.trades.sold.increment.get", "tid", "tid,modified", 100),
    "refund": Listing("taobao.refunds.receive.get", "refund_id", REFUND_FIELDS, 50),
}


def _items(method: str, **more: str) -> Listing:
    """A list of items. Its rows hold no skus: it serves as an index, the truth is items.seller.list.get."""
    order, other = {"order_by": "modified:desc"}, {"order_by": "modified:asc"}
    return Listing(method, "num_iid", "num_iid,modified", 200, 200, 101, False, {**more, **order}, other)


# Every item of a shop stands in one of these. What is not on sale is listed by the reason why; asked for none, the
# platform leaves out what is sold out or was taken down for a violation.
ITEMS = (
    _items("taobao.items.onsale.get"),
    *(
        _items("taobao.items.inventory.get", banner=banner)
        for banner in ("for_shelved", "sold_out", "violation_off_shelf")
    ),
)


class _FullInfo(msgspec.Struct):
    trade: msgspec.Raw


class _ItemDetails(msgspec.Struct):
    """The wrapper object is absent when the platform knows none of the items."""

    items: dict[str, list[msgspec.Raw]] = {}


class _ItemState(msgspec.Struct):
    num_iid: Any = None
    approve_status: str | None = None


class _Shipping(msgspec.Struct):
    is_success: bool = False


class _Sent(msgspec.Struct):
    shipping: _Shipping
    request_id: str = ""


class _Line(msgspec.Struct):
    oid: msgspec.Raw
    status: str = ""


class _Status(msgspec.Struct):
    status: str
    orders: dict[str, list[_Line]] = {}

    def shipped(self, lines: list[str] | None) -> bool:
        """Whether the trade, or every one of these lines of it, has left."""
        if self.status in SHIPPED or lines is None:
            return self.status in SHIPPED
        rows = [line for found in self.orders.values() for line in found if line.status in SHIPPED]
        return {text_of(line.oid).strip('"') for line in rows}.issuperset(lines)


class _TradeStatus(msgspec.Struct):
    trade: _Status


class _Item(msgspec.Struct):
    item: dict[str, Any] = {}
    request_id: str = ""


class TaobaoClient(ShopClient):
    """One Taobao or Tmall shop. Settings: fullinfo_workers, page_size, sign_method, throttle_budget_seconds,
    read_timeout_seconds, window_*_minutes, product_window_*_minutes.

    items_by_modified (default true): an item's modified time moves with its stock, so that only what changed is read.
    The documentation does not say so for sales; false reads all items once an hour instead.
    """

    # Half an hour is the documentation's advice for trades and refunds; the API refuses more than a day. The lists of
    # items know no longest span.
    windows: ClassVar = {
        **dict.fromkeys(
            ("order", "refund"),
            WindowPolicy(span=timedelta(minutes=30), overlap=timedelta(minutes=3), lag=timedelta(minutes=1)),
        ),
        "product": WindowPolicy(
            span=timedelta(days=3650),
            overlap=timedelta(minutes=3),
            lag=timedelta(minutes=1),
            first=timedelta(days=3650),
        ),
    }

    def _open(self, tokens: TokenStore, clock: Clock) -> None:
        self._top = TopGateway(self._shop, tokens, clock, self._http, self._sleep)
        self._lists = Lists(self._shop, self._top)

    @classmethod
    def policy_of(cls, shop: Shop, kind: str) -> WindowPolicy:
        """How windows of this kind are cut for a shop; items that are read whole are read once an hour."""
        policy = super().policy_of(shop, kind)
        return policy if kind != "product" or _items_by_modified(shop) else replace(policy, every=timedelta(hours=1))

    def pull(self, kind: str, window: Window) -> Iterator[Page]:
        """Every trade, refund or item modified in the window.

        The first page carries the platform's count. Raises BadResponse after the last page when the list would not
        hold still or counts more than could be read, and the kinds of `TopGateway.call` at any time.
        """
        self._require(kind)
        if kind == "product":
            reported, rows, settled = self._item_index(window)
        else:
            reported, rows, settled = self._lists.settled(LISTINGS[kind], window)
        if kind == "order":
            yield from self._detailed(self._heads(LISTINGS[kind], rows, window), 1, self._full_trade, reported)
        elif kind == "product":
            yield from self._detailed(self._heads(ITEMS[0], rows, window), ITEMS_AT_ONCE, self._full_items, reported)
        else:
            yield Page([document(LISTINGS[kind], text, window.start) for text in rows.values()], reported)
        if not settled:
            raise BadResponse(
                f"the list did not settle in {WALKS} walks: {reported} counted, {len(rows)} read",
                where=f"{self._shop.id}, {kind} {window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M} UTC",
                remedy="the window stays open and is pulled again; if it stays so, run `orderpipe verify`",
            )

    def census(self, kind: str, window: Window) -> dict[str, datetime]:
        """Id and modified time by a walk that never asks for the count and cuts the pages differently."""
        self._require(kind)
        found: dict[str, datetime] = {}
        for listing in ITEMS if kind == "product" else (LISTINGS[kind],):
            found |= self._lists.census(listing, self._asked(kind, window))
        return found

    # Lists serve as an index; what they list is read in full, oldest first, a few at a time.

    def _heads(self, listing: Listing, rows: dict[str, str], window: Window) -> list[RawPayload]:
        heads = [document(listing, text, window.start) for text in rows.values()]
        heads.sort(key=lambda head: (head.source_updated_at, head.source_id))
        if not all(head.source_id for head in heads):
            what = f"a row of the list has no {listing.id_field}"
            raise BadResponse(what, where=self._shop.id, remedy="the window is pulled again")
        return heads

    def _detailed(
        self,
        heads: list[RawPayload],
        at_once: int,
        read: Callable[[list[RawPayload]], list[RawPayload]],
        reported: int,
    ) -> Iterator[Page]:
        """The documents of an index. read: gives those of at most at_once heads."""
        if not heads:
            yield Page([], reported)
        workers = int(self._shop.settings.get("fullinfo_workers", 4))
        pool = ThreadPoolExecutor(workers, thread_name_prefix=f"fullinfo-{self._shop.id}")
        try:
            for start in range(0, len(heads), CHUNK):
                calls = [heads[n : n + at_once] for n in range(start, min(start + CHUNK, len(heads)), at_once)]
                payloads = [payload for found in pool.map(read, calls) for payload in found]
                yield Page(payloads, reported if start == 0 else None)
        finally:
            pool.shutdown(cancel_futures=True)

    def _full_trade(self, heads: list[RawPayload]) -> list[RawPayload]:
        """The whole trade; id and time fall back to the index where the trade itself lacks them."""
        (head,) = heads
        params = {"fields": TRADE_FIELDS, "tid": head.source_id, "include_oaid": "true"}
        full = self._top.call("taobao.trade.fullinfo.get", params, _FullInfo)
        found = document(LISTINGS["order"], text_of(full.trade), head.source_updated_at)
        return [RawPayload(head.source_id, found.source_updated_at, found.payload)]

    # Items

    def _asked(self, kind: str, window: Window) -> Window | None:
        """The window to ask the platform for; None for a list that is read whole."""
        return None if kind == "product" and not _items_by_modified(self._shop) else window

    def _item_index(self, window: Window) -> tuple[int, dict[str, str], bool]:
        """As Lists.settled, over all lists of items. An item that two lists show counts once."""
        asked, rows, missing, all_settled = self._asked("product", window), {}, 0, True
        for listing in ITEMS:
            reported, found, settled = self._lists.settled(listing, asked)
            missing += max(reported - len(found), 0)
            rows |= found
            all_settled &= settled
        return len(rows) + missing, rows, all_settled

    def _full_items(self, heads: list[RawPayload]) -> list[RawPayload]:
        """Items with their skus. The platform leaves out, without an error, an item that is gone meanwhile."""
        params = {"fields": ITEM_FIELDS, "num_iids": ",".join(head.source_id for head in heads)}
        answer = self._top.call("taobao.items.seller.list.get", params, _ItemDetails)
        return [
            document(ITEMS[0], text_of(item), heads[0].source_updated_at)
            for items in answer.items.values()
            for item in items
        ]

    # Write-backs

    def confirm_shipment(
        self, order_no: str, courier_code: str, tracking_no: str, lines: list[str] | None = None
    ) -> dict[str, Any]:
        """Tell the platform that a trade, or some of its lines, has left (taobao.logistics.offline.send).

        order_no: tid. courier_code: the platform's company code (SF, ZTO, …). lines: oids of the lines in the parcel;
        None means the whole trade. Effect once: after a refusal or an unclear end the trade is read; what is shipped
        already is not sent again. Returns a receipt
        {"status": …, "already_shipped": bool}. Raises Refused when the trade cannot be shipped, Unanswered when the
        outcome stays unknown.
        """
        if lines is not None and not lines:
            where = f"{self._shop.id}, trade {order_no}"
            raise Refused("no line is named", where=where, remedy="name lines, or leave them out for the whole trade")
        for attempt in range(3):
            if attempt:
                self._sleep(random.uniform(0, 2**attempt))
            try:
                return self._send(order_no, courier_code, tracking_no, lines)
            except (Refused, Unanswered) as error:
                failure = error
            trade = self._trade_status(order_no, lines)
            if trade.shipped(lines):
                return {"status": trade.status, "already_shipped": True}
            if isinstance(failure, Refused):
                break
        raise failure

    def _send(self, tid: str, company_code: str, out_sid: str, lines: list[str] | None) -> dict[str, Any]:
        params = {"tid": tid, "company_code": company_code, "out_sid": out_sid}
        if lines is not None:
            params |= {"is_split": "1", "sub_tid": ",".join(lines)}
        sent = self._top.call("taobao.logistics.offline.send", params, _Sent, repeatable=False)
        if not sent.shipping.is_success:
            where = f"{self._shop.id}, trade {tid}"
            raise Refused("the platform did not confirm the shipment", where=where, remedy="check the trade's state")
        return {"status": "sent", "already_shipped": False, "request_id": sent.request_id}

    def _trade_status(self, tid: str, lines: list[str] | None) -> _Status:
        params = {"fields": "tid,status" if lines is None else "tid,status,orders", "tid": tid}
        return self._top.call("taobao.trade.fullinfo.get", params, _TradeStatus).trade

    def suspend_listing(self, num_iid: str) -> dict[str, Any]:
        """Take an item off sale (taobao.item.update.delisting). Returns a receipt."""
        answer = self._top.call("taobao.item.update.delisting", {"num_iid": num_iid}, _Item)
        return {"num_iid": num_iid, "modified": answer.item.get("modified"), "request_id": answer.request_id}

    def resume_listing(self, num_iid: str, quantity: int) -> dict[str, Any]:
        """Put an item on sale again with this many pieces (taobao.item.update.listing). Returns a receipt."""
        params = {"num_iid": num_iid, "num": str(quantity)}
        answer = self._top.call("taobao.item.update.listing", params, _Item)
        return {"num_iid": num_iid, "modified": answer.item.get("modified"), "request_id": answer.request_id}

    def is_listed(self, product_id: str) -> bool | None:
        """Whether an item is on sale (approve_status of taobao.items.seller.list.get)."""
        params = {"fields": "num_iid,approve_status", "num_iids": product_id}
        answer = self._top.call("taobao.items.seller.list.get", params, _ItemDetails)
        states = [msgspec.json.decode(item, type=_ItemState) for items in answer.items.values() for item in items]
        found = [state.approve_status for state in states if str(state.num_iid) == product_id]
        return {"onsale": True, "instock": False}.get(found[0] or "") if found else None


def _items_by_modified(shop: Shop) -> bool:
    return bool(shop.settings.get("items_by_modified", True))
