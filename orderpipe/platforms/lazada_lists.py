"""Lists of the Lazada Open Platform: how a page is asked for, and how a list is read while it moves.

Source of every fact: platform documentation of Lazada, sections "GetOrders", "GetReverseOrdersForSeller" and
"GetProducts".
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from orderpipe.config import Shop
from orderpipe.errors import BadResponse, ConfigError
from orderpipe.platforms.base import RawPayload, Window
from orderpipe.platforms.lazada_gateway import LazadaGateway

SECOND = timedelta(seconds=1)
MOST_PER_PAGE = 100
MOST_ROWS = 4000  # rows of a stretch of orders beyond which it is cut in two: the platform skips 5000 at most
EPOCH = datetime.fromtimestamp(0, UTC)


def parse_time(text: str) -> datetime:
    """A time as the platform writes it (2026-09-21 15:45:00 +0800, or ISO 8601 with an offset) as aware UTC.

    Raises ValueError, also for a time without an offset: which zone it would be in is not documented.
    """
    at = datetime.fromisoformat(re.sub(r"\s+(?=[+-]\d\d:?\d\d$)", "", text.strip()))
    if at.tzinfo is None:
        raise ValueError("a time without an offset")
    return at.astimezone(UTC)


def parse_millis(text: str) -> datetime:
    """Milliseconds since 1970 as aware UTC. Raises ValueError."""
    if not re.fullmatch(r"\d{12,14}", text):
        raise ValueError("not milliseconds since 1970")
    return EPOCH + timedelta(milliseconds=int(text))


def millis(at: datetime) -> str:
    """An aware time as whole milliseconds since 1970."""
    return str((at - EPOCH) // timedelta(milliseconds=1))


def text_of(raw: msgspec.Raw) -> str:
    """The text of a JSON value; of a string what is in it. Ids come as numbers or strings and never meet a float."""
    return bytes(raw).decode().strip('"')


@dataclass(frozen=True)
class Rows:
    """A page of a list: its rows, and how many the platform counts in all."""

    rows: list[msgspec.Raw]
    total: int | None


@dataclass(frozen=True)
class Walk:
    """What one reading of a list found: the platform's count, row text by id, whether one page held everything."""

    total: int
    found: dict[str, str]
    atomic: bool = False


