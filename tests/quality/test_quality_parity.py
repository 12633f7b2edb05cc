"""Two readers of one suite: the SQL gate and Great Expectations flag the same documents, whatever the batch holds."""

import os
import string
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from orderpipe.lake.dictionary import table
from orderpipe.quality import expect, gate, suite

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "config" / "quality"
ARROW = {
    "BIGINT": pa.int64(), "INTEGER": pa.int32(), "VARCHAR": pa.string(), "BOOLEAN": pa.bool_(),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"), "DECIMAL(18,2)": pa.decimal128(18, 2),
    "VARCHAR[]": pa.list_(pa.string()),
}  # fmt: skip
NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
FAR = Decimal("9999999999999999.99")  # the largest a DECIMAL(18,2) holds

GOOD = {
    "orders": {
        "order_id": 1, "platform": "taobao", "shop_id": "s", "platform_order_no": "3515", "status": "paid",
        "ordered_at": NOON, "paid_at": NOON, "shipped_at": NOON + timedelta(hours=5),
        "completed_at": NOON + timedelta(days=3), "updated_at": NOON, "known_at": NOON + timedelta(minutes=9),
        "currency": "CNY", "goods_amount": Decimal("129.00"), "discount_amount": Decimal("10.00"),
        "shipping_fee": Decimal("8.00"), "tax_amount": Decimal("0.00"), "payable_amount": Decimal("127.00"),
        "paid_amount": Decimal("127.00"),
    },
    "order_items": {
        "order_id": 1, "line_no": 1, "sku": "CUP", "currency": "CNY", "quantity": 2, "ship_quantity": 2,
        "unit_price": Decimal("9.90"), "discount_amount": Decimal("1.00"), "line_amount": Decimal("18.80"),
    },
    "refunds": {
        "refund_id": 1, "platform": "taobao", "shop_id": "s", "platform_refund_no": "7", "platform_order_no": "3515",
        "status": "requested", "amount": Decimal("1.00"), "currency": "CNY", "created_at": NOON, "updated_at": NOON,
    },
    "products": {
        "listing_id": "a1", "platform": "taobao", "platform_product_id": "61", "sku": "CUP", "price": Decimal("9.90"),
        "currency": "CNY", "stock": 5, "status": "listed", "updated_at": NOON, "known_at": NOON + timedelta(minutes=9),
    },
    "stock": {
        "stock_id": "a1", "warehouse_id": "HZ", "sku": "CUP", "on_hand": 7, "available": 5, "locked": 2, "defective": 0,
        "updated_at": NOON, "known_at": NOON + timedelta(minutes=9),
    },
}  # fmt: skip

# What is wrong → the columns that make it so. Missing values are added below, one for every column a rule forbids null.
DEFECTS = {
    "orders": {
        "platform_order_no_empty": {"platform_order_no": ""},
        "platform_unknown": {"platform": "myspace"},
        "status_unknown": {"status": "unknown"},
        "goods_amount_negative": {"goods_amount": Decimal("-0.01")},
        "discount_amount_negative": {"discount_amount": Decimal("-0.01")},
        "shipping_fee_negative": {"shipping_fee": Decimal("-8.00")},
        "tax_amount_negative": {"tax_amount": -FAR},
        "payable_amount_negative": {"payable_amount": Decimal("-127.00")},
        "paid_amount_negative": {"paid_amount": Decimal("-0.01")},
        "money_does_not_add_up": {"payable_amount": Decimal("127.06")},
        "paid_more_than_payable": {"paid_amount": Decimal("127.06")},
        "ordered_at_absurd": {"ordered_at": datetime(2004, 12, 31, 23, 59, 59, tzinfo=UTC)},
        "ordered_in_the_future": {"ordered_at": NOON + timedelta(days=1, minutes=9, seconds=1)},
        "paid_before_ordered": {"paid_at": NOON - timedelta(microseconds=1)},
        "shipped_before_paid": {"shipped_at": NOON - timedelta(seconds=1)},
        "completed_before_shipped": {"completed_at": NOON},
    },
    "order_items": {
        "quantity_below_one": {"quantity": 0},
        "ship_quantity_negative": {"ship_quantity": -1},
        "ship_more_than_ordered": {"ship_quantity": 3},
        "unit_price_negative": {"unit_price": Decimal("-9.90")},
        "line_does_not_add_up": {"line_amount": Decimal("18.86")},
    },
    "refunds": {
        "status_unknown": {"status": "unknown"},
        "amount_negative": {"amount": Decimal("-0.01")},
    },
    "products": {
        "product_id_empty": {"platform_product_id": ""},
        "updated_at_absurd": {"updated_at": datetime(2004, 12, 31, 23, 59, 59, tzinfo=UTC)},
        "updated_in_the_future": {"updated_at": NOON + timedelta(days=1, minutes=9, seconds=1)},
        "platform_unknown": {"platform": "myspace"},
        "status_unknown": {"status": "unknown"},
        "price_negative": {"price": Decimal("-0.01")},
        "stock_negative": {"stock": -1},
    },
    "stock": {
        "updated_at_absurd": {"updated_at": datetime(2004, 12, 31, 23, 59, 59, tzinfo=UTC)},
        "updated_in_the_future": {"updated_at": NOON + timedelta(days=1, minutes=9, seconds=1)},
        "available_negative": {"available": -1},
        "locked_negative": {"locked": -1},
    },
}
REPEATED = {
    "orders": "order_version_repeated",
    "order_items": "line_repeated",
    "refunds": "refund_version_repeated",
    "products": "listing_repeated",
}  # a document of stock is one row
SHIPPED = {name: suite.load(SUITES / f"{name}.yaml") for name in GOOD}
for name, shipped in SHIPPED.items():
    DEFECTS[name] |= {
        rule.id: {rule.arguments["column"]: None} for rule in shipped.rules if rule.expectation.endswith("NotBeNull")
    }

