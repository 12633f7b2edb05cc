"""What a rule file may say, and how it is refused when it says something else."""

import json
from decimal import Decimal

import duckdb
import pytest

from orderpipe.errors import ConfigError
from orderpipe.rules import fields, language
from orderpipe.rules.compile import routing_sql
from orderpipe.rules.explain import decide

PURPOSE = fields.routing(["HZ", "FS"])


@pytest.fixture
def load(tmp_path):
    """Loads a rule file of that text; `when` texts become one rule."""

    def load(text=None, *, when=None):
        path = tmp_path / "routing.yaml"
        path.write_text(
            text or f"rules:\n  - id: it\n    when: {when}\n    then: {{warehouse: HZ}}\n    note: n\n", "utf-8"
        )
        return language.load(path, PURPOSE)

    return load


def facts_table(con, **columns):
    """work.order_facts with one order; columns by name as SQL, all others null."""
    types = {
        "text": "VARCHAR",
        "number": "DECIMAL(18,2)",
        "integer": "BIGINT",
        "boolean": "BOOLEAN",
        "text_list": "VARCHAR[]",
    }
    chosen = ", ".join(f"({columns.get(f.name, 'NULL')})::{types[f.type]} AS {f.name}" for f in PURPOSE.fields.values())
    con.execute("CREATE SCHEMA IF NOT EXISTS work")
    con.execute(f"CREATE OR REPLACE TABLE work.order_facts AS SELECT 1::BIGINT AS order_id, {chosen}")


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


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"# nothing\n"])
def test_an_empty_or_binary_file_is_refused(tmp_path, content):
    path = tmp_path / "routing.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        language.load(path, PURPOSE)


def test_ten_thousand_rules_are_refused_and_a_thousand_decide(load):
    def text(count):
        rules = (
            f"  - {{id: r{n}, when: {{all: [{{city: {{eq: c{n}}}}}]}}, then: {{warehouse: FS}}, note: n}}\n"
            for n in range(count)
        )
        return "rules:\n" + "".join(rules)

    with pytest.raises(ConfigError, match="10000 rules"):
        load(text(10_000))
    with pytest.raises(ConfigError, match="larger than"):
        load(text(100_000))
    con = duckdb.connect()
    facts_table(con, city="'c999'")
    rules = load(text(1000))
    assert con.execute(routing_sql(rules)).fetchone()[2] == "r999" == decide(rules, {"city": "c999"}).rule_id


def test_a_condition_of_many_comparisons_compiles(load):
    nested = "{country: {ne: XX}}"
    for _ in range(6):
        nested = f"{{not: [{nested}]}}"
    many = ", ".join(["{city: {ne: c}}"] * 190)
    rules = load(when=f"{{all: [{nested}, {many}]}}")
    con = duckdb.connect()
    facts_table(con, country="'CN'", city="'x'")
    assert con.execute(routing_sql(rules)).fetchone()[2] == "it"


@pytest.mark.parametrize(
    "value",
    [
        "'; DROP TABLE work.order_facts; --",
        "x' OR '1'='1",
        "\\'; SELECT 1 --",
        '"), (1',
        "%_",
        "{0}",
        "$1",
        "?",
        "/* */",
    ],
)
def test_sql_inside_a_value_is_only_a_value(load, value):
    rules = load(
        when=f"{{any: [{{city: {{eq: {json.dumps(value)}}}}}, {{district: {{contains: {json.dumps(value)}}}}}]}}"
    )
    con = duckdb.connect()
    facts_table(con, city="'x'", district="'y'")
    assert con.execute(routing_sql(rules)).fetchone()[1:3] == (None, "unmatched")
    con.execute("UPDATE work.order_facts SET city = ?", [value])
    assert con.execute(routing_sql(rules)).fetchone()[1:3] == ("HZ", "it")
    assert con.execute("SELECT count(*) FROM work.order_facts").fetchone() == (1,)


def test_the_version_changes_with_what_decides_and_not_with_notes(load):
    rule = (
        "rules:\n  - {{id: a, when: {{all: [{{paid_amount_cny: {{gt: {}}}}}]}}, then: {{warehouse: {}}}, note: {}}}\n"
    )
    base = load(rule.format("100", "HZ", "n"))
    assert load(rule.format("100.00", "HZ", "another note") + "# comment\n").version == base.version
    assert load(rule.format("101", "HZ", "n")).version != base.version
    assert load(rule.format("100", "FS", "n")).version != base.version
    assert json.loads(base.canonical)["rules"][0]["then"] == {"warehouse": "HZ"}


def test_an_unknown_fact_never_matches_nor_its_opposite(load):
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


def test_money_in_facts_stays_exact(load):
    con = duckdb.connect()
    rules = load(when="{all: [{paid_amount_cny: {eq: 9007199254740993.01}}]}")
    facts_table(con, paid_amount_cny="9007199254740993.01")
    _, _, rule_id, _, facts = con.execute(routing_sql(rules)).fetchone()
    assert rule_id == "it"
    assert json.loads(facts)["paid_amount_cny"] == "9007199254740993.01"
    assert decide(rules, json.loads(facts)).rule_id == "it"
    assert decide(rules, {"paid_amount_cny": Decimal("9007199254740993.00")}).rule_id == "unmatched"
