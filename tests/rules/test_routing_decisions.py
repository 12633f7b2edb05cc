"""The shipped routing rules keep what the seller promised, whatever the order."""

from pathlib import Path

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given, settings

from orderpipe.rules import language, purposes
from orderpipe.rules.explain import failed_examples
from orderpipe.rules.fields import REGIONS

CONFIG = Path(__file__).parents[2] / "config"
WAREHOUSES = [entry["id"] for entry in yaml.safe_load((CONFIG / "warehouses.yaml").read_text("utf-8"))]
PURPOSE = purposes.routing(WAREHOUSES)

unknown = st.none()
facts = st.fixed_dictionaries(
    {
        "country": unknown | st.sampled_from(["CN", "US", "HK"]),
        "region": unknown | st.sampled_from(REGIONS),
        "any_fragile": unknown | st.booleans(),
        "any_glass": unknown | st.booleans(),
    }
)


@pytest.fixture(scope="module")
def shipped():
    return language.load(CONFIG / "rules" / "routing.yaml", PURPOSE)


def test_shipped_rules_decide_their_examples(shipped):
    assert len(shipped.examples) >= len(shipped.rules)
    assert {rule for example in shipped.examples for rule in example.rules} == {rule.id for rule in shipped.rules}
    assert failed_examples(shipped) == []


def test_shipped_examples_are_decided_alike_in_sql(judge, shipped):
    found = judge(shipped, [example.facts for example in shipped.examples])
    assert [(row["rule_id"],) for row in found] == [example.rules for example in shipped.examples]


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
def test_shipped_rules_send_only_what_the_seller_promised(judge, shipped, rows):
    for row, decision in zip(rows, judge(shipped, rows), strict=True):
        warehouse = decision["warehouse"]
        if row["country"] not in ("CN", None) or row["region"] == "港澳台":
            assert warehouse == "cross_border_review"
        elif row["region"] == "华东" and row["any_glass"] is False:
            assert warehouse == "HZ"
        elif row["any_fragile"] or row["any_glass"]:
            assert warehouse == "FS"
        else:
            assert warehouse == "HZ"