money = st.sampled_from([Decimal(n) for n in ("0", "0.01", "-0.01", "0.05", "0.06", "127.05", "127.06")] + [FAR, -FAR])
times = st.sampled_from(
    [NOON + timedelta(seconds=s) for s in (-86_400, -1, 0, 1, 86_940, 86_941)]
    + [
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(2005, 1, 1, tzinfo=UTC),
    ]
)
words = st.sampled_from(["", "taobao", "unknown", "paid", "Paid", "requested", "中文", "o'brien", " "])
wholes = st.sampled_from([-(2**31), -1, 0, 1, 2, 3, 2**31 - 1])
VALUES = {
    pa.decimal128(18, 2): money,
    ARROW["TIMESTAMPTZ"]: times,
    pa.string(): words,
    pa.int64(): wholes,
    pa.int32(): wholes,
}


def schema(name):
    columns = {column: ARROW[spec.type.replace(" ", "")] for column, spec in table(f"core.{name}").columns.items()
               if spec.type.replace(" ", "") in ARROW}  # fmt: skip
    return pa.schema({**columns, "known_at": ARROW["TIMESTAMPTZ"]} if "known_at" in GOOD[name] else columns)


def arrow(name, rows):
    """A staging table as it comes from DuckDB; columns that rows leave out are null."""
    return pa.Table.from_pylist(rows, schema=schema(name))


def flagged_by_sql(name, batch, rules=None):
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'; CREATE SCHEMA staging")
        con.register("batch", batch)
        con.execute(f"CREATE TABLE staging.{name} AS FROM batch")
        rows = con.execute(gate.gate_sql(rules or SHIPPED[name], f"staging.{name}")).fetchall()
    assert len({(seq, rule) for seq, rule, *_ in rows}) == len(rows), "one row per document and rule"
    return {(rule, seq) for seq, rule, *_ in rows}


def flagged_by_gx(name, batch, rules=None):
    results = expect.validate(rules or SHIPPED[name], batch)
    assert [result.error for result in results if result.error] == []
    assert [result.rule for result in results] == [rule.id for rule in (rules or SHIPPED[name]).rules]
    assert all(result.ok == (not result.failing_seqs) and result.checked == batch.num_rows for result in results)
    return {(result.rule, seq) for result in results for seq in result.failing_seqs}


def planted(name):
    """A row per kind of defect, source_seq from 1 on; and the rules by source_seq."""
    rules = [*DEFECTS[name], *([REPEATED[name]] if name in REPEATED else [])]
    key = {"refunds": "refund_id", "products": "listing_id", "stock": "stock_id"}.get(name, "order_id")
    keys = [f"L{n}" if isinstance(GOOD[name][key], str) else 100 + n for n in range(1, len(rules) + 1)]
    rows = [
        {**GOOD[name], key: keys[n - 1], **DEFECTS[name].get(rule, {}), "source_seq": n}
        for n, rule in enumerate(rules, 1)
    ]
    return [*rows, rows[-1]], dict(enumerate(rules, 1))


