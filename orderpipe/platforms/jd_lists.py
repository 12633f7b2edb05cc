"""How JD's lists are read: pages, counts, and walks that lose nothing while the list moves.

Source of every fact: platform documentation of JD (jingdong.pop.order.enSearch, jingdong.pop.afs.soa.refundapply.
queryPageList, jingdong.asc.query.list).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from orderpipe.errors import BadResponse
from orderpipe.platforms.base import RawPayload
from orderpipe.platforms.jd_gateway import parse_time

WALKS = 4  # how often a list is walked before its count is called irreconcilable
DEEPEST = 100  # pages beyond this one come back empty, whatever there is
EPOCH = datetime.fromtimestamp(0, UTC)


class _Row(msgspec.Struct):
    """Ids and times of a row of any of the lists."""

    orderId: msgspec.Raw = msgspec.Raw()
    id: msgspec.Raw = msgspec.Raw()
    serviceId: msgspec.Raw = msgspec.Raw()
    applyId: msgspec.Raw = msgspec.Raw()
    modified: msgspec.Raw = msgspec.Raw()
    applyTime: msgspec.Raw = msgspec.Raw()
    checkTime: msgspec.Raw = msgspec.Raw()
    updateDate: msgspec.Raw = msgspec.Raw()


class ListPage(msgspec.Struct):
    """One page of a list; each list has names of its own for the count and the rows, and null for no rows."""

    orderTotal: int | None = None
    totalCount: int | None = None
    orderInfoList: list[msgspec.Raw] | None = None
    result: list[msgspec.Raw] | None = None
    data: list[msgspec.Raw] | None = None

    @property
    def total(self) -> int | None:
        return self.orderTotal if self.orderTotal is not None else self.totalCount

    @property
    def rows(self) -> list[str]:
        return [bytes(row).decode() for row in self.orderInfoList or self.result or self.data or []]


@dataclass(frozen=True)
class Listing:
    """A list: its method, the object its page stands in, where a row's id is (the first that is there), the times of
    which the newest is when it changed, and how the call names page number and page size."""

    method: str
    result: str
    id_fields: tuple[str, ...]
    time_fields: tuple[str, ...]
    number: str
    size: str

    def document(self, text: str, without_time: datetime) -> RawPayload:
        """A row with its id and modified time read from it; id '' and `without_time` where it has none."""
        try:
            row = msgspec.json.decode(text, type=_Row)
        except msgspec.MsgspecError:
            return RawPayload("", without_time, text)
        # Ids come as numbers or strings: taken from the text, they never meet a float.
        ids = (bytes(getattr(row, name)).decode().strip('"') for name in self.id_fields)
        times = [at for name in self.time_fields if (at := _time(bytes(getattr(row, name)).decode().strip('"')))]
        return RawPayload(next((i for i in ids if i.isdigit()), ""), max(times, default=without_time), text)

    def by_id(self, rows: list[str]) -> dict[str, str]:
        """Row text by id; a row without id or time is its own key, so that it is neither lost nor merged."""
        found = {}
        for text in rows:
            document = self.document(text, EPOCH)
            whole = document.source_id and document.source_updated_at != EPOCH
            found[document.source_id if whole else text] = text
        return found


ORDERS = Listing(
    "jingdong.pop.order.enSearch", "searchorderinfo_result", ("orderId",), ("modified",), "page", "page_size"
)
APPLICATIONS = Listing(
    "jingdong.pop.afs.soa.refundapply.queryPageList",
    "queryResult",
    ("id",),
    ("applyTime", "checkTime"),
    "pageIndex",
    "pageSize",
)
SERVICES = Listing(
    "jingdong.asc.query.list",
    "pageResult",
    ("serviceId", "applyId"),
    ("applyTime", "updateDate"),
    "pageNumber",
    "pageSize",
)


class TooMany(Exception):
    """The list holds more rows than its pages show: a shorter stretch of time must be asked for."""


@dataclass(frozen=True)
class Walk:
    """A stretch of a list. ask: one page of it, by parameters of page number and size. size: rows per page."""

    listing: Listing
    ask: Callable[[dict[str, Any]], ListPage]
    size: int
    where: str

    def settled(self) -> tuple[int, dict[str, str], bool]:
        """(count, row text by id, settled): walked until a walk turns up nothing new, the count is reached and every
        row has its id and its time.

        Rows come oldest change first, and one that changes leaves a closed stretch: what stood behind it moves
        forward. Read from the last page to the first, it can only be read twice. A row that appears late pushes unread
        rows onto pages already read; only a second walk sees that. Raises TooMany, BadResponse.
        """
        rows: dict[str, str] = {}
        count, settled = 0, False
        for walk in range(WALKS):
            count, found, atomic = self._backward()
            fresh = found.keys() - rows.keys()
            rows = {key: text for key, text in rows.items() if key.isdigit()} | found
            settled = len(rows) >= count and (atomic or (walk > 0 and not fresh))
            if settled and all(key.isdigit() for key in rows):
                break
        return count, rows, settled

    def uncounted(self) -> Iterator[str]:
        """Every row, by a walk that never believes the count: the last page is found by doubling. Raises TooMany."""
        last = 1
        while len(rows := self._page(last).rows) >= self.size:
            if last == DEEPEST:
                raise TooMany
            last = min(last * 2, DEEPEST)
        yield from rows
        for number in range(last - 1, 0, -1):
            yield from self._page(number).rows

    def _backward(self) -> tuple[int, dict[str, str], bool]:
        """(count before the walk, row text by id, whether one page held everything)."""
        first = self._page(1)
        if first.total is None:
            raise BadResponse("the answer holds no count", where=self.where, remedy="the window is pulled again")
        if first.total > self.size * DEEPEST:
            raise TooMany
        found = self.listing.by_id(first.rows)
        if len(first.rows) < self.size and len(found) >= first.total:
            return first.total, found, True
        last = max(1, math.ceil(first.total / self.size))
        while len(rows := self._page(last).rows) >= self.size:
            found |= self.listing.by_id(rows)
            last += 1  # rows that came after the count pushed the tail onto further pages
            if last > DEEPEST:
                raise TooMany
        found |= self.listing.by_id(rows)
        for number in range(last - 1, 0, -1):
            found |= self.listing.by_id(self._page(number).rows)
        return first.total, found, False

    def _page(self, number: int) -> ListPage:
        return self.ask({self.listing.number: str(number), self.listing.size: str(self.size)})


def _time(text: str) -> datetime | None:
    try:
        return parse_time(text)
    except ValueError:
        return None
