"""sql/decision/order_facts.sql: what is known about an order before it is routed."""

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from orderpipe.lake.dictionary import table
from orderpipe.rules.fields import ORDER_FIELDS, REGIONS

ROOT = Path(__file__).parents[2]
MODEL = (ROOT / "sql" / "decision" / "order_facts.sql").read_text("utf-8")


@pytest.fixture
def con():
    with duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}) as con:
        for schema in ("core", "work", "ref"):
            con.execute(f"CREATE SCHEMA {schema}")
        for name in ("core.orders", "core.order_items"):
            columns = ", ".join(f'"{column}" {spec.type}' for column, spec in table(name).columns.items())
            con.execute(f"CREATE TABLE {name} ({columns})")
        con.execute("CREATE TABLE work.candidates (order_id BIGINT)")
        con.execute(
            "CREATE TABLE ref.regions AS SELECT * FROM read_csv(?, header = true)",
            [str(ROOT / "config" / "regions.csv")],
        )
        yield con


def insert(con, name, **row):
    marks = ", ".join(["?"] * len(row))
    con.execute(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def facts(con, *lines, **order):
    """The facts of one order with these lines, by name."""
    insert(con, "core.orders", order_id=1, **order)
    insert(con, "work.candidates", order_id=1)
    for number, line in enumerate(lines, 1):
        defaults = {"sku": f"S{number}", "ship_quantity": 1, "fragile": False, "glass": False, "is_gift": False}
        insert(con, "core.order_items", order_id=1, line_no=number, **{**defaults, "refund_status": "none", **line})
    result = con.execute(MODEL)
    names = [column[0] for column in result.description]
    (row,) = result.fetchall()
    return dict(zip(names, row, strict=True))


def test_every_fact_of_the_catalogue_is_there_with_its_type(con):
    types = {
        "text": "VARCHAR", "number": "DECIMAL", "integer": "BIGINT", "boolean": "BOOLEAN", "text_list": "VARCHAR[]",
    }  # fmt: skip
    found = {name: kind for name, kind, *_ in con.execute(f"DESCRIBE {MODEL}").fetchall()}
    assert list(found) == ["order_id", *ORDER_FIELDS]
    assert {name: kind.split("(")[0] for name, kind in found.items() if name != "order_id"} == {
        name: types[field.type] for name, field in ORDER_FIELDS.items()
    }


def test_only_candidates_are_listed_each_once(con):
    for order_id in (1, 2):
        insert(con, "core.orders", order_id=order_id)
    for order_id in (1, 1, 3):
        insert(con, "work.candidates", order_id=order_id)
    assert con.execute(f"SELECT order_id FROM ({MODEL})").fetchall() == [(1,)]


def test_all_34_provinces_have_a_region_the_rules_know(con):
    rows = con.execute("SELECT province, region FROM ref.regions").fetchall()
    assert len(rows) == len(dict(rows)) == 34
    assert set(dict(rows).values()) == set(REGIONS)


@pytest.mark.parametrize(
    ("province", "region"),
    [
        ("浙江省", "华东"), ("浙江", "华东"), (" 浙江省 ", "华东"), ("上海", "华东"), ("上海市", "华东"),
        ("内蒙古自治区", "华北"), ("内蒙古", "华北"), ("广西壮族自治区", "华南"), ("广西", "华南"),
        ("宁夏回族自治区", "西北"), ("新疆维吾尔自治区", "西北"), ("新疆", "西北"), ("西藏自治区", "西南"),
        ("黑龙江省", "东北"), ("河南", "华中"), ("重庆", "西南"), ("香港特别行政区", "港澳台"), ("台湾", "港澳台"),
        ("California", None), ("江南省", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_a_province_is_found_in_every_way_platforms_write_it(con, province, region):
    assert facts(con, province=province)["region"] == region


@pytest.mark.parametrize(
    ("lines", "glass"),
    [
        ([False, False], False),
        ([False, True], True),
        ([None, True], True),
        ([False, None], None),
        ([None], None),
        ([], None),
    ],
)
def test_unknown_goods_are_never_taken_for_goods_without_glass(con, lines, glass):
    found = facts(con, *({"glass": value, "fragile": value} for value in lines))
    assert found["any_glass"] is glass
    assert found["any_fragile"] is glass
    assert found["unknown_goods"] is (None in lines)


def test_lines_that_do_not_ship_decide_nothing(con):
    found = facts(
        con,
        {"sku": "CUP", "ship_quantity": 2, "weight_kg": Decimal("0.350")},
        {"sku": "VASE", "glass": True, "fragile": True, "refund_status": "refunded"},
        {"sku": "BOWL", "glass": True, "fragile": True, "ship_quantity": 0},
        {"sku": "CUP", "ship_quantity": 1, "weight_kg": Decimal("0.350"), "refund_status": "requested"},
    )
    assert (found["any_glass"], found["any_fragile"], found["skus"]) == (False, False, ["CUP"])
    assert (found["line_count"], found["quantity"], found["weight_kg"]) == (2, 3, Decimal("1.050"))


def test_a_weight_or_quantity_that_is_partly_unknown_is_unknown(con):
    found = facts(con, {"weight_kg": Decimal("1.000")}, {"weight_kg": None, "ship_quantity": None})
    assert (found["line_count"], found["quantity"], found["weight_kg"]) == (2, None, None)


def test_an_order_of_gifts_only_is_told_from_one_with_a_gift(con):
    assert facts(con, {"is_gift": True}, {"is_gift": True})["all_gift"] is True
    con.execute("DELETE FROM core.orders; DELETE FROM core.order_items; DELETE FROM work.candidates")
    assert facts(con, {"is_gift": True}, {"is_gift": False})["all_gift"] is False


def test_a_monstrous_quantity_stops_no_other_order(con):
    lines = [{"ship_quantity": 2**31 - 1, "weight_kg": Decimal("999999999.999")}] * 3
    assert facts(con, *lines)["quantity"] == 3 * (2**31 - 1)
