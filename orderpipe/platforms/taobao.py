"""Taobao / Tmall: orders, refunds, listing and shipping write-backs of one shop.

Source of every fact: platform documentation of TOP. The gateway itself (signature, session, errors) is in top.py.
"""

import math
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from orderpipe.clock import Clock
from orderpipe.errors import BadResponse
from orderpipe.platforms.base import Page, RawPayload, Refused, Unanswered, Window, WindowPolicy
from orderpipe.platforms.client import ShopClient
from orderpipe.platforms.tokens import TokenStore
from orderpipe.platforms.top import TopGateway, parse_time, time_text

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
SHIPPED = ("WAIT_BUYER_CONFIRM_GOODS", "TRADE_BUYER_SIGNED", "TRADE_FINISHED")
WALKS = 4  # how often a list is walked before its count is called irreconcilable
CHUNK = 100  # trades per yielded page
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Listing:
    """A list API by modified time: its method, the id of a row, the fields to ask for, rows per page."""

    method: str
    id_field: str
    fields: str
    page_size: int


LISTINGS = {
    # Rows of the trade list are masked and incomplete: it serves as an index, the truth is trade.fullinfo.get.
    "order": Listing("taobao.trades.sold.increment.get", "tid", "tid,modified", 100),
    "refund": Listing("taobao.refunds.receive.get", "refund_id", REFUND_FIELDS, 50),
}


class _ListPage(msgspec.Struct):
    """One page; the wrapper object is absent when the page is empty, total_results when use_has_next=true."""

    total_results: int | None = None
    has_next: bool | None = None
    trades: dict[str, list[msgspec.Raw]] = {}
    refunds: dict[str, list[msgspec.Raw]] = {}

    @property
    def rows(self) -> list[msgspec.Raw]:
        return [row for rows in (self.trades or self.refunds).values() for row in rows]


class _Row(msgspec.Struct):
    tid: msgspec.Raw = msgspec.Raw()
    refund_id: msgspec.Raw = msgspec.Raw()
    modified: msgspec.Raw = msgspec.Raw()


class _FullInfo(msgspec.Struct):
    trade: msgspec.Raw


class _Shipping(msgspec.Struct):
    is_success: bool = False


class _Sent(msgspec.Struct):
    shipping: _Shipping
    request_id: str = ""


class _Status(msgspec.Struct):
    status: str


class _TradeStatus(msgspec.Struct):
    trade: _Status


class _Item(msgspec.Struct):
    item: dict[str, Any] = {}
    request_id: str = ""


