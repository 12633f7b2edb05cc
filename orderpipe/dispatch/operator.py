"""What operators do to instructions by hand: look at those that wait for somebody, and send them again."""

from collections.abc import Sequence
from typing import Any

from orderpipe.dispatch import outbox
from orderpipe.dispatch.masking import scrub
from orderpipe.errors import OrderpipeError
from orderpipe.lake import dicts, merge

# Statuses in which an instruction may be sent again, or given up.
STUCK = ("rejected", "dead")


def instructions(
    con, *, statuses: Sequence[str] = STUCK, receiver: str | None = None, limit: int = 200
) -> list[dict[str, Any]]:
    """Instructions in these statuses, oldest first; receiver None for all of them."""
    return dicts(
        con,
        """SELECT instruction_id, kind, target, order_id, idempotency_key, status, attempts, created_at, due_at,
                  last_error
           FROM outbox.instructions
           WHERE list_contains($statuses::VARCHAR[], status) AND ($receiver::VARCHAR IS NULL OR target = $receiver)
           ORDER BY created_at, instruction_id LIMIT $limit""",
        {"statuses": list(statuses), "receiver": receiver, "limit": limit},
    )


def stuck(con, receiver: str | None = None) -> list[str]:
    """The ids of all instructions that wait for somebody, oldest first; receiver None for all of them."""
    rows = con.execute(
        """SELECT instruction_id FROM outbox.instructions
           WHERE list_contains($statuses::VARCHAR[], status) AND ($receiver::VARCHAR IS NULL OR target = $receiver)
           ORDER BY created_at, instruction_id""",
        {"statuses": list(STUCK), "receiver": receiver},
    )
    return [instruction_id for (instruction_id,) in rows.fetchall()]


def requeue(run, instruction_ids: Sequence[str], *, actor: str, reason: str, dry_run: bool = False) -> int:
    """Send instructions again that were refused or given up: pending, due now, with fresh patience. It is checked like
    any other at the moment of sending, and asks its receiver first. Who and why is kept.

    Gives how many; dry_run: checks only. Raises OrderpipeError when one does not exist, or waits for nobody, or when
    actor or reason is empty.
    """
    if not actor.strip() or not reason.strip():
        raise OrderpipeError("who and why are not given", remedy="name them with --by and --reason")
    con = run.lake
    with run.writing("requeue"):
        con.execute(
            """CREATE OR REPLACE TABLE work.requeued AS
               FROM outbox.instructions WHERE list_contains($ids::VARCHAR[], instruction_id)""",
            {"ids": list(instruction_ids)},
        )
        found = dict(con.execute("SELECT instruction_id, status FROM work.requeued").fetchall())
        for name in instruction_ids:
            if found.get(name) not in STUCK:
                known = f"instruction {name} is {found[name]}" if name in found else f"no instruction {name}"
                raise OrderpipeError(known, remedy="`orderpipe outbox list` shows those that wait for somebody")
        if dry_run:
            return len(found)
        con.execute(
            """CREATE OR REPLACE TABLE work.interventions AS
               SELECT instruction_id, $now::TIMESTAMPTZ AS "at", 'requeue' AS act, $actor AS actor, $reason AS reason,
                      status AS status_before FROM work.requeued""",
            {"now": run.clock.now(), "actor": actor.strip(), "reason": scrub(reason.strip())},
        )
        con.execute(
            """CREATE OR REPLACE TABLE work.sent_again AS
               SELECT * REPLACE ('pending' AS status, $now::TIMESTAMPTZ AS due_at, attempts AS tries_from,
                                 $now::TIMESTAMPTZ AS tries_since) FROM work.requeued""",
            {"now": run.clock.now()},
        )
        with run.transaction("lake", "requeue"):
            outbox.write(con, "work.sent_again")
            merge.append(con, "outbox.interventions", "work.interventions")
    return len(found)
