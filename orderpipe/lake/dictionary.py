"""The data dictionary: every table and column described once, in sql/dictionary/*.yaml.

DDL, column comments, Dagster column schemas and docs/data_dictionary.md all come from here.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from orderpipe.config import ROOT

DICTIONARY = ROOT / "sql" / "dictionary"


@dataclass(frozen=True)
class Column:
    """A column: its DuckDB type and what it means."""

    type: str
    note: str


@dataclass(frozen=True)
class Table:
    """A table of the vault or the lake. small: few rows a tick, kept in the catalog instead of a file."""

    name: str
    catalog: str
    title: str
    note: str
    grain: str
    key: tuple[str, ...]
    columns: dict[str, Column]
    sort: tuple[str, ...] = ()
    small: bool = False

    @property
    def full_name(self) -> str:
        """catalog.schema.table, as SQL on the writer connection names it."""
        return f"{self.catalog}.{self.name}"

    @property
    def schema(self) -> str:
        return self.name.split(".")[0]


@dataclass
class _Loader:
    entries: dict[str, dict] = field(default_factory=dict)

    def read(self, folder: Path) -> dict[str, Table]:
        for path in sorted(folder.glob("*.yaml")):
            self.entries.update(yaml.safe_load(path.read_text("utf-8")) or {})
        return {name: self.table(name) for name in self.entries}

    def table(self, name: str) -> Table:
        entry = dict(self.entries[name])
        columns = dict(self.table(entry["like"]).columns) if "like" in entry else {}
        for left_out in entry.pop("without", []):
            del columns[left_out]
        columns.update({column: Column(**spec) for column, spec in entry.pop("columns", {}).items()})
        entry.pop("like", None)
        return Table(
            name=name,
            columns=columns,
            key=tuple(entry.pop("key")),
            sort=tuple(entry.pop("sort", ())),
            note=entry.pop("note", ""),
            **entry,
        )


@cache
def tables(folder: Path = DICTIONARY) -> dict[str, Table]:
    """All tables by name (`core.orders`), in the order of the files."""
    return _Loader().read(folder)


def table(name: str) -> Table:
    """The table of that name. Raises KeyError when the dictionary does not know it."""
    return tables()[name]
