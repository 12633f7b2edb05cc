"""Parcelling: which orders leave together, what goes with them, from which warehouse, and what they keep reserved.

Unlike routes and flags these decisions depend on what receivers have been told and on what is in stock, so a replay,
which tells nobody, may come to others.
"""

from orderpipe.flow.judging import judge_gifts
from orderpipe.flow.run import Run
from orderpipe.lake import merge, models
from orderpipe.rules.language import RuleSet


def parcel(run: Run, rules: dict[str, RuleSet]) -> None:
    """Fill work.parcels, work.gifts, work.instructions and the changes of reservations for the candidates.

    Needs work.candidates, work.orders_now, work.shippable, work.routes, work.route_lines, work.order_facts.
    """
    con = run.lake
    con.execute(
        "CREATE OR REPLACE TABLE work.merging AS SELECT $minutes::BIGINT AS minutes",
        {"minutes": rules["routing"].settings["merge_window_minutes"]},
    )
    models.build(con, "decision/handed", "work.handed")
    models.build(con, "decision/groups", "work.groups")
    models.build(con, "decision/free_stock", "work.free_stock")
    judge_gifts(con, rules["gifts"])
    models.build(con, "decision/gifts", "work.gifts")
    models.build(con, "decision/parcels", "work.parcels")
    models.build(con, "decision/instructions", "work.instructions")
    con.execute("CREATE OR REPLACE TABLE work.regrouped AS FROM work.candidates ANTI JOIN work.handed USING (order_id)")
    con.execute(
        """CREATE OR REPLACE TABLE work.parcels_now AS
           FROM work.parcels UNION ALL BY NAME
           FROM decision.parcels WHERE order_id IN (SELECT order_id FROM work.handed)"""
    )
    models.build(con, "decision/reserved", "work.reserved")
    models.build(con, "decision/reservations", "work.reservations")
    con.execute("DELETE FROM work.reserved WHERE order_id NOT IN (SELECT order_id FROM work.reservations)")


def store(run: Run) -> None:
    """Write what `parcel` found, within the caller's transaction on the lake."""
    con = run.lake
    merge.replace(con, "decision.gifts", "work.gifts", "work.regrouped")
    merge.replace(con, "decision.parcels", "work.parcels", "work.regrouped")
    merge.replace(con, "decision.reserved", "work.reserved", "work.reservations")
    merge.append(con, "decision.reservations", "work.reservations")
