"""Lists of the Shopee Open Platform by update time: walked until they settle.

In which order rows come is not documented, nor whether the bounds of a range belong to it, and only listings are
counted: no single walk can be trusted to have met every row while rows move.
Source of every fact: platform documentation of Shopee, sections "Orders", "Returns" and "Product".
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from orderpipe.config import Shop
from orderpipe.errors import BadResponse, ConfigError
from orderpipe.platforms.base import RawPayload, Refused, Window
from orderpipe.platforms.shopee_gateway import ShopeeGateway

LONGEST = 15 * 86400 - 60  # seconds that one call of a list may span, with some to spare
PAGE_SIZE, CENSUS_PAGE_SIZE = 100, 40
WALKS = 4  # how often a list is walked before it is said not to settle
ITEM_STATUSES = ("NORMAL", "UNLIST", "BANNED", "REVIEWING", "SELLER_DELETE", "SHOPEE_DELETE")
EPOCH = datetime.fromtimestamp(0, UTC)
Ask = dict[str, Any]


class _Listed(msgspec.Struct):
    """One page of any list. An empty list may be missing or null."""

    more: bool = False
    has_next_page: bool = False
    next_cursor: str | None = None
    next_offset: int | None = None
    order_list: list[msgspec.Raw] | None = None
    returns: list[msgspec.Raw] | None = msgspec.field(name="return", default=None)
    item: list[msgspec.Raw] | None = None

    @property
    def rows(self) -> list[str]:
        return [text_of(row) for row in self.order_list or self.returns or self.item or []]


class _Row(msgspec.Struct):
    order_sn: msgspec.Raw = msgspec.Raw()
    return_sn: msgspec.Raw = msgspec.Raw()
    item_id: msgspec.Raw = msgspec.Raw()
    update_time: msgspec.Raw = msgspec.Raw()


@dataclass(frozen=True)
class Listing:
    """A list API: its path, the id of a row, the names of its range's bounds, what else to ask."""

    path: str
    id_field: str
    bounds: tuple[str, str]
    more: tuple[tuple[str, Any], ...] = ()

    def ask(self, start: int, end: int) -> Ask:
        return {self.bounds[0]: start, self.bounds[1]: end, **dict(self.more)}


LISTINGS = {
    "order": Listing(
        "/api/v2/order/get_order_list",
        "order_sn",
        ("time_from", "time_to"),
        # Without the last one PENDING orders follow old, undocumented rules.
        (
            ("time_range_field", "update_time"),
            ("response_optional_fields", "order_status"),
            ("request_order_status_pending", "true"),
        ),
    ),
    "refund": Listing("/api/v2/returns/get_return_list", "return_sn", ("update_time_from", "update_time_to")),
    "product": Listing("/api/v2/product/get_item_list", "item_id", ("update_time_from", "update_time_to")),
}


