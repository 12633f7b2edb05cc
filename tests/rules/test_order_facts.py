"""sql/decision/order_facts.sql: what is known about an order before it is routed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from orderpipe import config
from orderpipe.lake.connection import define_keyed
from orderpipe.lake.dictionary import table
from orderpipe.lake.reference import load_reference
from orderpipe.rules.fields import HISTORY_DAYS, ORDER_FIELDS, REGIONS

ROOT = Path(__file__).parents[2]
MODEL = (ROOT / "sql" / "decision" / "order_facts.sql").read_text("utf-8")
HISTORIES = (ROOT / "sql" / "decision" / "histories.sql").read_text("utf-8")
TABLES = ("core.orders", "core.order_items", "core.customers", "core.refunds")
NOON = datetime(2026, 11, 9, 4, tzinfo=UTC)  # a Monday, 12:00 in Shanghai


@pytest.fixture(scope="module")
def reference():
    """A connection with the shipped reference files, and tables to fill."""
    settings = config.Settings(config.Home(Path("/nowhere")), ROOT / "config", {})
    with duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}) as con:
        con.execute("SET TimeZone = 'UTC'")
        for schema in ("core", "work", "ref"):
            con.execute(f"CREATE SCHEMA {schema}")
        define_keyed(con, b"key")
        con.execute((ROOT / "sql" / "functions.sql").read_text("utf-8"))
        load_reference(con, settings)
        for name in TABLES:
            columns = ", ".join(f'"{column}" {spec.type}' for column, spec in table(name).columns.items())
            con.execute(f"CREATE TABLE {name} ({columns})")
        con.execute("CREATE TABLE work.candidates (order_id BIGINT)")
        con.execute("SET VARIABLE history_from = 0::BIGINT")
        con.execute(f"CREATE TABLE work.histories AS {HISTORIES}")
        yield con


@pytest.fixture
def con(reference):
    for name in (*TABLES, "work.candidates"):
        reference.execute(f"DELETE FROM {name}")
    reference.execute("DELETE FROM ref.blacklist")
    return reference


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
    return of_order(con, 1)


def of_order(con, order_id):
    """The facts of a candidate order, by name."""
    con.execute(f"CREATE OR REPLACE TABLE work.histories AS {HISTORIES}")
    result = con.execute(f"FROM ({MODEL}) WHERE order_id = {order_id}")
    names = [column[0] for column in result.description]
    (row,) = result.fetchall()
    return dict(zip(names, row, strict=True))


def test_every_fact_of_the_catalogue_is_there_with_its_type(con):
    types = {
        "text": "VARCHAR", "number": "DECIMAL", "integer": "BIGINT", "boolean": "BOOLEAN", "text_list": "VARCHAR[]",
        "date": "DATE",
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


def test_days_and_hours_are_those_of_shanghai(con):
    found = facts(con, ordered_at=datetime(2026, 11, 8, 16, 30, tzinfo=UTC), paid_at=NOON)
    assert (f"{found['ordered_on']}", found["weekday"], found["paid_hour"]) == ("2026-11-09", 1, 12)
    assert facts_again(con, ordered_at=None, paid_at=None)["paid_hour"] is None


def facts_again(con, **order):
    con.execute("DELETE FROM core.orders; DELETE FROM core.order_items; DELETE FROM work.candidates")
    return facts(con, **order)


def test_goods_are_described_by_the_goods_master(con):
    found = facts(con, {"sku": "CUP-500-BL"}, {"sku": "GLS-WINE-2"}, {"sku": "CUP-500-BL"}, {"sku": "NOT-IN-MASTER"})
    assert found["skus"] == ["CUP-500-BL", "GLS-WINE-2", "NOT-IN-MASTER"]
    codes = con.execute("SELECT hs_code, material FROM ref.goods WHERE sku IN ('CUP-500-BL', 'GLS-WINE-2')").fetchall()
    assert found["hs_codes"] == sorted({code for code, _ in codes})
    assert found["materials"] == sorted({material for _, material in codes})


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("phone", {"phone_key": "k"}),
        ("id", {"id_key": "k"}),
        ("address", {"address_key": "k"}),
        ("buyer", {"buyer_id": "k"}),
    ],
)
def test_a_blacklisted_key_counts_for_its_kind_only(con, kind, order):
    assert facts(con, **order)["blacklisted"] is False
    con.execute("INSERT INTO ref.blacklist VALUES ('other', 'k', 'r')")
    assert of_order(con, 1)["blacklisted"] is False
    con.execute("INSERT INTO ref.blacklist VALUES ($1, 'k', 'r')", [kind])
    assert of_order(con, 1)["blacklisted"] is True


def test_an_order_nobody_can_be_told_by_is_on_no_blacklist(con):
    con.execute("INSERT INTO ref.blacklist VALUES ('phone', NULL, 'r'), ('id', 'k', 'r')")
    assert facts(con)["blacklisted"] is False


@pytest.mark.parametrize(
    ("country", "paid_from", "province", "differs"),
    [
        ("CN", "浙江", "浙江省", False),
        ("CN", "广东省", "浙江省", True),
        ("CN", None, "浙江省", None),
        ("CN", "广东省", None, None),
        ("US", "广东省", "California", None),
    ],
)
def test_provinces_are_compared_at_home_and_when_both_are_known(con, country, paid_from, province, differs):
    found = facts(con, country=country, buyer_ip_province=paid_from, province=province)
    assert found["ip_province_differs"] is differs


def history(con, *ages, **order):
    """Paid orders so old, all alike; the facts of the newest."""
    for number, age in enumerate(ages, 1):
        row = {"ordered_at": NOON - age, "paid_at": NOON - age, "is_test": False, "customer_id": "C1", **order}
        insert(con, "core.orders", order_id=number, **row)
        insert(con, "work.candidates", order_id=number)
    return of_order(con, len(ages))


@pytest.mark.parametrize("who", ["phone", "id", "address"])
@pytest.mark.parametrize("days", HISTORY_DAYS)
def test_a_history_holds_the_order_itself_and_reaches_back_to_the_second(con, who, days):
    edge = timedelta(days=days)
    found = history(con, edge + timedelta(seconds=1), edge, timedelta(0), **{f"{who}_key": "k"})
    assert found[f"{who}_orders_{days}d"] == 2
    assert of_order(con, 1)[f"{who}_orders_{days}d"] == 1


def test_nothing_is_counted_of_what_is_not_known(con):
    found = history(con, timedelta(1), timedelta(0))
    assert {name: value for name, value in found.items() if "_orders_" in name and value is not None} == {
        "buyer_orders_365d": 1
    }


def test_orders_that_were_never_paid_and_tests_do_not_count(con):
    others = ({"paid_at": None}, {"is_test": True}, {"payment_status": "cod", "paid_at": None})
    for number, order in enumerate(others, 10):
        row = {"ordered_at": NOON - timedelta(hours=1), "paid_at": NOON, "is_test": False, "phone_key": "k", **order}
        insert(con, "core.orders", order_id=number, customer_id=f"C{number}", **row)
    assert history(con, timedelta(0), phone_key="k")["phone_orders_1d"] == 2


@pytest.mark.parametrize(
    ("paid", "segment"), [([], "new"), (["1"], "regular"), (["1999.99"], "regular"), (["1000", "1000"], "vip")]
)
def test_a_segment_is_what_was_paid_before(con, paid, segment):
    for number, amount in enumerate(paid, 10):
        at = NOON - timedelta(days=number)
        row = {"ordered_at": at, "paid_at": at, "is_test": False, "paid_amount_cny": Decimal(amount)}
        insert(con, "core.orders", order_id=number, customer_id="C1", **row)
    found = history(con, timedelta(0), paid_amount_cny=Decimal("99999"))
    assert (found["segment"], found["buyer_orders_365d"]) == (segment, len(paid))
    assert found["buyer_paid_cny_365d"] == sum(map(Decimal, paid))
