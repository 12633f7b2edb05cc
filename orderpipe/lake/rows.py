"""Answers as plain rows."""

from collections.abc import Mapping
from typing import Any


def dicts(con, query: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The rows of a query, each by its columns' names. values: its parameters."""
    cursor = con.execute(query, values) if values else con.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
