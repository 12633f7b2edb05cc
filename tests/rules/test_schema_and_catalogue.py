"""The JSON Schema of rule files and the page of facts: written, current, and as strict as a schema can be."""

import jsonschema
import pytest

from orderpipe import config
from orderpipe.rules.pages import pages
from orderpipe.rules.purposes import NAMES, general, routing
from orderpipe.rules.schema import json_schema

RULES = config.ROOT / "config" / "rules"


def test_the_written_pages_are_current():
    for path, text in pages().items():
        assert path.read_text("utf-8") == text, f"{path}: run `python -m orderpipe.rules.pages`"


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_file_names_its_schema_and_pleases_it(editor_reads, name):
    schema = json_schema(general()[name])
    jsonschema.Draft202012Validator.check_schema(schema)
    first = (RULES / f"{name}.yaml").read_text("utf-8").partition("\n")[0]
    assert first == f"# yaml-language-server: $schema=schema/{name}.json"
    assert (RULES / "schema" / f"{name}.json").exists()
    jsonschema.Draft202012Validator(schema).validate(editor_reads((RULES / f"{name}.yaml").read_text("utf-8")))


def rule(**parts):
    return {"id": "a", "when": {}, "then": {"warehouse": "HZ"}, "note": "n", **parts}


@pytest.mark.parametrize(
    ("broken", "at"),
    [
        ({}, []),
        ({"rules": []}, ["rules"]),
        ({"rules": [rule()], "rule": []}, []),
        ({"rules": [rule(id="Not An Id")]}, ["rules", 0, "id"]),
        ({"rules": [rule(id="unmatched")]}, ["rules", 0, "id"]),
        ({"rules": [rule(note=" ")]}, ["rules", 0, "note"]),
        ({"rules": [rule(when={"every": []})]}, ["rules", 0, "when"]),
        ({"rules": [rule(when={"all": []})]}, ["rules", 0, "when", "all"]),
        ({"rules": [rule(when={"all": [{"provence": {"eq": "x"}}]})]}, ["rules", 0, "when", "all", 0]),
        ({"rules": [rule(when={"all": [{"city": {"eq": "x"}, "sku": {"eq": "x"}}]})]}, ["rules", 0, "when", "all", 0]),
        ({"rules": [rule(when={"all": [{"city": {"gt": "x"}}]})]}, ["rules", 0, "when", "all", 0, "city"]),
        ({"rules": [rule(when={"all": [{"city": {"eq": 1}}]})]}, ["rules", 0, "when", "all", 0, "city", "eq"]),
        ({"rules": [rule(when={"all": [{"region": {"eq": "东海"}}]})]}, ["rules", 0, "when", "all", 0, "region", "eq"]),
        ({"rules": [rule(when={"all": [{"weekday": {"gt": 1.5}}]})]}, ["rules", 0, "when", "all", 0, "weekday", "gt"]),
        ({"rules": [rule(when={"not": [{"ordered_on": {"eq": "11.11."}}]})]},
         ["rules", 0, "when", "not", 0, "ordered_on", "eq"]),
        ({"rules": [rule(when={"any": [{"paid_amount": {"between": [1]}}]})]},
         ["rules", 0, "when", "any", 0, "paid_amount", "between"]),
        ({"rules": [rule(then={"warehouse": "XX"})]}, ["rules", 0, "then", "warehouse"]),
        ({"rules": [rule(then={"fallback": "HZ"})]}, ["rules", 0, "then"]),
        ({"rules": [rule()], "settings": {"merge_window_minutes": 100000}}, ["settings", "merge_window_minutes"]),
        ({"rules": [rule()], "examples": [{"facts": {}, "rules": ["a"]}]}, ["examples", 0]),
        ({"rules": [rule()], "examples": [{"facts": {"any_glass": "no"}, "rule": "a"}]},
         ["examples", 0, "facts", "any_glass"]),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_where_it_is_broken(broken, at):
    errors = jsonschema.Draft202012Validator(json_schema(routing(["HZ", "FS"]))).iter_errors(broken)
    assert [list(error.absolute_path) for error in errors][:1] == [at]


def test_the_written_schemas_know_no_warehouse_and_no_goods():
    written = "".join((RULES / "schema" / f"{name}.json").read_text("utf-8") for name in NAMES)
    goods = {line.partition(",")[0] for line in (RULES.parent / "goods.csv").read_text("utf-8").splitlines()[1:]}
    in_examples = {field.example for purpose in general().values() for field in purpose.fields.values()}
    assert [sku for sku in goods if f'"{sku}"' in written and sku not in in_examples] == []
    assert '"HZ"' not in written and '"FS"' not in written


def test_every_fact_and_outcome_stands_in_the_catalogue():
    text = (config.ROOT / "docs" / "rules_catalogue.md").read_text("utf-8")
    for purpose in general().values():
        for part in (*purpose.fields.values(), *purpose.outcomes.values(), *purpose.settings.values()):
            assert f"| `{part.name}` |" in text
        assert f"## {purpose.name} {purpose.title}" in text
