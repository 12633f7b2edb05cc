"""The gate of a tick: a quality suite as one SQL statement over a staging table.

Built from expression objects, never from pasted text. A row breaks a rule when the rule is false for it; where a
null makes the rule neither true nor false, the row passes, as in Great Expectations.
"""

from datetime import datetime
from typing import Any

from sqlglot import exp

from orderpipe.quality import expression
from orderpipe.quality.suite import Rule, Suite


def gate_sql(suite: Suite, table: str = "staging.orders", language: str = "zh") -> str:
    """One SELECT that reads the table once and gives a row per document and rule it breaks.

    Result: source_seq BIGINT, rule VARCHAR, severity VARCHAR ('critical' | 'warning'), reason VARCHAR (in the
    language, 'zh' or 'en'), sorted by source_seq and the order of rules in the file.
    """
    flags = [f"flag_{number}" for number in range(1, len(suite.rules) + 1)]
    checked = exp.select(
        _column("source_seq"), *(exp.alias_(_broken(r), f) for r, f in zip(suite.rules, flags, strict=True))
    )
    hits = [exp.Case().when(exp.column(flag), exp.Literal.number(n)) for n, flag in enumerate(flags, 1)]
    flagged = (
        exp.select(_column("source_seq"), exp.alias_(exp.Unnest(expressions=[exp.Array(expressions=hits)]), "rule_no"))
        .from_(checked.from_(_table(table)).subquery("checked"))
        .where(exp.or_(*(exp.column(flag) for flag in flags)))
    )
    rules = exp.values(
        [(n, rule.id, rule.severity, rule.reason[language]) for n, rule in enumerate(suite.rules, 1)],
        alias="rules",
        columns=["rule_no", "rule", "severity", "reason"],
    )
    return (
        exp.select("flagged.source_seq", "rules.rule", "rules.severity", "rules.reason")
        .from_(flagged.subquery("flagged"))
        .join(rules, on="flagged.rule_no = rules.rule_no")
        # Several lines of one document may break one rule: the document breaks it once.
        .group_by("flagged.source_seq", "rules.rule_no", "rules.rule", "rules.severity", "rules.reason")
        .order_by("flagged.source_seq", "rules.rule_no")
        .sql(dialect="duckdb", pretty=True)
    )


def _broken(rule: Rule) -> exp.Expression:
    """The condition under which a row breaks the rule; null counts as not broken."""
    given = rule.arguments
    match rule.expectation:
        case "ExpectColumnValuesToNotBeNull":
            return _column(given["column"]).is_(exp.null())
        case "ExpectColumnValuesToBeInSet":
            return exp.not_(_column(given["column"]).isin(*(exp.Literal.string(v) for v in given["value_set"])))
        case "ExpectColumnValuesToBeBetween":
            value = expression.to_sql(given["expression"]) if "expression" in given else _column(given["column"])
            return _outside(value, given)
        case "ExpectColumnValueLengthsToBeBetween":
            return _outside(exp.Length(this=_column(given["column"])), given)
        case "ExpectColumnValuesToBeUnique":
            return _repeated((given["column"],))
        case "ExpectCompoundColumnsToBeUnique":
            return _repeated(given["column_list"])
        case "ExpectColumnPairValuesAToBeGreaterThanB":
            compare = exp.GTE if given.get("or_equal") else exp.GT
            return exp.not_(compare(this=_column(given["column_A"]), expression=_column(given["column_B"])))
    raise AssertionError(f"suite.py admits {rule.expectation}, the gate does not know it")


def _outside(value: exp.Expression, bounds: dict[str, Any]) -> exp.Expression:
    tests = []
    if "min_value" in bounds:
        tests.append(exp.GTE(this=value.copy(), expression=_literal(bounds["min_value"])))
    if "max_value" in bounds:
        tests.append(exp.LTE(this=value.copy(), expression=_literal(bounds["max_value"])))
    return exp.not_(exp.and_(*tests))


def _repeated(columns: tuple[str, ...]) -> exp.Expression:
    """The key stands in more than one row; a key with a null in it is no key."""
    alike = exp.Window(this=exp.Count(this=exp.Star()), partition_by=[_column(name) for name in columns])
    return exp.and_(
        *(exp.not_(_column(name).is_(exp.null())) for name in columns),
        exp.GT(this=alike, expression=exp.Literal.number(1)),
    )


def _literal(value: Any) -> exp.Expression:
    if isinstance(value, datetime):
        return exp.cast(exp.Literal.string(value.isoformat()), "TIMESTAMPTZ")
    return exp.Literal.number(value)


def _column(name: str) -> exp.Column:
    return exp.column(name, quoted=True)


def _table(name: str) -> exp.Table:
    return exp.table_(*reversed(name.split(".")), quoted=True)