class PlatformList(ABC):
    """A list of one kind of documents. size: rows per page. note: members that a document needs and does not hold,
    as JSON text beginning with a comma."""

    size: int
    note = ""

    def __init__(self, gateway: LazadaGateway, shop: Shop):
        self._gateway, self._shop = gateway, shop

    @abstractmethod
    def page(self, window: Window, number: int, size: int) -> Rows:
        """One page of the documents modified in the window (both ends included), counted from 1."""

    @abstractmethod
    def head(self, text: str, without_time: datetime) -> RawPayload:
        """The document with its id and modified time; id "" and `without_time` where it has none."""

    def walk(self, window: Window) -> Walk:
        """The whole list, read from its last page to the first.

        A row that changes leaves a closed window and draws what stands behind it forward: read this way it can only
        be met twice, never be skipped.
        """
        return self._from(window, self._counted(self.page(window, 1, self.size)))

    def _from(self, window: Window, first: Rows) -> Walk:
        """The rest of a walk whose first page is read."""
        found = self.by_id(first.rows)
        if len(first.rows) < self.size and len(found) >= first.total:
            return Walk(first.total, found, atomic=True)
        last = max(1, math.ceil(first.total / self.size))
        while len((page := self.page(window, last, self.size)).rows) >= self.size:
            found |= self.by_id(page.rows)
            last += 1  # rows that came after the count pushed the tail onto further pages
        found |= self.by_id(page.rows)
        for number in range(last - 1, 0, -1):
            found |= self.by_id(self.page(window, number, self.size).rows)
        return Walk(first.total, found)

    def census(self, window: Window) -> Iterator[RawPayload]:
        """The documents of the window once more, without the count and with other pages."""
        size, last = max(2, self.size * 2 // 5), 1
        while len((page := self.page(window, last, size)).rows) >= size:
            last *= 2
        for number in range(last, 0, -1):
            rows = page.rows if number == last else self.page(window, number, size).rows
            yield from (self.head(bytes(row).decode(), window.start) for row in rows)

    def noted(self, head: RawPayload) -> RawPayload:
        """The document with the note spliced in at its end; one without id stays as it is."""
        return replace(head, payload=f"{head.payload[:-1]}{self.note}}}") if head.source_id else head

    def by_id(self, rows: list[msgspec.Raw]) -> dict[str, str]:
        """Row text by id; a row without id is its own key, so that it is neither lost nor merged."""
        texts = [bytes(row).decode() for row in rows]
        return {self.head(text, EPOCH).source_id or text: text for text in texts}

    def _counted(self, page: Rows) -> Rows:
        if page.total is None:
            raise BadResponse("the list has no count", where=self._shop.id, remedy="the window is pulled again")
        return page

    @staticmethod
    def _document(text: str, without_time: datetime, shape: type, told: Callable[[Any], tuple[str, datetime]]):
        try:
            source_id, updated_at = told(msgspec.json.decode(text, type=shape))
        except (msgspec.MsgspecError, ValueError):
            return RawPayload("", without_time, text)
        return RawPayload(source_id if source_id.isdigit() else "", updated_at or without_time, text)


class _OrderHead(msgspec.Struct):
    order_id: msgspec.Raw = msgspec.Raw()
    updated_at: msgspec.Raw = msgspec.Raw()


class _Orders(msgspec.Struct, rename={"total": "countTotal"}):
    orders: list[msgspec.Raw] = []
    total: int | None = None
    count: int | None = None


class OrderList(PlatformList):
    """/orders/get by modified time, oldest first. Setting: page_size (at most 100)."""

    def __init__(self, gateway: LazadaGateway, shop: Shop):
        super().__init__(gateway, shop)
        self.size = min(MOST_PER_PAGE, int(shop.settings.get("page_size", MOST_PER_PAGE)))
        try:
            self._zone = ZoneInfo(shop.timezone)
        except (KeyError, ValueError):
            raise ConfigError(
                "timezone is no known time zone", where=shop.id, remedy="set timezone in shops.yaml"
            ) from None

    def page(self, window: Window, number: int, size: int) -> Rows:
        return self._page(window, (number - 1) * size, size)

    def walk(self, window: Window) -> Walk:
        """As of every list; a stretch with more rows than can be paged is cut in two, down to a second."""
        window = Window(window.start.replace(microsecond=0), _second_after(window.end))
        first = self._counted(self.page(window, 1, self.size))
        length = (window.end - window.start) // SECOND
        if first.total <= MOST_ROWS or length < 1:
            return self._from(window, first)
        middle = window.start + length // 2 * SECOND
        parts = [self.walk(Window(window.start, middle)), self.walk(Window(middle + SECOND, window.end))]
        return Walk(sum(part.total for part in parts), {key: row for part in parts for key, row in part.found.items()})

    def census(self, window: Window) -> Iterator[RawPayload]:
        """The orders of the window by a walk that skips nothing: each page begins at the time the last one reached."""
        size = max(2, self.size * 2 // 5)
        start, end, offset = window.start.replace(microsecond=0), _second_after(window.end), 0
        while True:
            rows = self._page(Window(start, end), offset, size).rows
            heads = [self.head(bytes(row).decode(), window.start) for row in rows]
            yield from heads
            if len(rows) < size:
                return
            times = [head.source_updated_at for head in heads]
            # A row that shows a newer time than the one it is listed under stands out of order: not to be trusted.
            if times == sorted(times) and start < times[-2] <= end:
                start, offset = times[-2], 0
            elif size < MOST_PER_PAGE:
                size = min(MOST_PER_PAGE, 2 * size)
            else:
                offset += size

    def head(self, text: str, without_time: datetime) -> RawPayload:
        def told(row: _OrderHead) -> tuple[str, datetime | None]:
            try:
                return text_of(row.order_id), parse_time(text_of(row.updated_at))
            except ValueError:
                return text_of(row.order_id), None

        return self._document(text, without_time, _OrderHead, told)

    def _page(self, window: Window, offset: int, size: int) -> Rows:
        params = {
            "update_after": window.start.astimezone(self._zone).isoformat(timespec="seconds"),
            "update_before": _second_after(window.end).astimezone(self._zone).isoformat(timespec="seconds"),
            "sort_by": "updated_at",
            "sort_direction": "ASC",
            "limit": str(size),
            "offset": str(offset),
        }
        page = self._gateway.read("/orders/get", params, _Orders)
        # The documentation contradicts itself on which of the two counts all rows: it is the greater one.
        counts = [count for count in (page.total, page.count) if count is not None]
        return Rows(page.orders, max(counts, default=None))


class _CaseLine(msgspec.Struct):
    return_order_line_gmt_modified: msgspec.Raw = msgspec.Raw()


class _CaseHead(msgspec.Struct):
    reverse_order_id: msgspec.Raw = msgspec.Raw()
    reverse_order_lines: list[_CaseLine] = []


class _Cases(msgspec.Struct):
    items: list[msgspec.Raw] = []
    total: int | None = None
    success: bool = True


class ReverseList(PlatformList):
    """/reverse/getreverseordersforseller by the modified time of its lines.

    Settings: reverse_page_size (the documentation names no maximum; 100), refund_unit ("cents" or "whole": in what
    refund_amount is counted; whole for VND, hundredths for all others; not documented for IDR).
    """

    def __init__(self, gateway: LazadaGateway, shop: Shop):
        super().__init__(gateway, shop)
        self.size = int(shop.settings.get("reverse_page_size", 100))
        unit = shop.settings.get("refund_unit", "whole" if shop.currency == "VND" else "cents")
        self.note = f'{_currency_note(shop)},"_refund_unit":"{unit}"'

    def page(self, window: Window, number: int, size: int) -> Rows:
        params = {
            "page_no": str(number),
            "page_size": str(size),
            "ReverseOrderLineModifiedTimeRangeStart": millis(window.start),
            "ReverseOrderLineModifiedTimeRangeEnd": millis(window.end),
        }
        page = self._gateway.read("/reverse/getreverseordersforseller", params, _Cases, root="result")
        if not page.success:
            what = "the list of reverse orders says it failed"
            raise BadResponse(what, where=self._shop.id, remedy="the window is pulled again")
        return Rows(page.items, page.total)

    def head(self, text: str, without_time: datetime) -> RawPayload:
        def told(case: _CaseHead) -> tuple[str, datetime | None]:
            times = [text_of(line.return_order_line_gmt_modified) for line in case.reverse_order_lines]
            modified = [parse_millis(text) for text in times if re.fullmatch(r"\d{12,14}", text)]
            return text_of(case.reverse_order_id), max(modified, default=None)

        return self._document(text, without_time, _CaseHead, told)


class _ProductHead(msgspec.Struct):
    item_id: msgspec.Raw = msgspec.Raw()
    updated_time: msgspec.Raw = msgspec.Raw()


class _Products(msgspec.Struct):
    products: list[msgspec.Raw] = []
    total_products: int | str | None = None


class ProductList(PlatformList):
    """/products/get. Setting: products_by_update_time (false: the whole list is read, since a sale that changes the
    stock is not documented to change updated_time; true: only what was updated in the window)."""

    size = 50

    def __init__(self, gateway: LazadaGateway, shop: Shop):
        super().__init__(gateway, shop)
        self.note = _currency_note(shop)
        self._by_time = bool(shop.settings.get("products_by_update_time", False))
        self._zone = ZoneInfo(shop.timezone)

    def page(self, window: Window, number: int, size: int) -> Rows:
        params = {"filter": "all", "limit": str(size), "offset": str((number - 1) * size)}
        if self._by_time:
            params["update_after"] = window.start.astimezone(self._zone).isoformat(timespec="seconds")
            params["update_before"] = _second_after(window.end).astimezone(self._zone).isoformat(timespec="seconds")
        page = self._gateway.read("/products/get", params, _Products)
        total = page.total_products
        return Rows(page.products, int(total) if str(total).isdigit() else None)

    def head(self, text: str, without_time: datetime) -> RawPayload:
        def told(product: _ProductHead) -> tuple[str, datetime | None]:
            try:
                return text_of(product.item_id), parse_millis(text_of(product.updated_time))
            except ValueError:
                return text_of(product.item_id), None

        return self._document(text, without_time, _ProductHead, told)


def _currency_note(shop: Shop) -> str:
    """What reverse orders and listings leave out: only the shop's configuration tells their currency."""
    return f',"_currency":"{shop.currency}"'


def _second_after(at: datetime) -> datetime:
    """The time, rounded up to a whole second."""
    return (at + timedelta(microseconds=999_999)).replace(microsecond=0)
