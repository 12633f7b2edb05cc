"""Douyin shop (抖店): orders, after-sale cases, listing and shipping write-backs of one shop.

Source of every fact: platform documentation of Doudian. The gateway itself (signature, token, errors) is in
douyin_gateway.py.
"""

import hashlib
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from orderpipe.clock import Clock
from orderpipe.errors import BadResponse
from orderpipe.platforms.base import Page, RawPayload, Refused, Unanswered, Window, WindowPolicy
from orderpipe.platforms.client import ShopClient
from orderpipe.platforms.douyin_gateway import AlreadyApplied, DouyinGateway, parse_time
from orderpipe.platforms.tokens import TokenStore

TO_SHIP, HELD, SHIPPED = (2, 101), 105, (3, 5)
CANCELLED, EXCHANGED = (12, 51, 53), (3, 6, 7, 8)  # after-sale states that end a sale, and types that end none
WALKS = 4  # how often a list is walked before its count is called irreconcilable


@dataclass(frozen=True)
class Listing:
    """A list API by modified time. rows: where the rows stand in `data`. asking: its parameters for [start, end],
    unix seconds."""

    path: str
    rows: str
    asking: Callable[[int, int], dict[str, Any]]


LISTINGS = {
    "order": Listing(
        "/order/searchList",
        "shop_order_list",
        lambda start, end: {
            "update_time_start": start, "update_time_end": end, "order_by": "update_time", "order_asc": True
        },
    ),
    "refund": Listing(
        "/afterSale/List",
        "items",
        lambda start, end: {"update_start_time": start, "update_end_time": end, "order_by": ["update_time asc"]},
    ),
}  # fmt: skip


class _ListPage(msgspec.Struct):
    """One page; the list of an empty page may be null."""

    total: int | None = None
    shop_order_list: list[msgspec.Raw] | None = None
    items: list[msgspec.Raw] | None = None

    @property
    def rows(self) -> list[msgspec.Raw]:
        return self.shop_order_list or self.items or []


class _Case(msgspec.Struct):
    aftersale_id: msgspec.Raw = msgspec.Raw()
    update_time: msgspec.Raw = msgspec.Raw()


class _Row(msgspec.Struct):
    order_id: msgspec.Raw = msgspec.Raw()
    update_time: msgspec.Raw = msgspec.Raw()
    aftersale_info: _Case | None = None


class _AfterSale(msgspec.Struct):
    after_sale_status: int = 0
    after_sale_type: int = 0


class _Packed(msgspec.Struct):
    sku_order_id: str = ""
    product_count: int = 0


class _Parcel(msgspec.Struct):
    tracking_no: str = ""
    product_info: list[_Packed] | None = None


class _Line(msgspec.Struct):
    order_id: str
    order_status: int = 0
    item_num: int = 0
    after_sale_info: _AfterSale | None = None

    @property
    def cancelled(self) -> bool:
        """Nothing of the line is to be sent any more."""
        case = self.after_sale_info
        return bool(case) and case.after_sale_status in CANCELLED and case.after_sale_type not in EXCHANGED


class _Order(msgspec.Struct):
    order_status: int
    sku_order_list: list[_Line] = []
    logistics_info: list[_Parcel] | None = None

    @property
    def parcels(self) -> list[_Parcel]:
        return self.logistics_info or []


class _Detail(msgspec.Struct):
    shop_order_detail: _Order


class _Pack(msgspec.Struct):
    pack_id: str | int = ""


class _Sent(msgspec.Struct):
    pack_list: list[_Pack] | None = None


