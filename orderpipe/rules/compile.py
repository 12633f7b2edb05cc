"""Rules to SQL, by expression objects: names come from the catalogue, values become typed literals."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sqlglot import exp

from orderpipe.rules.fields import Field
from orderpipe.rules.language import UNMATCHED, Group, RuleSet, Test, asked
from orderpipe.rules.purposes import FIRST, Outcome

_KEPT = 64
_compiled: dict[tuple[str, tuple[str, ...], str], str] = {}  # a version always gives the same statement
_SQL_TYPES = {"text": "VARCHAR", "integer": "BIGINT", "boolean": "BOOLEAN"}


def rules_sql(rules: RuleSet, table: str) -> str:
    """One SELECT over a table of facts: which rules count for each of its rows, and what they say.

    Result: the key columns of the purpose, rule_id VARCHAR, rule_version VARCHAR, facts JSON (decimals and days as
    text, so that no reader turns money into a float), and a column for each outcome. Where the first match decides:
    a row per row of the table, rule_id `unmatched` and no outcome when none matches, facts those any rule asks. Where
    every match counts: a row per row and rule that matches (of a tier the first only), facts those this rule asks.
    """
    wanted = (rules.version, rules.purpose.key, table)
    if wanted not in _compiled:
        if len(_compiled) >= _KEPT:
            _compiled.clear()
        made = (_first if rules.purpose.mode == FIRST else _every)(rules, table)
        _compiled[wanted] = made.sql(dialect="duckdb", pretty=True)
    return _compiled[wanted]


def _first(rules: RuleSet, table: str) -> exp.Select:
    # Not by Case.when, which copies the whole expression for every rule.
    first = exp.Case(
        ifs=[
            exp.If(this=_condition(rule.when), true=exp.Literal.number(number))
            for number, rule in enumerate(rules.rules, 1)
        ]
    )
    judged = exp.select(exp.Star(), exp.alias_(first, "rule_no")).from_(_table(table))
    rule_id = exp.func("COALESCE", exp.column("rule_id", "outcomes"), exp.Literal.string(UNMATCHED))
    return (
        _selected(rules, exp.alias_(rule_id, "rule_id"), _facts(rules.asked))
        .from_(judged.subquery("judged"))
        .join(_outcomes(rules), on="judged.rule_no = outcomes.rule_no", join_type="left")
    )


def _every(rules: RuleSet, table: str) -> exp.Select:
    numbers = exp.Array(
        expressions=[
            exp.Case(ifs=[exp.If(this=_condition(rule.when), true=exp.Literal.number(number))])
            for number, rule in enumerate(rules.rules, 1)
        ]
    )
    number = exp.to_identifier("number")
    matching = exp.Anonymous(
        this="list_filter",
        expressions=[numbers, exp.Lambda(this=exp.column("number").is_(exp.null()).not_(), expressions=[number])],
    )
    judged = exp.select(exp.Star(), exp.alias_(exp.func("UNNEST", matching), "rule_no")).from_(_table(table))
    asked_by_rule = exp.Case(
        this=exp.column("rule_no", "judged"),
        ifs=[exp.If(this=exp.Literal.number(no), true=_facts(asked(rule))) for no, rule in enumerate(rules.rules, 1)],
    )
    selected = (
        _selected(rules, exp.column("rule_id", "outcomes"), asked_by_rule)
        .from_(judged.subquery("judged"))
        .join(_outcomes(rules), on="judged.rule_no = outcomes.rule_no")
    )
    if rules.purpose.group:
        key = [exp.column(name, "judged") for name in rules.purpose.key]
        tier = exp.column(rules.purpose.group, "outcomes")
        # A rule without a tier stands for itself.
        own = exp.Case(ifs=[exp.If(this=tier.copy().is_(exp.null()), true=exp.column("rule_no", "outcomes"))])
        rank = exp.Window(
            this=exp.Anonymous(this="row_number"),
            partition_by=[*key, tier, own],
            order=exp.Order(expressions=[exp.column("rule_no", "outcomes")]),
        )
        selected.set("qualify", exp.Qualify(this=exp.EQ(this=rank, expression=exp.Literal.number(1))))
    return selected


def _selected(rules: RuleSet, rule_id: exp.Expression, facts: exp.Expression) -> exp.Select:
    return exp.select(
        *(exp.column(name, "judged") for name in rules.purpose.key),
        rule_id,
        exp.alias_(exp.Literal.string(rules.version), "rule_version"),
        exp.alias_(facts, "facts"),
        *(exp.column(name, "outcomes") for name in rules.purpose.outcomes),
    )


def _table(name: str) -> exp.Table:
    return exp.table_(*reversed(name.split(".")), quoted=True)


def _outcomes(rules: RuleSet) -> exp.Expression:
    """What every rule says, as a table: its number, its id, its outcomes."""
    rows = [
        exp.tuple_(
            exp.Literal.number(number),
            exp.Literal.string(rule.id),
            *(_outcome(outcome, rule.then[outcome.name]) for outcome in rules.purpose.outcomes.values()),
        )
        for number, rule in enumerate(rules.rules, 1)
    ]
    columns = ["rule_no", "rule_id", *rules.purpose.outcomes]
    return exp.values(rows, alias="outcomes", columns=columns)


def _outcome(outcome: Outcome, value: Any) -> exp.Expression:
    literal = (
        exp.null()
        if value is None
        else exp.Boolean(this=value)
        if outcome.type == "boolean"
        else exp.Literal.number(value)
        if outcome.type == "integer"
        else exp.Literal.string(value)
    )
    return exp.cast(literal, _SQL_TYPES[outcome.type])


def _facts(fields: Iterable[Field]) -> exp.Expression:
    pairs: list[exp.Expression] = []
    for field in fields:
        column: exp.Expression = exp.column(field.name, "judged", quoted=True)
        as_text = field.type in ("number", "date")
        pairs += [exp.Literal.string(field.name), exp.cast(column, "TEXT") if as_text else column]
    return exp.Anonymous(this="json_object", expressions=pairs)


def _condition(node: Group | Test) -> exp.Expression:
    if isinstance(node, Test):
        return exp.Paren(this=_test(node))
    if not node.items:
        return exp.true()
    items = [_condition(item) for item in node.items]
    if node.kind == "all":
        return exp.Paren(this=exp.and_(*items))
    either = exp.Paren(this=exp.or_(*items))
    return exp.not_(either) if node.kind == "not" else either


def _test(test: Test) -> exp.Expression:
    column = exp.column(test.field.name, quoted=True)
    if test.op == "is_null":
        missing = column.is_(exp.null())
        return missing if test.value else exp.not_(missing)
    values = [_literal(test.field, value) for value in (test.value if isinstance(test.value, tuple) else (test.value,))]
    match test.op:
        case "in":
            return column.isin(*values)
        case "not_in":
            return exp.not_(column.isin(*values))
        case "between":
            return column.between(*values)
        case "starts_with":
            return exp.StartsWith(this=column, expression=values[0])
        case "contains" if test.field.type == "text_list":
            return _list_contains(column, values[0])
        case "contains":
            return exp.Contains(this=column, expression=values[0])
        case "eq" | "ne" | "gt" | "gte" | "lt" | "lte":
            compare = {"eq": exp.EQ, "ne": exp.NEQ, "gt": exp.GT, "gte": exp.GTE, "lt": exp.LT, "lte": exp.LTE}[test.op]
            return compare(this=column, expression=values[0])
    raise AssertionError(f"language.py admits {test.op}, the compiler does not know it")


def _list_contains(column: exp.Expression, value: exp.Expression) -> exp.Expression:
    """True when it is there; else unknown when an entry is unknown. DuckDB's own function says false then."""
    complete = exp.EQ(
        this=exp.Anonymous(this="list_count", expressions=[column.copy()]),
        expression=exp.Anonymous(this="len", expressions=[column.copy()]),
    )
    unknown = exp.Case().when(complete, exp.false())
    return exp.or_(exp.Anonymous(this="list_contains", expressions=[column, value]), unknown)


def _literal(field: Field, value: Any) -> exp.Expression:
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if field.type == "date":
        return exp.cast(exp.Literal.string(value), "DATE")
    if isinstance(value, Decimal):
        return exp.cast(exp.Literal.string(format(value, "f")), "DECIMAL(24, 6)")
    return exp.Literal.string(value)
