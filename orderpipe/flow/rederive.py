"""Stored decisions derived again: from the facts and the rule version each of them keeps, by the evaluator in Python,
which is written apart from the SQL that decided."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from orderpipe.config import Settings
from orderpipe.errors import OrderpipeError
from orderpipe.flow import activation
from orderpipe.lake import dicts, reader
from orderpipe.rules import explain
from orderpipe.rules.explain import Step
from orderpipe.rules.fields import CROSS_BORDER_REVIEW
from orderpipe.rules.language import UNMATCHED, Rule, RuleSet, asked
from orderpipe.rules.purposes import FIRST

LISTED = 50
_CHUNK = 5_000
_CACHED = 100_000  # judgements kept: orders that are alike share theirs


@dataclass(frozen=True)
class Stored:
    """A table of decisions. key: its key columns. outcomes: what the rule said, by outcome, as SQL over the row.

    otherwise: SQL of the warehouse that counts where the rule names none. sound: SQL that must be true of every row.
    """

    purpose: str
    key: tuple[str, ...]
    outcomes: Mapping[str, str]
    rows: str = ""
    otherwise: str = "NULL"
    sound: str = "true"


TABLES = {
    "routes": Stored("routing", ("order_id",), {"warehouse": "warehouse_id", "fallback": "fallback_id"}),
    "route_lines": Stored(
        "routing", ("order_id", "line_no"), {"warehouse": "warehouse_id"},
        rows="(FROM decision.route_lines LEFT JOIN (SELECT order_id, warehouse_id AS of_order FROM decision.routes) "
             "USING (order_id))",
        otherwise="of_order",
    ),
    "risk_flags": Stored(
        "risk", ("order_id", "rule_id"), {"action": "action", "reason": "reason"},
        sound="facts_hash = md5(rule_id || facts::VARCHAR)",
    ),
    "ship_by": Stored(
        "ship_by", ("order_id",),
        {"warn_hours": f"if(rule_id = '{UNMATCHED}', NULL, epoch(promised_at - warn_at)::BIGINT // 3600)"},
    ),
    "customs_checks": Stored("customs", ("order_id", "line_no", "rule_id"), {"level": "level", "message": "message"}),
    "gifts": Stored("gifts", ("order_id", "rule_id"), {"gift": "sku", "quantity": "quantity", "tier": "tier"}),
    "stock_guard": Stored("stock", ("sku",), {"suspend_at": "suspend_at", "resume_at": "resume_at"}),
}  # fmt: skip


@dataclass
class Rederived:
    """A table's stored decisions, derived again. differing: rows that come to something else; listed: the first of
    them, (key, what is the matter)."""

    table: str
    rows: int = 0
    differing: int = 0
    listed: list[tuple[str, str]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for --json."""
        return asdict(self)


@dataclass(frozen=True)
class Reason:
    """Why one decision fell as it did. outcome: what the rule said, as stored; facts: those stored with it; steps: the
    rules tried; rules: of its version, None when that cannot be read; problem: why it does not derive again."""

    table: str
    purpose: str
    key: str
    rule_id: str
    rule_version: str
    outcome: Mapping[str, Any]
    facts: Mapping[str, Any]
    steps: tuple[Step, ...]
    rules: RuleSet | None
    problem: str


def rederive(settings: Settings, say: Callable[[str], None] = lambda text: None) -> list[Rederived]:
    """Derive every stored decision again and compare. Raises OrderpipeError when there is no lake yet."""
    found = []
    with reader(settings) as con:
        version = _versions(con, settings)
        for name, stored in TABLES.items():
            say(f"decision.{name}")
            found.append(_table(con, name, stored, version))
    return found


def reasons(settings: Settings, order: str) -> tuple[dict[str, Any], list[Reason]]:
    """An order (order_id, or platform order number) as it stands, and why it was decided so, table by table.

    Raises OrderpipeError when there is no such order, or several shops have one of that number.
    """
    with reader(settings) as con:
        orders = dicts(
            con,
            """SELECT order_id, platform, shop_id, platform_order_no, status, warehouse_id, hold_status
               FROM core.orders WHERE platform_order_no = $order OR order_id = try_cast($order AS BIGINT)
               ORDER BY order_id""",
            {"order": order.strip()},
        )
        if len(orders) != 1:
            ids = ", ".join(f"{row['order_id']} of {row['shop_id']}" for row in orders)
            raise OrderpipeError(
                f"several orders are called {order}: {ids}" if orders else f"no order {order}",
                remedy="give the order_id" if orders else "look it up with `orderpipe lookup`",
            )
        (lead,) = con.execute(
            "SELECT coalesce(min(lead_order_id), $1) FROM decision.parcels WHERE order_id = $1 AND NOT is_gift",
            [orders[0]["order_id"]],
        ).fetchone()
        version, found = _versions(con, settings), []
        for name, stored in TABLES.items():
            if "order_id" in stored.key:  # gifts stand with the lead order of the parcel
                order_id = lead if name == "gifts" else orders[0]["order_id"]
                found += [_reason(name, stored, row, version) for row in _rows(con, name, stored, order_id)]
    return orders[0], found


@dataclass(frozen=True)
class _Row:
    key: str
    rule_id: str
    rule_version: str
    facts: str
    otherwise: str | None
    sound: bool
    outcome: tuple[Any, ...]


_Version = Callable[[str, str], "RuleSet | str"]


