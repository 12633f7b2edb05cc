"""After the sale: what is to come back, and what a person grants or finds: resends, exchanges, inspections.

What a person says lands in raw as a document of kind `review`, as reviews do (orderpipe/flow/review.py), and is
decided on with everything else (sql/decision/return_requests.sql).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orderpipe.errors import OrderpipeError
from orderpipe.flow.review import Review
from orderpipe.flow.run import Run
from orderpipe.lake import dicts
from orderpipe.lake.reference import load_reference

VERDICTS = ("passed", "failed")
# What somebody waits for or must look at; the other states are ends.
OPEN = ("requested", "stopping", "expected", "announced", "refused", "covered", "short", "defective")
_LEFT = "('shipped', 'partly_shipped', 'cancelled', 'closed', 'rejected')"  # of core.fulfilments.status: not underway
_LOOK = "see `orderpipe returns list --all`"
_ORDER = """SELECT order_id, platform, shop_id, platform_order_no, status, shipped_at FROM core.orders
            WHERE platform_order_no = $order OR order_id = try_cast($order AS BIGINT) ORDER BY order_id"""


@dataclass(frozen=True)
class Line:
    """Pieces of an order line. line_no: as in core.order_items; quantity: pieces, None for all of them; sku: other
    goods than were ordered, of an exchange only."""

    line_no: int
    quantity: int | None = None
    sku: str | None = None


def list_returns(
    con, *, shop: str | None = None, state: str | None = None, everything: bool = False
) -> list[dict[str, Any]]:
    """Returns that are not at an end, oldest first; state: those in that state; everything: all of them.

    Among those not at an end are resends and exchanges that have not left. No personal data.
    """
    return dicts(
        con,
        f"""SELECT r.return_id, r.kind, r.state, o.shop_id, o.platform_order_no, r.order_id, r.expected,
                   r.received_good, r.received_defective, g.state AS gate, g.amount::VARCHAR AS amount, g.currency,
                   s.parcel_id AS sent_again, s.state AS sent_state, r.since
            FROM decision.returns r
            JOIN core.orders o USING (order_id)
            LEFT JOIN decision.refund_gates g ON g.refund_id = r.refund_id AND g.return_id = r.return_id
            LEFT JOIN (
                SELECT b.review_id, b.parcel_id,
                       if(any_value(f.status) IN {_LEFT}, any_value(f.status), min(b.state)) AS state
                FROM decision.reshipments b LEFT JOIN core.fulfilments f USING (parcel_id)
                GROUP BY b.review_id, b.parcel_id
            ) s ON s.review_id = r.request_id
            WHERE o.shop_id = coalesce($shop, o.shop_id)
                AND CASE WHEN $state IS NOT NULL THEN r.state = $state
                         ELSE $everything OR list_contains($open, r.state) OR g.state = 'paid_before_goods'
                             OR s.state IN ('waiting', 'planned') END
            ORDER BY r.opened_at, r.return_id""",
        {"shop": shop, "state": state, "everything": everything, "open": list(OPEN)},
    )  # fmt: skip


def show(con, name: str) -> list[dict[str, Any]]:
    """The returns of an order, or the one named, each with lines, gate, instructions, goods in and what is sent again.

    name: return_id, the platform's number of a case, order_id or platform order number. Raises OrderpipeError when
    there is none.
    """
    found = dicts(
        con,
        """SELECT r.*, o.platform, o.shop_id, o.platform_order_no, c.platform_refund_no, c.status AS case_status
           FROM decision.returns r
           JOIN core.orders o USING (order_id)
           LEFT JOIN core.refunds c ON c.refund_id = r.refund_id
           WHERE r.return_id = $name OR c.platform_refund_no = $name OR o.platform_order_no = $name
               OR r.order_id = try_cast($name AS BIGINT)
           ORDER BY r.opened_at, r.return_id""",
        {"name": name.strip()},
    )
    if not found:
        raise OrderpipeError(f"nothing comes back by {name}", where="returns", remedy=_LOOK)
    return [{**row, **_details(con, row)} for row in found]


def resend(
    run: Run, order: str | int, lines: Sequence[Line], *, actor: str, reason: str, again: bool = False
) -> Review:
    """Check that pieces of an order may be sent once more, without granting it. `submit` of orderpipe/flow/review.py
    grants it.

    again: although a resend of such a line is still under way. Raises OrderpipeError with what to do instead.
    """
    found, where = _order(run, order, actor, reason)
    chosen = _chosen(run, found, lines, where)
    if any(line.get("sku") for line in chosen):
        raise OrderpipeError("a resend sends what was ordered", where=where, remedy="use `returns exchange`")
    numbers = [line["line_no"] for line in chosen]
    _refuse_open_cases(run, found, numbers, where)
    _refuse_unless_out(run, found, numbers, where)
    busy = dicts(
        run.lake,
        f"""SELECT DISTINCT b.parcel_id FROM decision.reshipments b LEFT JOIN core.fulfilments f USING (parcel_id)
            WHERE b.order_id = $order AND list_contains($lines, b.line_no) AND b.state IN ('waiting', 'planned')
                AND coalesce(f.status NOT IN {_LEFT}, true) ORDER BY 1""",
        {"order": found["order_id"], "lines": numbers},
    )
    if busy and not again:
        names = ", ".join(row["parcel_id"] for row in busy)
        remedy = "wait for it, or add --again if both are meant"
        raise OrderpipeError(f"{names} is under way with these goods", where=where, remedy=remedy)
    return _review(found, "resend", actor, reason, {"lines": chosen})


def exchange(
    run: Run, order: str | int, lines: Sequence[Line] = (), *, actor: str, reason: str, refund: str | None = None
) -> Review:
    """Check that goods of an order may be exchanged, without granting it.

    refund: the platform's number or our id of the case; None when the platform knows of none. lines: what goes out;
    may be left out with a case, whose goods go again then. Raises OrderpipeError with what to do instead.
    """
    found, where = _order(run, order, actor, reason)
    chosen = _chosen(run, found, lines, where, needed=refund is None)
    if refund is None:
        numbers = [line["line_no"] for line in chosen]
        _refuse_open_cases(run, found, numbers, where)
        _refuse_unless_out(run, found, numbers, where)
        return _review(found, "exchange", actor, reason, {"lines": chosen})
    cases = dicts(
        run.lake,
        """SELECT refund_id, kind, status FROM core.refunds
           WHERE order_id = $order AND (platform_refund_no = $refund OR refund_id = try_cast($refund AS BIGINT))""",
        {"order": found["order_id"], "refund": refund.strip()},
    )
    if not cases:
        raise OrderpipeError(f"it has no case {refund}", where=where, remedy="see `orderpipe returns show`")
    (case,) = cases
    if case["kind"] not in ("exchange", "other"):
        remedy = "settle it on the platform, or exchange without --refund once it is closed"
        raise OrderpipeError(f"case {refund} is a {case['kind']}, which pays money back", where=where, remedy=remedy)
    if case["status"] not in ("requested", "returning"):
        raise OrderpipeError(f"case {refund} is {case['status']}", where=where, remedy="exchange without --refund")
    return _review(found, "exchange", actor, reason, {"refund_id": str(case["refund_id"]), "lines": chosen})


def inspect(run: Run, name: str, verdict: str, *, actor: str, reason: str) -> Review:
    """Check that a person may judge what came back with a return, without doing it.

    name: return_id or the platform's number of the case. verdict: one of VERDICTS; it outweighs the warehouse's word.
    Raises OrderpipeError with what to do instead.
    """
    if verdict not in VERDICTS:
        raise OrderpipeError(f"no verdict {verdict}", where="returns", remedy=f"use one of {', '.join(VERDICTS)}")
    rows = dicts(
        run.lake,
        """SELECT r.return_id, r.order_id, r.kind, r.state FROM decision.returns r
           LEFT JOIN core.refunds c ON c.refund_id = r.refund_id
           WHERE r.return_id = $name OR c.platform_refund_no = $name""",
        {"name": name.strip()},
    )
    if len(rows) != 1:
        what = f"no return {name}" if not rows else f"{name} names several returns"
        raise OrderpipeError(what, where="returns", remedy=f"name one by its return_id; {_LOOK}")
    (one,) = rows
    where = f"return {one['return_id']}"
    state = one["state"]
    if one["kind"] in ("refund_only", "resend") or state in ("nothing_left", "goods_stay", "settled"):
        raise OrderpipeError(f"it brings no goods: {state}", where=where, remedy="nothing is there to inspect")
    found, _ = _order(run, one["order_id"], actor, reason)
    return _review(found, "inspect", actor, reason, {"return_id": one["return_id"], "verdict": verdict})


def _order(run: Run, order: str | int, actor: str, reason: str) -> tuple[dict[str, Any], str]:
    if not actor.strip() or not reason.strip():
        raise OrderpipeError("who and why are missing", where="returns", remedy="give --by and --reason")
    rows = dicts(run.lake, _ORDER, {"order": str(order).strip()})
    if not rows:
        raise OrderpipeError(f"no order {order}", where="returns", remedy="look it up with `orderpipe lookup`")
    if len(rows) > 1:
        ids = ", ".join(str(row["order_id"]) for row in rows)
        raise OrderpipeError(f"{order} names several orders", where="returns", remedy=f"name one by its id: {ids}")
    return rows[0], f"order {rows[0]['order_id']}"


def _chosen(
    run: Run, found: Mapping[str, Any], lines: Sequence[Line], where: str, needed: bool = True
) -> list[dict[str, Any]]:
    """The lines as the document holds them, pieces filled in."""
    if not lines:
        if needed:
            raise OrderpipeError("no line is named", where=where, remedy="give --line, as in --line 1 or --line 1:2")
        return []
    load_reference(run.lake, run.settings)
    rows = dicts(
        run.lake, "SELECT line_no, quantity FROM core.order_items WHERE order_id = $order", {"order": found["order_id"]}
    )
    ordered = {row["line_no"]: row["quantity"] for row in rows}
    if len({line.line_no for line in lines}) < len(lines):
        raise OrderpipeError("a line is named twice", where=where, remedy="name each once")
    chosen = []
    for line in lines:
        if line.line_no not in ordered:
            remedy = f"use one of {', '.join(map(str, sorted(ordered)))}"
            raise OrderpipeError(f"it has no line {line.line_no}", where=where, remedy=remedy)
        pieces = ordered[line.line_no] if line.quantity is None else line.quantity
        if not pieces or not 1 <= pieces <= ordered[line.line_no]:
            remedy = f"name 1 to {ordered[line.line_no]} pieces"
            raise OrderpipeError(f"line {line.line_no} has not {pieces} pieces", where=where, remedy=remedy)
        if line.sku and not dicts(run.lake, "SELECT sku FROM ref.goods WHERE sku = $sku", {"sku": line.sku}):
            raise OrderpipeError(f"no goods {line.sku}", where=where, remedy="see config/goods.csv")
        chosen.append({"line_no": line.line_no, "quantity": pieces, "sku": line.sku})
    return chosen


def _refuse_open_cases(run: Run, found: Mapping[str, Any], lines: Sequence[int], where: str) -> None:
    rows = dicts(
        run.lake,
        """SELECT DISTINCT r.platform_refund_no, r.status FROM core.refunds r
           LEFT JOIN core.order_items i ON i.order_id = r.order_id AND i.platform_line_id = r.platform_line_id
           WHERE r.order_id = $order AND r.status IN ('requested', 'returning', 'unknown')
               AND (r.platform_line_id IS NULL OR i.line_no IS NULL OR list_contains($lines, i.line_no)) ORDER BY 1""",
        {"order": found["order_id"], "lines": list(lines)},
    )
    if rows:
        names = ", ".join(f"{row['platform_refund_no']} ({row['status']})" for row in rows)
        remedy = "settle it on the platform first: goods and money would both go"
        raise OrderpipeError(f"a case about these goods is open: {names}", where=where, remedy=remedy)


def _refuse_unless_out(run: Run, found: Mapping[str, Any], lines: Sequence[int], where: str) -> None:
    """Goods that never left are not sent once more: they would go twice."""
    if found["status"] in ("shipped", "completed") or (found["shipped_at"] and found["status"] != "paid"):
        return
    rows = dicts(
        run.lake,
        """SELECT DISTINCT p.line_no FROM decision.parcels p JOIN core.fulfilments f USING (parcel_id)
           WHERE p.order_id = $order AND list_contains($lines, p.line_no)
               AND (f.is_final OR f.status IN ('shipped', 'partly_shipped'))""",
        {"order": found["order_id"], "lines": list(lines)},
    )
    here = sorted(set(lines) - {row["line_no"] for row in rows})
    if here:
        remedy = "wait until its parcel has left, or is reported as short"
        raise OrderpipeError(f"line {', '.join(map(str, here))} has not left the house", where=where, remedy=remedy)


def _review(found: Mapping[str, Any], action: str, actor: str, reason: str, request: Mapping[str, Any]) -> Review:
    known = {name: found[name] for name in ("order_id", "platform", "shop_id", "platform_order_no")}
    return Review(**known, action=action, actor=actor.strip(), reason=reason.strip(), request=request)


def _details(con, row: Mapping[str, Any]) -> dict[str, Any]:
    ask = {"id": row["return_id"]}
    gates = dicts(con, "FROM decision.refund_gates WHERE return_id = $id AND refund_id = $refund",
                  {**ask, "refund": row["refund_id"]})  # fmt: skip
    return {
        "gate": gates[0] if gates else None,
        "lines": dicts(
            con,
            """SELECT order_id, line_no, sku, product_name, expected FROM decision.return_lines
               WHERE return_id = $id ORDER BY order_id, line_no""",
            ask,
        ),
        "received": dicts(
            con,
            """SELECT line_no, sku, planned, received_good, received_defective, received_at, is_final
               FROM core.goods_returns WHERE return_code = 'RO' || $id ORDER BY line_no""",
            ask,
        ),
        "sent_again": dicts(
            con,
            """SELECT parcel_id, line_no, sku, quantity, warehouse_id, state, reason FROM decision.reshipments
               WHERE review_id = $request ORDER BY parcel_id, line_no""",
            {"request": row["request_id"]},
        ),
        "instructions": dicts(
            con,
            """SELECT kind, status, attempts, created_at, acked_at, last_error FROM outbox.instructions
               WHERE order_id = $order AND ((params->>'return_id') = $id OR (params->>'parcel_id') IN (
                   SELECT parcel_id FROM decision.reshipments WHERE review_id = $request))
               ORDER BY created_at, kind""",
            {**ask, "order": row["order_id"], "request": row["request_id"]},
        ),
    }
