"""The outbox: writing instructions and attempts. Every call is within the caller's transaction on the lake."""

from orderpipe.lake import merge


def write(con, rows: str) -> int:
    """Insert the instructions of a work table, replacing those that have the same id. Gives the number of rows."""
    con.execute(
        f"""DELETE FROM outbox.instructions
            WHERE instruction_id IN (SELECT instruction_id FROM {rows})
              AND (order_id IN (SELECT order_id FROM {rows}) OR order_id IS NULL)"""
    )
    return merge.append(con, "outbox.instructions", rows)
