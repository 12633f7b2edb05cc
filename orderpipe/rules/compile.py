"""Rules to SQL, by expression objects: names come from the catalogue, values become typed literals."""

from decimal import Decimal
from typing import Any

from sqlglot import exp

from orderpipe.rules.fields import Field
from orderpipe.rules.language import UNMATCHED, Group, RuleSet, Test


def routing_sql(rules: RuleSet, table: str = "work.order_facts") -> str:
    """One SELECT over the facts table: the first rule that matches decides each order.

    Result, a row per row of the table: order_id BIGINT, warehouse_id VARCHAR (null when unmatched), rule_id VARCHAR
    (`unmatched` when no rule matches), rule_version VARCHAR, facts JSON (every field of the catalogue; decimals as
    text, so that no reader turns money into a float).
    """
    # Not by Case.when, which copies the whole expression for every rule.
    first = exp.Case(
        ifs=[
            exp.If(this=_condition(rule.when), true=exp.Literal.number(number))
            for number, rule in enumerate(rules.rules, 1)
        ]
    )
    judged = exp.select(exp.Star(), exp.alias_(first, "rule_no")).from_(
        exp.table_(*reversed(table.split(".")), quoted=True)
    )
    outcomes = exp.values(
        [(number, rule.id, rule.then["warehouse"]) for number, rule in enumerate(rules.rules, 1)],
        alias="outcomes",
        columns=["rule_no", "rule_id", "warehouse_id"],
    )
    return (
        exp.select(
            "judged.order_id",
            "outcomes.warehouse_id",
            exp.alias_(
                exp.func("COALESCE", exp.column("rule_id", "outcomes"), exp.Literal.string(UNMATCHED)), "rule_id"
            ),
            exp.alias_(exp.Literal.string(rules.version), "rule_version"),
            exp.alias_(_facts(list(rules.purpose.fields.values())), "facts"),
        )
        .from_(judged.subquery("judged"))
        .join(outcomes, on="judged.rule_no = outcomes.rule_no", join_type="left")
        .sql(dialect="duckdb", pretty=True)
    )


def _facts(fields: list[Field]) -> exp.Expression:
    pairs: list[exp.Expression] = []
    for field in fields:
        column: exp.Expression = exp.column(field.name, "judged", quoted=True)
        pairs += [exp.Literal.string(field.name), exp.cast(column, "TEXT") if field.type == "number" else column]
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
    values = [_literal(value) for value in (test.value if isinstance(test.value, tuple) else (test.value,))]
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


def _literal(value: Any) -> exp.Expression:
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, Decimal):
        return exp.cast(exp.Literal.string(format(value, "f")), "DECIMAL(24, 6)")
    return exp.Literal.string(value)
