"""Pinduoduo: orders, after-sale cases, listing and shipping write-backs of one shop.

Source of every fact: platform documentation of Pinduoduo. The gateway itself (signature, token, errors) is in
pinduoduo_gateway.py.
"""

import math
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from orderpipe.clock import Clock
from orderpipe.errors import BadResponse, ConfigError, NeedsReauthorisation
from orderpipe.platforms.base import Page, RawPayload, Refused, Unanswered, Window, WindowPolicy
from orderpipe.platforms.client import ShopClient
from orderpipe.platforms.pinduoduo_gateway import PddGateway, parse_time
from orderpipe.platforms.tokens import TokenStore

LONGEST = 1800  # seconds that one call of a list may span
PAGE_SIZE, CENSUS_PAGE_SIZE = 100, 40
WALKS = 4  # how often a list is walked before its count is called irreconcilable
CLOCK_AHEAD = timedelta(minutes=4)  # less than the windows overlap
SHIPPED = (2, 3)
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Listing:
    """A list API by update time: its type, the id and time of a row, the filters that mean all, and whether it can
    leave the count out (use_has_next)."""

    api: str
    id_field: str
    time_field: str
    filters: dict[str, str]
    has_next: bool


LISTINGS = {
    # Numbers only by its name; its rows are whole orders.
    "order": Listing(
        "pdd.order.number.list.increment.get",
        "order_sn",
        "updated_at",
        {"is_lucky_flag": "0", "order_status": "5", "refund_status": "5"},
        has_next=True,
    ),
    "refund": Listing("pdd.refund.list.increment.get", "id", "updated_time", {"after_sales_type": "1"}, has_next=False),
}


class _ListPage(msgspec.Struct):
    """One page. total_count is absent when use_has_next=true was asked for, an empty list may be null."""

    total_count: int | None = None
    has_next: bool | None = None
    order_sn_list: list[msgspec.Raw] | None = None
    refund_list: list[msgspec.Raw] | None = None

    @property
    def rows(self) -> list[str]:
        return [bytes(row).decode() for row in self.order_sn_list or self.refund_list or []]


class _Row(msgspec.Struct):
    order_sn: msgspec.Raw = msgspec.Raw()
    id: msgspec.Raw = msgspec.Raw()
    updated_at: msgspec.Raw = msgspec.Raw()
    updated_time: msgspec.Raw = msgspec.Raw()
    item_list: msgspec.Raw = msgspec.Raw()


class _Information(msgspec.Struct):
    order_info: msgspec.Raw


class _State(msgspec.Struct):
    order_status: int | None = None
    tracking_number: str | None = None


class _OrderState(msgspec.Struct):
    order_info: _State


class _Done(msgspec.Struct):
    is_success: bool = False
    request_id: str | int = ""


class _Time(msgspec.Struct):
    time: str


