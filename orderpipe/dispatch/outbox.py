"""The outbox: writing instructions and attempts, and raising alerts, within the caller's transaction on the lake."""

from datetime import datetime

from orderpipe.lake import merge, models


def write(con, rows: str) -> int:
    """Insert the instructions of a work table, replacing those that have the same id. Gives the number of rows.

    Columns that a model leaves out are null: nobody has sent it yet.
    """
    con.execute(
        f"""DELETE FROM outbox.instructions
            WHERE instruction_id IN (SELECT instruction_id FROM {rows})
              AND (order_id IN (SELECT order_id FROM {rows}) OR order_id IS NULL)"""
    )
    whole = f"((FROM outbox.instructions LIMIT 0) UNION ALL BY NAME FROM {rows})"
    return merge.append(con, "outbox.instructions", whole)


def prepare_alerts(con, *, run_id: str, now: datetime) -> int:
    """Fill work.alerts from work.raised(key, text), before the transaction that writes them; how many are new.

    now: aware UTC. text is Chinese, for the operators, and holds no personal data.
    """
    con.execute(
        "CREATE OR REPLACE TABLE work.raiser AS SELECT $run AS run_id, $now::TIMESTAMPTZ AS now",
        {"run": run_id, "now": now},
    )
    return models.build(con, "outbox/alerts", "work.alerts")
