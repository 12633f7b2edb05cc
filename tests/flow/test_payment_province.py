"""Where a payment came from: the ranges of IP addresses, and the province they give an order."""

import ipaddress
from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderpipe.errors import ConfigError
from orderpipe.lake.reference import load_ip_ranges
from orderpipe.sandbox import people, places

HEADER = "first_ip,last_ip,country,province\n"
SMALL = HEADER + "1.0.0.0,1.0.0.255,CN,浙江省\n1.0.1.0,1.0.3.255,CN,广东省\n9.0.0.0,9.255.255.255,US,\n"


def provinces(pool, write, state, addresses):
    """buyer_ip_province of orders paid from these addresses."""
    orders = [write("shopify", state(f"{6000000000 + n}")).changed(clientIp=ip) for n, ip in enumerate(addresses)]
    pool.land_together(*orders)
    pool.pool()
    rows = pool.rows("SELECT buyer_ip_province FROM core.orders ORDER BY platform_order_no")
    assert len(rows) == len(addresses)
    return [row["buyer_ip_province"] for row in rows]


@pytest.fixture
def ranged(new_pool, changed_config):
    """A pool whose ip_ranges.csv holds SMALL."""
    folder = changed_config("ranged")
    (folder / "ip_ranges.csv").write_text(SMALL, "utf-8")
    return new_pool(folder)


def test_a_payment_has_the_province_of_its_range_bounds_included(ranged, write, state):
    told = {
        "1.0.0.0": "浙江省", "1.0.0.255": "浙江省", "1.0.1.0": "广东省", "1.0.3.255": "广东省", "1.0.4.0": None,
        "0.255.255.255": None, "9.1.2.3": None, "192.168.1.1": None, "10.0.0.1": None, "127.0.0.1": None,
        "2001:db8::1": None, "1.0.0": None, "1.0.0.256": None, "unknown": None, "": None, None: None,
    }  # fmt: skip
    assert dict(zip(told, provinces(ranged, write, state, told), strict=True)) == told


def test_the_shipped_ranges_know_every_buyer_of_the_sandbox(pool, write, state):
    rng = Random(7)
    homes = [province for province in places.PROVINCES for _ in range(8)]
    found = provinces(pool, write, state, [people.china_ip(rng, home) for home in homes])
    assert found == [home.name for home in homes]


def test_the_province_does_not_depend_on_how_documents_are_pooled(ranged, new_pool, write, state):
    """A newer document with another address counts, whatever comes first and in how many bites."""
    states = [
        write("shopify", state(f"60000000{n}", minutes=minutes)).changed(clientIp=ip)
        for n in (1, 2, 3)
        for minutes, ip in ((1, "1.0.0.7"), (5, "1.0.2.7"), (9, None if n == 3 else "1.0.0.9"))
    ]
    ranged.land_together(*states)
    ranged.pool()
    other = new_pool(ranged.settings.config_dir)
    other.land_together(*reversed(states))
    other.pool(bite=1)
    query = "SELECT platform_order_no, buyer_ip_province FROM core.orders ORDER BY ALL"
    assert [row["buyer_ip_province"] for row in ranged.rows(query)] == ["浙江省", "浙江省", None]
    assert ranged.hashes() == other.hashes()


def test_other_ranges_count_for_documents_pooled_after_the_change(ranged, write, state):
    first, second = (write("shopify", state(n)).changed(clientIp="1.0.0.7") for n in ("6000000001", "6000000002"))
    ranged.land(first)
    ranged.pool()
    (ranged.settings.config_dir / "ip_ranges.csv").write_text(SMALL.replace("浙江省", "江苏省"), "utf-8")
    ranged.land(second)
    ranged.pool()
    assert ranged.order("6000000001")["buyer_ip_province"] == "浙江省"
    assert ranged.order("6000000002")["buyer_ip_province"] == "江苏省"


WRONG = {
    "1.0.0.0,1.0.0.999,CN,浙江省": (2, "IPv4"),
    "1.0.0.0,,CN,浙江省": (2, "IPv4"),
    "1.0.0.9,1.0.0.1,CN,浙江省": (2, "above"),
    "1.0.0.0,1.0.9.9,CN,浙江省\n1.0.20.0,1.0.30.0,CN,浙江省\n1.0.5.0,1.0.6.0,CN,广东省": (4, "overlaps"),
    "1.0.0.0,1.0.0.9,CN,浙江省\n1.0.0.9,1.0.0.20,CN,广东省": (3, "overlaps"),
}


def test_a_wrong_range_is_refused_with_its_line(ranged):
    path = ranged.settings.config_dir / "ip_ranges.csv"
    for lines, (line, words) in WRONG.items():
        path.write_text(HEADER + lines + "\n", "utf-8")
        with pytest.raises(ConfigError) as refused:
            load_ip_ranges(ranged.run.lake, ranged.settings)
        assert f"{path}:{line}" in str(refused.value)
        assert words in str(refused.value)


def test_a_file_without_the_columns_and_no_file_are_refused(ranged):
    path = ranged.settings.config_dir / "ip_ranges.csv"
    path.write_text("first_ip,last_ip\n1.0.0.0,1.0.0.9\n", "utf-8")
    with pytest.raises(ConfigError, match="country, province"):
        load_ip_ranges(ranged.run.lake, ranged.settings)
    path.unlink()
    with pytest.raises(ConfigError, match=r"ip_ranges\.csv"):
        load_ip_ranges(ranged.run.lake, ranged.settings)


@pytest.fixture(scope="module")
def macro(new_pool):
    """macro(text): the number ipv4() gives for it."""
    con = new_pool().run.lake
    return lambda text: con.execute("SELECT ipv4($1::VARCHAR)", [text]).fetchone()[0]


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str), st.text("0123456789.", max_size=15)))
def test_an_address_is_the_number_python_makes_of_it(macro, text):
    try:
        expected = int(ipaddress.IPv4Address(text))
    except ValueError:
        expected = None
    assert macro(text) == expected
