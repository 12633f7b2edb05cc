"""config/import_headers.yaml: which header of an export means which field, and which export a file is."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orderpipe.errors import ConfigError, OrderpipeError
from orderpipe.marked_yaml import MarkedYaml, Node, suggestion

# Fields by how their cells are read (orderpipe/imports/cells.py).
IDS = ("order_no", "line_id", "product_id", "sku_id", "statement_no")
MONEY = (
    "unit_price", "goods_amount", "goods_payable", "payable", "paid", "postage", "tax", "discount", "shop_discount",
    "platform_discount", "talent_discount", "payment_discount", "amount",
)  # fmt: skip
TIMES = ("ordered_at", "paid_at", "shipped_at", "completed_at", "settled_at")
FIGURES = ("phone", "id_number", "zip", "sku", "product_code")
TEXTS = (
    "product_name", "spec", "currency", "payment_method", "name", "country", "province", "city", "district", "town",
    "address", "buyer_message", "seller_memo", "order_type", "status", "refund_status", "courier", "ip",
    "entry_type", "remark",
)  # fmt: skip
FIELDS = (*IDS, "tracking_no", "quantity", *MONEY, *TIMES, *FIGURES, *TEXTS)
PLATFORMS = ("taobao", "pinduoduo", "douyin", "jd", "shopee", "lazada", "shopify", "any")
_ALWAYS = ("order_no", "quantity", "status")
_ALWAYS_OF_A_STATEMENT = ("statement_no", "line_id", "entry_type", "amount", "settled_at")
_AMOUNTS = ("goods_amount", "unit_price", "goods_payable", "payable")


@dataclass(frozen=True)
class Mapping:
    """One export. fields: its possible headers by field, normalised. version: changes when the entry does. refused:
    why it cannot be imported, or nothing. statement: a row is a line of a settlement statement, not of an order."""

    name: str
    platform: str
    title: str
    fields: dict[str, tuple[str, ...]]
    required: tuple[str, ...] = ()
    one_row_per_order: bool = False
    statement: bool = False
    payable_includes_postage: bool = False
    refused: str = ""
    recognised_by: tuple[str, ...] = ()
    version: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """The fields whose values make a document: rows that share them are one."""
        return ("statement_no", "line_id") if self.statement else ("order_no",)


@dataclass(frozen=True)
class Binding:
    """A mapping as it fits one file: the column number of every field the file has, and its headers as written."""

    mapping: Mapping
    headers: tuple[str, ...]
    columns: dict[str, int]
    missing: tuple[str, ...] = ()

    @cached_property
    def others(self) -> dict[int, str]:
        """Columns that no field is bound to, by number; a header that stands twice gets a number behind it."""
        bound, found, seen = set(self.columns.values()), {}, {}
        for number, header in enumerate(self.headers):
            if number not in bound and header:
                seen[header] = seen.get(header, 0) + 1
                found[number] = header if seen[header] == 1 else f"{header} ({seen[header]})"
        return found


def normal(header: str) -> str:
    """A header for comparing: half-width, without blanks, byte order mark, tab or apostrophe, in lower case."""
    return re.sub(r"[\s\ufeff\u200b'’]", "", unicodedata.normalize("NFKC", header)).lower()


def load(path: Path) -> dict[str, Mapping]:
    """The mappings of a file by name. Raises ConfigError with file, line and remedy."""
    file = MarkedYaml(path)
    if file.root.kind != "mapping":
        file.fail(file.root.line, "must be a mapping of exports", "see docs/imports.md")
    return {name: _mapping(file, name, node) for name, node in file.root.value.items()}


def recognise(mappings: Iterable[Mapping], headers: Sequence[str]) -> Binding | None:
    """The mapping that these headers are of; None when none is near. A mapping that lacks a required header is given
    with what is missing, when no other fits. Raises OrderpipeError when two fit equally."""
    names = {normal(header) for header in headers}
    for mapping in mappings:
        if mapping.refused and names.issuperset(mapping.recognised_by):
            return Binding(mapping, tuple(headers), {})
    bindings = [bind(mapping, headers) for mapping in mappings if not mapping.refused]
    bindings.sort(key=lambda b: (not b.missing, len(b.columns)), reverse=True)
    best, *rest = bindings or [None]
    if best is None or len(best.columns) < 2:
        return None
    if not best.missing and rest and not rest[0].missing and len(rest[0].columns) == len(best.columns):
        raise OrderpipeError(
            f"the headers fit {best.mapping.name} and {rest[0].mapping.name} alike", remedy="choose one with --mapping"
        )
    return best


def bind(mapping: Mapping, headers: Sequence[str]) -> Binding:
    """Bind a mapping to the headers of a file, by name; missing names the required fields the file does not have."""
    numbers: dict[str, int] = {}
    for number, header in enumerate(headers):
        numbers.setdefault(normal(header), number)
    columns = {}
    for name, aliases in mapping.fields.items():
        found = next((numbers[alias] for alias in aliases if alias in numbers), None)
        if found is not None:
            columns[name] = found
    return Binding(
        mapping, tuple(h.strip() for h in headers), columns, tuple(f for f in mapping.required if f not in columns)
    )


def _mapping(file: MarkedYaml, name: str, node: Node) -> Mapping:
    within = f"export {name}"
    optional = (
        "rows", "required", "fields", "payable_includes_postage", "refused", "recognised_by",
    )  # fmt: skip
    entry = file.mapping(node, ("platform", "title"), optional, within)
    platform = file.text(entry["platform"], "platform", within)
    if platform not in PLATFORMS:
        file.fail(entry["platform"].line, f"unknown platform {platform!r}", suggestion(platform, PLATFORMS), within)
    title = file.text(entry["title"], "title", within)
    if "refused" in entry:
        file.mapping(node, ("platform", "title", "refused", "recognised_by"), within=within)
        marks = tuple(normal(header) for header in _texts(file, entry["recognised_by"], "recognised_by", within))
        reason = file.text(entry["refused"], "refused", within)
        return Mapping(name, platform, title, {}, refused=reason, recognised_by=marks)
    file.mapping(node, ("platform", "title", "required", "fields"), optional, within)
    fields = _fields(file, entry["fields"], within)
    required = _texts(file, entry["required"], "required", within)
    for one in required:
        if one not in fields:
            file.fail(entry["required"].line, f"{one!r} is no field of fields", suggestion(one, fields), within)
    rows = file.text(entry["rows"], "rows", within) if "rows" in entry else "lines"
    if rows not in ("lines", "orders", "settlements"):
        file.fail(entry["rows"].line, f"unknown rows {rows!r}", "write lines, orders or settlements", within)
    statement = rows == "settlements"
    for one in _ALWAYS_OF_A_STATEMENT if statement else _ALWAYS:
        if one not in required:
            file.fail(entry["required"].line, f"{one} must be required", f"add {one}", within)
    if not statement and not set(required) & set(_AMOUNTS):
        file.fail(entry["required"].line, "no amount is required", f"add one of {', '.join(_AMOUNTS)}", within)
    postage = entry.get("payable_includes_postage")
    includes = file.boolean(postage, "payable_includes_postage", within) if postage else False
    version = hashlib.sha256(repr((platform, rows, required, fields, includes)).encode()).hexdigest()[:12]
    return Mapping(
        name, platform, title, fields, tuple(required), rows == "orders", statement, includes, version=version
    )  # fmt: skip


def _fields(file: MarkedYaml, node: Node, within: str) -> dict[str, tuple[str, ...]]:
    if node.kind != "mapping":
        file.fail(node.line, "fields must be a mapping", "write field: [header, …]", within)
    found = {}
    for name, headers in node.value.items():
        if name not in FIELDS:
            file.fail(headers.line, f"unknown field {name!r}", suggestion(name, FIELDS), within)
        found[name] = tuple(normal(header) for header in _texts(file, headers, name, within))
    return found


def _texts(file: MarkedYaml, node: Node, what: str, within: str) -> list[str]:
    return [file.text(item, what, within) for item in file.items(node, what, within)]


def named(mappings: dict[str, Mapping], name: str, where: Path) -> Mapping:
    """The mapping of that name. Raises ConfigError naming those that exist."""
    if name not in mappings:
        raise ConfigError(f"no mapping {name!r}", where=str(where), remedy=suggestion(name, mappings))
    return mappings[name]