class PinduoduoClient(ShopClient):
    """One Pinduoduo shop. Settings:

    order_detail: `auto` (default) asks for one order's details only where the list gave no goods; `always` asks for
    every order, where an account's list holds less than the documentation shows.
    after_sales_statuses: the after_sales_status values the refund list is asked for, default [1], which in practice
    means all though the documentation does not list it; the documented codes one by one where 1 is refused.
    logistics_ids: couriers' codes → the platform's numeric logistics_id (pdd.logistics.companies.get), for shipping.
    check_clock: false leaves out the comparison with the platform's clock (pdd.time.get).
    window_lag_minutes: default 0. The documentation can be read as asking for windows that end close to now, or for
    not trusting the last 3 minutes; the default does both by an overlap of 5 minutes, 3 takes the second literally.
    throttle_wait_seconds, throttle_budget_seconds, page_size, read_timeout_seconds, window_*_minutes.
    """

    # The lists refuse more than half an hour.
    windows: ClassVar = dict.fromkeys(
        ("order", "refund"),
        WindowPolicy(span=timedelta(minutes=30), overlap=timedelta(minutes=5), lag=timedelta(0)),
    )

    def _open(self, tokens: TokenStore, clock: Clock) -> None:
        self._pdd = PddGateway(self._shop, tokens, clock, self._http, self._sleep)
        self._clock_checked = not self._shop.settings.get("check_clock", True)
        detail = self._shop.settings.get("order_detail", "auto")
        if detail not in ("auto", "always"):
            raise ConfigError(f"order_detail is {detail!r}", where=self._shop.id, remedy="use auto or always")
        self._always_detail = detail == "always"

    def pull(self, kind: str, window: Window) -> Iterator[Page]:
        """Every order or after-sale case updated in the window, of any length: it is read half an hour at a time.

        Orders exist for these lists once they are dealt (paid and grouped), and for three months. The first page
        carries the platform's count. Raises BadResponse after the last page when a list would not hold still or
        counts more than could be read, and the kinds of `PddGateway.call` at any time.
        """
        self._require(kind)
        self._check_clock()
        listing = LISTINGS[kind]
        reported, rows, unsettled = 0, {}, []
        for ask in self._asks(listing, window):
            count, found, settled = self._settled(listing, ask)
            # A row that two stretches list at their border counts once.
            reported += count - len(rows.keys() & found.keys())
            rows |= found
            if not settled:
                unsettled.append(f"{count} counted, {len(found)} read")
        heads = [_payload(listing, text, window.start) for text in rows.values()]
        yield Page(self._whole_orders(heads) if kind == "order" else heads, reported)
        if unsettled:
            raise BadResponse(
                f"the list did not settle in {WALKS} walks: {'; '.join(unsettled)}",
                where=f"{self._shop.id}, {kind} {window.start:%Y-%m-%d %H:%M} to {window.end:%H:%M} UTC",
                remedy="the window stays open and is pulled again; if it stays so, run `orderpipe verify`",
            )

    def census(self, kind: str, window: Window) -> dict[str, datetime]:
        """Id and modified time by a walk that never believes a count and cuts the pages differently."""
        self._require(kind)
        listing = LISTINGS[kind]
        found: dict[str, datetime] = {}
        for ask in self._asks(listing, window):
            for text in self._uncounted(listing, ask):
                document = _payload(listing, text, window.start)
                if document.source_id:
                    known = found.get(document.source_id, document.source_updated_at)
                    found[document.source_id] = max(known, document.source_updated_at)
        return found

    def _asks(self, listing: Listing, window: Window) -> Iterator[dict[str, str]]:
        """The filters of every call series that together list the window."""
        statuses = self._shop.settings.get("after_sales_statuses", [1])
        choices = [{}] if listing is LISTINGS["order"] else [{"after_sales_status": str(s)} for s in statuses]
        for start, end in _stretches(window):
            for choice in choices:
                span = {"start_updated_at": str(start), "end_updated_at": str(end)}
                yield {**listing.filters, **choice, **span}

    # Lists. Pages are read from the last to the first, as the documentation demands: a row that changes leaves a
    # closed window, the rows behind it move forward, and reading backwards they can only be read twice.

    def _settled(self, listing: Listing, ask: dict[str, str]) -> tuple[int, dict[str, str], bool]:
        """(count, row text by id, settled): walked until a walk turns up nothing new and the count is reached.

        One backward walk is safe against rows that leave. A row that appears late pushes unread rows onto pages
        already read; only a second walk sees that.
        """
        rows: dict[str, str] = {}
        count, settled = 0, False
        for walk in range(WALKS):
            count, found, atomic = self._walk(listing, ask)
            fresh = found.keys() - rows.keys()
            rows = {key: text for key, text in rows.items() if _is_id(key)} | found
            settled = len(rows) >= count and (atomic or (walk > 0 and not fresh))
            if settled and all(map(_is_id, rows)):
                break
        return count, rows, settled

    def _walk(self, listing: Listing, ask: dict[str, str]) -> tuple[int, dict[str, str], bool]:
        """(count before the walk, row text by id, whether one page held everything)."""
        size = min(PAGE_SIZE, int(self._shop.settings.get("page_size", PAGE_SIZE)))
        first = self._list(listing, ask, 1, size, counted=True)
        if first.total_count is None:
            where = f"{self._shop.id}, {listing.api}"
            raise BadResponse("the answer holds no total_count", where=where, remedy="the window is pulled again")
        total, found = first.total_count, _by_id(listing, first.rows)
        if len(first.rows) < size and len(found) >= total:
            return total, found, True
        last = max(1, math.ceil(total / size))
        while (page := self._list(listing, ask, last, size)).has_next:
            last += 1  # rows that came after the count pushed the tail onto further pages
        found |= _by_id(listing, page.rows)
        for number in range(last - 1, 0, -1):
            found |= _by_id(listing, self._list(listing, ask, number, size).rows)
        return total, found, False

    def _uncounted(self, listing: Listing, ask: dict[str, str]) -> Iterator[str]:
        """Every row, the last page found by doubling; beyond the end an empty page comes back."""
        last = 1
        while (page := self._list(listing, ask, last, CENSUS_PAGE_SIZE)).has_next:
            last *= 2
        yield from page.rows
        for number in range(last - 1, 0, -1):
            yield from self._list(listing, ask, number, CENSUS_PAGE_SIZE).rows

    def _list(self, listing: Listing, ask: dict[str, str], page: int, size: int, *, counted: bool = False) -> _ListPage:
        params = {**ask, "page": str(page), "page_size": str(size)}
        if listing.has_next:
            params["use_has_next"] = "false" if counted else "true"
        answer = self._pdd.call(listing.api, params, _ListPage)
        if answer.has_next is None:
            answer.has_next = len(answer.rows) >= size
        return answer

    # Orders

    def _whole_orders(self, heads: list[RawPayload]) -> list[RawPayload]:
        if not any(map(self._needs_detail, heads)):
            return heads
        with ThreadPoolExecutor(4, thread_name_prefix=f"detail-{self._shop.id}") as pool:
            return list(pool.map(lambda head: self._whole(head) if self._needs_detail(head) else head, heads))

    def _needs_detail(self, head: RawPayload) -> bool:
        return head.source_id != "" and (self._always_detail or not _has_goods(head.payload))

    def _whole(self, head: RawPayload) -> RawPayload:
        """The order as its details give it; the time falls back to the list's where they lack it."""
        answer = self._pdd.call("pdd.order.information.get", {"order_sn": head.source_id}, _Information)
        found = _payload(LISTINGS["order"], bytes(answer.order_info).decode(), head.source_updated_at)
        return RawPayload(head.source_id, found.source_updated_at, found.payload)

    def _check_clock(self) -> None:
        """Once: a clock ahead of the platform's would close windows over orders that do not exist yet."""
        if self._clock_checked:
            return
        text = self._pdd.call("pdd.time.get", {}, _Time).time
        try:
            ahead = self._pdd.clock.now() - parse_time(text)
        except ValueError:
            where = f"{self._shop.id}, pdd.time.get"
            raise BadResponse(
                "the platform's time is unreadable", where=where, remedy="set check_clock: false"
            ) from None
        if ahead > CLOCK_AHEAD:
            what = f"this machine's clock is {ahead.total_seconds():.0f} s ahead of the platform's"
            remedy = "set this machine's clock right (the shop's setting check_clock leaves this check out)"
            raise NeedsReauthorisation(what, where=self._shop.id, remedy=remedy)
        self._clock_checked = True

    # Write-backs

    def confirm_shipment(
        self, order_no: str, courier_code: str, tracking_no: str, lines: list[str] | None = None
    ) -> dict[str, Any]:
        """Tell the platform that an order has left (pdd.logistics.online.send).

        courier_code: the platform's numeric logistics_id, or a code that the setting logistics_ids translates.
        lines: part of the common interface; an order ships whole here. Effect once: after a refusal or an unclear
        end the order is read; one that is shipped already is not sent again. Returns a receipt {"status": …,
        "already_shipped": bool, …}. Raises ConfigError for a courier nobody translated, Refused when the order cannot
        be shipped, Unanswered when the outcome stays unknown.
        """
        logistics_id = self._logistics_id(courier_code)
        for attempt in range(3):
            if attempt:
                self._sleep(random.uniform(0, 2**attempt))
            try:
                return self._send(order_no, logistics_id, tracking_no)
            except (Refused, Unanswered) as error:
                failure = error
            state = self._order_state(order_no)
            if state.order_status in SHIPPED:
                told = {"status": str(state.order_status), "tracking_number": state.tracking_number}
                return {**told, "already_shipped": True}
            if isinstance(failure, Refused):
                break
        raise failure

    def _logistics_id(self, courier_code: str) -> str:
        known = self._shop.settings.get("logistics_ids", {})
        found = str(known.get(courier_code, courier_code))
        if not found.isdigit():
            remedy = "add it to the shop's setting logistics_ids (numbers: pdd.logistics.companies.get)"
            raise ConfigError(f"no logistics_id for courier {courier_code!r}", where=self._shop.id, remedy=remedy)
        return found

    def _send(self, order_sn: str, logistics_id: str, tracking_no: str) -> dict[str, Any]:
        params = {"order_sn": order_sn, "logistics_id": logistics_id, "tracking_number": tracking_no}
        sent = self._pdd.call("pdd.logistics.online.send", params, _Done, repeatable=False)
        if not sent.is_success:
            where = f"{self._shop.id}, order {order_sn}"
            raise Refused("the platform did not confirm the shipment", where=where, remedy="check the order's state")
        return {"status": "sent", "already_shipped": False, "request_id": str(sent.request_id)}

    def _order_state(self, order_sn: str) -> _State:
        return self._pdd.call("pdd.order.information.get", {"order_sn": order_sn}, _OrderState).order_info

    def suspend_listing(self, product_id: str) -> dict[str, Any]:
        """Take goods off sale (pdd.goods.sale.status.set). Returns a receipt. Raises Refused."""
        return self._set_on_sale(product_id, "0")

    def resume_listing(self, product_id: str, quantity: int | None = None) -> dict[str, Any]:
        """Put goods on sale again. quantity belongs to the common interface of the clients: stock is kept by sku here,
        and a product does not say which. Returns a receipt. Raises Refused."""
        return self._set_on_sale(product_id, "1")

    def _set_on_sale(self, goods_id: str, on_sale: str) -> dict[str, Any]:
        done = self._pdd.call("pdd.goods.sale.status.set", {"goods_id": goods_id, "is_onsale": on_sale}, _Done)
        if not done.is_success:
            where = f"{self._shop.id}, goods {goods_id}"
            raise Refused(f"is_onsale {on_sale} was not confirmed", where=where, remedy="check the goods' state")
        return {"goods_id": goods_id, "is_onsale": on_sale, "request_id": str(done.request_id)}


