"""Lists of the Taobao Open Platform by modified time: walked so that no row is lost, counted so that a gap shows.

Source of every fact: platform documentation of TOP, sections "Orders", "Refunds" and "Items and stock".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import msgspec

from orderpipe.config import Shop
from orderpipe.errors import BadResponse
from orderpipe.platforms.base import RawPayload, Window
from orderpipe.platforms.china_time import parse_time, time_text
from orderpipe.platforms.top import TopGateway

WALKS = 4  # how often a list is walked before its count is called irreconcilable
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Listing:
    """A list API by modified time: its method, the id of a row, the fields to ask for.

    page_size, most: rows per page asked for, and the most the API gives. pages: the last page number it accepts.
    has_next: it can say whether a page follows instead of counting. more: further parameters. census: those that
    differ in a second walk.
    """

    method: str
    id_field: str
    fields: str
    page_size: int
    most: int = 100
    pages: int | None = None
    has_next: bool = True
    more: Mapping[str, str] = field(default_factory=dict)
    census: Mapping[str, str] = field(default_factory=dict)


class _ListPage(msgspec.Struct):
    """One page; the wrapper object is absent when the page is empty, total_results when use_has_next=true."""

    total_results: int | None = None
    has_next: bool | None = None
    trades: dict[str, list[msgspec.Raw]] = {}
    refunds: dict[str, list[msgspec.Raw]] = {}
    items: dict[str, list[msgspec.Raw]] = {}

    @property
    def rows(self) -> list[msgspec.Raw]:
        return [row for rows in (self.trades or self.refunds or self.items).values() for row in rows]


class _Row(msgspec.Struct):
    tid: msgspec.Raw = msgspec.Raw()
    refund_id: msgspec.Raw = msgspec.Raw()
    num_iid: msgspec.Raw = msgspec.Raw()
    modified: msgspec.Raw = msgspec.Raw()


class Lists:
    """The lists of one shop. window None reads a list whole, whatever the modified time.

    Rows come newest first, and a row that changes moves to the front: pages are read from the last to the first, so
    that a row which leaves a closed window can only be read twice, never be skipped.
    """

    def __init__(self, shop: Shop, top: TopGateway):
        self._shop, self._top = shop, top

    def settled(self, listing: Listing, window: Window | None) -> tuple[int, dict[str, str], bool]:
        """(count, row text by id, settled): walked until a walk turns up nothing new and the count is reached.

        One backward walk is safe against rows that leave. A row that appears late (the list's index lags) pushes
        unread rows onto pages already read; only a second walk sees that. A row without id is its own key.
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

    def census(self, listing: Listing, window: Window | None) -> dict[str, datetime]:
        """Id and modified time by a walk that never asks for the count and cuts the pages differently."""
        size = max(1, self._page_size(listing) * 2 // 5)
        listing = replace(listing, fields=f"{listing.id_field},modified", more={**listing.more, **listing.census})
        found: dict[str, datetime] = {}
        last = 1
        while (page := self._page(listing, window, last, size, counted=False)).has_next:
            self._require_page(listing, last + 1)
            last = min(last * 2, listing.pages or last * 2)  # beyond the end an empty page comes back
        for number in range(last, 0, -1):
            if number != last:
                page = self._page(listing, window, number, size, counted=False)
            for row in page.rows:
                head = document(listing, text_of(row), window.start if window else EPOCH)
                if head.source_id:
                    known = found.get(head.source_id, head.source_updated_at)
                    found[head.source_id] = max(known, head.source_updated_at)
        return found

    def _walk(self, listing: Listing, window: Window | None) -> tuple[int, dict[str, str], bool]:
        """(count before the walk, row text by id, whether one page held everything)."""
        size = self._page_size(listing)
        first = self._page(listing, window, 1, size, counted=True)
        total, found = first.total_results or 0, _by_id(listing, first.rows)
        if len(first.rows) < size and len(found) >= total:
            return total, found, True
        last = max(1, math.ceil(total / size))
        self._require_page(listing, last)
        while (page := self._page(listing, window, last, size, counted=False)).has_next:
            last += 1  # rows that came after the count pushed the tail onto further pages
            self._require_page(listing, last)
        found |= _by_id(listing, page.rows)
        for number in range(last - 1, 0, -1):
            found |= _by_id(listing, self._page(listing, window, number, size, counted=False).rows)
        return total, found, False

    def _page(self, listing: Listing, window: Window | None, page_no: int, size: int, *, counted: bool) -> _ListPage:
        params = {"fields": listing.fields, "page_no": str(page_no), "page_size": str(size), **listing.more}
        if window:
            params["start_modified"] = time_text(window.start)
            params["end_modified"] = time_text(window.end + timedelta(microseconds=999_999))
        if listing.has_next:
            params["use_has_next"] = "false" if counted else "true"
        page = self._top.call(listing.method, params, _ListPage)
        if counted and page.total_results is None:
            where = f"{self._shop.id}, {listing.method}"
            raise BadResponse("the answer holds no total_results", where=where, remedy="the window is pulled again")
        if page.has_next is None and not counted:
            page.has_next = len(page.rows) >= size
        return page

    def _page_size(self, listing: Listing) -> int:
        return min(listing.most, int(self._shop.settings.get("page_size", listing.page_size)))

    def _require_page(self, listing: Listing, number: int) -> None:
        if listing.pages and number > listing.pages:
            where = f"{self._shop.id}, {listing.method}"
            remedy = "pull shorter windows (setting product_window_span_minutes)"
            raise BadResponse(f"the list is longer than its {listing.pages} pages", where=where, remedy=remedy)


def document(listing: Listing, text: str, without_time: datetime) -> RawPayload:
    """A row or a document with the id and modified time read from it; id '' and `without_time` where it has none."""
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


def text_of(row: msgspec.Raw) -> str:
    """A slice of an answer as text, byte for byte."""
    return bytes(row).decode()


def _by_id(listing: Listing, rows: list[msgspec.Raw]) -> dict[str, str]:
    """Row text by id; a row without id is its own key, so that it is neither lost nor merged."""
    texts = [text_of(row) for row in rows]
    return {document(listing, text, EPOCH).source_id or text: text for text in texts}
