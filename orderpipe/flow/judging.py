"""Judging: facts about orders, and what the rules say of them. No decision is stored here: deciding and backtesting
both begin with it."""

from collections.abc import Mapping
from dataclasses import replace

from orderpipe.lake import models
from orderpipe.rules.compile import rules_sql
from orderpipe.rules.language import RuleSet

_SECOND = 1 << 32  # an order_id holds the second of the order in its high bits
_DAY = 86_400 * _SECOND
HISTORY_DAYS = 367  # no fact looks back further than a year; one day more for numbers that know the day only


def bound_histories(con, candidates: str = "work.candidates") -> None:
    """Set the variable below which no history reaches, so that old files are not even opened."""
    (first,) = con.execute(f"SELECT coalesce(min(order_id), 0) FROM {candidates}").fetchone()
    con.execute("SET VARIABLE history_from = $1::BIGINT", [max(first - HISTORY_DAYS * _DAY, 0)])


def bound_links(con) -> None:
    """Set the variable below which no order can share a parcel with one of flow.touched."""
    (first,) = con.execute("SELECT coalesce(min(order_id), 0) FROM flow.touched").fetchone()
    con.execute("SET VARIABLE linked_from = $1::BIGINT", [max(first - 9 * _DAY, 0)])


def gather_facts(con) -> None:
    """Fill work.order_facts for the orders of work.candidates. ref.* must be loaded."""
    bound_histories(con)
    models.build(con, "decision/histories", "work.histories")
    models.build(con, "decision/order_facts", "work.order_facts")


def route(con, rules: RuleSet) -> None:
    """Fill work.routed (a row per order of work.order_facts) and work.lines_routed (a row per line of split orders)."""
    _judge(con, rules, "work.order_facts", "work.routed")
    models.build(con, "decision/line_facts", "work.line_facts")
    by_line = replace(rules, purpose=replace(rules.purpose, key=("order_id", "line_no")))
    _judge(con, by_line, "work.line_facts", "work.lines_routed")


def judge_orders(con, rules: Mapping[str, RuleSet]) -> None:
    """Fill work.risks and work.ship_by_judged."""
    _judge(con, rules["risk"], "work.order_facts", "work.risks")
    _judge(con, rules["ship_by"], "work.order_facts", "work.ship_by_judged")


def judge_gifts(con, rules: RuleSet) -> None:
    """Fill work.gifts_earned from work.group_facts."""
    models.build(con, "decision/group_facts", "work.group_facts")
    _judge(con, rules, "work.group_facts", "work.gifts_earned")


def judge_customs(con, rules: RuleSet) -> None:
    """Fill work.customs_judged from work.customs_facts."""
    models.build(con, "decision/customs_facts", "work.customs_facts")
    _judge(con, rules, "work.customs_facts", "work.customs_judged")


def _judge(con, rules: RuleSet, facts: str, into: str) -> None:
    con.execute(f"CREATE OR REPLACE TABLE {into} AS {rules_sql(rules, facts)}")
