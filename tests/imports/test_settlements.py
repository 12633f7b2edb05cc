"""Settlement statements: every line lands once, is typed, finds its order whenever that comes."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.imports.conftest import as_csv

LINE = {
    "结算单号": "S-2026-11", "结算明细号": "90001", "平台订单号": "6917750000000000001", "费用类型": "订单货款",
    "结算金额": "132.80", "币种": "CNY", "结算时间": "2026-11-08 10:00:00", "备注": "王小明 13812345678",
}  # fmt: skip


def line(**cells):
    return {**LINE, **cells}


def settlements(office):
    return office.rows("SELECT * FROM core.settlements ORDER BY line_id")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_line_lands_typed_and_without_its_remark(office, encoding):
    report = office.take(as_csv([line()], encoding), shop="taobao-hz")
    assert (report.mapping, report.status, report.documents, report.landed) == ("settlement", "done", 1, 1)
    (row,) = settlements(office)
    assert (row["type"], row["amount"], row["currency"]) == ("order", Decimal("132.80"), "CNY")
    assert row["settled_at"] == datetime(2026, 11, 8, 2, 0, tzinfo=UTC)
    assert "王小明" not in str(row) and row["order_id"] is None
    assert office.failed_checks() == []


def test_the_words_of_types_are_mapped_and_others_are_told(office):
    words = ["订单货款", "退款", "技术服务费", "运费险", "平台补贴", "违规扣款", "调账", "星星"]
    rows = [line(费用类型=word, 结算明细号=str(n)) for n, word in enumerate(words)]
    report = office.take(as_csv(rows), shop="taobao-hz")
    assert report.refused == 0
    types = " ".join(row["type"] for row in settlements(office))
    assert types == "order refund commission freight_insurance subsidy penalty adjustment unknown"


def test_douyins_second_row_and_apostrophes_are_no_line(office):
    explained = dict.fromkeys(LINE, "见说明") | {"结算金额": "正数入账", "结算时间": "北京时间"}
    rows = [explained, line(结算单号="'S-2026-11", 结算明细号="'90001", 平台订单号="'6917750000000000001")]
    report = office.take(as_csv(rows), shop="douyin-hz")
    assert (report.rows, report.refused, report.landed) == (1, 0, 1)
    assert [(row["line_id"], row["platform_order_no"]) for row in settlements(office)] == [
        ("90001", "6917750000000000001")
    ]
    assert office.take(as_csv([line(), explained]), shop="taobao-hz").refused == 1  # further down it is no heading


def test_a_line_in_two_files_is_one_and_a_corrected_one_is_what_the_later_file_says(office):
    office.take(as_csv([line(), line(结算明细号="90002")]), shop="taobao-hz")
    again = office.take(as_csv([line(结算时间="2026-11-08 02:00:00+00:00", 结算金额="¥132.80")]), shop="taobao-hz")
    assert (again.documents, again.landed) == (1, 0)
    office.take(as_csv([line(结算金额="100.00")]), shop="taobao-hz")
    assert [row["amount"] for row in settlements(office)] == [Decimal("100.00"), Decimal("132.80")]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"结算金额": "twelve"}, "money_unreadable"),
        ({"结算金额": "-"}, "money_unreadable"),
        ({"结算时间": "soon"}, "time_unreadable"),
        ({"费用类型": ""}, "settlement_line_missing"),
        ({"结算明细号": "9.1E+18"}, "id_in_scientific_notation"),
        ({"平台订单号": "6.91775E+18"}, "id_in_scientific_notation"),
    ],
)
def test_a_line_that_cannot_be_taken_waits_in_quarantine(office, cells, problem):
    report = office.take(as_csv([line(结算明细号="1"), line(**cells)]), shop="taobao-hz")
    assert problem in {row.problem for row in report.refusals} and report.refused == 1
    assert [row["line_id"] for row in settlements(office)] == ["1"]
    held = office.rows("SELECT DISTINCT seq FROM vault.raw.quarantine")
    assert len(held) == 1 and office.failed_checks() == []


def test_the_same_number_with_two_contents_is_refused(office):
    report = office.take(as_csv([line(), line(结算金额="1.00"), line(结算明细号="7")]), shop="taobao-hz")
    assert [row.problem for row in report.refusals] == ["line_twice"]
    assert [row["line_id"] for row in settlements(office)] == ["7"]


def test_a_line_finds_its_order_before_and_after(office):
    from tests.imports.conftest import DOUYIN

    office.take([DOUYIN])
    office.take(as_csv([line()]), shop="douyin-hz")
    assert settlements(office)[0]["order_id"] == office.order()["order_id"]


def test_a_line_that_came_first_is_given_its_order(office):
    from tests.imports.conftest import DOUYIN

    office.take(as_csv([line()]), shop="douyin-hz")
    assert settlements(office)[0]["order_id"] is None
    office.take([DOUYIN])
    assert settlements(office)[0]["order_id"] == office.order()["order_id"]
    assert office.failed_checks() == []
