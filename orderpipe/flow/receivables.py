"""Receivables: where the money of orders is, what statements and the ledger disagree on, and giving up what is lost.

Figures come from the marts (sql/mart/receivables.sql, settlement_gaps.sql) and core.order_balances; nothing is reckoned
here. A write-off is a document of kind `review` like every decision of a person.
"""

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from orderpipe.errors import OrderpipeError
from orderpipe.flow.review import Review
from orderpipe.flow.run import Run
from orderpipe.lake import dicts

CLASSES = ("cancelled", "open", "held", "refunded", "settled", "written_off")
_SUMS = ", ".join(
    f"sum({name})::DECIMAL(18,2) AS {name}"
    for name in ("receivable", "received", *CLASSES, "fees", "age_30", "age_60", "age_90", "age_older")
)


@dataclass(frozen=True)
class Receivables:
    """Where the money is. rows: by shop, currency and month. by_status: the same by the orders' state. gaps: the
    differences of statements. All amounts Decimal, in the row's currency."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    by_status: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)


def receivables(con, *, shop: str | None = None, month: str | None = None) -> Receivables:
    """Where the money of orders is. con: a reader of the lake. shop: only this one. month: only this one, YYYY-MM, of
    the orders; of gaps the month of the settlement."""
    asked = {"shop": shop, "month": month}
    where = "shop_id = coalesce($shop, shop_id) AND month = coalesce($month, month)"
    return Receivables(
        dicts(con, f"""SELECT shop_id, currency, month, sum(orders)::BIGINT AS orders, {_SUMS} FROM mart.receivables
                       WHERE {where} GROUP BY ALL ORDER BY shop_id, currency, month""", asked),
        dicts(con, f"""SELECT shop_id, currency, status, sum(orders)::BIGINT AS orders, {_SUMS} FROM mart.receivables
                       WHERE {where} GROUP BY ALL ORDER BY shop_id, currency, status""", asked),
        dicts(con, f"""SELECT shop_id, month, kind, platform_order_no, currency, expected, found, difference,
                              statement_no, advice
                       FROM mart.settlement_gaps WHERE {where} ORDER BY shop_id, kind, month, platform_order_no""",
              asked),
    )  # fmt: skip


def write_off(run: Run, order: str, amount: str, *, actor: str, reason: str, of: str | None = None) -> Review:
    """A write-off, checked and not yet taken: `flow.review.submit` takes it.

    order: order_id or platform order number. amount: in the order's currency, above 0, at most what is open (of
    `receivable`, what the buyer owes) or held (of `platform`, what the platform has). of: which of the two; by itself
    the one that has any. Raises OrderpipeError with what to do instead.
    """
    where = f"order {order.strip()}"
    if not actor.strip() or not reason.strip():
        raise OrderpipeError("who and why are missing", where=where, remedy="give --by and --reason")
    try:
        asked = Decimal(amount)
    except InvalidOperation:
        asked = Decimal(0)
    if not asked.is_finite() or asked <= 0 or asked != asked.quantize(Decimal("0.01")):
        raise OrderpipeError(f"{amount!r} is no amount", where=where, remedy="write yuan and fen, as in 12.30")
    found = dicts(
        run.lake,
        """SELECT o.order_id, o.platform, o.shop_id, o.platform_order_no, o.currency,
                  coalesce(b.open, 0)::DECIMAL(18, 2) AS open, coalesce(b.held, 0)::DECIMAL(18, 2) AS held
           FROM core.orders o LEFT JOIN core.order_balances b USING (order_id, currency)
           WHERE o.platform_order_no = $order OR o.order_id = try_cast($order AS BIGINT) ORDER BY o.order_id""",
        {"order": order.strip()},
    )
    if not found:
        raise OrderpipeError("no such order", where=where, remedy="look it up with `orderpipe lookup`")
    if len(found) > 1:
        ids = ", ".join(str(row["order_id"]) for row in found)
        raise OrderpipeError("it names several orders", where=where, remedy=f"name one by its id: {ids}")
    (row,) = found
    account = of or ("receivable" if row["open"] > 0 else "platform")
    if account not in ("receivable", "platform"):
        raise OrderpipeError(f"no account {account}", where=where, remedy="use receivable or platform")
    there = row["open" if account == "receivable" else "held"]
    if asked > there:
        what = "still to be paid" if account == "receivable" else "with the platform"
        raise OrderpipeError(
            f"{asked} is more than the {there} {row['currency']} that is {what}", where=where,
            remedy="write off at most that; `orderpipe receivables` shows where its money is",
        )  # fmt: skip
    return Review(
        row["order_id"], row["platform"], row["shop_id"], row["platform_order_no"], "write_off", actor.strip(),
        reason.strip(), request={"account": account, "amount": f"{asked:.2f}"},
    )  # fmt: skip