def _versions(con, settings: Settings) -> _Version:
    """version(purpose, rule_version): the rule set, or why there is none."""

    @cache
    def version(purpose: str, rule_version: str) -> RuleSet | str:
        try:
            return activation.version(con.cursor(), purpose, rule_version, settings)
        except OrderpipeError as error:
            return str(error)

    return version


def _rows(con, name: str, stored: Stored, order_id: int | None = None) -> Iterator[_Row]:
    key = f"concat_ws(':', {', '.join(stored.key)})"
    outcomes = ", ".join(stored.outcomes.values())
    cursor = con.execute(
        f"""SELECT {key}, rule_id, rule_version, facts::VARCHAR, {stored.otherwise}, {stored.sound}, {outcomes}
            FROM {stored.rows or f"decision.{name}"}
            {"WHERE order_id = $order_id ORDER BY ALL" if order_id is not None else ""}""",
        {"order_id": order_id} if order_id is not None else {},
    )
    while chunk := cursor.fetchmany(_CHUNK):
        for row in chunk:
            yield _Row(*row[:6], row[6:])


def _table(con, name: str, stored: Stored, version: _Version) -> Rederived:
    report = Rederived(name)
    judged: dict[tuple, str] = {}
    for row in _rows(con, name, stored):
        report.rows += 1
        seen = (row.rule_version, row.rule_id, row.facts, row.otherwise, row.sound, row.outcome)
        if seen not in judged:
            if len(judged) >= _CACHED:
                judged.clear()
            judged[seen] = _problem(stored, row, version)
        if judged[seen]:
            report.differing += 1
            if len(report.listed) < LISTED:
                report.listed.append((row.key, judged[seen]))
    return report


def _problem(stored: Stored, row: _Row, version: _Version) -> str:
    """Why a stored decision does not derive again; empty when it does."""
    rules = version(stored.purpose, row.rule_version)
    if isinstance(rules, str):
        return rules
    if not row.sound:
        return "its facts are not those it was stored with"
    try:
        facts = json.loads(row.facts)
        rule, problem = (_first if rules.purpose.mode == FIRST else _every)(rules, row.rule_id, facts)
    except (ValueError, OrderpipeError) as error:
        return f"its facts cannot be read: {error}"
    if problem:
        return problem
    said = dict(rule.then) if rule else {}
    if said.get("warehouse") in (None, CROSS_BORDER_REVIEW) and row.otherwise is not None:
        said["warehouse"] = row.otherwise
    for outcome, value in zip(stored.outcomes, row.outcome, strict=True):
        if said.get(outcome) != value:
            return f"{outcome} is {value}, the rule says {said.get(outcome)}"
    return ""


def _first(rules: RuleSet, rule_id: str, facts: Mapping[str, Any]) -> tuple[Rule | None, str]:
    """The rule that decides by these facts, and what is wrong with it being rule_id."""
    asks = {field.name for field in rules.asked}
    if facts.keys() != asks:
        return None, f"its facts are not those the rules ask: {', '.join(sorted(facts.keys() ^ asks))}"
    rule = next(iter(explain.matches(rules, facts)), None)
    found = rule.id if rule else UNMATCHED
    return rule, "" if found == rule_id else f"stored as {rule_id}, derives as {found}"


def _every(rules: RuleSet, rule_id: str, facts: Mapping[str, Any]) -> tuple[Rule | None, str]:
    """The rule of that id, and why it would not count by these facts. Each row keeps the facts of its own rule only, so
    of the rules above it in its tier those are tried that ask nothing else."""
    rule = next((rule for rule in rules.rules if rule.id == rule_id), None)
    if rule is None:
        return None, f"its version has no rule {rule_id}"
    asks = {field.name for field in asked(rule)}
    if facts.keys() != asks:
        return rule, f"its facts are not those its rule asks: {', '.join(sorted(facts.keys() ^ asks))}"
    if not explain.try_rule(rules, rule, facts).holds:
        return rule, f"rule {rule_id} does not hold for its facts"
    tier = rule.then.get(rules.purpose.group)
    for above in rules.rules[: rules.rules.index(rule)] if tier is not None else ():
        comparable = above.then[rules.purpose.group] == tier and {field.name for field in asked(above)} <= asks
        if comparable and explain.try_rule(rules, above, facts).holds:
            return rule, f"rule {above.id} of the same {rules.purpose.group} goes before {rule_id}"
    return rule, ""


def _reason(name: str, stored: Stored, row: _Row, version: _Version) -> Reason:
    rules = version(stored.purpose, row.rule_version)
    problem = _problem(stored, row, version)
    steps: tuple[Step, ...] = ()
    facts: dict[str, Any] = {}
    try:
        facts = json.loads(row.facts)
        if isinstance(rules, RuleSet):
            if rules.purpose.mode == FIRST:
                steps = explain.decide(rules, facts).steps
            else:
                steps = tuple(explain.try_rule(rules, rule, facts) for rule in rules.rules if rule.id == row.rule_id)
    except (ValueError, OrderpipeError):
        pass  # told by problem
    return Reason(
        table=name,
        purpose=stored.purpose,
        key=row.key,
        rule_id=row.rule_id,
        rule_version=row.rule_version,
        outcome=dict(zip(stored.outcomes, row.outcome, strict=True)),
        facts=facts,
        steps=steps,
        rules=rules if isinstance(rules, RuleSet) else None,
        problem=problem,
    )
