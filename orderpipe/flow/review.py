"""Reviews: what waits for a person, and a person's decision, which comes back through raw like everything else.

A decision names the flags it was taken on, by rule and facts. It is a document of kind `review`; staging types it, the
pool stores it in decision.reviews, and the next decision sees it (sql/decision/review_state.sql).
"""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orderpipe import clock
from orderpipe.errors import OrderpipeError
from orderpipe.flow.decide import decide
from orderpipe.flow.pool import pool
from orderpipe.flow.review_address import ADDRESS, checked_address
from orderpipe.flow.run import Run
from orderpipe.flow.tick import alerts_of
from orderpipe.lake import dicts, models
from orderpipe.lake.landing import forget_documents, insert_documents, stage_documents

ACTIONS = ("approve", "reject", "readdress")
CROSS_BORDER = "cross_border_review"
_GONE = ("shipped", "completed", "closed")
_COLUMNS = """o.order_id, o.platform, o.shop_id, o.platform_order_no, o.status, o.hold_status, o.warehouse_id,
    o.currency, o.paid_amount::VARCHAR AS paid_amount, o.paid_amount_cny::VARCHAR AS paid_amount_cny, o.receiver_masked,
    o.phone_masked, o.country, o.province, o.city, o.district, o.address_key, o.missing_fields,
    o.address_score, o.address_problems"""


@dataclass(frozen=True)
class Review:
    """A decision that may be submitted. covers: the flags it is taken on, as {rule_id, facts_hash}. address_key: of the
    address the reviewer saw. warehouse: where an order that leaves the country ships from; forced: although its customs
    data are incomplete. address: the new one of a readdress, in clear; replaced_key: names what the platform said of
    the address that is replaced. request: what is asked for after the sale (orderpipe/flow/after_sale.py)."""

    order_id: int
    platform: str
    shop_id: str
    platform_order_no: str
    action: str
    actor: str
    reason: str
    covers: tuple[Mapping[str, str], ...] = ()
    address_key: str | None = None
    warehouse: str | None = None
    forced: bool = False
    address: Mapping[str, str] | None = field(default=None, repr=False)
    replaced_key: str | None = None
    request: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Reviewed:
    """A decision that was taken, and how its order stands now. sent: instructions that had gone out before, by kind."""

    review_id: str
    order_id: int
    platform_order_no: str
    action: str
    hold_status: str | None
    warehouse_id: str | None
    sent: list[str]


def list_open(
    con, *, shop: str | None = None, everything: bool = False, now: datetime | None = None
) -> list[dict[str, Any]]:
    """Orders that wait for a person, longest waiting first; everything: those that were approved or rejected as well.

    con: a writer connection or `open_workbench`. now: aware UTC, for waiting_minutes. No personal data in clear.
    """
    reviewed = "OR order_id IN (SELECT order_id FROM decision.reviews)" if everything else ""
    _look(
        con,
        f"""SELECT order_id FROM core.orders
            WHERE ((status = 'paid' AND hold_status IS NOT NULL) {reviewed}) AND shop_id = coalesce($shop, shop_id)""",
        {"shop": shop},
    )
    return dicts(
        con,
        f"""SELECT {_COLUMNS}, s.state, s.rules, s.reasons, s.since,
                   date_diff('minute', s.since, $now::TIMESTAMPTZ) AS waiting_minutes
            FROM work.review_state s JOIN core.orders o USING (order_id)
            WHERE s.state = 'open' AND o.status = 'paid' OR $everything
            ORDER BY s.state = 'open' DESC, s.since, o.order_id""",
        {"now": now or clock.from_environment().now(), "everything": everything},
    )


def show(con, order: str) -> dict[str, Any]:
    """Everything a reviewer must see of an order: its state, flags with facts, customs checks, earlier reviews.

    order: order_id or platform order number. Raises OrderpipeError when it is unknown or names several orders.
    """
    found = _found(con, order)
    ask = {"order": found["order_id"]}
    flags = dicts(
        con,
        """SELECT rule_id, action, reason, facts::VARCHAR AS facts, facts_hash, rule_version, decided_at
           FROM decision.risk_flags WHERE order_id = $order
           UNION ALL
           SELECT 'cross_border_review', 'review', '跨境订单，待关务审核', facts::VARCHAR,
                  md5('cross_border_review' || facts::VARCHAR), rule_version, decided_at
           FROM decision.routes WHERE order_id = $order AND warehouse_id = 'cross_border_review'
           ORDER BY action DESC, rule_id""",
        ask,
    )
    customs = dicts(con, "SELECT status, blocking, warnings FROM decision.customs WHERE order_id = $order", ask)
    return {
        "order": found,
        "flags": [{**flag, "facts": json.loads(flag["facts"])} for flag in flags],
        "customs": customs[0] if customs else None,
        "customs_checks": dicts(
            con,
            """SELECT line_no, rule_id, level, message FROM decision.customs_checks WHERE order_id = $order
               ORDER BY level, line_no, rule_id""",
            ask,
        ),
        "reviews": dicts(
            con,
            """SELECT review_id, action, actor, reason, warehouse_id, forced, decided_at FROM decision.reviews
               WHERE order_id = $order ORDER BY decided_at, review_id""",
            ask,
        ),
    }


