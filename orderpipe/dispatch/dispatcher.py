"""The dispatcher: due instructions go out, what came back is recorded. Sent at least once, in effect once.

    pending → sending → acknowledged | rejected | dead        pending → intercepted → pending
                  ↖ retry: pending again, due later

Writes to listings (`platforms`) are tried until the platform confirms them: their attempts have no end.

One dispatcher per receiver holds that receiver's lock; the writer lease is held while claiming and while recording,
never on the wire. A row left in `sending` belongs to a dispatcher that died: it is sent again as a retry, which asks
the receiver first (WMS) or leans on the receiver's own idempotency (courier).
"""

import hashlib
import hmac
import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa

from orderpipe.config import Receiver, Settings
from orderpipe.dispatch import bodies, listings, outbox
from orderpipe.dispatch.dingtalk import DingTalkRobot
from orderpipe.dispatch.kuaidi100 import Kuaidi100Client
from orderpipe.dispatch.outcome import ACKNOWLEDGED, REJECTED, RETRY, Outcome
from orderpipe.dispatch.qimen import QimenClient
from orderpipe.errors import LeaseTimeout, OrderpipeError
from orderpipe.lake import lease, merge, models

RECEIVERS = ("wms", "courier", "platforms", "dingtalk")
BATCH = 500
MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
_ALERTS_IN_ONE = 20


@dataclass
class DispatchReport:
    """What a dispatch did. pending_left: instructions still to be sent to this receiver, those not yet due included."""

    receiver: str
    sent: int = 0
    acknowledged: int = 0
    rejected: int = 0
    retry: int = 0
    dead: int = 0
    intercepted: int = 0
    pending_left: int = 0
    error: str = ""


@dataclass(frozen=True)
class _Due:
    instruction_id: str
    parcel_id: str | None
    attempts: int
    text: str

    @property
    def retry(self) -> bool:
        return self.attempts > 0


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


def receiver_of(settings: Settings, name: str) -> Receiver:
    """How a receiver is configured. The platforms are, shop by shop, in shops.yaml: a shop that cannot be called fails
    its own instructions."""
    return listings.receiver(settings) if name == "platforms" else settings.receivers[name]


def _any_due(run, receiver: str) -> bool:
    return run.lake.execute(
        """SELECT EXISTS (FROM outbox.instructions
           WHERE target = $target AND status IN ('pending', 'sending') AND due_at <= $now)""",
        {"target": receiver, "now": run.clock.now()},
    ).fetchone()[0]


def _dispatch(run, settings: Receiver, report: DispatchReport, limit: int | None) -> None:
    channel = _CHANNELS[report.receiver]
    done: set[str] = set()
    with (
        closing(channel.client(run, settings)) as client,
        ThreadPoolExecutor(int(settings.settings.get("workers", 4))) as pool,
    ):
        while limit is None or report.sent < limit:
            size = BATCH if limit is None else min(BATCH, limit - report.sent)
            due = _claim(run, report, size, done)
            if due is None:
                return
            built = channel.build(run, settings, due)
            calls = channel.calls(client, due, built)
            outcomes: dict[str, Outcome] = {}
            for found in pool.map(lambda call: call(), calls):
                outcomes.update(found)
            _record(run, report, due, built, outcomes)
            done.update(outcomes)
            run.say(f"{report.receiver}: {report.acknowledged} acknowledged of {report.sent} sent")


def _claim(run, report: DispatchReport, size: int, done: set[str]) -> list[_Due] | None:
    """Take due rows: stop those that may not go any more, mark the others as being sent. None when nothing is due."""
    con = run.lake
    with run.writing(f"claiming for {report.receiver}"):
        con.execute(
            """CREATE OR REPLACE TABLE work.dispatching AS
               SELECT $receiver AS receiver, $run AS run_id, $now::TIMESTAMPTZ AS now, $done::VARCHAR[] AS done,
                      $size::BIGINT AS size""",
            {"receiver": report.receiver, "run": run.id, "now": run.clock.now(), "done": sorted(done), "size": size},
        )
        if not models.build(con, "outbox/sending", "work.sending"):
            return None
        models.build(con, "outbox/members", "work.members")
        con.execute(
            """CREATE OR REPLACE TABLE work.orders_now AS
               FROM core.orders WHERE order_id IN (SELECT order_id FROM work.members)"""
        )
        models.build(con, "decision/shippable", "work.shippable")
        models.build(con, "outbox/superseded", "work.superseded")
        models.build(con, "outbox/claimed", "work.claimed")
        models.build(con, "outbox/doubtful", "work.raised")
        outbox.prepare_alerts(con, run_id=run.id, now=run.clock.now())
        with run.transaction("lake", f"send {report.receiver}"):
            outbox.write(con, "work.claimed")
            outbox.write(con, "work.alerts")
    rows = con.execute(
        """SELECT instruction_id, params->>'parcel_id', attempts - 1, params->>'text' FROM work.claimed
           WHERE status = 'sending' ORDER BY created_at, instruction_id"""
    ).fetchall()
    report.intercepted += con.execute("SELECT count(*) FROM work.claimed WHERE status = 'intercepted'").fetchone()[0]
    return [_Due(*row) for row in rows]


