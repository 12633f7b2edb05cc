"""`orderpipe sql` reads the lake, and nothing else."""

import json

import pytest


def test_a_query_prints_a_table_or_json(orderpipe):
    query = "SELECT platform_order_no AS no, paid_amount FROM core.orders ORDER BY no LIMIT 2"
    assert orderpipe.json("sql", query) == [
        {"no": "1001", "paid_amount": "89.00"}, {"no": "1002", "paid_amount": "89.00"},
    ]  # fmt: skip
    done = orderpipe("sql", query)
    assert done.returncode == 0
    assert "1001" in done.stdout and "paid_amount" in done.stdout


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO core.orders (order_id) VALUES (1)",
        "DELETE FROM core.orders",
        "UPDATE core.orders SET status = 'paid'",
        "COPY core.orders FROM '/dev/null'",
        "DROP TABLE core.orders",
        "CREATE TABLE core.mine (a INTEGER)",
        "SELECT nonsense FROM core.orders",
    ],
)
def test_what_is_no_reading_is_refused_in_one_message(orderpipe, query):
    done = orderpipe("sql", query)
    assert done.returncode == 1
    assert done.stderr.startswith("orderpipe: ")
    assert "SHOW ALL TABLES" in done.stderr
    assert "Traceback" not in done.stderr
    assert orderpipe.json("sql", "SELECT count(*) AS n FROM core.orders WHERE status = 'paid'") == [{"n": 2}]


@pytest.mark.parametrize("table", ["vault.pii.contacts", "pii.contacts", "vault.raw.payloads", "raw.quarantine"])
def test_personal_data_is_out_of_reach(orderpipe, table):
    assert orderpipe("sql", f"FROM {table}").returncode == 1


def test_nothing_in_the_lake_tells_who_the_receivers_are(orderpipe):
    tables = orderpipe.json("sql", "SELECT DISTINCT schema || '.' || name AS t FROM (SHOW ALL TABLES)")
    query = " UNION ALL ".join(f"SELECT CAST(t AS VARCHAR) AS r FROM {row['t']} t" for row in tables)
    told = json.dumps(orderpipe.json("sql", query), ensure_ascii=False)
    assert "王**" in told
    assert not any(secret in told for secret in ("王小明", "13812345678", "87654321", "文三路"))


def test_a_query_comes_from_standard_input_too(orderpipe):
    done = orderpipe.process("sql", "--json", given="SELECT 1 AS one")
    assert json.loads(done.stdout) == [{"one": 1}]
