"""What spreadsheets do to cells is undone, digit by digit, or the row is refused; nothing is guessed."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderpipe.imports import cells
from orderpipe.imports.cells import Unreadable
from orderpipe.imports.problems import REASONS

few = hypothesis_settings(max_examples=60, deadline=None)
QUIRKS = [
    "{}",
    "\t{}",
    "{}\t",
    '="{}"',
    "'{}",
    "’{}",
    " {} ",
    "\u3000{}\u3000",
    "\ufeff{}",
    '="\t{}"',
    "\u00a0{}",
    "{}\x00",
]
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 9, tzinfo=UTC)


@few
@given(number=st.from_regex(r"[1-9][0-9]{0,24}", fullmatch=True), quirk=st.sampled_from(QUIRKS))
def test_an_id_keeps_every_digit_through_every_quirk(number, quirk):
    assert cells.identifier(quirk.format(number)) == number


@few
@given(
    content=st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="\ufeff\u200b"))
)
def test_free_text_comes_through_as_it_is(content):
    if content not in cells.EMPTY and not content.startswith('="'):
        assert cells.text(content) == content
        assert cells.text(f"\t{content} ") == content


@pytest.mark.parametrize("formula", ["=1+1", "=cmd|' /C calc'!A0", "+86 138", "@SUM(A1)", "-5 度", '="a"&"b"c'])
def test_what_looks_like_a_formula_stays_text(formula):
    assert cells.text(formula) == formula


@pytest.mark.parametrize("number", ["4.8E+18", "6.91775E+18", "\t4.8e+18", '="4.8E+18"', "1E18", "'3.5E+16", "48E17"])
def test_an_id_in_scientific_notation_is_refused(number):
    with pytest.raises(Unreadable, match="id_in_scientific_notation"):
        cells.identifier(number)


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        ("1,234.50", "1234.50"), ("￥12", "12"), ("¥1,000,000.01", "1000000.01"), ("12.00元", "12.00"),
        ("-3.5", "-3.5"), ("１２．５", "12.5"),
        ('="88.00"', "88.00"), ("'9.9", "9.9"), ("-", ""), ("--", ""), ("无", ""),
        ("null", ""), ("", ""), ("CNY 5", "5"), ("$1,024.00", "1024.00"),
    ],
)  # fmt: skip
def test_money_is_plain_decimal_text(cell, amount):
    assert cells.money(cell) == amount


@pytest.mark.parametrize("cell", ["12,50", "1,23,4", "12.5.0", "1.2E+5", "abc", "1 2x", "无退款申请", "∞", "1234,567"])
def test_money_that_is_no_amount_is_refused(cell):
    with pytest.raises(Unreadable, match="money_unreadable"):
        cells.money(cell)


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        ("2026-03-05 09:01:10", "2026-03-05 09:01:10"), ("2026/3/5 9:01:10", "2026-03-05 09:01:10"),
        ("2026年3月5日 9:01", "2026-03-05 09:01:00"), ("2026-03-05T09:01:10Z", "2026-03-05 09:01:10+00:00"),
        ("2026-03-05 09:01:10 -0800", "2026-03-05 09:01:10-08:00"), ("\t2026-03-05 09:01:10", "2026-03-05 09:01:10"),
        ("2026-03-05", "2026-03-05 00:00:00"), ("0000-00-00 00:00:00", ""), ("1970-01-01 08:00:00", ""), ("-", ""),
        ("2026-03-05 09:01:10.123", "2026-03-05 09:01:10"),
    ],
)  # fmt: skip
def test_times_are_read_in_every_spelling(cell, time):
    assert cells.time(cell) == time


@pytest.mark.parametrize(
    "cell", ["2026-13-01 00:00:00", "2026-02-30", "46086.37", "昨天", "09:01:10", "05/03/2026 09:01"]
)
def test_a_time_that_is_none_is_refused(cell):
    with pytest.raises(Unreadable, match="time_unreadable"):
        cells.time(cell)


def test_an_order_time_must_tell_its_second():
    assert cells.time("2026/3/5 9:01:00", seconds=True) == "2026-03-05 09:01:00"
    with pytest.raises(Unreadable, match="ordered_at_without_seconds"):
        cells.time("2026/3/5 9:01", seconds=True)


def test_a_moment_is_local_unless_it_names_its_offset():
    assert cells.moment("2026-03-05 09:01:10", SHANGHAI, NOW) == datetime(2026, 3, 5, 1, 1, 10, tzinfo=UTC)
    assert cells.moment("2026-03-05 09:01:10-08:00", SHANGHAI, NOW) == datetime(2026, 3, 5, 17, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "time", ["2062-11-09 10:00:00", "2004-12-31 00:00:00", "9999-12-31 23:59:59", "0001-01-01 00:00:00"]
)
def test_a_moment_that_cannot_be_is_refused(time):
    with pytest.raises(Unreadable):
        cells.moment(time, SHANGHAI, NOW)


def test_a_waybill_number_loses_its_label():
    assert cells.tracking("No:YT1234567890123") == "YT1234567890123"


def test_every_problem_has_its_reason():
    for problem in ("id_in_scientific_notation", "money_unreadable", "time_unreadable", "quantity_unreadable"):
        assert REASONS[problem]
