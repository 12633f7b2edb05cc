"""Table hashes that do not depend on the order of rows: equal content, equal hash."""

from orderpipe.lake import dictionary

# Cursors and queues say how far a run got, freshness how far the pulls got; the outbox is what was done in the world:
# none of them is a function of raw.
_NOT_DERIVED = ("raw.", "flow.", "outbox.", "mart.shop_freshness")


def derived_tables() -> list[str]:
    """The tables that are a function of raw payloads, rules and reference files."""
    return [name for name in dictionary.tables() if not name.startswith(_NOT_DERIVED)]


def table_hashes(con) -> dict[str, tuple[int, str]]:
    """(rows, hash) of every derived table, contacts in the vault included."""
    return {name: _hash(con, dictionary.table(name).full_name) for name in derived_tables()}


def _hash(con, name: str) -> tuple[int, str]:
    rows, total = con.execute(f"SELECT count(*), coalesce(sum(hash(t)::HUGEINT), 0) FROM {name} t").fetchone()
    return rows, f"{total & (2**64 - 1):016x}"
