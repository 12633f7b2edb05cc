"""What a rule file may say, and how it is refused when it says something else."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from orderpipe.errors import ConfigError, OrderpipeError
from orderpipe.rules import language, purposes
from orderpipe.rules.compile import rules_sql
from orderpipe.rules.explain import decide, matches

PURPOSE = purposes.routing(["HZ", "FS"])
GENERAL = purposes.general()
ROUTE = "{warehouse: HZ}"


@pytest.fixture
def load(tmp_path):
    """Loads a rule file of that text; `when` texts become one rule."""

    def load(text=None, *, when=None, purpose=PURPOSE, then=ROUTE):
        path = tmp_path / f"{purpose.name}.yaml"
        rule = f"rules:\n  - id: it\n    when: {when}\n    then: {then}\n    note: n\n"
        path.write_text(rule if text is None else text, "utf-8")
        return language.load(path, purpose)

    return load


@pytest.mark.parametrize(
    ("when", "says", "remedy"),
    [
        ("{all: [{provence: {eq: 浙江省}}]}", "unknown field 'provence'", "did you mean province?"),
        ("{all: [{province: {equals: 浙江省}}]}", "unknown key 'equals'", "allowed: contains, eq, in"),
        ("{all: [{region: {eq: 华北东}}]}", "never occurs", "华东"),
        ("{all: [{paid_amount_cny: {gt: many}}]}", "must be a number, is 'many'", "12 or 99.50"),
        ("{all: [{paid_amount_cny: {gt: 1e3}}]}", "must be a number", "plainly"),
        ("{all: [{paid_amount_cny: {gt: .inf}}]}", "must be a number", "plainly"),
        ("{all: [{paid_amount_cny: {gt: 0x10}}]}", "must be a number", "plainly"),
        ("{all: [{paid_amount_cny: {contains: 1}}]}", "unknown key 'contains'", "between"),
        ("{all: [{quantity: {gt: 1.5}}]}", "must be a whole number", "round it"),
        ("{all: [{any_glass: {eq: yes}}]}", "must be true or false", "write true or false"),
        ("{all: [{any_glass: {gt: true}}]}", "unknown key 'gt'", "eq, is_null, ne"),
        ("{all: [{country: {eq: NO}}]}", "must be text, is the boolean NO", 'write "NO"'),
        ("{all: [{skus: {contains: 10010}}]}", "must be text, is the number 10010", 'write "10010"'),
        ("{all: [{paid_amount_cny: {between: [9, 1]}}]}", "the lower first", "[10, 20]"),
        ("{all: [{province: {in: []}}]}", "must be a list with entries, is empty", "[first, second"),
        ("{all: []}", "must be a list with entries, is empty", "[first, second"),
        ("{every: [{country: {eq: CN}}]}", "unknown key 'every'", "all, any, not"),
        ("{all: [{country: {eq: CN}, region: {eq: 华东}}]}", "is 2 fields", "split it"),
        ("{all: [{country: CN}]}", "must be a mapping", "eq, ne"),
        ('{all: [{country: {eq: "C\\0N"}}]}', "do not print", "plain text"),
        ("{all: [{country: {eq: CN, eq: US}}]}", "key 'eq' stands twice", "keep one"),
        ("{all: [&a {country: {eq: CN}}, *a]}", "anchors and aliases", "write the value out"),
        ("{all: [!!python/object:os.system {country: {eq: CN}}]}", "tag", "remove it"),
        ("{all: [{country: {eq: CN}}", "not valid YAML", "mend the line"),
        ("[" * 200 + "]" * 200, "nested more than", "simplify it"),
        ("{all: [{ordered_on: {gte: 2026-02-30}}]}", "must be a day", "2026-11-11"),
        ("{all: [{ordered_on: {gte: 2026-11-11 10:00:00}}]}", "must be a day", "2026-11-11"),
        ("{all: [{ordered_on: {gte: 20261111}}]}", "must be a day", "2026-11-11"),
        ("{all: [{ordered_on: {between: [2026-11-12, 2026-11-11]}}]}", "the lower first", "[10, 20]"),
        ("{all: [{paid_amount_cny: {gt: 1" + "0" * 30 + "}}]}", "must be a number", "plainly"),
        ("{all: [{paid_amount_cny: {gt: 0.1234567}}]}", "must be a number", "plainly"),
        ("{all: [{? [a] : {eq: CN}}]}", "a key must be a word", "name: value"),
        ("{all: [{<<: {eq: CN}}]}", "unknown field '<<'", "allowed"),
        ("&x {all: [*x]}", "anchors and aliases", "write the value out"),
        ('{all: [{"phone\'); DROP TABLE work.facts; --": {eq: a}}]}', "unknown field", "allowed"),
        ('{all: [{country: {eq: "' + "x" * 1001 + '"}}]}', "too long", "plain text"),
        ("{all: [{city: {in: [" + "a, " * 5000 + "a]}}]}", "has 5001 values", "at most 5000"),
        ("{any: [" + "{city: {eq: a}}, " * 200 + "{city: {eq: a}}]}", "more than 200 comparisons", "in: […]"),
    ],
)
def test_a_wrong_condition_is_refused_with_line_and_remedy(load, tmp_path, when, says, remedy):
    with pytest.raises(ConfigError) as caught:
        load(when=when)
    assert says in caught.value.what
    assert remedy in caught.value.remedy
    assert caught.value.where.startswith(f"{tmp_path}/routing.yaml:")
    assert int(caught.value.where.split(":")[1].split(",")[0]) in (3, 4)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("rules:\n  - id: a\n    when: {}\n    then: {warehouse: HX}\n    note: n\n", 4, "unknown warehouse 'HX'"),
        ("rules:\n  - id: a\n    when: {}\n    note: n\n", 2, "key 'then' is missing"),
        ("rules:\n  - id: Bad Id\n    when: {}\n    then: {warehouse: HZ}\n    note: n\n", 2, "cannot be an id"),
        ("rules: []\n", 1, "must be a list with entries"),
        ("- 1\n", 1, "must be a mapping"),
        (
            "rules:\n" + 2 * "  - {id: a, when: {any: [{country: {eq: CN}}]}, then: {warehouse: HZ}, note: n}\n",
            3,
            "stands twice",
        ),
        (
            "rules:\n  - {id: a, when: {}, then: {warehouse: HZ}, note: n}\n"
            "  - {id: b, when: {}, then: {warehouse: FS}, note: n}\n",
            3,
            "can never match",
        ),
        (
            "rules:\n  - {id: a, when: {}, then: {warehouse: HZ}, note: n}\nexamples:\n  - {facts: {}, rule: b}\n",
            4,
            "unknown rule 'b'",
        ),
    ],
)
def test_a_wrong_rule_is_refused_at_its_line(load, tmp_path, text, line, says):
    with pytest.raises(ConfigError, match=says) as caught:
        load(text)
    assert caught.value.where.startswith(f"{tmp_path}/routing.yaml:{line}")


@pytest.mark.parametrize(
    ("name", "then", "says", "remedy"),
    [
        ("routing", "{warehouse: HZ, split: maybe}", "must be true or false", "write true or false"),
        ("routing", "{warehouse: HZ, fallback: cross_border_review}", "unknown fallback", "allowed: FS, HZ"),
        ("routing", "{fallback: HZ}", "'warehouse' is missing", "add warehouse"),
        ("risk", "{action: hold, reason: 可疑}", "unknown action 'hold'", "allowed: flag, review"),
        ("gifts", "{gift: A, quantity: 0}", "quantity is 0", "use 1 to"),
        ("gifts", "{gift: A, quantity: 99999999999}", "quantity is 99999999999", "use 1 to"),
        ("gifts", "{gift: 7, quantity: 1}", "must be text", 'write "7"'),
        ("stock", "{suspend_at: 10, resume_at: 10}", "resume_at must be greater than suspend_at", "raise it"),
        ("ship_by", "{hours: 1.5, warn_hours: 1, skip_holidays: true, use_platform: true}", "whole number", "round"),
        ("customs", "{level: stop, message: 缺资料}", "unknown level 'stop'", "allowed: block, warn"),
        ("customs", "{level: warn, message: 缺, price: 1}", "unknown key 'price'", "allowed: level, message"),
    ],
)
def test_a_wrong_outcome_is_refused(load, tmp_path, name, then, says, remedy):
    purpose = PURPOSE if name == "routing" else GENERAL[name]
    with pytest.raises(ConfigError) as caught:
        load(when="{}", purpose=purpose, then=then)
    assert says in caught.value.what and remedy in caught.value.remedy
    assert caught.value.where == f"{tmp_path}/{name}.yaml:4, rule it"


def test_settings_have_bounds_and_defaults(load):
    rule = "rules:\n  - {id: a, when: {}, then: {warehouse: HZ}, note: n}\n"
    assert load(rule).settings == {"merge_window_minutes": 0}
    assert load(f"settings: {{merge_window_minutes: 60}}\n{rule}").settings == {"merge_window_minutes": 60}
    for value, says in (("-1", "is -1"), ("10081", "is 10081"), ("1.5", "whole number"), ("soon", "a number")):
        with pytest.raises(ConfigError, match=says):
            load(f"settings: {{merge_window_minutes: {value}}}\n{rule}")
    with pytest.raises(ConfigError, match="unknown key 'split_window'"):
        load(f"settings: {{split_window: 1}}\n{rule}")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"# nothing\n", b"rules:\n  - id: a\0b\n", b"\0"])
def test_an_empty_or_binary_file_is_refused(tmp_path, content):
    path = tmp_path / "routing.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        language.load(path, PURPOSE)
    assert caught.value.where.startswith(str(path)) and caught.value.remedy


def test_a_bomb_of_aliases_is_refused_before_it_unfolds(load):
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(ConfigError, match="anchors and aliases"):
        load("\n".join(layers))


def thousands(count, then="{warehouse: FS}"):
    """A file of so many rules, one per city."""
    return "rules:\n" + "".join(
        f"  - {{id: r{n}, when: {{all: [{{city: {{eq: c{n}}}}}]}}, then: {then}, note: n}}\n" for n in range(count)
    )


def test_ten_thousand_rules_are_refused_and_a_thousand_decide(load, judge):
    with pytest.raises(ConfigError, match="10000 rules"):
        load(thousands(10_000))
    with pytest.raises(ConfigError, match="larger than"):
        load(thousands(100_000))
    rules = load(thousands(1000))
    (row,) = judge(rules, [{"city": "c999"}])
    assert row["rule_id"] == "r999" == decide(rules, {"city": "c999"}).rule_id


def test_a_thousand_rules_of_which_every_one_may_count(load, judge):
    rules = load(thousands(1000, "{action: flag, reason: 可疑}"), purpose=GENERAL["risk"])
    found = judge(rules, [{"city": "c999"}, {"city": "c0"}, {"city": None}])
    assert [(row["row"], row["rule_id"]) for row in found] == [(0, "r999"), (1, "r0")]


def test_a_condition_of_many_comparisons_compiles(load, judge):
    nested = "{country: {ne: XX}}"
    for _ in range(6):
        nested = f"{{not: [{nested}]}}"
    many = ", ".join(["{city: {ne: c}}"] * 190)
    rules = load(when=f"{{all: [{nested}, {many}]}}")
    assert judge(rules, [{"country": "CN", "city": "x"}])[0]["rule_id"] == "it"


HOSTILE = (
    "'; DROP TABLE work.facts; --", "x' OR '1'='1", "\\'; SELECT 1 --", '"), (1', "%_", "{0}", "$1", "?", "/* */", "''",
    "\\", "E'\\x27'", "$$", "`id`", "$(id)",
)  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_sql_inside_a_value_is_only_a_value(con, load, judge, value):
    text = json.dumps(value)
    tests = f"{{city: {{eq: {text}}}}}, {{district: {{contains: {text}}}}}, {{skus: {{contains: {text}}}}}"
    rules = load(when=f"{{any: [{tests}]}}")
    for facts in ({"city": value}, {"district": f"a{value}b"}, {"skus": ["A", value]}):
        (row,) = judge(rules, [facts])
        assert (row["rule_id"], row["warehouse"]) == ("it", "HZ")
        (name,) = facts
        assert json.loads(row["facts"])[name] == facts[name]
    (row,) = judge(rules, [{"city": "x", "district": "y", "skus": ["z"]}])
    assert (row["rule_id"], row["warehouse"]) == ("unmatched", None)
    assert con.execute("SELECT count(*) FROM work.facts").fetchone() == (1,)


@pytest.mark.parametrize("value", HOSTILE)
def test_sql_inside_an_outcome_is_only_text(load, judge, value):
    rules = load(when="{}", purpose=GENERAL["risk"], then=f"{{action: flag, reason: {json.dumps(value)}}}")
    assert [row["reason"] for row in judge(rules, [{}, {}])] == [value, value]


@pytest.mark.parametrize("rule_id", ["a'b", "a; DROP TABLE x", "a b", "A", "a.b", "unmatched", "ä", "1a", "a" * 65])
def test_an_id_is_a_plain_word(load, rule_id):
    with pytest.raises(ConfigError, match="cannot be an id"):
        load(f"rules:\n  - {{id: {json.dumps(rule_id)}, when: {{}}, then: {{warehouse: HZ}}, note: n}}\n")


def test_the_name_of_the_table_is_only_a_name(con, load):
    rules = load(when="{}")
    con.execute('CREATE OR REPLACE TABLE work."facts; --" (order_id BIGINT)')
    assert con.execute(rules_sql(rules, "work.facts; --")).fetchall() == []


def test_the_version_changes_with_what_decides_and_not_with_notes(load):
    rule = (
        "rules:\n  - {{id: a, when: {{all: [{{paid_amount_cny: {{gt: {}}}}}]}}, then: {{warehouse: {}}}, note: {}}}\n"
    )
    base = load(rule.format("100", "HZ", "n"))
    assert load(rule.format("100.00", "HZ", "another note") + "# comment\n").version == base.version
    assert load(rule.format("101", "HZ", "n")).version != base.version
    assert load(rule.format("100", "FS", "n")).version != base.version
    assert load("settings: {merge_window_minutes: 1}\n" + rule.format("100", "HZ", "n")).version != base.version
    assert json.loads(base.canonical)["rules"][0]["then"] == {"warehouse": "HZ"}


def test_a_version_outlives_an_outcome_and_a_fact_that_rules_gain_later(load):
    before = replace(
        PURPOSE,
        fields={name: PURPOSE.fields[name] for name in ("country", "city")},
        outcomes={"warehouse": PURPOSE.outcomes["warehouse"]},
    )
    rules = load(when="{all: [{country: {eq: US}}]}", purpose=before)
    again = language.restore(rules.canonical, PURPOSE)
    assert again.version == rules.version
    assert again.rules[0].then == {"warehouse": "HZ", "fallback": None, "split": None}


def test_a_version_that_asks_a_fact_which_is_gone_says_so(load):
    rules = load(when="{all: [{country: {eq: US}}]}")
    gone = replace(PURPOSE, fields={name: field for name, field in PURPOSE.fields.items() if name != "country"})
    with pytest.raises(OrderpipeError, match=r"'country'.*no fact any more"):
        language.restore(rules.canonical, gone)


def test_an_unknown_fact_never_matches_nor_its_opposite(load, judge):
    for when in (
        "{all: [{any_glass: {eq: false}}]}",
        "{not: [{any_glass: {eq: true}}]}",
        "{all: [{any_glass: {ne: true}}]}",
    ):
        rules = load(when=when)
        assert decide(rules, {"any_glass": False}).rule_id == "it"
        decision = decide(rules, {"any_glass": None})
        assert decision.rule_id == "unmatched"
        assert decision.steps[0].holds is None
        assert decision.steps[0].undecided == ("含玻璃制品",)
        assert [row["rule_id"] for row in judge(rules, [{"any_glass": False}, {}])] == ["it", "unmatched"]


def test_of_a_tier_only_the_first_that_matches_counts_and_each_without_one(load, judge):
    rules = load(
        """rules:
          - {id: high, when: {all: [{quantity: {gte: 5}}]}, then: {gift: A, quantity: 1, tier: t}, note: n}
          - {id: plain, when: {all: [{quantity: {gte: 1}}]}, then: {gift: B, quantity: 2}, note: n}
          - {id: low, when: {all: [{quantity: {gte: 1}}]}, then: {gift: C, quantity: 3, tier: t}, note: n}
          - {id: other, when: {all: [{quantity: {gte: 5}}]}, then: {gift: A, quantity: 4, tier: u}, note: n}
          - {id: second, when: {}, then: {gift: B, quantity: 5}, note: n}
        """,
        purpose=GENERAL["gifts"],
    )
    rows = [{"quantity": 5}, {"quantity": 1}, {"quantity": None}]
    expected = [["high", "plain", "other", "second"], ["plain", "low", "second"], ["second"]]
    found = judge(rules, rows)
    assert [[row["rule_id"] for row in found if row["row"] == n] for n in range(3)] == expected
    assert [[rule.id for rule in matches(rules, facts)] for facts in rows] == expected
    assert {(row["rule_id"], row["gift"], row["quantity"], row["tier"]) for row in found if row["row"] == 1} == {
        ("plain", "B", 2, None), ("low", "C", 3, "t"), ("second", "B", 5, None)
    }  # fmt: skip


def test_money_in_facts_stays_exact(load, judge):
    rules = load(when="{all: [{paid_amount_cny: {eq: 9007199254740993.01}}]}")
    (row,) = judge(rules, [{"paid_amount_cny": Decimal("9007199254740993.01")}])
    assert row["rule_id"] == "it"
    assert json.loads(row["facts"]) == {"paid_amount_cny": "9007199254740993.01"}
    assert decide(rules, json.loads(row["facts"])).rule_id == "it"
    assert decide(rules, {"paid_amount_cny": Decimal("9007199254740993.00")}).rule_id == "unmatched"


def test_every_shipped_file_loads_and_names_an_example_for_every_rule():
    for name, purpose in GENERAL.items():
        rules = language.load(Path(__file__).parents[2] / "config" / "rules" / f"{name}.yaml", purpose)
        named = {rule for example in rules.examples for rule in example.rules}
        assert named == {rule.id for rule in rules.rules}, name