class TaobaoClient(ShopClient):
    """One Taobao or Tmall shop. Settings: fullinfo_workers, page_size, sign_method, throttle_budget_seconds,
    read_timeout_seconds, window_*_minutes."""

    # Half an hour is the documentation's advice; the API refuses more than a day.
    windows: ClassVar = dict.fromkeys(
        ("order", "refund"),
        WindowPolicy(span=timedelta(minutes=30), overlap=timedelta(minutes=3), lag=timedelta(minutes=1)),
    )

    def _open(self, tokens: TokenStore, clock: Clock) -> None:
        self._top = TopGateway(self._shop, tokens, clock, self._http, self._sleep)

    def pull(self, kind: str, window: Window) -> Iterator[Page]:
        """Every trade or refund modified in the window.

        The first page carries the platform's count. Raises BadResponse after the last page when the list would not
        hold still or counts more than could be read, and the kinds of `TopGateway.call` at any time.
        """
        self._require(kind)
        listing = LISTINGS[kind]
        reported, rows, settled = self._settled(listing, window)
        if kind == "order":
            yield from self._full_trades(rows, reported, window)
        else:
            payloads = [_payload(listing, text, window.start) for text in rows.values()]
            yield Page(payloads, reported)
        if not settled:
            raise BadResponse(
                f"the list did not settle in {WALKS} walks: {reported} counted, {len(rows)} read",
                where=f"{self._shop.id}, {kind} {window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M} UTC",
                remedy="the window stays open and is pulled again; if it stays so, run `orderpipe verify`",
            )

    def census(self, kind: str, window: Window) -> dict[str, datetime]:
        """Id and modified time by a walk that never asks for the count and cuts the pages differently."""
        self._require(kind)
        listing = LISTINGS[kind]
        size = max(1, self._page_size(listing) * 2 // 5)
        fields = f"{listing.id_field},modified"
        found: dict[str, datetime] = {}
        last = 1
        while (page := self._list(listing, window, last, size, counted=False, fields=fields)).has_next:
            last *= 2  # beyond the end an empty page comes back
        for number in range(last, 0, -1):
            if number != last:
                page = self._list(listing, window, number, size, counted=False, fields=fields)
            for row in page.rows:
                document = _payload(listing, _text(row), window.start)
                if document.source_id:
                    known = found.get(document.source_id, document.source_updated_at)
                    found[document.source_id] = max(known, document.source_updated_at)
        return found

    # Lists. Rows come newest first, and a row that changes moves to the front: pages are read from the last to the
    # first, so that a row which leaves a closed window can only be read twice, never be skipped.

    def _settled(self, listing: Listing, window: Window) -> tuple[int, dict[str, str], bool]:
        """(count, row text by id, settled): walked until a walk turns up nothing new and the count is reached.

        One backward walk is safe against rows that leave. A row that appears late (the list's index lags) pushes
        unread rows onto pages already read; only a second walk sees that.
        """
        rows: dict[str, str] = {}
        reported, settled = 0, False
        for walk in range(WALKS):
            reported, found, atomic = self._walk(listing, window)
            fresh = found.keys() - rows.keys()
            rows = {key: text for key, text in rows.items() if key.isdigit()} | found
            settled = len(rows) >= reported and (atomic or (walk > 0 and not fresh))
            if settled and all(key.isdigit() for key in rows):
                break
        return reported, rows, settled

    def _walk(self, listing: Listing, window: Window) -> tuple[int, dict[str, str], bool]:
        """(count before the walk, row text by id, whether one page held everything)."""
        size = self._page_size(listing)
        first = self._list(listing, window, 1, size, counted=True)
        total, found = first.total_results or 0, _by_id(listing, first.rows)
        if len(first.rows) < size and len(found) >= total:
            return total, found, True
        last = max(1, math.ceil(total / size))
        while (page := self._list(listing, window, last, size, counted=False)).has_next:
            last += 1  # rows that came after the count pushed the tail onto further pages
        found |= _by_id(listing, page.rows)
        for number in range(last - 1, 0, -1):
            found |= _by_id(listing, self._list(listing, window, number, size, counted=False).rows)
        return total, found, False

    def _list(
        self, listing: Listing, window: Window, page_no: int, size: int, *, counted: bool, fields: str = ""
    ) -> _ListPage:
        params = {
            "fields": fields or listing.fields,
            "start_modified": time_text(window.start),
            "end_modified": time_text(window.end + timedelta(microseconds=999_999)),
            "page_no": str(page_no),
            "page_size": str(size),
            "use_has_next": "false" if counted else "true",
        }
        page = self._top.call(listing.method, params, _ListPage)
        if counted and page.total_results is None:
            where = f"{self._shop.id}, {listing.method}"
            raise BadResponse("the answer holds no total_results", where=where, remedy="the window is pulled again")
        if page.has_next is None and not counted:
            page.has_next = len(page.rows) >= size
        return page

    def _page_size(self, listing: Listing) -> int:
        return min(100, int(self._shop.settings.get("page_size", listing.page_size)))

    # Orders

    def _full_trades(self, index: dict[str, str], reported: int, window: Window) -> Iterator[Page]:
        """The trades of an index in full, oldest first, a few at a time."""
        listing = LISTINGS["order"]
        heads = [_payload(listing, text, window.start) for text in index.values()]
        heads.sort(key=lambda head: (head.source_updated_at, head.source_id))
        if not all(head.source_id for head in heads):
            raise BadResponse("a row of the list has no tid", where=self._shop.id, remedy="the window is pulled again")
        if not heads:
            yield Page([], reported)
        workers = int(self._shop.settings.get("fullinfo_workers", 4))
        pool = ThreadPoolExecutor(workers, thread_name_prefix=f"fullinfo-{self._shop.id}")
        try:
            for start in range(0, len(heads), CHUNK):
                payloads = list(pool.map(self._full_trade, heads[start : start + CHUNK]))
                yield Page(payloads, reported if start == 0 else None)
        finally:
            pool.shutdown(cancel_futures=True)

    def _full_trade(self, head: RawPayload) -> RawPayload:
        """The whole trade; id and time fall back to the index where the trade itself lacks them."""
        params = {"fields": TRADE_FIELDS, "tid": head.source_id, "include_oaid": "true"}
        full = self._top.call("taobao.trade.fullinfo.get", params, _FullInfo)
        found = _payload(LISTINGS["order"], _text(full.trade), head.source_updated_at)
        return RawPayload(head.source_id, found.source_updated_at, found.payload)

    # Write-backs

    def confirm_shipment(self, order_no: str, courier_code: str, tracking_no: str) -> dict[str, Any]:
        """Tell the platform that a whole trade has left (taobao.logistics.offline.send).

        order_no: tid. courier_code: the platform's company code (SF, ZTO, …). Effect once: after a refusal or an
        unclear end the trade is read; one that is shipped already is not sent again. Returns a receipt
        {"status": …, "already_shipped": bool}. Raises Refused when the trade cannot be shipped, Unanswered when the
        outcome stays unknown.
        """
        for attempt in range(3):
            if attempt:
                self._sleep(random.uniform(0, 2**attempt))
            try:
                return self._send(order_no, courier_code, tracking_no)
            except (Refused, Unanswered) as error:
                failure = error
            status = self._trade_status(order_no)
            if status in SHIPPED:
                return {"status": status, "already_shipped": True}
            if isinstance(failure, Refused):
                break
        raise failure

    def _send(self, tid: str, company_code: str, out_sid: str) -> dict[str, Any]:
        params = {"tid": tid, "company_code": company_code, "out_sid": out_sid}
        sent = self._top.call("taobao.logistics.offline.send", params, _Sent, repeatable=False)
        if not sent.shipping.is_success:
            where = f"{self._shop.id}, trade {tid}"
            raise Refused("the platform did not confirm the shipment", where=where, remedy="check the trade's state")
        return {"status": "sent", "already_shipped": False, "request_id": sent.request_id}

    def _trade_status(self, tid: str) -> str:
        params = {"fields": "tid,status", "tid": tid}
        return self._top.call("taobao.trade.fullinfo.get", params, _TradeStatus).trade.status

    def suspend_listing(self, num_iid: str) -> dict[str, Any]:
        """Take an item off sale (taobao.item.update.delisting). Returns a receipt."""
        answer = self._top.call("taobao.item.update.delisting", {"num_iid": num_iid}, _Item)
        return {"num_iid": num_iid, "modified": answer.item.get("modified"), "request_id": answer.request_id}

    def resume_listing(self, num_iid: str, quantity: int) -> dict[str, Any]:
        """Put an item on sale again with this many pieces (taobao.item.update.listing). Returns a receipt."""
        params = {"num_iid": num_iid, "num": str(quantity)}
        answer = self._top.call("taobao.item.update.listing", params, _Item)
        return {"num_iid": num_iid, "modified": answer.item.get("modified"), "request_id": answer.request_id}


def _text(row: msgspec.Raw) -> str:
    return bytes(row).decode()


def _payload(listing: Listing, text: str, without_time: datetime) -> RawPayload:
    """A document with the id and modified time read from it; id '' and `without_time` where it has none."""
    try:
        row = msgspec.json.decode(text, type=_Row)
    except msgspec.MsgspecError:
        return RawPayload("", without_time, text)
    # Ids have up to 19 digits and come as numbers or strings: taken from the text, they never meet a float.
    source_id = bytes(getattr(row, listing.id_field)).decode().strip('"')
    try:
        updated_at = parse_time(bytes(row.modified).decode().strip('"'))
    except ValueError:
        updated_at = without_time
    return RawPayload(source_id if source_id.isdigit() else "", updated_at, text)


def _by_id(listing: Listing, rows: list[msgspec.Raw]) -> dict[str, str]:
    """Row text by id; a row without id is its own key, so that it is neither lost nor merged."""
    texts = [_text(row) for row in rows]
    return {_payload(listing, text, EPOCH).source_id or text: text for text in texts}
