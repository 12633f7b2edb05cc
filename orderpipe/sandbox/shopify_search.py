"""Shopify's search syntax, as far as pulls use it: `field:op'value' AND field:op'value'`; what it finds orders by."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from orderpipe.sandbox import shopify_documents as documents
from orderpipe.sandbox.clock import parse_iso
from orderpipe.sandbox.model import Order

FOREVER = 1 << 62
_TERM = re.compile(r"""(\w+):(>=|<=|>|<|)(?:'([^']*)'|"([^"]*)"|([^\s'"]+))""")
_TIMES: dict[str, Callable[[Order], int]] = {
    "updated_at": lambda order: order.indexed or 0,  # search knows what the index knows
    "created_at": lambda order: order.created,
    "processed_at": lambda order: order.created,
}
_TEXTS: dict[str, Callable[[Order], str]] = {
    "name": lambda order: order.name,
    "test": lambda order: str(order.test).lower(),
    "financial_status": lambda order: documents.financial_status(order).lower(),
    "fulfillment_status": lambda order: documents.fulfillment_status(order).lower(),
}


@dataclass(slots=True)
class Search:
    """A parsed search. ranges: field → (first, last) value, both included. Filters nobody knows end up as warnings and
    filter nothing, as on the platform."""

    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    warnings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def only_updated_at(self) -> bool:
        return not self.texts and set(self.ranges) <= {"updated_at"}

    def bounds(self, name: str) -> tuple[int, int]:
        return self.ranges.get(name, (0, FOREVER))

    def matches(self, order: Order) -> bool:
        values = {"id": order.id} | {name: value(order) for name, value in _TIMES.items()}
        if any(not low <= values[name] <= high for name, (low, high) in self.ranges.items()):
            return False
        return all(_TEXTS[name](order) == text.lower() for name, text in self.texts.items())


def parse_search(text: str, times: Collection[str] = _TIMES, texts: Collection[str] = _TEXTS) -> Search:
    """Parse a search text. Times must be quoted; what is not understood becomes a warning.

    times, texts: the fields there are, besides id; those of orders by default."""
    search = Search()
    for term in (part.strip() for part in re.split(r"\s+AND\s+|\s+(?=\w+:)", text.strip())):
        if term:
            _take(search, term, times, texts)
    return search


def _take(search: Search, term: str, times: Collection[str], texts: Collection[str]) -> None:
    match = _TERM.fullmatch(term)
    if not match:
        return _warn(search, term, "Could not parse the search term.", "invalid_term")
    if match[5] and ":" in match[5]:
        return _warn(
            search, match[1], f"Input `{match[5]}` is not an accepted value.", "invalid_value"
        )  # unquoted time
    name, operator = match[1], match[2]
    value = next(group for group in match.groups()[2:] if group is not None)
    if name in texts and not operator:
        search.texts[name] = value
    elif name in times or name == "id":
        try:
            number = int(value) if name == "id" else int(parse_iso(value))
        except ValueError:
            return _warn(search, name, f"Input `{value}` is not an accepted value.", "invalid_value")
        low, high = search.bounds(name)
        if operator in (">", ">="):
            low = max(low, number + (operator == ">"))
        elif operator in ("<", "<="):
            high = min(high, number - (operator == "<"))
        else:
            low, high = max(low, number), min(high, number)
        search.ranges[name] = (low, high)
    else:
        _warn(search, name, "Invalid search field for this query.", "invalid_field")


def _warn(search: Search, name: str, message: str, code: str) -> None:
    search.warnings.append({"field": name, "message": message, "code": code})
