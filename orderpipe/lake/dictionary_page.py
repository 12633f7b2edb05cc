"""`python -m orderpipe.lake.dictionary_page`: write docs/data_dictionary.md from sql/dictionary/*.yaml."""

from collections.abc import Iterable

from orderpipe.config import ROOT
from orderpipe.lake.dictionary import Table, tables

PAGE = ROOT / "docs" / "data_dictionary.md"

_INTRO = """\
# Data dictionary

Written by `python -m orderpipe.lake.dictionary_page` from `sql/dictionary/*.yaml`; edit there. The same descriptions
are the comments on the tables and the column schemas in Dagster.

Times are TIMESTAMPTZ in UTC. Money is DECIMAL(18,2) with a currency column beside it. Ids are text as the platform
sent them. The lake enforces no key: the checks in `sql/check/` look after every tick. "In the catalog" means that
the table's rows stand in the SQLite catalog and not in a Parquet file. `core.orders_as_of(ts)` is a table function:
the orders as they were known at that time, from `core.order_versions`.
"""
_CATALOGS = {
    "lake": "What analysts, `orderpipe sql` and sensors attach. No personal data in clear.",
    "vault": "Everything with personal data in clear. `orderpipe sql` does not attach it.",
}


def render(found: Iterable[Table]) -> str:
    """The whole page, as Markdown."""
    by_catalog: dict[str, list[Table]] = {name: [] for name in _CATALOGS}
    for table in found:
        by_catalog[table.catalog].append(table)
    parts = [_INTRO]
    for catalog, its_tables in by_catalog.items():
        parts.append(f"## {catalog}\n\n{_CATALOGS[catalog]}\n")
        parts += [_section(table) for table in its_tables]
    return "\n".join(parts)


def write() -> None:
    """Write the page anew."""
    PAGE.write_text(render(tables().values()), "utf-8")


def _section(table: Table) -> str:
    kept = " In the catalog." if table.small else ""
    key = ", ".join(table.key)
    head = f"### `{table.name}` {table.title}\n\n{table.note} Grain: {table.grain}. Key: {key}.{kept}\n"
    rows = [f"| `{name}` | {column.type} | {_cell(column.note)} |" for name, column in table.columns.items()]
    return "\n".join([head, "| column | type | meaning |", "|---|---|---|", *rows, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    write()
