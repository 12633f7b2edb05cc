"""Derived numbers of quality rules: `goods_amount - discount_amount + shipping_fee - payable_amount`.

Allowed: names of columns, whole numbers, + − *, parentheses, and seconds(column) for whole seconds since 1970 of a
time. Columns are money (two decimals) or whole numbers. A null in any column makes the result null.

No value that such columns can hold overflows in either reader, because one hostile document must not stop the
check of all others: a product has two factors, constants and terms are few.
"""

import ast
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_MAX_LENGTH, _MAX_TERMS, _MAX_NUMBER = 300, 20, 1_000_000_000


@dataclass(frozen=True)
class Column:
    """The number in a column."""

    name: str


@dataclass(frozen=True)
class Seconds:
    """The time in a column as whole seconds since 1970 UTC, cut towards zero; null for an infinite time."""

    name: str


@dataclass(frozen=True)
class Number:
    """A whole number."""

    value: int


@dataclass(frozen=True)
class Binary:
    """left operator right; operator is + - or *."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression = Column | Seconds | Number | Binary


def parse(text: str) -> Expression:
    """The expression. Raises ValueError that says what is wrong and what is allowed."""
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"longer than {_MAX_LENGTH} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, MemoryError, RecursionError):
        raise ValueError("not an expression; write for example unit_price * quantity - line_amount") from None
    expression = _build(tree)
    if sum(1 for _ in _leaves(expression)) > _MAX_TERMS:
        raise ValueError(f"more than {_MAX_TERMS} terms")
    if not columns(expression):
        raise ValueError("names no column")
    return expression


def columns(expression: Expression) -> set[str]:
    """The columns an expression reads."""
    return {leaf.name for leaf in _leaves(expression) if not isinstance(leaf, Number)}


def to_sql(expression: Expression) -> exp.Expression:
    """The expression for DuckDB. Columns are widened first: DuckDB adds two DECIMAL(18,2) in 18 digits and raises
    when the sum has 19."""
    match expression:
        case Column(name):
            return exp.cast(exp.column(name, quoted=True), "DECIMAL(21, 2)")
        case Seconds(name):
            microseconds = exp.func("EPOCH_US", exp.column(name, quoted=True))
            return exp.cast(exp.IntDiv(this=microseconds, expression=exp.Literal.number(1_000_000)), "DECIMAL(21, 2)")
        case Number(value):
            return exp.cast(exp.Literal.number(value), "DECIMAL(21, 2)")
        case Binary(operator, left, right):
            build = {"+": exp.Add, "-": exp.Sub, "*": exp.Mul}[operator]
            return exp.Paren(this=build(this=to_sql(left), expression=to_sql(right)))


def to_arrow(expression: Expression, table: "pa.Table") -> "pa.ChunkedArray | pa.Scalar":
    """The expression on every row of a table, exact (256-bit decimals). Raises KeyError for a column that is not
    there and TypeError for a column that holds no number or no time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    narrow = pa.decimal256(21, 2)
    match expression:
        case Column(name):
            _require(pa.types.is_decimal(kind := table.schema.field(name).type) or pa.types.is_integer(kind), name)
            return pc.cast(table.column(name), narrow)
        case Seconds(name):
            _require(pa.types.is_timestamp(table.schema.field(name).type), name)
            times = pc.cast(table.column(name), pa.timestamp("us", tz="UTC"))
            microseconds = pc.cast(times, pa.int64())
            infinite = pc.is_in(microseconds, value_set=pa.array(INFINITE_TIMES))
            seconds = pc.divide(microseconds, pa.scalar(1_000_000, pa.int64()))
            return pc.cast(pc.if_else(infinite, pa.scalar(None, pa.int64()), seconds), narrow)
        case Number(value):
            return pa.scalar(Decimal(value), narrow)
        case Binary(operator, left, right):
            compute = {"+": pc.add, "-": pc.subtract, "*": pc.multiply}[operator]
            return compute(to_arrow(left, table), to_arrow(right, table))


# How DuckDB hands over 'infinity' and '-infinity': the largest 64-bit number and its negative.
INFINITE_TIMES = (2**63 - 1, -(2**63 - 1))


def _build(node: ast.expr, in_product: bool = False) -> Expression:
    match node:
        case ast.Name(id=name) if _NAME.fullmatch(name):
            return Column(name)
        case ast.Constant(value=value) if type(value) is int and value <= _MAX_NUMBER:
            return Number(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Binary("-", Number(0), _build(operand, in_product))
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            sign = _OPERATORS[type(operator)]
            if sign == "*" and in_product:
                raise ValueError("a product may have two factors only")
            inner = in_product or sign == "*"
            if inner and sign != "*":
                raise ValueError("a factor must be a column or a number, not a sum")
            return Binary(sign, _build(left, inner), _build(right, inner))
        case ast.Call(func=ast.Name(id="seconds"), args=[ast.Name(id=name)], keywords=[]) if _NAME.fullmatch(name):
            if in_product:
                raise ValueError("seconds(…) cannot be multiplied")
            return Seconds(name)
    raise ValueError("allowed are columns, whole numbers, + - *, parentheses and seconds(column)")


def _require(right_type: bool, column: str) -> None:
    if not right_type:
        raise TypeError(f"column {column} has the wrong type")


def _leaves(expression: Expression):
    if isinstance(expression, Binary):
        yield from _leaves(expression.left)
        yield from _leaves(expression.right)
    else:
        yield expression
