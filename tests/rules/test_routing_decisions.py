"""The shipped routing rules, and SQL against the Python evaluator on any facts and any rules."""

import json
from decimal import Decimal
from pathlib import Path

import duckdb
import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given, settings

from orderpipe.rules import fields, language
from orderpipe.rules.compile import routing_sql
from orderpipe.rules.explain import decide, failed_examples

CONFIG = Path(__file__).parents[2] / "config"
WAREHOUSES = [entry["id"] for entry in yaml.safe_load((CONFIG / "warehouses.yaml").read_text("utf-8"))]
PURPOSE = fields.routing(WAREHOUSES)
TYPES = {
    "text": "VARCHAR",
    "number": "DECIMAL(18,2)",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "text_list": "VARCHAR[]",
}

texts = st.sampled_from(["CN", "US", "华东", "浙江省", "o'brien", "a", "ab", "b"])
numbers = st.sampled_from([Decimal(n) for n in ("-1", "0", "0.01", "9.99", "10", "10.5", "1234567890123456.78")])
VALUES = {"text": texts, "number": numbers, "integer": st.integers(-2, 5).map(Decimal), "boolean": st.booleans()}
VALUES["text_list"] = texts
region = st.sampled_from(fields.REGIONS)


def fact(field):
    if field.type == "text_list":
        return st.none() | st.lists(st.none() | texts, max_size=3)
    return st.none() | (region if field.choices else VALUES[field.type])


facts = st.fixed_dictionaries({field.name: fact(field) for field in PURPOSE.fields.values()})


@st.composite
def comparison(draw):
    field = draw(st.sampled_from(list(PURPOSE.fields.values())))
    op = draw(st.sampled_from(language.OPERATORS[field.type]))
    value = region if field.choices else VALUES[field.type]
    if op == "is_null":
        return {field.name: {op: draw(st.booleans())}}
    if op == "between":
        return {field.name: {op: sorted(draw(st.lists(value, min_size=2, max_size=2)))}}
    if op in ("in", "not_in"):
        return {field.name: {op: draw(st.lists(value, min_size=1, max_size=4))}}
    return {field.name: {op: draw(value)}}


conditions = st.recursive(
    comparison(),
    lambda inner: st.dictionaries(
        st.sampled_from(language.GROUPS), st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=2
    ),
    max_leaves=6,
)
whens = st.dictionaries(
    st.sampled_from(language.GROUPS), st.lists(conditions, min_size=1, max_size=3), min_size=1, max_size=2
)


def as_yaml(value):
    """JSON is YAML; decimals are written as numbers, without passing through a float."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {as_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_yaml(v) for v in value) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA work")
        columns = ", ".join(f'"{field.name}" {TYPES[field.type]}' for field in PURPOSE.fields.values())
        con.execute(f"CREATE TABLE work.order_facts (order_id BIGINT, {columns})")
        yield con


def decisions(con, rules, rows):
    """What the SQL decides: (warehouse_id, rule_id, rule_version, facts) per row, in their order."""
    row = ", ".join(["?"] * (len(PURPOSE.fields) + 1))
    values = [value for n, facts in enumerate(rows) for value in (n, *(facts.get(name) for name in PURPOSE.fields))]
    con.execute("DELETE FROM work.order_facts")
    con.execute(f"INSERT INTO work.order_facts VALUES {', '.join([f'({row})'] * len(rows))}", values)
    return con.execute(f"SELECT * EXCLUDE order_id FROM ({routing_sql(rules)}) ORDER BY order_id").fetchall()


@settings(max_examples=80, deadline=None)
@given(whens=st.lists(whens, min_size=1, max_size=3), rows=st.lists(facts, min_size=1, max_size=6))
def test_sql_and_python_decide_every_order_alike(con, tmp_path_factory, whens, rows):
    path = tmp_path_factory.mktemp("rules") / "routing.yaml"
    entries = [
        {"id": f"r{n}", "when": when, "then": {"warehouse": "HZ" if n else "FS"}, "note": "n"}
        for n, when in enumerate(whens)
    ]
    path.write_text(as_yaml({"rules": entries}), "utf-8")
    rules = language.load(path, PURPOSE)
    for row, (warehouse, rule_id, version, stored) in zip(rows, decisions(con, rules, rows), strict=True):
        assert (rule_id, warehouse) == (decide(rules, row).rule_id, decide(rules, row).outcome.get("warehouse"))
        assert version == rules.version
        stored = json.loads(stored)
        assert stored.keys() == PURPOSE.fields.keys()
        assert decide(rules, stored).rule_id == rule_id, "a stored decision derives again from its stored facts"


@pytest.fixture(scope="module")
def shipped():
    return language.load(CONFIG / "rules" / "routing.yaml", PURPOSE)


def test_shipped_rules_decide_their_examples(shipped):
    assert len(shipped.examples) >= len(shipped.rules)
    assert {example.rule for example in shipped.examples} == {rule.id for rule in shipped.rules}
    assert failed_examples(shipped) == []


def test_shipped_examples_are_decided_alike_in_sql(con, shipped):
    rows = [example.facts for example in shipped.examples]
    assert [row[1] for row in decisions(con, shipped, rows)] == [example.rule for example in shipped.examples]


def test_an_example_that_fails_is_named_by_its_line(tmp_path):
    path = tmp_path / "routing.yaml"
    path.write_text(
        "rules:\n  - {id: us, when: {all: [{country: {eq: US}}]}, then: {warehouse: HZ}, note: n}\n"
        "examples:\n  - {facts: {country: CN}, rule: us}\n  - {facts: {country: US}, rule: us}\n"
        "  - {facts: {}, rule: unmatched}\n",
        "utf-8",
    )
    assert failed_examples(language.load(path, PURPOSE)) == [f"{path}:4: expected rule us, decided by unmatched"]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(facts, min_size=20, max_size=40))
def test_shipped_rules_send_only_what_the_seller_promised(con, shipped, rows):
    for row, (warehouse, *_) in zip(rows, decisions(con, shipped, rows), strict=True):
        if row["country"] not in ("CN", None) or row["region"] == "港澳台":
            assert warehouse == "cross_border_review"
        elif row["region"] == "华东" and row["any_glass"] is False:
            assert warehouse == "HZ"
        elif row["any_fragile"]:
            assert warehouse == "FS"
        else:
            assert warehouse == "HZ"