def _stretches(window: Window) -> Iterator[tuple[int, int]]:
    """The window in unix seconds, rounded outwards, in stretches a call may span. Stretches share a second: whether
    the list takes its bounds in is not documented."""
    start, end = math.floor(window.start.timestamp()), math.ceil(window.end.timestamp())
    while True:
        stop = min(start + LONGEST, end)
        yield start, stop
        if stop == end:
            return
        start = stop - 1


def _is_id(key: str) -> bool:
    return re.fullmatch(r"[0-9A-Za-z-]+", key) is not None


def _has_goods(text: str) -> bool:
    try:
        return bytes(msgspec.json.decode(text, type=_Row).item_list) not in (b"", b"null")
    except msgspec.MsgspecError:
        return True


def _payload(listing: Listing, text: str, without_time: datetime) -> RawPayload:
    """A document with the id and update time read from it; id '' and `without_time` where it has none."""
    try:
        row = msgspec.json.decode(text, type=_Row)
    except msgspec.MsgspecError:
        return RawPayload("", without_time, text)
    # Ids come as numbers or strings: taken from the text, they never meet a float.
    source_id = bytes(getattr(row, listing.id_field)).decode().strip('"')
    try:
        updated_at = parse_time(bytes(getattr(row, listing.time_field)).decode().strip('"'))
    except ValueError:
        updated_at = without_time
    valid = _is_id(source_id) and source_id != "null"
    return RawPayload(source_id if valid else "", updated_at, text)


def _by_id(listing: Listing, rows: list[str]) -> dict[str, str]:
    """Row text by id; a row without id is its own key, so that it is neither lost nor merged."""
    return {_payload(listing, text, EPOCH).source_id or text: text for text in rows}
