"""The same suites through Great Expectations: an independent second reader, row by row.

Slow to import (seconds, hundreds of megabytes), so it is imported inside the functions and runs beside the tick,
not in it. The results hold row numbers only, never a value of a row.
"""

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orderpipe.quality import expression
from orderpipe.quality.suite import Rule, Suite

if TYPE_CHECKING:
    import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXCEPTION = re.compile(r"([A-Za-z_][\w.]*)(?::|$)")


@dataclass(frozen=True)
class Result:
    """What one rule found. checked and unexpected count rows; failing_seqs are source_seq, sorted, each once.

    error is set when the rule could not be evaluated (a column is missing or has the wrong type): a fault of the
    pipeline, not bad rows. ok is false in both cases.
    """

    rule: str
    expectation: str
    severity: str
    ok: bool
    checked: int
    unexpected: int
    failing_seqs: list[int]
    error: str | None


def validate(suite: Suite, table: "pa.Table") -> list[Result]:
    """Every rule of the suite on a batch (a staging table with source_seq), in the order of the file."""
    gx = _import_gx()
    import pandas as pd

    found = {rule.id: _prepare(rule, table) for rule in suite.rules}
    columns: dict[str, Any] = {"source_seq": table.column("source_seq")}
    for prepared in found.values():
        if not isinstance(prepared, Result):
            columns.update(prepared[1])
    expectations = [prepared[0] for prepared in found.values() if not isinstance(prepared, Result)]
    if expectations:
        import pyarrow as pa

        frame = pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype)
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        asset = context.data_sources.add_pandas("batch").add_dataframe_asset(suite.table)
        batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
        report = batch.validate(
            gx.ExpectationSuite(name=suite.table, expectations=expectations),
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["source_seq"]},
        )
        rules = {rule.id: rule for rule in suite.rules}
        for outcome in report.results:
            rule = rules[outcome.expectation_config.meta["rule"]]
            found[rule.id] = _result(suite, rule, outcome, table.num_rows)
    return [found[rule.id] for rule in suite.rules]


def _import_gx():
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    return gx


def _prepare(rule: Rule, table: "pa.Table") -> "tuple[Any, dict[str, Any]] | Result":
    """The expectation and the columns it reads, or the error that keeps it from being evaluated."""
    import great_expectations.expectations as gxe
    import pyarrow as pa

    missing = sorted(rule.columns - set(table.column_names))
    if missing:
        return _broken(rule, table.num_rows, f"the batch has no column {', '.join(missing)}")
    arguments = dict(rule.arguments)
    columns = {name: _times_as_numbers(table.column(name)) for name in rule.columns}
    if "expression" in arguments:
        try:
            derived = expression.to_arrow(arguments.pop("expression"), table)
        except (pa.ArrowException, TypeError) as error:
            return _broken(rule, table.num_rows, f"{type(error).__name__} in the rule's expression")
        arguments["column"] = f"derived:{rule.id}"
        columns = {arguments["column"]: derived}
    for name in arguments.keys() & {"min_value", "max_value"}:
        if isinstance(arguments[name], datetime) != _is_time(rule, table):
            return _broken(rule, table.num_rows, f"{name} and {arguments['column']} are not both times")
        arguments[name] = _bound(rule, arguments[name])
    for name in ("value_set", "column_list"):
        if name in arguments:
            arguments[name] = list(arguments[name])
    if rule.expectation == "ExpectColumnPairValuesAToBeGreaterThanB":
        arguments["ignore_row_if"] = "either_value_is_missing"
    if rule.expectation == "ExpectCompoundColumnsToBeUnique":
        arguments["ignore_row_if"] = "any_value_is_missing"
    expectation = getattr(gxe, rule.expectation)(**arguments, severity=rule.severity, meta={"rule": rule.id})
    return expectation, columns


def _is_time(rule: Rule, table: "pa.Table") -> bool:
    import pyarrow as pa

    return "column" in rule.arguments and pa.types.is_timestamp(table.schema.field(rule.arguments["column"]).type)


def _bound(rule: Rule, value: Decimal | datetime) -> Decimal | int:
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    return int(value) if rule.expectation == "ExpectColumnValueLengthsToBeBetween" else value


def _times_as_numbers(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Times as microseconds since 1970 UTC: pandas cannot hold every time that DuckDB can, and one document with
    the year 12000 would fail the whole batch."""
    import pyarrow as pa

    return column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()) if pa.types.is_timestamp(column.type) else column


def _result(suite: Suite, rule: Rule, outcome: Any, rows: int) -> Result:
    problem = _exception(outcome.exception_info)
    if problem:
        return _broken(rule, rows, f"{problem} in {rule.expectation} ({suite.path.name}:{rule.line})")
    counts = outcome.result
    seqs = sorted({int(row["source_seq"]) for row in counts.get("unexpected_index_list") or ()})
    return Result(
        rule=rule.id,
        expectation=rule.expectation,
        severity=rule.severity,
        ok=bool(outcome.success),
        checked=counts["element_count"],
        unexpected=counts["unexpected_count"],
        failing_seqs=seqs,
        error=None,
    )


def _exception(info: dict[str, Any] | None) -> str | None:
    """The class of the exception behind a broken expectation. GX gives one record, or one per failed metric.

    Only the name is taken, from the first line of the traceback that is not indented: messages may hold values of
    rows, and so may the lines that follow.
    """
    records = [info] if info and "raised_exception" in info else list((info or {}).values())
    for record in records:
        if record.get("raised_exception"):
            lines = (record.get("exception_traceback") or "").splitlines()
            raised = [line for line in lines if line and not line[0].isspace() and not line.startswith("Traceback")]
            name = _EXCEPTION.match(raised[0]) if raised else None
            return name.group(1) if name else "an exception"
    return None


def _broken(rule: Rule, rows: int, error: str) -> Result:
    return Result(rule.id, rule.expectation, rule.severity, False, rows, 0, [], error)