def prepare(
    run: Run,
    order: str | int,
    action: str,
    *,
    actor: str,
    reason: str,
    warehouse: str | None = None,
    force: bool = False,
    address: Mapping[str, str] | None = None,
    covers: Sequence[Mapping[str, str]] | None = None,
) -> Review:
    """Check a decision without taking it. order: order_id or platform order number; action: one of ACTIONS.

    warehouse, force: only to approve an order that leaves the country. address: only to readdress; its fields are
    those of ADDRESS. covers: the flags the reviewer has seen (default: those there are now). Raises OrderpipeError
    with what to do instead; no message quotes an address.
    """
    if action not in ACTIONS:
        raise OrderpipeError(f"no action {action}", where="review", remedy=f"use one of {', '.join(ACTIONS)}")
    if not actor.strip() or not reason.strip():
        raise OrderpipeError("who and why are missing", where="review", remedy="give --by and --reason")
    seen = show(run.lake, str(order))
    found = seen["order"]
    where = f"order {found['order_id']}"
    if found["status"] in _GONE:
        raise OrderpipeError(f"it is {found['status']} already", where=where, remedy="nothing is left to decide")
    flags = [
        {"rule_id": flag["rule_id"], "facts_hash": flag["facts_hash"]}
        for flag in seen["flags"]
        if flag["action"] == "review"
    ]
    known = {name: found[name] for name in ("order_id", "platform", "shop_id", "platform_order_no")}
    review: dict[str, Any] = {"action": action, "actor": actor.strip(), "reason": reason.strip()}
    review["covers"] = tuple(flags if covers is None else covers)
    if action == "approve":
        _refuse_unless(found["state"] in ("open", "rejected"), found, where)
        review |= {"address_key": found["address_key"], **_export(run, seen, warehouse, force, where)}
    elif warehouse or force:
        raise OrderpipeError("a warehouse is named by approve only", where=where, remedy="leave out --warehouse")
    if action == "readdress":
        lacking = found["hold_status"] == "missing_fields" and found["state"] != "rejected"
        _refuse_unless(found["state"] == "open" or lacking, found, where)
        new, replaced = checked_address(run, found["order_id"], address or {}, where)
        review |= {"address": new, "replaced_key": replaced}
    elif address:
        raise OrderpipeError("an address is given to readdress only", where=where, remedy="use `review readdress`")
    return Review(**known, **review)


