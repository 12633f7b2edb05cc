"""Rows of a file → documents: one per order, in a form that does not depend on the file it came in.

The same order in two exports of the same content is one document: the file's name, hash and line numbers are not in
it, empty cells are left out, lines stand in the order of their ids.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import msgspec

from orderpipe.config import Shop
from orderpipe.errors import OrderpipeError
from orderpipe.imports import cells, mappings
from orderpipe.imports.cells import Unreadable
from orderpipe.imports.files import FileRefused, Table
from orderpipe.imports.mappings import Binding, Mapping
from orderpipe.imports.problems import REASONS

HEADER_WITHIN = 10  # records before which the headers must come: some exports begin with a title
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # of a document that tells none
_TOTALS = ("合计", "总计", "汇总")
_DATED_NUMBER = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})-[0-9]+")  # Pinduoduo's order numbers begin with their date
_ROUNDED = 3  # digits after the fifteenth, in ids that all look rounded, from which it is no accident


@dataclass(frozen=True)
class Layout:
    """Where the rows of a table stand and what its columns mean."""

    table: Table
    binding: Binding
    separator: str
    header_line: int


@dataclass
class Row:
    """A row as repaired: cells by field, the other columns by header, and what is wrong (keys of REASONS)."""

    line: int
    fields: dict[str, str]
    other: dict[str, str]
    problems: list[str]
    latest: datetime | None

    @property
    def content(self) -> dict[str, object]:
        return {**self.fields, **({"other": self.other} if self.other else {})}


@dataclass(frozen=True)
class Document:
    """An order as a file tells it. source_id: its number, empty when the file does not tell it. updated: the latest
    time its rows tell, UTC. problems: (line, key of REASONS); a document with any waits in quarantine."""

    source_id: str
    updated: datetime
    text: str = field(repr=False)
    lines: int
    problems: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Counted:
    """What a first walk over the rows found: rows in all, rows by order number, and whether ids lost their digits."""

    rows: int
    of_order: Counter[str]
    rounded: bool


def lay_out(table: Table, known: dict[str, Mapping], mapping: Mapping | None = None) -> Layout:
    """Find headers, separator and mapping of a table. Raises FileRefused saying which header is missing, or that
    nobody knows this export."""
    best: Layout | None = None
    for separator in table.separators:
        for line, row in _head(table, separator):
            try:
                binding = mappings.bind(mapping, row) if mapping else mappings.recognise(known.values(), row)
            except OrderpipeError as error:
                zh = "表头同时符合两个模板，请联系数据团队用 --mapping 指定"
                raise FileRefused(error.what, where=table.path.name, remedy=error.remedy, zh=zh) from None
            if binding and (best is None or _fit(binding) > _fit(best.binding)):
                best = Layout(table, binding, separator, line)
    if best is None or not (best.binding.columns or best.binding.mapping.refused):
        names = ", ".join(one.name for one in known.values() if not one.refused)
        raise FileRefused(
            "no export is known by these headers",
            where=table.path.name,
            remedy=f"choose a mapping with --mapping ({names}), or add one to import_headers.yaml",
            zh="表头不属于任何已知的导出模板，请确认导出的是订单，或联系数据团队添加模板",
        )
    found = best.binding.mapping
    if found.refused:
        raise FileRefused(
            f"{found.title}: {found.refused}",
            where=table.path.name,
            remedy="see docs/imports.md",
            zh=f"{found.title}：{found.refused}",
        )
    if best.binding.missing:
        missing = [found.fields[name] for name in best.binding.missing]
        wanted = "; ".join(" or ".join(headers) for headers in missing)
        raise FileRefused(
            f"this looks like {found.name}, but the header {wanted} is missing",
            where=table.path.name,
            remedy="export it again with that column, or add the header's new name to import_headers.yaml",
            zh=f"看起来是 {found.title}，但缺少表头：{'；'.join(' 或 '.join(headers) for headers in missing)}",
        )
    return best


def _head(table: Table, separator: str) -> list[tuple[int, list[str]]]:
    try:
        return list(islice(table.records(separator), HEADER_WITHIN))
    except FileRefused:
        return []  # with this separator it is no table; a quote that is never closed shows when the rows are read


def _fit(binding: Binding) -> tuple[bool, bool, int]:
    return bool(binding.mapping.refused), not binding.missing, len(binding.columns)


def count(layout: Layout) -> Counted:
    """Walk over the rows once. Raises FileRefused when there is none."""
    columns = layout.binding.columns
    key, order = [columns[name] for name in layout.binding.mapping.key], columns.get("order_no")
    numbers: Counter[str] = Counter()
    rows, beyond, rounded = 0, 0, True
    for _, row in _rows(layout):
        rows += 1
        try:
            named = [cells.identifier(row[column]) if column < len(row) else "" for column in key]
            number = cells.identifier(row[order]) if order is not None and order < len(row) else ""
        except Unreadable:
            continue
        if all(named):
            numbers["|".join(named)] += 1
        if rounded and (more := cells.excess(number)):
            rounded = cells.looks_rounded(number)
            beyond += more
    if not rows:
        raise FileRefused(
            "there are headers and no rows",
            where=layout.table.path.name,
            remedy="export it again",
            zh="只有表头，没有数据行，请重新导出",
        )
    return Counted(rows, numbers, rounded and beyond >= _ROUNDED)


def documents(layout: Layout, counted: Counted, shop: Shop, now: datetime) -> Iterator[Document]:
    """Every order of the table; one whose rows stand apart comes when its last row has been read.

    now: UTC; times of tomorrow and later are none.
    """
    zone, waiting = ZoneInfo(shop.timezone), {}
    for line, record in _rows(layout):
        row = _read(layout.binding, line, record, zone, now)
        named = [row.fields.get(name, "") for name in layout.binding.mapping.key]
        number = "|".join(named) if all(named) else ""
        rounded = counted.rounded and cells.excess(row.fields.get("order_no", "")) > 0
        if rounded:
            row.problems.append("id_rounded")
        if rounded or number not in counted.of_order:
            yield _document(layout.binding, [row], "", shop)
            continue
        rows = waiting.setdefault(number, [])
        rows.append(row)
        if len(rows) == counted.of_order[number]:
            yield _document(layout.binding, waiting.pop(number), number, shop)


def _rows(layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """The records below the headers; a last line of totals is none."""
    begun = False
    for line, row in layout.table.records(layout.separator):
        if line <= layout.header_line:
            continue
        first = next(cell for cell in map(cells.plain, row) if cell) if any(map(cells.plain, row)) else ""
        explains = not begun and layout.binding.mapping.statement and _explains(layout.binding, row)
        begun = True
        if first and not first.startswith(_TOTALS) and not explains:
            yield line, row


def _explains(binding: Binding, record: Sequence[str]) -> bool:
    """A row of words below the headers that says what they mean, as Douyin writes: neither amount nor time has a
    digit."""
    told = [record[binding.columns[name]] for name in ("amount", "settled_at") if binding.columns[name] < len(record)]
    return not any(character.isdigit() for cell in told for character in cell)


def _read(binding: Binding, line: int, record: Sequence[str], zone: ZoneInfo, now: datetime) -> Row:
    row = Row(line, {}, {}, [], None)
    for name, column in binding.columns.items():
        cell = record[column] if column < len(record) else ""
        try:
            value = _repaired(name, cell)
        except Unreadable as unreadable:
            row.problems.append(str(unreadable))
            value = cells.plain(cell)
        else:
            if name in mappings.TIMES and value:
                try:
                    at = cells.moment(value, zone, now)
                    row.latest = max(row.latest or at, at)
                except Unreadable as unreadable:
                    row.problems.append(str(unreadable))
        if value:
            row.fields[name] = value
    for column, header in binding.others.items():
        if column < len(record) and (value := cells.plain(record[column])):
            row.other[header] = value
    row.problems += _missing(binding, record, row)
    row.problems = list(dict.fromkeys(row.problems))
    return row


def _repaired(name: str, cell: str) -> str:
    if name == "tracking_no":
        return cells.tracking(cell)
    if name in mappings.IDS:
        return cells.identifier(cell)
    if name in mappings.MONEY:
        return cells.money(cell)
    if name in mappings.TIMES:
        return cells.time(cell, seconds=name == "ordered_at")
    if name == "quantity":
        return cells.count(cell)
    return cells.figures(cell) if name in mappings.FIGURES else cells.text(cell)


def _missing(binding: Binding, record: Sequence[str], row: Row) -> Iterator[str]:
    fields, required = row.fields, binding.mapping.required
    if len(record) <= max(binding.columns[name] for name in required):
        yield "row_cut_short"
        return
    if any(map(cells.plain, record[len(binding.headers) :])):
        yield "cells_beyond_headers"
    if binding.mapping.statement:
        if not fields.get("amount"):
            yield "money_unreadable"
        if not all(fields.get(name) for name in ("statement_no", "line_id", "entry_type", "settled_at")):
            yield "settlement_line_missing"
        return
    if not fields.get("order_no"):
        yield "order_no_missing"
    if "ordered_at" not in fields and date_of_number(binding.mapping.platform, fields.get("order_no", "")) is None:
        yield "ordered_at_missing"
    if not re.fullmatch(r"0*[1-9][0-9]*", fields.get("quantity", "")):
        yield "quantity_unreadable"
    if any(name in mappings.MONEY and name not in fields for name in required):
        yield "money_unreadable"
    if "status" not in fields:
        yield "status_missing"
    if "line_id" in required:
        line_id = fields.get("line_id", "")
        if not line_id:
            yield "order_no_missing"
        elif re.search(r"[;,；，]", line_id):
            yield "several_lines_in_one_row"


def date_of_number(platform: str, number: str) -> datetime | None:
    """The day a Pinduoduo order number begins with, midnight in China; None for any other number."""
    match = _DATED_NUMBER.fullmatch(number) if platform == "pinduoduo" else None
    if not match:
        return None
    try:
        return datetime(2000 + int(match[1]), int(match[2]), int(match[3]), tzinfo=ZoneInfo("Asia/Shanghai"))
    except ValueError:
        return None


def _document(binding: Binding, rows: list[Row], number: str, shop: Shop) -> Document:
    problems = [(row.line, problem) for row in rows for problem in row.problems]
    if binding.mapping.statement:
        return _statement_line(binding, rows, number, shop, problems)
    lines = len(rows)
    if "line_id" in binding.columns:
        rows = sorted(rows, key=lambda row: (len(row.fields.get("line_id", "")), row.fields.get("line_id", "")))
        rows = [row for row, before in zip(rows, [None, *rows], strict=False) if not before or _differ(row, before)]
        for row, before in zip(rows[1:], rows, strict=False):
            if row.fields.get("line_id") == before.fields.get("line_id") and "line_id" in binding.mapping.required:
                problems.append((row.line, "line_twice"))
    refused = sorted({problem for _, problem in problems})
    present = {name for row in rows for name in row.fields}
    content: dict[str, object] = {
        "mapping": binding.mapping.name,
        "timezone": shop.timezone,
        "currency": shop.currency,
        "payable_includes_postage": binding.mapping.payable_includes_postage,
        "headers": {name: binding.headers[column] for name, column in binding.columns.items() if name in present},
    }
    if refused:
        content["refused"] = [{"rule": problem, "reason": REASONS[problem]} for problem in refused]
    content["rows"] = [row.content for row in rows]
    times = [row.latest for row in rows if row.latest]
    dated = date_of_number(binding.mapping.platform, number)
    updated = max(times) if times else dated.astimezone(UTC) if dated else NO_TIME
    text = msgspec.json.encode(content, order="deterministic").decode()
    return Document(number, updated, text, lines, tuple(problems))


def _statement_line(
    binding: Binding, rows: list[Row], number: str, shop: Shop, problems: list[tuple[int, str]]
) -> Document:
    """A line of a settlement statement; the same line in two files is one document, whatever the times' spelling."""
    first = rows[0]
    problems += [(row.line, "line_twice") for row in rows[1:] if row.content != first.content]
    told = {**first.fields, "settled_at": first.latest.isoformat()} if first.latest else dict(first.fields)
    content: dict[str, object] = {"mapping": binding.mapping.name, "currency": shop.currency, **told}
    if first.other:
        content["other"] = first.other
    if refused := sorted({problem for _, problem in problems}):
        content["refused"] = [{"rule": problem, "reason": REASONS[problem]} for problem in refused]
    text = msgspec.json.encode(content, order="deterministic").decode()
    return Document(number, first.latest or NO_TIME, text, len(rows), tuple(problems))


def _differ(row: Row, before: Row) -> bool:
    return not row.fields.get("line_id") or row.content != before.content