class Lists:
    """The lists of one shop. window None reads the list of listings whole, whatever the update time."""

    def __init__(self, shop: Shop, shopee: ShopeeGateway):
        self._shop, self._shopee = shop, shopee
        base = shop.settings.get("return_page_base", "auto")
        if base not in ("auto", 0, 1):
            raise ConfigError(f"return_page_base is {base!r}", where=shop.id, remedy="use auto, 0 or 1")
        self._bases = (0, 1) if base == "auto" else (base,)

    def settled(self, kind: str, window: Window | None) -> tuple[dict[str, str], bool]:
        """(row text by id, settled): each stretch of the window walked until a walk turns up nothing new. A row
        without id is its own key."""
        size = min(PAGE_SIZE, int(self._shop.settings.get("page_size", PAGE_SIZE)))
        found, all_settled = {}, True
        for ask in _asks(kind, window):
            rows, settled = self._walked(kind, ask, size)
            found |= rows
            all_settled &= settled
        return found, all_settled

    def second(self, kind: str, window: Window | None) -> dict[str, str]:
        """Row text by id from a walk that cuts the pages differently: halves of the window, the later one first,
        smaller pages, listings status by status. Rows without id are left out."""
        found: dict[str, str] = {}
        for ask in _asks(kind, window, parts=2)[::-1]:
            for choice in [{"item_status": [status]} for status in ITEM_STATUSES] if kind == "product" else [{}]:
                for page in self._pages(kind, {**ask, **choice}, CENSUS_PAGE_SIZE):
                    found |= {key: text for key, text in _by_id(kind, page).items() if is_id(key)}
        return found

    def _walked(self, kind: str, ask: Ask, size: int) -> tuple[dict[str, str], bool]:
        rows: dict[str, str] = {}
        settled = False
        for walk in range(WALKS):
            pages = list(self._pages(kind, ask, size))
            found = {key: text for page in pages for key, text in _by_id(kind, page).items()}
            fresh = found.keys() - rows.keys()
            rows = {key: text for key, text in rows.items() if is_id(key)} | found
            settled = len(pages) == 1 or (walk > 0 and not fresh)
            if settled and all(map(is_id, rows)):
                break
        return rows, settled

    def _pages(self, kind: str, ask: Ask, size: int) -> Iterator[list[str]]:
        walk: Callable[[Ask], Iterator[list[str]]] = {
            "order": self._by_cursor, "refund": self._by_number, "product": self._by_offset,
        }[kind]  # fmt: skip
        yield from walk({**ask, "page_size": size})

    def _by_cursor(self, ask: Ask) -> Iterator[list[str]]:
        """The cursor is opaque; it must change, or the walk would never end."""
        seen, cursor = {""}, ""
        while True:
            page = self._page("order", {**ask, "cursor": cursor})
            yield page.rows
            if not page.more:
                return
            cursor = page.next_cursor or ""
            if cursor in seen:
                raise self._endless("order")
            seen.add(cursor)

    def _by_number(self, ask: Ask) -> Iterator[list[str]]:
        """Whether the first page is 0 or 1 is told both ways: 0 is asked first, and where it is the same page as 1 it
        costs a call; where it is refused, 1 is the first."""
        number = self._bases[0]
        try:
            page = self._page("refund", {**ask, "page_no": number})
        except Refused:
            if number == self._bases[-1]:
                raise
            number = self._bases[-1]
            page = self._page("refund", {**ask, "page_no": number})
        yield page.rows
        while page.more:
            if not page.rows:
                raise self._endless("refund")
            number += 1
            page = self._page("refund", {**ask, "page_no": number})
            yield page.rows

    def _by_offset(self, ask: Ask) -> Iterator[list[str]]:
        offset = 0
        while True:
            page = self._page("product", {"item_status": list(ITEM_STATUSES), **ask, "offset": offset})
            yield page.rows
            if not page.has_next_page:
                return
            onward = page.next_offset if page.next_offset is not None else offset + len(page.rows)
            if onward <= offset:
                raise self._endless("product")
            offset = onward

    def _page(self, kind: str, params: Ask) -> _Listed:
        return self._shopee.call(LISTINGS[kind].path, params, _Listed)

    def _endless(self, kind: str) -> BadResponse:
        what = "the list says that more follows, and does not say where"
        return BadResponse(what, where=f"{self._shop.id}, {kind}", remedy="the window is pulled again")


def _asks(kind: str, window: Window | None, parts: int = 1) -> list[Ask]:
    """What to ask for so that the parts together list the window: whole unix seconds, a second more on either side
    (whether the bounds belong to the range is not documented), in stretches a call may span."""
    if window is None:
        return [{}]
    start, end = math.floor(window.start.timestamp()) - 1, math.ceil(window.end.timestamp()) + 1
    length = end - start
    if kind != "product":
        length = min(length, LONGEST)
    length = max(2, math.ceil(length / parts))
    found = []
    while True:
        stop = min(start + length, end)
        found.append(LISTINGS[kind].ask(start, stop))
        if stop >= end:
            return found
        start = stop - 1


def is_id(key: str) -> bool:
    """Whether this is an id and not a row that stands for itself."""
    return key.isalnum() and key.isascii() and key != "null"


def document(kind: str, text: str, without_time: datetime) -> RawPayload:
    """A row or a document with the id and update time (UTC) read from it; id '' and `without_time` where it has
    none."""
    try:
        row = msgspec.json.decode(text, type=_Row)
    except msgspec.MsgspecError:
        return RawPayload("", without_time, text)
    # Ids come as numbers or strings: taken from the text, they never meet a float.
    source_id = bytes(getattr(row, LISTINGS[kind].id_field)).decode().strip('"')
    seconds = bytes(row.update_time).decode()
    try:
        updated_at = datetime.fromtimestamp(int(seconds), UTC) if int(seconds) > 0 else without_time
    except (ValueError, OverflowError, OSError):
        updated_at = without_time
    return RawPayload(source_id if is_id(source_id) else "", updated_at, text)


def text_of(row: msgspec.Raw) -> str:
    """A slice of an answer as text, byte for byte."""
    return bytes(row).decode()


def _by_id(kind: str, rows: list[str]) -> dict[str, str]:
    """Row text by id; a row without id is its own key, so that it is neither lost nor merged."""
    return {document(kind, text, EPOCH).source_id or text: text for text in rows}