def _record(run, report: DispatchReport, due: list[_Due], built: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    con, channel = run.lake, _CHANNELS[report.receiver]
    now = run.clock.now()
    results = []
    for row in due:
        outcome = outcomes[row.instruction_id]
        status = _status_after(outcome, row.attempts + 1, channel.attempts)
        _tally(report, outcome.status, status)
        body = json.dumps(built.get(row.instruction_id), ensure_ascii=False, sort_keys=True)
        results.append(
            {
                "instruction_id": row.instruction_id,
                "attempt": row.attempts + 1,
                "sent_at": now,
                "outcome": outcome.status,
                "status": status,
                "due_at": now + _pause(row.attempts + 1, outcome.retry_after, channel.longest)
                if status == "pending"
                else None,
                "request_id": outcome.request_id,
                "http_status": outcome.http_status,
                "latency_ms": outcome.latency_ms,
                "body_masked": outcome.body_masked,
                "error": outcome.error,
                "receipt": json.dumps(outcome.receipt, ensure_ascii=False, sort_keys=True) if outcome.receipt else None,
                "body_hash": hmac.new(run.settings.pii_key, body.encode(), hashlib.sha256).hexdigest()[:32],
            }
        )
    if not results:
        return
    con.register("results", pa.Table.from_pylist(results, schema=_RESULT))
    con.execute("CREATE OR REPLACE TABLE work.results AS FROM results")
    con.unregister("results")
    with run.writing(f"recording {report.receiver}"):
        models.build(con, "outbox/instructions_after", "work.instructions_after")
        models.build(con, "outbox/attempts_made", "work.attempts_made")
        models.build(con, "outbox/undelivered", "work.raised")
        outbox.prepare_alerts(con, run_id=run.id, now=now)
        with run.transaction("lake", f"sent {report.receiver}"):
            outbox.write(con, "work.instructions_after")
            merge.append(con, "outbox.attempts", "work.attempts_made")
            outbox.write(con, "work.alerts")


def _status_after(outcome: Outcome, attempt: int, most: int | None) -> str:
    """most: attempts after which it is given up; None for never."""
    if outcome.status != RETRY:
        return outcome.status
    # A message without idempotency whose answer was lost is repeated once, and no more.
    limit = 2 if outcome.receipt.get("delivery") == "unknown" else most
    return "dead" if limit is not None and attempt >= limit else "pending"


def _tally(report: DispatchReport, outcome: str, status: str) -> None:
    report.sent += 1
    if outcome == ACKNOWLEDGED:
        report.acknowledged += 1
    elif outcome == REJECTED:
        report.rejected += 1
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
        ("outcome", pa.string()), ("status", pa.string()), ("due_at", pa.timestamp("us", tz="UTC")),
        ("request_id", pa.string()), ("http_status", pa.int32()), ("latency_ms", pa.int32()),
        ("body_masked", pa.string()), ("error", pa.string()), ("receipt", pa.string()), ("body_hash", pa.string()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class _Channel:
    """How one receiver is spoken to: client(run, receiver); build(run, receiver, due) → bodies by instruction;
    calls(client, due, bodies) → calls that may go side by side, each giving its instructions' Outcomes. attempts: how
    many there may be, None for no end; longest: pause between two."""

    client: Callable[..., Any]
    build: Callable[..., dict[str, Any]]
    calls: Callable[..., list[Callable[[], dict[str, Outcome]]]]
    attempts: int | None = MAX_ATTEMPTS
    longest: timedelta = LONGEST_RETRY


def _order_bodies(make: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def build(run, settings: Receiver, due: list[_Due]) -> dict[str, Any]:
        rows = bodies.pick_order_rows(run.lake)
        return {d.instruction_id: make(rows[d.parcel_id], run, settings) for d in due if d.parcel_id in rows}

    return build


def _one_by_one(send: Callable[..., Outcome]) -> Callable[..., list[Callable[[], dict[str, Outcome]]]]:
    def calls(client, due: list[_Due], built: dict[str, Any]):
        def call(row: _Due) -> Callable[[], dict[str, Outcome]]:
            def attempt() -> Outcome:
                if row.instruction_id not in built:
                    return Outcome(REJECTED, error="找不到收件信息，无法生成指令")
                try:
                    return send(client, built[row.instruction_id], row.retry)
                except OrderpipeError as error:
                    return Outcome(RETRY, error=str(error))

            return lambda: {row.instruction_id: attempt()}

        return [call(row) for row in due]

    return calls


def _alert_calls(client, due: list[_Due], built: dict[str, Any]):
    """Alerts go out together: the robot takes twenty messages a minute."""

    def call(group: list[_Due]) -> Callable[[], dict[str, Outcome]]:
        lines = "\n".join(f"- {row.text}" for row in group)
        ids = [row.instruction_id for row in group]
        return lambda: dict.fromkeys(ids, client.send_markdown(f"订单告警 {len(group)} 条", f"### 订单告警\n{lines}"))

    groups = [due[start : start + _ALERTS_IN_ONE] for start in range(0, len(due), _ALERTS_IN_ONE)]
    return [call(group) for group in groups]


_CHANNELS = {
    "wms": _Channel(
        lambda run, receiver: QimenClient(receiver, run.clock),
        _order_bodies(lambda row, run, settings: bodies.delivery_order(row, run.settings, settings, run.clock.now())),
        _one_by_one(lambda client, body, retry: client.create_delivery_order(body, retry=retry)),
    ),
    "courier": _Channel(
        lambda run, receiver: Kuaidi100Client(receiver, run.clock),
        _order_bodies(lambda row, run, settings: bodies.label_order(row, run.settings, settings)),
        _one_by_one(lambda client, body, retry: client.order_label(body, retry=retry)),
    ),
    "platforms": _Channel(
        lambda run, receiver: listings.Desk(run.settings, run.clock, run.sleep),
        lambda run, receiver, due: listings.writes(run.lake),
        listings.calls,
        attempts=None,
        longest=listings.LONGEST_RETRY,
    ),
    "dingtalk": _Channel(
        lambda run, receiver: DingTalkRobot(receiver, run.clock),
        lambda run, receiver, due: {d.instruction_id: d.text for d in due},
        _alert_calls,
    ),
}
