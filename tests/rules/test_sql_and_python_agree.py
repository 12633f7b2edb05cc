"""Any rules on any facts: the compiled SQL against the evaluator in Python, by the file and by its stored version."""

import json
from datetime import date
from decimal import Decimal

import hypothesis.strategies as st
import jsonschema
import pytest
from hypothesis import given, settings

from orderpipe.rules import language, words
from orderpipe.rules.compare import compare
from orderpipe.rules.explain import decide, matches, try_rule
from orderpipe.rules.language import UNMATCHED, asked
from orderpipe.rules.purposes import FIRST, general
from orderpipe.rules.schema import json_schema

PURPOSES = general()
SCHEMAS = {name: jsonschema.Draft202012Validator(json_schema(purpose)) for name, purpose in PURPOSES.items()}
texts = st.sampled_from(["CN", "US", "华东", "浙江省", "o'brien", "a", "ab", "b", "a: b", "12", "true", "# x", "{[%"])
numbers = st.sampled_from([Decimal(n) for n in ("-1", "0", "0.01", "9.99", "10.5", "10.50", "1234567890123456.78")])
days = st.dates(date(2026, 10, 30), date(2026, 11, 13)).map(date.isoformat)
VALUES = {
    "text": texts, "text_list": texts, "number": numbers, "integer": st.integers(-2, 5).map(Decimal),
    "boolean": st.booleans(), "date": days,
}  # fmt: skip


def value(field):
    return st.sampled_from(field.choices) if field.choices else VALUES[field.type]


def fact(field):
    if field.type == "text_list":
        return st.none() | st.lists(st.none() | texts, max_size=3)
    return st.none() | value(field)


FACTS = {
    name: st.fixed_dictionaries({field.name: fact(field) for field in purpose.fields.values()})
    for name, purpose in PURPOSES.items()
}


@st.composite
def comparison(draw, fields):
    field = draw(st.sampled_from(fields))
    op = draw(st.sampled_from(language.OPERATORS[field.type]))
    if op == "is_null":
        return {field.name: {op: draw(st.booleans())}}
    if op == "between":
        return {field.name: {op: sorted(draw(st.lists(value(field), min_size=2, max_size=2)))}}
    if op in ("in", "not_in"):
        return {field.name: {op: draw(st.lists(value(field), min_size=1, max_size=4))}}
    return {field.name: {op: draw(value(field))}}


def whens(fields):
    groups = st.sampled_from(language.GROUPS)
    conditions = st.recursive(
        comparison(fields),
        lambda inner: st.dictionaries(groups, st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=2),
        max_leaves=6,
    )
    return st.dictionaries(groups, st.lists(conditions, min_size=1, max_size=3), min_size=1, max_size=2)


@st.composite
def thens(draw, purpose):
    said = {}
    for outcome in purpose.outcomes.values():
        if not outcome.required and draw(st.integers(0, 3)) == 0:
            continue
        if outcome.type == "integer":
            said[outcome.name] = draw(st.integers(outcome.low, outcome.low + 3))
        elif outcome.type == "boolean":
            said[outcome.name] = draw(st.booleans())
        else:
            usual = ("t", "o'u") if outcome.name == purpose.group else ("A", "B", "o'b", "12")
            said[outcome.name] = draw(st.sampled_from(sorted(outcome.choices or usual)))
    if purpose.above:
        more, less = purpose.above
        said[more] = said[less] + 1 + draw(st.integers(0, 3))
    return said


@st.composite
def rule_files(draw, name):
    """A rule file that can be loaded, as a tree. Few fields, and rules that always hold, so that rules meet facts and
    each other; where the first match decides, only the last may always hold."""
    purpose = PURPOSES[name]
    every = st.sampled_from(list(purpose.fields.values()))
    fields = draw(st.lists(every, min_size=1, max_size=5, unique_by=lambda field: field.name))
    count = draw(st.integers(1, 5))
    rules = []
    for n in range(count):
        always = (n == count - 1 or purpose.mode != FIRST) and draw(st.booleans())
        when = {} if always else draw(whens(fields))
        rules.append({"id": f"r{n}", "when": when, "then": draw(thens(purpose)), "note": "n"})
    tree = {"rules": rules}
    if draw(st.booleans()):
        tree["settings"] = {s.name: draw(st.integers(s.low, s.high)) for s in purpose.settings.values()}
    return tree


