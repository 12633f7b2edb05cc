"""Quality suites: how a wrong file is refused, and what the shipped ones say."""

import re
from pathlib import Path

import duckdb
import pytest

from orderpipe.errors import ConfigError
from orderpipe.lake.dictionary import table
from orderpipe.quality import expression, gate, suite

SUITES = Path(__file__).parents[2] / "config" / "quality"
NOTNULL = "ExpectColumnValuesToNotBeNull"


@pytest.fixture
def load(tmp_path):
    """Loads a suite with one rule; parts given replace the valid ones."""

    def load(columns=None, twice=False, **parts):
        entry = {
            "id": "it",
            "expectation": NOTNULL,
            "arguments": "{column: order_id}",
            "severity": "critical",
            "note": "why",
            "reason": "{zh: 缺少, en: missing}",
        }
        lines = [f"{name}: {value}" for name, value in {**entry, **parts}.items() if value is not None]
        path = tmp_path / "orders.yaml"
        path.write_text(("- " + "\n  ".join(lines) + "\n") * (2 if twice else 1), "utf-8")
        return suite.load(path, columns)

    return load


BETWEEN = "ExpectColumnValuesToBeBetween"
PAIR = "ExpectColumnPairValuesAToBeGreaterThanB"


@pytest.mark.parametrize(
    ("parts", "line", "says", "remedy"),
    [
        ({"severity": "fatal"}, 4, "unknown severity 'fatal'", "critical, warning"),
        ({"expectation": "ExpectColumnValuesToNotBeNul"}, 2, "unknown expectation", f"did you mean {NOTNULL}?"),
        ({"arguments": "{colum: order_id}"}, 3, "unknown key 'colum'", "did you mean column?"),
        ({"arguments": "{}"}, 3, "key 'column' is missing", "add column"),
        ({"arguments": '{column: "a; drop"}'}, 3, "is not a column name", "a-z"),
        ({"note": None}, 1, "key 'note' is missing", "add note"),
        ({"note": '""'}, 5, "note must be text", "write a text"),
        ({"reason": "{zh: 缺少}"}, 6, "key 'en' is missing", "add en"),
        ({"id": "Not-a-name"}, 1, "is not a name", "a-z"),
        ({"expectation": BETWEEN, "arguments": "{column: a}"}, 3, "has no bound", "min_value"),
        ({"expectation": BETWEEN, "arguments": "{min_value: 1}"}, 3, "either column or expression", "one of them"),
        ({"expectation": BETWEEN, "arguments": "{column: a, expression: b, min_value: 1}"}, 3, "either column", "one"),
        ({"expectation": BETWEEN, "arguments": "{column: a, min_value: 2, max_value: 1}"}, 3, "not below", "lower"),
        (
            {"expectation": BETWEEN, "arguments": "{column: a, min_value: 2, max_value: 2005-01-01T00:00:00Z}"},
            3,
            "not below",
            "two numbers or two times",
        ),
        (
            {"expectation": BETWEEN, "arguments": "{column: a, min_value: 2005-01-01}"},
            3,
            "is no bound",
            "with its zone",
        ),
        ({"expectation": BETWEEN, "arguments": "{column: a, min_value: 1e-2}"}, 3, "is no bound", "a plain number"),
        ({"expectation": BETWEEN, "arguments": "{column: a, min_value: 0.00001}"}, 3, "4 decimals", "round"),
        (
            {"expectation": BETWEEN, "arguments": "{expression: a, min_value: 2005-01-01T00:00:00Z}"},
            3,
            "gives a number",
            "seconds(column)",
        ),
        ({"expectation": PAIR, "arguments": "{column_A: a, column_B: b, or_equal: yes}"}, 3, "true or false", "true"),
        (
            {"expectation": "ExpectColumnValueLengthsToBeBetween", "arguments": "{column: a, min_value: 1.5}"},
            3,
            "whole number",
            "min_value: 1",
        ),
        (
            {"expectation": "ExpectColumnValuesToBeInSet", "arguments": "{column: a, value_set: [NO]}"},
            3,
            "text",
            '"NO"',
        ),
        (
            {"expectation": "ExpectCompoundColumnsToBeUnique", "arguments": "{column_list: [a]}"},
            3,
            "at least two",
            "add a column",
        ),
    ],
)
def test_a_wrong_entry_is_refused_with_file_line_and_remedy(load, tmp_path, parts, line, says, remedy):
    with pytest.raises(ConfigError) as caught:
        load(**parts)
    assert says in caught.value.what
    assert remedy in caught.value.remedy
    assert re.match(rf"{tmp_path}/orders\.yaml:{line}\b", caught.value.where)


def test_a_repeated_id_is_refused(load):
    with pytest.raises(ConfigError, match=r"orders\.yaml:7: rule id it stands twice"):
        load(twice=True)


def test_a_column_the_table_does_not_have_is_refused(load):
    with pytest.raises(ConfigError, match=r"no column 'order_id'.*did you mean order_ids?"):
        load(columns=["order_ids", "platform"])
    assert load(columns=["order_id"]).rules[0].columns == {"order_id"}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "a.b", "a[0]", "a / b", "a ** 2", "a // b", "a if b else c", "lambda: a",
        "a == b", "0.5 * a", "1 + 1", "", "a +", "a * b * c", "a * (b + c)", "seconds(a + b)", "seconds(a) * b",
        "abs(a)", "seconds(a, b)", "True + a", "'a' + b", "99999999999 + a", "A + b",
        "a" + " + a" * 30, "(" * 150 + "a",
    ],
)  # fmt: skip
def test_an_expression_that_is_more_than_arithmetic_is_refused(load, text):
    with pytest.raises(ValueError):
        expression.parse(text)


def test_a_wrong_expression_names_its_line(load):
    with pytest.raises(ConfigError, match=r"orders\.yaml:3, rule it: expression: allowed are columns"):
        load(expectation=BETWEEN, arguments="{expression: a / b, min_value: 0}")


@pytest.mark.parametrize("name", ["orders", "order_items", "refunds", "products", "stock"])
def test_shipped_suites_ask_only_columns_of_their_table(name):
    columns = {*table(f"core.{name}").columns, "known_at"}
    rules = suite.load(SUITES / f"{name}.yaml", columns).rules
    assert {rule.severity for rule in rules} == {"critical", "warning"}
    con = duckdb.connect()
    types = {"known_at": "TIMESTAMPTZ", **{column: spec.type for column, spec in table(f"core.{name}").columns.items()}}
    con.execute(f"CREATE TABLE {name} ({', '.join(f'{column} {kind}' for column, kind in types.items())})")
    result = con.execute(gate.gate_sql(suite.load(SUITES / f"{name}.yaml"), name))
    assert [(column[0], str(column[1])) for column in result.description] == [
        ("source_seq", "BIGINT"), ("rule", "VARCHAR"), ("severity", "VARCHAR"), ("reason", "VARCHAR"),
    ]  # fmt: skip
    assert result.fetchall() == []


def test_an_unknown_status_is_kept_and_only_reported():
    for name in ("orders", "refunds", "products"):
        rules = {rule.id: rule for rule in suite.load(SUITES / f"{name}.yaml").rules}
        assert rules["status_unknown"].severity == "warning"
        assert "unknown" not in rules["status_unknown"].arguments["value_set"]


def test_the_folder_is_read_by_table():
    assert list(suite.load_all(SUITES)) == ["order_items", "orders", "products", "refunds", "stock"]
