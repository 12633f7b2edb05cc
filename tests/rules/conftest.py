"""Rules judged as the flow judges them: over a table of facts, in DuckDB, by the compiled SQL."""

from collections.abc import Callable
from typing import Any

import duckdb
import pytest
import yaml

from orderpipe.rules.compile import rules_sql
from orderpipe.rules.language import RuleSet

TYPES = {
    "text": "VARCHAR", "number": "DECIMAL(18,2)", "integer": "BIGINT", "boolean": "BOOLEAN", "date": "DATE",
    "text_list": "VARCHAR[]",
}  # fmt: skip


@pytest.fixture(scope="session")
def con():
    """A DuckDB connection with a schema `work`."""
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA work")
        yield con


@pytest.fixture(scope="session")
def judge(con) -> Callable[..., list[dict[str, Any]]]:
    """judge(rules, rows): what the SQL says of rows of facts by name (those left out are null): the result's rows by
    column, `row` the number of the row of facts, in its order and that of the rules."""

    def judge(rules: RuleSet, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        purpose = rules.purpose
        key = ", ".join(f'"{name}" {"VARCHAR" if name == "sku" else "BIGINT"}' for name in purpose.key)
        columns = "".join(f', "{f.name}" {TYPES[f.type]}' for f in purpose.fields.values() if f.name not in purpose.key)
        con.execute(f"CREATE OR REPLACE TABLE work.facts ({key}{columns})")
        names = [name for name in purpose.fields if name not in purpose.key]
        values = []
        for number, facts in enumerate(rows):
            values += [f"{number:06}" if name == "sku" else number for name in purpose.key]
            values += [facts.get(name) for name in names]
        marks = f"({', '.join('?' * (len(purpose.key) + len(names)))})"
        con.execute(f"INSERT INTO work.facts VALUES {', '.join([marks] * len(rows))}", values)
        cursor = con.execute(rules_sql(rules, "work.facts"))
        found = [column[0] for column in cursor.description]
        judged = [dict(zip(found, row, strict=True)) for row in cursor.fetchall()]
        ids = {rule.id: number for number, rule in enumerate(rules.rules)}
        for row in judged:
            row["row"] = int(row[purpose.key[0]])
        return sorted(judged, key=lambda row: (row["row"], ids.get(row["rule_id"], -1)))

    return judge


class _Plain(yaml.SafeLoader):
    """As editors read YAML: a day is text."""


_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in entries if not tag.endswith(":timestamp")]
    for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.fixture(scope="session")
def editor_reads() -> Callable[[str], Any]:
    """editor_reads(text): YAML as an editor reads it before it holds it against a schema."""
    return lambda text: yaml.load(text, Loader=_Plain)
