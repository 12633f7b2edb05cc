"""The dispatcher: due instructions go out, what came back is recorded. Sent at least once, in effect once.

    pending → sending → acknowledged | rejected | dead        pending → intercepted → pending
                  ↖ retry: pending again, due later           dead | rejected → pending (an operator's requeue)

One dispatcher per receiver holds that receiver's lock; the writer lease is held while claiming and while recording,
never on the wire. A row left in `sending` belongs to a dispatcher that died: it is sent again as a retry, which asks
the receiver first (WMS, platforms) or leans on the receiver's own idempotency (courier). docs/dispatch.md tells all.
"""

import hashlib
import hmac
import json
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa

from orderpipe.config import Receiver
from orderpipe.dispatch import outbox, receipts, return_orders
from orderpipe.dispatch.breaker import Breaker
from orderpipe.dispatch.channels import CHANNELS, Channel, Due, params_of, receiver_of
from orderpipe.dispatch.outcome import ACKNOWLEDGED, REJECTED, RETRY, UNSENT, Outcome
from orderpipe.errors import LeaseTimeout
from orderpipe.failpoint import reach
from orderpipe.lake import lease, merge, models, snapshot

RECEIVERS = tuple(CHANNELS)
BATCH = 500
FEWEST_ATTEMPTS = 8  # an instruction is given up when it had so many, and its channel's patience has passed
FIRST_RETRY = timedelta(seconds=30)
_BREAK = timedelta(minutes=1)  # how long a receiver that is out of order is left alone


@dataclass
class DispatchReport:
    """What a dispatch did. too_late: refused because the world had moved on. pending_left: instructions still to be
    sent to this receiver, those not yet due included."""

    receiver: str
    sent: int = 0
    acknowledged: int = 0
    rejected: int = 0
    too_late: int = 0
    retry: int = 0
    dead: int = 0
    intercepted: int = 0
    pending_left: int = 0
    error: str = ""


def dispatch(run, receiver: str, limit: int | None = None) -> DispatchReport:
    """Send what is due to one receiver (wms, courier, platforms, dingtalk), at most `limit` instructions.

    Does nothing when another dispatcher is at it, or when the receiver is not configured (the report says so).
    """
    report = DispatchReport(receiver)
    settings = receiver_of(run.settings, receiver)
    try:
        with lease(run.settings.home.lock(f"dispatch-{receiver}"), f"dispatch {receiver}", timeout=0):
            if not _any_due(run, receiver):
                pass
            elif settings.problem:
                report.error = settings.problem
            else:
                _dispatch(run, settings, report, limit)
    except LeaseTimeout as busy:
        report.error = str(busy)
    (report.pending_left,) = run.lake.execute(
        "SELECT count(*) FROM outbox.instructions WHERE target = $target AND status IN ('pending', 'sending')",
        {"target": receiver},
    ).fetchone()
    return report


def _any_due(run, receiver: str) -> bool:
    return run.lake.execute(
        """SELECT EXISTS (FROM outbox.instructions
           WHERE target = $target AND status IN ('pending', 'sending') AND due_at <= $now)""",
        {"target": receiver, "now": run.clock.now()},
    ).fetchone()[0]


def _dispatch(run, settings: Receiver, report: DispatchReport, limit: int | None) -> None:
    channel = CHANNELS[report.receiver]
    breaker = Breaker(patience=2 * settings.workers)
    done: set[str] = set()
    with closing(channel.client(run, settings)) as client, ThreadPoolExecutor(settings.workers) as pool:
        while not breaker.open and (limit is None or report.sent < limit):
            size = BATCH if limit is None else min(BATCH, limit - report.sent)
            due = _claim(run, report, channel.kinds(settings), size, done)
            if due is None:
                return
            built = channel.build(run, settings, due)
            outcomes: dict[str, Outcome] = {}
            for found in pool.map(lambda call: call(), channel.calls(channel, client, due, built, breaker)):
                outcomes.update(found)
            _record(run, report, channel, due, built, outcomes, breaker)
            done.update(outcomes)
            run.say(f"{report.receiver}: {report.acknowledged} acknowledged of {report.sent} sent")
    report.error = breaker.error or ""