class DouyinClient(ShopClient):
    """One Douyin shop. Settings:

    page_size: rows per page, at most 100. deep_paging_limit: how many rows of a list can be reached by paging, 10,000
    unless the platform says otherwise; a fuller window is cut in two. token_grant: `refresh`, or `self_use` for an
    application of the seller's own, which asks for tokens with the shop id (credential shop_id) alone.
    renew_before_minutes: how long before its end a token is refreshed, 60. sign_method: `hmac-sha256` or `md5`.
    no_old_err_code: ask for answers without the legacy error fields. throttle_budget_seconds, read_timeout_seconds,
    window_*_minutes: as everywhere.
    """

    # The documentation sets no limit to a window; short ones keep clear of its limit on deep paging.
    windows: ClassVar = dict.fromkeys(
        ("order", "refund"),
        WindowPolicy(span=timedelta(minutes=30), overlap=timedelta(minutes=3), lag=timedelta(minutes=1)),
    )

    def _open(self, tokens: TokenStore, clock: Clock) -> None:
        self._gateway = DouyinGateway(self._shop, tokens, clock, self._http, self._sleep)
        self._size = min(100, int(self._shop.settings.get("page_size", 100)))
        self._depth = int(self._shop.settings.get("deep_paging_limit", 10_000))

    def pull(self, kind: str, window: Window) -> Iterator[Page]:
        """Every order or after-sale case modified in the window, whole as the list gives it.

        The page carries the platform's count. Raises BadResponse after it when the list would not hold still or
        counts more than could be read, and the kinds of `DouyinGateway.call` at any time.
        """
        self._require(kind)
        listing = LISTINGS[kind]
        reported, rows, settled = self._settled(listing, window)
        yield Page([_payload(text, window.start) for text in rows.values()], reported)
        if not settled:
            raise BadResponse(
                f"the list did not settle in {WALKS} walks: {reported} counted, {len(rows)} read",
                where=f"{self._shop.id}, {kind} {window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M} UTC",
                remedy="the window stays open and is pulled again; if it stays so, run `orderpipe verify`",
            )

    def census(self, kind: str, window: Window) -> dict[str, datetime]:
        """Id and modified time by a walk that never asks for a second page: the next call begins at the time of the
        last row. It does without the count, and nothing that moves can shift a row past it."""
        self._require(kind)
        listing = LISTINGS[kind]
        size = max(2, self._size * 2 // 5)
        start, end = _bounds(window)
        found: dict[str, datetime] = {}
        number = 0
        while True:
            rows = [_payload(_text(row), window.start) for row in self._list(listing, start, end, number, size).rows]
            for row in rows:
                if row.source_id:
                    found[row.source_id] = max(found.get(row.source_id, row.source_updated_at), row.source_updated_at)
            if len(rows) < size:
                return found
            # A second earlier: whether the bound itself belongs to the range is not documented.
            newest = int(max(row.source_updated_at for row in rows).timestamp()) - 1
            # More rows in one second than a page holds: only there a next page is asked for.
            start, number = (newest, 0) if newest > start else (start, number + 1)

    # Lists. Rows come oldest first. A row that changes leaves a closed window, and those behind it move up: pages are
    # read from the last to the first, so that such a row can only be read twice, never be skipped.

    def _settled(self, listing: Listing, window: Window) -> tuple[int, dict[str, str], bool]:
        """(count, row text by id, settled): walked until a walk turns up nothing new and the count is reached.

        One backward walk is safe against rows that leave. A row that appears late (the list's index lags) pushes
        unread rows onto pages already read; only a second walk sees that.
        """
        rows: dict[str, str] = {}
        reported, settled = 0, False
        for walk in range(WALKS):
            start, end = _bounds(window)
            reported, found, atomic = self._walk(listing, start, end)
            fresh = found.keys() - rows.keys()
            rows = {key: text for key, text in rows.items() if key != text} | found
            settled = len(rows) >= reported and (atomic or (walk > 0 and not fresh))
            if settled and all(_whole(key, text) for key, text in rows.items()):
                break
        return reported, rows, settled

    def _walk(self, listing: Listing, start: int, end: int) -> tuple[int, dict[str, str], bool]:
        """(count before the walk, row text by id, whether one page held everything)."""
        first = self._list(listing, start, end, 0, self._size)
        if first.total is None:
            where = f"{self._shop.id}, {listing.path.strip('/')}"
            raise BadResponse("the answer holds no total", where=where, remedy="the window is pulled again")
        found = _by_id(first.rows)
        if len(first.rows) < self._size and len(found) >= first.total:
            return first.total, found, True
        last = max(0, math.ceil(first.total / self._size) - 1)
        if (last + 1) * self._size > self._depth:
            return first.total, found | self._halves(listing, start, end), False
        while len((page := self._list(listing, start, end, last, self._size)).rows) >= self._size:
            last += 1  # rows that came after the count pushed the tail onto further pages
            found |= _by_id(page.rows)
            if (last + 1) * self._size > self._depth:
                return first.total, found | self._halves(listing, start, end), False
        found |= _by_id(page.rows)
        for number in range(last - 1, -1, -1):
            found |= _by_id(self._list(listing, start, end, number, self._size).rows)
        return first.total, found, False

    def _halves(self, listing: Listing, start: int, end: int) -> dict[str, str]:
        """The rows of a range too full to page through, as two ranges that share the second between them.

        Raises BadResponse when a single second is too full.
        """
        if end - start < 2:
            raise BadResponse(
                f"more than {self._depth} rows changed in one second, and no more can be paged through",
                where=f"{self._shop.id}, {listing.path.strip('/')}",
                remedy="raise setting deep_paging_limit if the platform allows more",
            )
        middle = (start + end) // 2
        _, later, _ = self._walk(listing, middle, end)
        _, earlier, _ = self._walk(listing, start, middle)
        return later | earlier

    def _list(self, listing: Listing, start: int, end: int, number: int, size: int) -> _ListPage:
        # Page 0 is the first, and must be said.
        params = {**listing.asking(start, end), "page": number, "size": size}
        return self._gateway.call(listing.path, params, _ListPage)

    # Write-backs

    def confirm_shipment(
        self, order_no: str, courier_code: str, tracking_no: str, lines: Mapping[str, int] | None = None
    ) -> dict[str, Any]:
        """Tell the platform that a parcel has left (order.logisticsAddMultiPack).

        order_no: id of the shop order. courier_code: the platform's company code (shunfeng, yuantong, …). lines:
        pieces in the parcel by id of the child order; None means everything that is still to be sent. Effect once:
        the order is read first, and again after an unclear end; a parcel it knows already is not sent again, and the
        platform carries out a request_id once. Returns a receipt {"status": …, "already_shipped": bool}. Raises
        Refused when the order cannot be shipped (a pending refund is never overruled), Unanswered when the outcome
        stays unknown.
        """
        chosen = ",".join(f"{line}:{lines[line]}" for line in sorted(lines)) if lines else ""
        identity = f"{self._shop.id}\n{order_no}\n{tracking_no}\n{chosen}"
        request_id = hashlib.sha256(identity.encode()).hexdigest()[:32]
        failure: Refused | Unanswered | None = None
        for attempt in range(3):
            if attempt:
                self._sleep(random.uniform(0, 2**attempt))
            order = self._order(order_no)
            known = any(parcel.tracking_no == tracking_no for parcel in order.parcels)
            if known or order.order_status in SHIPPED:
                return {"status": str(order.order_status), "already_shipped": True}
            if isinstance(failure, Refused):
                break
            packed = lines or _unsent(order)
            self._require_shippable(order, order_no, packed)
            try:
                return self._send(order_no, courier_code, tracking_no, packed, request_id)
            except AlreadyApplied:
                return {"status": str(order.order_status), "already_shipped": True}
            except (Refused, Unanswered) as error:
                failure = error
        raise failure

    def _require_shippable(self, order: _Order, order_no: str, packed: Mapping[str, int]) -> None:
        where = f"{self._shop.id}, order {order_no}"
        if order.order_status == HELD:
            remedy = "wait until the platform releases it (group purchase or risk control)"
            raise Refused("the platform holds the paid order", where=where, remedy=remedy)
        if order.order_status not in TO_SHIP or not packed:
            what = f"nothing of the order is to be shipped (order_status {order.order_status})"
            raise Refused(what, where=where, remedy="check the order's state")

    def _send(
        self, order_no: str, courier_code: str, tracking_no: str, packed: Mapping[str, int], request_id: str
    ) -> dict[str, Any]:
        pieces = [{"shipped_order_id": line, "shipped_num": packed[line]} for line in packed]
        pack = {"shipped_order_info": pieces, "logistics_code": tracking_no, "company_code": courier_code}
        params = {"order_id": order_no, "request_id": request_id, "pack_list": [pack]}
        sent = self._gateway.call("/order/logisticsAddMultiPack", params, _Sent | None, repeatable=False)
        packs = [str(pack.pack_id) for pack in (sent.pack_list if sent else None) or []]
        return {"status": "sent", "already_shipped": False, "request_id": request_id, "pack_ids": packs}

    def _order(self, order_no: str) -> _Order:
        return self._gateway.call("/order/orderDetail", {"shop_order_id": order_no}, _Detail).shop_order_detail

    def suspend_listing(self, product_id: str) -> dict[str, Any]:
        """Take a product off sale (product.setOffline). Returns a receipt."""
        self._gateway.call("/product/setOffline", {"product_id": self._product(product_id)}, Any)
        return {"product_id": product_id, "listed": False}

    def resume_listing(self, product_id: str, quantity: int) -> dict[str, Any]:
        """Put a product on sale again (product.setOnline). Returns a receipt.

        quantity is not sent: here stock stands at the skus of a product, not at the product.
        """
        self._gateway.call("/product/setOnline", {"product_id": self._product(product_id)}, Any)
        return {"product_id": product_id, "listed": True}

    def _product(self, product_id: str) -> int:
        if not (product_id.isascii() and product_id.isdigit()):
            raise Refused(f"{product_id!r} is no product id", where=self._shop.id, remedy="check the product id")
        return int(product_id)


def _unsent(order: _Order) -> dict[str, int]:
    """Pieces still to be sent, by id of the child order."""
    sent: dict[str, int] = {}
    for packed in (packed for parcel in order.parcels for packed in parcel.product_info or []):
        sent[packed.sku_order_id] = sent.get(packed.sku_order_id, 0) + packed.product_count
    left = {
        line.order_id: line.item_num - sent.get(line.order_id, 0)
        for line in order.sku_order_list
        if line.order_status in TO_SHIP and not line.cancelled
    }
    return {line: pieces for line, pieces in left.items() if pieces > 0}


def _bounds(window: Window) -> tuple[int, int]:
    """The window in whole unix seconds, rounded outwards."""
    return math.floor(window.start.timestamp()), math.ceil(window.end.timestamp())


def _text(row: msgspec.Raw) -> str:
    return bytes(row).decode()


def _plain(value: msgspec.Raw) -> str:
    """A number or a text of a document as text; ids have 19 digits and never meet a float."""
    return bytes(value).decode().strip('"')


def _head(text: str) -> tuple[str, datetime | None]:
    """(id, modified time) of a document; '' and None where it has none."""
    try:
        row = msgspec.json.decode(text, type=_Row)
    except msgspec.MsgspecError:
        return "", None
    case = row.aftersale_info
    number, at = (case.aftersale_id, case.update_time) if case else (row.order_id, row.update_time)
    source_id = _plain(number)
    try:
        updated_at = parse_time(_plain(at))
    except ValueError:
        updated_at = None
    # Ids of old orders end in A.
    return source_id if re.fullmatch(r"\d+A?", source_id) else "", updated_at


def _payload(text: str, without_time: datetime) -> RawPayload:
    source_id, updated_at = _head(text)
    return RawPayload(source_id, updated_at or without_time, text)


def _whole(key: str, text: str) -> bool:
    """The document tells its id and its time: another walk may bring one that does."""
    return key != text and _head(text)[1] is not None


def _by_id(rows: list[msgspec.Raw]) -> dict[str, str]:
    """Row text by id; a row without id is its own key, so that it is neither lost nor merged."""
    texts = [_text(row) for row in rows]
    return {_head(text)[0] or text: text for text in texts}