@pytest.mark.parametrize("name", list(GOOD))
def test_every_kind_of_defect_is_flagged_by_both_readers(name):
    rows, expected = planted(name)
    assert set(expected.values()) == {rule.id for rule in SHIPPED[name].rules}, "a defect for every rule"
    batch = arrow(name, [*rows, {**GOOD[name], "source_seq": 900}, {**GOOD[name], "source_seq": 901}])
    found = flagged_by_sql(name, batch)
    assert {(rule, seq) for seq, rule in expected.items()} <= found
    assert not {seq for _, seq in found} & {900, 901}, "two versions of a sound order in one batch are no defect"
    assert flagged_by_gx(name, batch) == found


@pytest.mark.parametrize("name", list(GOOD))
def test_a_defect_breaks_no_rule_but_its_own(name):
    allowed = {  # amounts that are wrong cannot add up either, and times out of order follow from an absurd one
        "orders": {
            "money_does_not_add_up",
            "paid_more_than_payable",
            "paid_before_ordered",
            "completed_before_shipped",
        },
        "order_items": {"line_does_not_add_up", "ship_more_than_ordered"},
        "refunds": set(),
        "products": set(),
        "stock": set(),
    }[name]
    rows, expected = planted(name)
    for rule, seq in flagged_by_sql(name, arrow(name, rows)):
        assert rule == expected[seq] or rule in allowed


@pytest.mark.parametrize(
    ("name", "rule", "column", "amount"),
    [
        ("orders", "money_does_not_add_up", "payable_amount", Decimal("127.00")),
        ("order_items", "line_does_not_add_up", "line_amount", Decimal("18.80")),
    ],
)
def test_amounts_may_be_off_by_rounding_and_no_more(name, rule, column, amount):
    differences = [Decimal(cents) / 100 for cents in (-6, -5, 0, 5, 6)]
    rows = [{**GOOD[name], column: amount + off, "source_seq": n} for n, off in enumerate(differences)]
    assert {seq for found, seq in flagged_by_sql(name, arrow(name, rows)) if found == rule} == {0, 4}


@st.composite
def batches(draw, name):
    """Sound rows, rows with planted defects and rows of anything, in any order, with repeats."""
    kinds = {field.name: VALUES[field.type] for field in schema(name) if field.name in GOOD[name]}
    sound = st.just({})
    defect = st.sampled_from(list(DEFECTS[name].values()))
    anything = st.fixed_dictionaries({}, optional={column: st.none() | value for column, value in kinds.items()})
    seqs = st.integers(1, 30)
    rows = draw(st.lists(st.tuples(sound | defect | anything, seqs), min_size=0, max_size=40))
    return arrow(name, [{**GOOD[name], **change, "source_seq": seq} for change, seq in rows])


@pytest.mark.parametrize("name", list(GOOD))
def test_both_readers_flag_the_same_rows_of_any_batch(name):
    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(batch=batches(name))
    def check(batch):
        assert flagged_by_gx(name, batch) == flagged_by_sql(name, batch)

    check()


def test_times_that_python_cannot_hold_stop_no_check():
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("good", arrow("orders", [{**GOOD["orders"], "source_seq": 0}]))
        batch = con.execute(
            "SELECT * REPLACE (n AS source_seq, t::timestamptz AS ordered_at) FROM good, (VALUES "
            "(1, 'infinity'), (2, '-infinity'), (3, '12000-01-01'), (4, '4000-01-01 (BC)'), (5, '2026-11-11')) v(n, t)"
        ).to_arrow_table()
    batch = batch.select(schema("orders").names)
    found = flagged_by_sql("orders", batch)
    assert {("ordered_at_absurd", seq) for seq in (1, 2, 3, 4)} <= found
    assert 5 not in {seq for _, seq in found}
    assert flagged_by_gx("orders", batch) == found