def submit(run: Run, reviews: Sequence[Review], at: datetime | None = None) -> list[Reviewed]:
    """Land decisions, pool and decide; the effect is there on return. at: when they were decided, aware UTC (default:
    the start of the run). Takes the writer lease. Raises OrderpipeError when a document was refused."""
    at = at or run.started_at
    named = [(uuid.uuid4().hex, review) for review in reviews]
    rows = []
    for number, (review_id, review) in enumerate(named):
        text = json.dumps(_payload(review_id, review, at), ensure_ascii=False, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        rows.append((number, review.platform, review.shop_id, "review", review_id, at, text, digest))
    con = run.lake
    with run.writing("landing reviews"):
        stage_documents(con, rows)
        try:
            with run.transaction("vault", "land reviews"):
                insert_documents(con, run_id=run.id, now=run.started_at)
        finally:
            forget_documents(con)
    decide(run, alerts_of(pool(run)))
    return [_outcome(run, review_id, review) for review_id, review in named]


def decide_review(
    run: Run, order: str | int, action: str, *, actor: str, reason: str, at: datetime | None = None, **more: Any
) -> Reviewed:
    """Take one decision: `prepare`, which names the arguments, and `submit`."""
    return submit(run, [prepare(run, order, action, actor=actor, reason=reason, **more)], at)[0]


def _look(con, candidates: str, values: Mapping[str, Any]) -> None:
    """Fill work.review_state for the orders of a query, from what is stored."""
    con.execute(f"CREATE OR REPLACE TABLE work.candidates AS {candidates}", values)
    for name in ("risk_flags", "routes"):
        con.execute(
            f"""CREATE OR REPLACE TABLE work.{name} AS
                FROM decision.{name} WHERE order_id IN (SELECT order_id FROM work.candidates)"""
        )
    models.build(con, "decision/review_state", "work.review_state")


def _found(con, order: str) -> dict[str, Any]:
    _look(
        con,
        """SELECT order_id FROM core.orders
           WHERE platform_order_no = $order OR order_id = try_cast($order AS BIGINT)""",
        {"order": order.strip()},
    )
    rows = dicts(
        con,
        f"""SELECT {_COLUMNS}, s.state, s.rules, s.reasons, s.since
            FROM core.orders o LEFT JOIN work.review_state s USING (order_id)
            WHERE o.order_id IN (SELECT order_id FROM work.candidates) ORDER BY o.order_id""",
    )
    if not rows:
        raise OrderpipeError(f"no order {order}", where="review", remedy="look it up with `orderpipe lookup`")
    if len(rows) > 1:
        ids = ", ".join(str(row["order_id"]) for row in rows)
        raise OrderpipeError(f"{order} names several orders", where="review", remedy=f"name one by its id: {ids}")
    return rows[0]


def _refuse_unless(waiting: bool, found: Mapping[str, Any], where: str) -> None:
    if not waiting:
        hold = found["hold_status"]
        remedy = f"it is held as {hold}, which no review lifts" if hold else "it is not held; see `review list`"
        raise OrderpipeError("it does not wait for a review", where=where, remedy=remedy)


def _export(run: Run, seen: Mapping[str, Any], warehouse: str | None, force: bool, where: str) -> dict[str, Any]:
    """Warehouse and forced of an approval."""
    leaves = any(flag["rule_id"] == CROSS_BORDER for flag in seen["flags"])
    if not leaves:
        if warehouse or force:
            remedy = "leave out --warehouse and --force: the routing rules choose"
            raise OrderpipeError("it does not leave the country", where=where, remedy=remedy)
        return {}
    if warehouse not in run.settings.warehouses:
        what = f"no warehouse {warehouse}" if warehouse else "it leaves the country, and no warehouse is named"
        remedy = f"give --warehouse, one of {', '.join(run.settings.warehouses)}"
        raise OrderpipeError(what, where=where, remedy=remedy)
    complete = (seen["customs"] or {}).get("status") == "complete"
    if not complete and not force:
        blocking = [check["rule_id"] for check in seen["customs_checks"] if check["level"] == "block"]
        raise OrderpipeError(
            "its customs data are incomplete" + (f": {', '.join(dict.fromkeys(blocking))}" if blocking else ""),
            where=where,
            remedy="complete the goods master (`orderpipe review show` tells what), or add --force, which is recorded",
        )
    return {"warehouse": warehouse, "forced": not complete}


def _payload(review_id: str, review: Review, at: datetime) -> dict[str, Any]:
    content: dict[str, Any] = {
        "review_id": review_id,
        "order_id": str(review.order_id),
        "platform_order_no": review.platform_order_no,
        "action": review.action,
        "actor": review.actor,
        "reason": review.reason,
        "decided_at": at.isoformat(),
        "covers": list(review.covers),
    }
    if review.address_key:
        content |= {"address_key": review.address_key}
    if review.warehouse:
        content |= {"warehouse": review.warehouse, "forced": review.forced}
    if review.address is not None:
        content |= {"address": {name: review.address[name] for name in ADDRESS if review.address.get(name)}}
        content |= {"replaced_key": review.replaced_key}
    if review.request is not None:
        content |= {"request": dict(review.request)}
    return content


def _outcome(run: Run, review_id: str, review: Review) -> Reviewed:
    ask = {"order": review.order_id, "review": review_id}
    rows = run.lake.execute(
        """SELECT o.hold_status, o.warehouse_id,
                  (SELECT coalesce(list(DISTINCT kind ORDER BY kind), []) FROM outbox.instructions
                   WHERE order_id = $order AND attempts > 0)
           FROM core.orders o
           WHERE o.order_id = $order AND $review IN (SELECT review_id FROM decision.reviews WHERE order_id = $order)""",
        ask,
    ).fetchall()
    if not rows:
        raise OrderpipeError(
            "the decision was refused", where=f"order {review.order_id}",
            remedy=f"see vault.raw.quarantine for the payload with source_id {review_id}",
        )  # fmt: skip
    return Reviewed(review_id, review.order_id, review.platform_order_no, review.action, *rows[0])