def _claim(run, report: DispatchReport, kinds: list[str], size: int, done: set[str]) -> list[Due] | None:
    """Take due rows: stop those that may not go any more, mark the others as being sent. None when nothing is due."""
    con = run.lake
    with run.writing(f"claiming for {report.receiver}"):
        con.execute(
            """CREATE OR REPLACE TABLE work.dispatching AS
               SELECT $receiver AS receiver, $run AS run_id, $now::TIMESTAMPTZ AS now, $done::VARCHAR[] AS done,
                      $size::BIGINT AS size, $kinds::VARCHAR[] AS kinds""",
            {
                "receiver": report.receiver,
                "run": run.id,
                "now": run.clock.now(),
                "done": sorted(done),
                "size": size,
                "kinds": kinds,
            },
        )
        with snapshot(con):
            if not models.build(con, "outbox/sending", "work.sending"):
                return None
            models.build(con, "outbox/members", "work.members")
            con.execute(
                """CREATE OR REPLACE TABLE work.orders_now AS
                   FROM core.orders WHERE order_id IN (SELECT order_id FROM work.members)"""
            )
            models.build(con, "decision/shippable", "work.shippable")
            models.build(con, "outbox/superseded", "work.superseded")
            return_orders.prepare_check(con)
            models.build(con, "outbox/claimed", "work.claimed")
        with run.transaction("lake", f"send {report.receiver}"):
            outbox.write(con, "work.claimed")
            reach("claim.before_commit")
    reach("claim.committed")
    rows = con.execute(
        """SELECT instruction_id, kind, order_id, attempts - 1, coalesce(tries_from, 0) > 0, params::VARCHAR
           FROM work.claimed WHERE status = 'sending' ORDER BY created_at, instruction_id"""
    ).fetchall()
    report.intercepted += con.execute("SELECT count(*) FROM work.claimed WHERE status = 'intercepted'").fetchone()[0]
    return [Due(*row[:-1], params_of(row[-1])) for row in rows]


def _record(
    run,
    report: DispatchReport,
    channel: Channel,
    due: list[Due],
    built: dict[str, Any],
    outcomes: dict[str, Outcome],
    breaker: Breaker,
) -> None:
    """Write down what came back, with what follows from it, in one transaction."""
    con, now = run.lake, run.clock.now()
    since = {
        name: (tried, begun)
        for name, tried, begun in con.execute(
            """SELECT instruction_id, attempts - coalesce(tries_from, 0), coalesce(tries_since, created_at)
               FROM work.claimed WHERE status = 'sending'"""
        ).fetchall()
    }
    results = []
    for row in due:
        outcome = outcomes[row.instruction_id]
        tried, begun = since[row.instruction_id]
        status = _status_after(outcome, tried, now - begun, channel.patience)
        _tally(report, outcome, status)
        results.append(_result(run, row, built, outcome, status, channel, now))
    if not results:
        return
    with run.writing(f"recording {report.receiver}"):
        con.register("results", pa.Table.from_pylist(results, schema=_RESULT))
        con.execute("CREATE OR REPLACE TABLE work.results AS FROM results")
        con.unregister("results")
        con.execute(
            """CREATE OR REPLACE TABLE work.halted AS
               SELECT $receiver AS receiver, $error::VARCHAR AS error WHERE $error IS NOT NULL""",
            {"receiver": report.receiver, "error": breaker.error},
        )
        with snapshot(con):
            models.build(con, "outbox/instructions_after", "work.instructions_after")
            models.build(con, "outbox/attempts_made", "work.attempts_made")
            receipts.prepare(con, report.receiver)
            models.build(con, "outbox/consequences", "work.consequences")
            models.build(con, "outbox/reconsidered", "work.reconsidered")
            models.build(con, "outbox/undelivered", "work.raised")
            outbox.prepare_alerts(con, run_id=run.id, now=now)
        with run.transaction("lake", f"sent {report.receiver}"):
            outbox.write(con, "work.instructions_after")
            merge.append(con, "outbox.attempts", "work.attempts_made")
            merge.append(con, "outbox.receipts", "work.receipts")
            outbox.write(con, "work.consequences")
            merge.append(con, "flow.touched", "work.reconsidered")
            outbox.write(con, "work.alerts")
            reach("record.before_commit")
    reach("record.committed")