def as_yaml(value):
    """JSON is YAML; decimals are written as numbers, without passing through a float."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {as_yaml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_yaml(v) for v in value) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")

    def load(tree, name):
        path = folder / f"{name}.yaml"
        path.write_text(tree if isinstance(tree, str) else as_yaml(tree), "utf-8")
        return language.load(path, PURPOSES[name])

    return load


@pytest.mark.parametrize("name", PURPOSES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_sql_and_python_judge_alike(judge, load, name, data):
    purpose = PURPOSES[name]
    rules = load(data.draw(rule_files(name)), name)
    rows = data.draw(st.lists(FACTS[name], min_size=1, max_size=6))
    if "sku" in purpose.key:
        rows = [facts | {"sku": f"{n:06}"} for n, facts in enumerate(rows)]
    judged = judge(rules, rows)
    again = language.restore(rules.canonical, purpose)
    assert again.version == rules.version
    assert judge(again, rows) == judged
    for n, facts in enumerate(rows):
        found = [row for row in judged if row["row"] == n]
        expected = matches(rules, facts)
        if purpose.mode == FIRST:
            assert [row["rule_id"] for row in found] == [expected[0].id if expected else UNMATCHED]
            assert found[0]["rule_id"] == decide(rules, facts).rule_id == decide(again, facts).rule_id
            assert found[0]["facts"] and json.loads(found[0]["facts"]).keys() == {field.name for field in rules.asked}
        else:
            assert [row["rule_id"] for row in found] == [rule.id for rule in expected]
        for row, rule in zip(found, expected, strict=False):
            assert {outcome: row[outcome] for outcome in purpose.outcomes} == rule.then
        for row in found:
            _derives_again(again, row)


def _derives_again(rules, row):
    """A stored decision derives again from its stored facts and the stored version."""
    stored = json.loads(row["facts"])
    assert row["rule_version"] == rules.version
    if rules.purpose.mode == FIRST:
        assert decide(rules, stored).rule_id == row["rule_id"]
    else:
        (rule,) = (rule for rule in rules.rules if rule.id == row["rule_id"])
        assert stored.keys() == {field.name for field in asked(rule)}
        assert try_rule(rules, rule, stored).holds


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_rules_written_out_load_as_the_same_version(load, data):
    name = data.draw(st.sampled_from(list(PURPOSES)))
    rules = load(data.draw(rule_files(name)), name)
    for source in (rules, language.restore(rules.canonical, PURPOSES[name])):
        again = load(words.as_yaml(source), name)
        assert again.version == rules.version and compare(rules, again) == []
    assert all(words.condition(rule.when) for rule in rules.rules)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_difference_is_told_exactly_when_the_versions_differ(load, data):
    name = data.draw(st.sampled_from(list(PURPOSES)))
    tree = data.draw(rule_files(name))
    old = load(tree, name)
    rules = data.draw(st.permutations(tree["rules"]))
    if PURPOSES[name].mode == FIRST:
        rules = sorted(rules, key=lambda rule: not rule["when"])  # one that always holds stays last
    if data.draw(st.booleans()):
        other = {**data.draw(rule_files(name))["rules"][0], "id": "r0"}
        rest = [rule for rule in rules if rule["id"] != "r0"]
        rules = [other, *rest] if other["when"] or PURPOSES[name].mode != FIRST else [other]
    new = load({**tree, "rules": data.draw(st.just(rules) | st.just(rules[:-1] or rules))}, name)
    found = compare(old, new)
    assert (found == []) == (old.version == new.version)
    before, after = [rule.id for rule in old.rules], [rule.id for rule in new.rules]
    assert {d.name for d in found if d.kind == "removed"} == set(before) - set(after)
    assert {d.name for d in found if d.kind == "added"} == set(after) - set(before)
    moved = {d.name for d in found if d.kind == "moved"}
    staying = [name for name in after if name in before and name not in moved]
    assert staying == [name for name in before if name in staying], "those that did not move keep their order"
    assert not moved or len(moved) < len(before)


# Parts of which some are wrong: most files made of them are refused, those that are not must please the schema.
loose = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 20000), texts, st.just("2026-11-11"), st.just(""),
    st.lists(texts, max_size=2), st.just({}),
)  # fmt: skip


@st.composite
def nearly(draw, tree):
    """The tree with up to two of its parts replaced, dropped or added."""
    for _ in range(draw(st.integers(0, 2))):
        node = tree
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(node[key], (dict, list)) and draw(st.integers(0, 3)):
                node = node[key]
                continue
            what = draw(st.sampled_from(("replace", "drop", "add")))
            if what == "replace":
                node[key] = draw(loose)
            elif what == "drop":
                del node[key]
            elif isinstance(node, dict):
                node[draw(st.sampled_from(["all", "country", "sku", "note", "tier", "rule", "settings"]))] = draw(loose)
            break
    return tree


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_what_can_be_loaded_pleases_the_schema(load, editor_reads, data):
    name = data.draw(st.sampled_from(list(PURPOSES)))
    tree = data.draw(rule_files(name))
    example = {"facts": data.draw(FACTS[name]), "rule" if PURPOSES[name].mode == FIRST else "rules": "r0"}
    if "rules" in example:
        example["rules"] = ["r0"]
    if data.draw(st.booleans()):
        tree["examples"] = [example]
    text = as_yaml(data.draw(nearly(tree)))
    try:
        load(text, name)
    except language.OrderpipeError:
        return
    SCHEMAS[name].validate(editor_reads(text))
