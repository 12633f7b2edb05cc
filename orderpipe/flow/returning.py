"""What follows the sale: which goods are to come back, whether money may go out, what is sent again.

Like parcels these decisions depend on what receivers have been told and have answered (orderpipe/flow/parcelling.py).
"""

from orderpipe.flow.run import Run
from orderpipe.lake import merge, models

_ASKED = ("return_requests", "reship_asked", "reshippable", "reship_stops")
_STOPS = """parcel_id VARCHAR, order_id BIGINT, reason VARCHAR, refund_id BIGINT, happened_at TIMESTAMPTZ,
    known_at TIMESTAMPTZ, in_time BOOLEAN"""  # the columns of decision/reship_stops
_KEPT = "parcel_id, order_id, line_no, sku, warehouse_id, quantity"  # and of decision/reshipping
_PLANS = ("return_goods", "return_cases", "return_lines", "returns", "refund_gates", "reshipments", "reshipping")
# Tables with their key, and which keys are decided anew.
_STORED = {
    "returns": ("return_id", "work.returns"),
    "return_lines": ("return_id", "work.returns"),
    "refund_gates": ("refund_id", "work.refund_gates"),
    "reshipments": ("parcel_id", "work.reship_asked"),
}
# What the group hears of goods that came in without a case.
_FOUND = {
    "short": "退货入库数量不足",
    "defective": "退货含残次品或质检不通过",
    "received": "换货商品已入库，待确认换出商品",
}


def gather(run: Run) -> bool:
    """Fill work.reship_stops: which of the parcels that are sent again must be stopped. Gives whether the candidates
    have anything after the sale. Needs work.candidates, work.orders_now."""
    con = run.lake
    (asked,) = con.execute(
        """SELECT EXISTS (FROM core.refunds WHERE order_id IN (SELECT order_id FROM work.candidates))
               OR EXISTS (FROM decision.reviews WHERE order_id IN (SELECT order_id FROM work.candidates)
                          AND action IN ('resend', 'exchange', 'inspect'))"""
    ).fetchone()
    if asked:
        for name in _ASKED:
            models.build(con, f"decision/{name}", f"work.{name}")
    else:
        con.execute(f"CREATE OR REPLACE TABLE work.reship_stops ({_STOPS})")
    return asked


def plan(run: Run, asked: bool) -> None:
    """Fill a work table for every decision of this module. asked: what `gather` gave. Needs work.parcels_now,
    work.handed, work.recalls, work.routes, work.free_stock."""
    con = run.lake
    lost = con.execute("SELECT EXISTS (FROM work.recalls WHERE state = 'too_late')").fetchone()[0]
    if not asked and not lost:
        for name in _STORED:  # models of nothing are nothing: most decisions need not run them
            con.execute(f"CREATE OR REPLACE TABLE work.{name} AS FROM decision.{name} LIMIT 0")
            con.execute(f"CREATE OR REPLACE TABLE work.{name}_keys AS FROM work.{name}")
            con.execute(f"CREATE OR REPLACE TABLE work.{name}_changed AS FROM work.{name}")
        con.execute(f"CREATE OR REPLACE TABLE work.reshipping AS SELECT {_KEPT} FROM work.reshipments")
        return
    if not asked:
        for name in _ASKED:
            models.build(con, f"decision/{name}", f"work.{name}")
    con.execute(
        """CREATE OR REPLACE TABLE work.returning AS
           SELECT DISTINCT order_id FROM core.refunds WHERE order_id IN (SELECT order_id FROM work.candidates)
           UNION SELECT order_id FROM work.return_requests
           UNION SELECT unnest(orders)::BIGINT FROM work.recalls WHERE state = 'too_late'"""
    )
    for name in _PLANS:
        models.build(con, f"decision/{name}", f"work.{name}")
    for name, (key, keys) in _STORED.items():  # what says what it said before is not written again
        con.execute(
            f"""CREATE OR REPLACE TABLE work.stored AS
                (FROM work.{name} LIMIT 0) UNION ALL BY NAME
                (FROM decision.{name} WHERE {key} IN (SELECT {key} FROM {keys}))"""
        )
        con.execute(
            f"""CREATE OR REPLACE TABLE work.{name}_keys AS
                SELECT DISTINCT {key} FROM ((FROM work.{name} EXCEPT FROM work.stored)
                                            UNION ALL (FROM work.stored EXCEPT FROM work.{name}))"""
        )
        con.execute(
            f"CREATE OR REPLACE TABLE work.{name}_changed AS FROM work.{name} SEMI JOIN work.{name}_keys USING ({key})"
        )


def store(run: Run) -> None:
    """Write what `plan` found, within the caller's transaction on the lake."""
    con = run.lake
    for name in _STORED:
        merge.replace(con, f"decision.{name}", f"work.{name}_changed", f"work.{name}_keys")


def return_alerts(run: Run) -> list[tuple[str, str]]:
    """What the group must hear of the decision at hand, as (key, Chinese text): money that went before the goods came,
    goods that are short or defective, exchanges whose goods are in and that nobody has granted yet. Each once."""
    rows = run.lake.execute(
        """SELECT g.state, g.reason, g.refund_id, o.shop_id, o.platform_order_no, g.expected, g.received_good,
                  g.received_defective, g.amount::VARCHAR, g.currency
           FROM work.refund_gates g JOIN work.orders_now o USING (order_id)
           WHERE g.state IN ('paid_before_goods', 'short', 'defective') ORDER BY g.refund_id"""
    ).fetchall()
    told = [
        (
            f"refund_gate:{state}:{refund_id}",
            f"{reason}：店铺 {shop} 订单尾号 {number[-6:]}，应退 {expected} 件，良品 {good} 件，残次 {bad} 件，"
            f"金额 {amount or '未知'} {currency or ''}，orderpipe returns show {refund_id}",
        )
        for state, reason, refund_id, shop, number, expected, good, bad, amount, currency in rows
    ]
    rows = run.lake.execute(
        """SELECT r.return_id, r.state, o.shop_id, o.platform_order_no
           FROM work.returns r JOIN work.orders_now o USING (order_id)
           LEFT JOIN work.refund_gates g ON g.return_id = r.return_id
           WHERE (r.state IN ('short', 'defective') AND coalesce(g.state NOT IN ('short', 'defective'), true))
              OR (r.kind = 'exchange' AND r.state = 'received' AND r.request_id IS NULL
                  AND (r.refund_id IS NULL OR r.refund_id IN (
                      SELECT refund_id FROM core.refunds WHERE status IN ('requested', 'returning'))))
           ORDER BY r.return_id"""
    ).fetchall()
    return told + [
        (
            f"return:{state}:{return_id}",
            f"{_FOUND[state]}：店铺 {shop} 订单尾号 {number[-6:]}，orderpipe returns show {return_id}",
        )
        for return_id, state, shop, number in rows
    ]
