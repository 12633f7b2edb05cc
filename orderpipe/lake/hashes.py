"""Table hashes that do not depend on the order of rows: equal content, equal hash."""

from orderpipe.lake import dictionary

# Cursors and queues say how far a run got, freshness and the ship-by clock what time it is; the outbox is what was done
# in the world, and parcels, gifts, reservations and the stock guard follow from it: none of them is a function of raw.
_NOT_DERIVED = (
    "raw.", "flow.", "outbox.", "mart.shop_freshness", "mart.ship_by_clock", "mart.interceptions",
    "mart.receivables", "mart.settlement_gaps", "decision.rule_",
    "decision.parcels", "decision.gifts", "decision.reserv", "decision.recalls", "decision.stock_guard",
    "decision.return", "decision.reship", "decision.refund_gates",
)  # fmt: skip


def derived_tables() -> list[str]:
    """The tables that are a function of raw payloads, rules and reference files."""
    return [name for name in dictionary.tables() if not name.startswith(_NOT_DERIVED)]


def table_hashes(con) -> dict[str, tuple[int, str]]:
    """(rows, hash) of every derived table, contacts in the vault included."""
    return {name: _hash(con, dictionary.table(name).full_name) for name in derived_tables()}


def _hash(con, name: str) -> tuple[int, str]:
    rows, total = con.execute(f"SELECT count(*), coalesce(sum(hash(t)::HUGEINT), 0) FROM {name} t").fetchone()
    return rows, f"{total & (2**64 - 1):016x}"