def custom(tmp_path, *entries):
    path = tmp_path / "orders.yaml"
    shared = "severity: warning, note: n, reason: {zh: 原因, en: reason}"
    path.write_text("\n".join(f"- {{id: r{n}, {entry}, {shared}}}" for n, entry in enumerate(entries)), "utf-8")
    return suite.load(path)


def test_expectations_the_shipped_suites_do_not_use_agree_too(tmp_path):
    rules = custom(
        tmp_path,
        "expectation: ExpectColumnValuesToBeUnique, arguments: {column: platform_order_no}",
        "expectation: ExpectColumnPairValuesAToBeGreaterThanB, arguments: {column_A: paid_at, column_B: ordered_at}",
        "expectation: ExpectColumnValueLengthsToBeBetween, arguments: {column: status, min_value: 2, max_value: 4}",
        'expectation: ExpectColumnValuesToBeInSet, arguments: {column: shop_id, value_set: ["o\'brien", "a\\"b"]}',
        "expectation: ExpectColumnValuesToBeBetween, arguments: {expression: -goods_amount * order_id, max_value: 3}",
        "expectation: ExpectColumnValuesToBeBetween, arguments: {expression: seconds(paid_at), min_value: 0}",
    )
    shops = ["o'brien", 'a"b', "s", None]
    rows = [
        {
            **GOOD["orders"],
            "source_seq": n,
            "platform_order_no": ["a", None, "b", "a", None][n % 5],
            "paid_at": [
                NOON,
                None,
                NOON + timedelta(microseconds=1),
                datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
            ][n % 4],
            "status": ["", "x", "中文", "paid", "unknown", None, "😀"][n % 7],
            "shop_id": shops[n % 4],
            "goods_amount": [FAR, -FAR, None][n % 3],
            "order_id": [2**31 - 1, -1, None, 0][n % 4],
        }
        for n in range(28)
    ]
    batch = arrow("orders", rows)
    found = flagged_by_sql("orders", batch, rules)
    assert {rule for rule, _ in found} == {rule.id for rule in rules.rules} - {"r5"}
    assert flagged_by_gx("orders", batch, rules) == found


def test_a_rule_that_cannot_be_evaluated_is_an_error_and_not_bad_rows(tmp_path):
    rules = custom(
        tmp_path,
        "expectation: ExpectColumnValuesToNotBeNull, arguments: {column: no_such_column}",
        "expectation: ExpectColumnValuesToBeBetween, arguments: {column: platform, min_value: 1}",
        "expectation: ExpectColumnValuesToBeBetween, arguments: {expression: platform - goods_amount, min_value: 1}",
        "expectation: ExpectColumnValuesToBeBetween, arguments: {column: tax_amount, min_value: 2005-01-01T00:00:00Z}",
        "expectation: ExpectColumnValuesToBeBetween, arguments: {column: ordered_at, min_value: 1}",
        "expectation: ExpectColumnValuesToNotBeNull, arguments: {column: order_id}",
    )
    secret = "13900001111"
    results = expect.validate(rules, arrow("orders", [{**GOOD["orders"], "platform": secret, "source_seq": 1}]))
    *broken, fine = results
    assert all(result.error and not result.ok and result.failing_seqs == [] for result in broken)
    assert broken[0].error == "the batch has no column no_such_column"
    assert broken[1].error == "TypeError in ExpectColumnValuesToBeBetween (orders.yaml:2)"
    assert (fine.ok, fine.error) == (True, None)
    assert secret not in repr(results), "a value of a row never gets into a result"


def test_the_values_of_bad_rows_stay_out_of_both_results():
    secret = "张三 13900001111"
    batch = arrow("orders", [{**GOOD["orders"], "platform": secret, "status": secret, "source_seq": 1}])
    assert secret not in repr(expect.validate(SHIPPED["orders"], batch))
    with duckdb.connect() as con:
        con.register("batch", batch)
        rows = con.execute(gate.gate_sql(SHIPPED["orders"], "batch", "en")).fetchall()
    assert len(rows) == 2
    assert secret not in repr(rows)
    assert all(character in string.printable for row in rows for character in row[3])


def test_great_expectations_is_loaded_only_when_it_is_needed():
    heavy = "{'great_expectations', 'pandas', 'pyarrow'}"
    code = f"import sys, orderpipe.quality.expect; sys.exit(bool({heavy} & sys.modules.keys()))"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode
        == 0
    )
