"""Parcelling: which orders leave together, what goes with them, from which warehouse, what they keep reserved, which
parcels are called back.

Unlike routes and flags these decisions depend on what receivers have been told and on what is in stock, so a replay,
which tells nobody, may come to others.
"""

from orderpipe.dispatch import outbox
from orderpipe.flow import returning
from orderpipe.flow.judging import judge_gifts
from orderpipe.flow.run import Run
from orderpipe.lake import merge, models
from orderpipe.rules.language import RuleSet

# What must be done in the world: parcels sent, stopped, told to their platforms.
_INSTRUCTIONS = ("instructions", "recall_instructions", "ship_confirmations", "return_instructions")
INSTRUCTED = " UNION ALL ".join(f"SELECT kind FROM work.{name}" for name in _INSTRUCTIONS)


def parcel(run: Run, rules: dict[str, RuleSet]) -> None:
    """Fill work.recalls, work.parcels, work.gifts, the instructions and the changes of reservations for the candidates.

    Needs work.candidates, work.orders_now, work.shippable, work.routes, work.route_lines, work.order_facts.
    """
    con = run.lake
    con.execute(
        "CREATE OR REPLACE TABLE work.merging AS SELECT $minutes::BIGINT AS minutes",
        {"minutes": rules["routing"].settings["merge_window_minutes"]},
    )
    asked = returning.gather(run)
    models.build(con, "decision/recalls", "work.recalls")
    models.build(con, "decision/handed", "work.handed")
    models.build(con, "decision/groups", "work.groups")
    models.build(con, "decision/free_stock", "work.free_stock")
    judge_gifts(con, rules["gifts"])
    models.build(con, "decision/gifts", "work.gifts")
    models.build(con, "decision/parcels", "work.parcels")
    con.execute(
        """CREATE OR REPLACE TABLE work.parcels_before AS
           FROM decision.parcels WHERE order_id IN (SELECT order_id FROM work.candidates)"""
    )
    con.execute(
        """CREATE OR REPLACE TABLE work.parcels_now AS
           FROM work.parcels UNION ALL BY NAME
           FROM work.parcels_before SEMI JOIN work.handed USING (order_id, line_no)"""
    )
    con.execute(
        """CREATE OR REPLACE TABLE work.regrouped AS
           SELECT DISTINCT order_id FROM (
               (FROM work.parcels_now
                EXCEPT (FROM (FROM work.parcels_now LIMIT 0) UNION ALL BY NAME FROM work.parcels_before))
               UNION ALL BY NAME (FROM work.parcels_before ANTI JOIN work.parcels_now USING (order_id, line_no)))"""
    )
    con.execute(
        "CREATE OR REPLACE TABLE work.packed AS FROM work.parcels_now SEMI JOIN work.regrouped USING (order_id)"
    )
    con.execute(
        """CREATE OR REPLACE TABLE work.regifted AS
           FROM work.candidates WHERE order_id NOT IN (SELECT order_id FROM work.handed)"""
    )
    returning.plan(run, asked)
    for name in _INSTRUCTIONS:
        models.build(con, f"decision/{name}", f"work.{name}")
    models.build(con, "decision/reserved", "work.reserved")
    models.build(con, "decision/reservations", "work.reservations")
    con.execute("DELETE FROM work.reserved WHERE order_id NOT IN (SELECT order_id FROM work.reservations)")


def store(run: Run) -> None:
    """Write what `parcel` found, within the caller's transaction on the lake."""
    con = run.lake
    merge.replace(con, "decision.gifts", "work.gifts", "work.regifted")
    merge.replace(con, "decision.parcels", "work.packed", "work.regrouped")
    merge.replace(con, "decision.recalls", "work.recalls")
    returning.store(run)
    merge.replace(con, "decision.reserved", "work.reserved", "work.reservations")
    merge.append(con, "decision.reservations", "work.reservations")
    for name in _INSTRUCTIONS:
        outbox.write(con, f"work.{name}")
