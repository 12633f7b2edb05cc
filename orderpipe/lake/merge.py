"""Merge: DELETE and INSERT of the changed keys in one transaction, at a cost of what changed, not of what is stored.

Never MERGE or UPDATE: both rewrite every touched row group. Hot keys (the newest stretch) go by semi-join, whose
min/max lets the scan open the last files only; the cold tail goes by literal list, which prunes row groups
(docs/decisions/0002-delete-insert.md, benchmarks/).
"""

from orderpipe.lake.dictionary import table

_HOT = 90 * 86_400 << 32  # ninety days in the seconds of an order_id
_COLD_LIMIT = 1_000  # a longer literal list is slower than a semi-join over everything


def replace(con, name: str, rows: str, keys: str | None = None) -> int:
    """Replace the rows of a table by those of a work table, matched on the table's first key column.

    name: table of the lake or the vault, as in the dictionary. rows: the new rows. keys: a table that holds the key
    values to delete (default: those of rows), for groups that shrank or vanished. Within the caller's transaction.
    Gives the number of rows written.
    """
    remove(con, name, keys or rows)
    return append(con, name, rows)


def append(con, name: str, rows: str) -> int:
    """Append the rows of a work table. Within the caller's transaction. Gives the number of rows written."""
    target = table(name)
    if not con.execute(f"SELECT EXISTS (FROM {rows})").fetchone()[0]:
        return 0  # an empty INSERT would still write a file
    columns = ", ".join(f'"{column}"' for column in target.columns)
    return con.execute(f"INSERT INTO {target.full_name} ({columns}) SELECT {columns} FROM {rows}").fetchone()[0]


def remove(con, name: str, keys: str) -> None:
    """Delete the rows whose first key column stands in the key table. Within the caller's transaction."""
    if not con.execute(f"SELECT EXISTS (FROM {keys})").fetchone()[0]:
        return  # a DELETE of nothing would still read the table
    target = table(name)
    key = target.key[0]
    if target.columns[key].type != "BIGINT":
        con.execute(f"DELETE FROM {target.full_name} WHERE {key} IN (SELECT {key} FROM {keys})")
        return
    (hot_from,) = con.execute(f"SELECT max({key}) - {_HOT} FROM {keys}").fetchone()
    if hot_from is None:
        return
    cold = [row[0] for row in con.execute(f"SELECT DISTINCT {key} FROM {keys} WHERE {key} < {hot_from}").fetchall()]
    if len(cold) > _COLD_LIMIT:
        con.execute(f"DELETE FROM {target.full_name} WHERE {key} IN (SELECT {key} FROM {keys})")
        return
    con.execute(f"DELETE FROM {target.full_name} WHERE {key} IN (SELECT {key} FROM {keys} WHERE {key} >= {hot_from})")
    if cold:
        con.execute(f"DELETE FROM {target.full_name} WHERE {key} IN ({', '.join(map(str, cold))})")