def _result(run, row: Due, built: dict[str, Any], outcome: Outcome, status: str, channel: Channel, now) -> dict:
    body = json.dumps(built.get(row.instruction_id), ensure_ascii=False, sort_keys=True, default=str)
    pause = _BREAK if outcome.status == UNSENT else _pause(row.attempts + 1, outcome.retry_after, channel.longest)
    return {
        "instruction_id": row.instruction_id,
        "attempt": row.attempts + 1,
        "sent_at": now,
        "outcome": outcome.status,
        "status": status,
        "too_late": outcome.too_late,
        "due_at": now + pause if status == "pending" else None,
        "request_id": outcome.request_id,
        "http_status": outcome.http_status,
        "latency_ms": outcome.latency_ms,
        "body_masked": outcome.body_masked,
        "error": outcome.error,
        "receipt": json.dumps(outcome.receipt, ensure_ascii=False, sort_keys=True) if outcome.receipt else None,
        "body_hash": hmac.new(run.settings.pii_key, body.encode(), hashlib.sha256).hexdigest()[:32],
    }


def _status_after(outcome: Outcome, tried: int, age: timedelta, patience: timedelta | None) -> str:
    """tried: attempts, this one included; age: since it was decided, or sent again by an operator. patience: None for
    never giving up."""
    if outcome.status == UNSENT:
        return "pending"
    if outcome.status != RETRY:
        return outcome.status
    if outcome.receipt.get("delivery") == "unknown":
        # A message without idempotency whose answer was lost is repeated once, and no more.
        return "dead" if tried >= 2 else "pending"
    given_up = patience is not None and tried >= FEWEST_ATTEMPTS and age >= patience
    return "dead" if given_up and not outcome.halts else "pending"


def _tally(report: DispatchReport, outcome: Outcome, status: str) -> None:
    if outcome.status == UNSENT:
        return
    report.sent += 1
    if outcome.status == ACKNOWLEDGED:
        report.acknowledged += 1
    elif outcome.status == REJECTED:
        report.too_late += outcome.too_late
        report.rejected += not outcome.too_late
    elif status == "dead":
        report.dead += 1
    else:
        report.retry += 1


def _pause(attempt: int, asked: float | None, longest: timedelta) -> timedelta:
    """How long to wait: what the receiver asked for, or doubling from half a minute to the longest, spread a little."""
    if asked is not None:
        return timedelta(seconds=asked + 1)
    return min(FIRST_RETRY * 2 ** min(attempt - 1, 20), longest) * random.uniform(0.8, 1.2)


_RESULT = pa.schema(
    [
        ("instruction_id", pa.string()), ("attempt", pa.int32()), ("sent_at", pa.timestamp("us", tz="UTC")),
        ("outcome", pa.string()), ("status", pa.string()), ("too_late", pa.bool_()),
        ("due_at", pa.timestamp("us", tz="UTC")), ("request_id", pa.string()), ("http_status", pa.int32()),
        ("latency_ms", pa.int32()), ("body_masked", pa.string()), ("error", pa.string()), ("receipt", pa.string()),
        ("body_hash", pa.string()),
    ]
)  # fmt: skip
