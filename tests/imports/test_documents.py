"""Rows become one document per order; what cannot be taken is named by line and reason, and nothing is lost."""

import json
import random
import tracemalloc
from datetime import UTC, datetime

import pytest

from orderpipe.errors import ConfigError
from orderpipe.imports.importing import examine
from orderpipe.imports.mappings import load, recognise
from tests.imports.workbook import workbook

NOW = datetime(2026, 11, 9, 12, 0, tzinfo=UTC)


@pytest.fixture
def read(office):
    """read(rows or bytes, **options): a dry run; gives the report."""

    def read(content, name="orders.csv", **options):
        return examine(office.settings, office.drop(content, name), NOW, **options)

    return read


@pytest.fixture
def landed(office):
    """landed(rows): the documents that importing them lands."""

    def landed(content, **options):
        office.take(content, **options)
        return office.rows("SELECT source_id, source_updated_at, payload FROM vault.raw.payloads ORDER BY seq")

    return landed


def problems(report):
    return [(row.line, row.problem) for row in report.refusals]


def test_an_export_is_recognised_by_its_headers(read, row, to_csv):
    for separator in (",", "\t", ";"):
        for encoding in ("utf-8-sig", "gb18030", "utf-8", "utf-16"):
            report = read(to_csv([row()], encoding, separator))
            assert (report.mapping, report.status, report.rows) == ("douyin_orders", "checked", 1)


def test_headers_are_found_below_a_title_and_in_any_order(read, row, to_csv):
    shuffled = dict(random.Random(1).sample(list(row().items()), len(row())))
    content = "抖店订单报表,,\r\n导出时间,2026-11-09 12:00,\r\n".encode() + to_csv([shuffled], "utf-8")
    report = read(content)
    assert (report.mapping, report.rows, report.refused) == ("douyin_orders", 1, 0)


def test_headers_may_carry_blanks_tabs_and_other_names(read, row):
    renamed = {"商品单价": " 商品金额\t", "商家编码": "货号", "订单提交时间": "'下单时间", "收件人手机号": "手机号　"}
    report = read([{renamed.get(name, name): cell for name, cell in row().items()}])
    assert (report.status, report.refused, report.other_columns) == ("checked", 0, ["流量来源"])


def test_a_missing_header_is_named(read, row):
    report = read([{name: cell for name, cell in row().items() if name != "订单状态"}])
    assert report.status == "failed"
    assert "orders.csv: this looks like douyin_orders, but the header 订单状态 is missing" in report.error
    assert "缺少表头：订单状态" in report.error_zh


def test_another_table_is_not_taken_for_orders(read):
    report = read("品名,库存\n杯子,3\n".encode())
    assert report.status == "failed" and "no export is known by these headers" in report.error


def test_the_order_report_of_taobao_says_what_to_export_instead(read):
    for options in ({}, {"mapping": "taobao_orders"}):
        report = read("订单编号,买家会员名,宝贝种类,订单状态\n1,x,1,交易成功\n".encode(), **options)
        assert report.status == "failed" and "宝贝报表" in report.error_zh


def test_a_file_without_rows_fails(read, row, to_csv):
    report = read(to_csv([row()]).splitlines()[0])
    assert report.status == "failed" and "no rows" in report.error


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"主订单编号": "4.8E+18"}, "id_in_scientific_notation"),
        ({"子订单编号": "4.8E+18"}, "id_in_scientific_notation"),
        ({"主订单编号": ""}, "order_no_missing"),
        ({"主订单编号": "--"}, "order_no_missing"),
        ({"子订单编号": "6917750000000000001;6917750000000000002"}, "several_lines_in_one_row"),
        ({"订单提交时间": "-"}, "ordered_at_missing"),
        ({"订单提交时间": "2026/11/9 10:00"}, "ordered_at_without_seconds"),
        ({"订单提交时间": "昨天"}, "time_unreadable"),
        ({"发货时间": "2062-11-09 10:00:00"}, "time_implausible"),
        ({"订单应付金额": "12,8"}, "money_unreadable"),
        ({"订单应付金额": ""}, "money_unreadable"),
        ({"商品数量": "两件"}, "quantity_unreadable"),
        ({"商品数量": "0"}, "quantity_unreadable"),
        ({"订单状态": "-"}, "status_missing"),
    ],
)
def test_a_row_that_cannot_be_taken_is_named_and_the_others_go_on(read, row, cells, problem):
    good = row(主订单编号="\t6917750000000000009", 子订单编号="\t6917750000000000009")
    report = read([good, row(**cells)])
    assert problem in [found for line, found in problems(report) if line == 3]
    assert {line for line, _ in problems(report)} == {3}
    assert (report.rows, report.documents, report.refused, report.status) == (2, 2, 1, "checked")


def test_ragged_rows_are_refused_and_trailing_commas_are_not(read, row, to_csv):
    text = to_csv([row(), row(), row(), row()], "utf-8").decode().splitlines()
    short, long = text[1].rsplit(",", 8)[0], text[1] + ",x"
    numbered = [
        line.replace("6917750000000000001", f"691775000000000000{n}")
        for n, line in enumerate([text[1], short, long, text[1] + ",,,"])
    ]
    report = read("\n".join([text[0], *numbered]).encode())
    assert problems(report) == [(3, "row_cut_short"), (4, "cells_beyond_headers")]


def test_ids_that_excel_rounded_are_refused_together(read, row):
    rounded = [row(主订单编号=f"69177500000000{n}0000", 子订单编号=f"69177500000000{n}0000") for n in range(1, 4)]
    report = read(rounded)
    assert report.status == "failed" and {problem for _, problem in problems(report)} == {"id_rounded"}
    report = read([*rounded, row()])  # one whole id among them: the zeros are the platform's own
    assert report.refused == 0


def test_a_line_of_totals_and_blank_lines_are_no_orders(read, row, to_csv):
    report = read(to_csv([row()]) + "合计,,,,2\r\n,,,\r\n\r\n".encode())
    assert (report.rows, report.refused) == (1, 0)


def test_lines_of_one_order_are_one_document_wherever_they_stand(landed, row):
    second = row(子订单编号="\t6917750000000000002", 商家编码="BRUSH-STD")
    other = row(主订单编号="\t6917750000000000009", 子订单编号="\t6917750000000000009")
    documents = landed([second, other, row()])
    assert [document["source_id"] for document in documents] == ["6917750000000000009", "6917750000000000001"]
    content = json.loads(documents[1]["payload"])
    assert [line["line_id"] for line in content["rows"]] == ["6917750000000000001", "6917750000000000002"]
    assert documents[1]["source_updated_at"] == datetime(2026, 11, 9, 2, 1, tzinfo=UTC)


def test_the_document_keeps_unknown_columns_and_says_what_was_bound(landed, row):
    (document,) = landed([row(流量来源="\t直播")])
    content = json.loads(document["payload"])
    assert content["rows"][0]["other"] == {"流量来源": "直播"}
    assert content["headers"]["order_no"] == "主订单编号"
    assert content["mapping"] == "douyin_orders" and content["timezone"] == "Asia/Shanghai"
    assert "orders.csv" not in document["payload"] and "refused" not in content


def test_a_bad_line_takes_its_whole_order_along(office, row):
    report = office.take([row(), row(子订单编号="\t6917750000000000002", 商品数量="x")])
    assert problems(report) == [(3, "quantity_unreadable")] and report.status == "failed"
    assert office.rows("FROM core.orders") == []
    (document,) = office.rows("SELECT payload FROM vault.raw.payloads")
    assert len(json.loads(document["payload"])["rows"]) == 2
    rules = {case["rule"] for case in office.rows("FROM vault.raw.quarantine")}
    assert "import_quantity_unreadable" in rules
    assert office.failed_checks() == []


def test_a_line_that_stands_twice_counts_once_and_two_that_differ_are_refused(office, row):
    assert office.take([row(), row()]).refused == 0
    assert [line["quantity"] for line in office.rows("FROM core.order_items")] == [2]
    report = office.take([row(), row(商品数量="3")])
    assert [problem for _, problem in problems(report)] == ["line_twice"]


def test_the_shop_is_the_only_one_of_the_platform_or_must_be_named(office, read, row):
    assert read([row()]).shop_id == "douyin-hz"
    shops = office.settings.config_dir / "shops.yaml"
    shops.write_text(
        shops.read_text("utf-8").replace("id: taobao-hz, platform: taobao", "id: two, platform: douyin"), "utf-8"
    )
    office.settings.__dict__.pop("shops", None)
    report = read([row()])
    assert report.status == "failed" and "--shop" in report.error and "douyin-hz, two" in report.error
    assert read([row()], shop="two").shop_id == "two"
    assert "there is no shop three" in read([row()], shop="three").error
    assert "is an export of douyin, shop lazada-my is of lazada" in read([row()], shop="lazada-my").error


def test_a_workbook_is_read_like_a_csv(office, row):
    cells = {**row(), "订单提交时间": 46335.4166666667, "商品数量": 2, "商品单价": 69.9, "订单应付金额": 132.8}
    assert (
        office.take(workbook([list(cells), list(cells.values())], dates=("订单提交时间",)), mapping=None).refused == 0
    )
    order = office.order()
    assert order["platform_order_no"] == "6917750000000000001" and str(order["payable_amount"]) == "132.80"
    assert order["ordered_at"] == datetime(2026, 11, 9, 2, 0, tzinfo=UTC)


def test_ids_that_a_workbook_holds_as_numbers_are_refused(read, row):
    rows = [
        {**row(), "主订单编号": float(f"6.917750000000{n:02}e18"), "子订单编号": f"6917750000000000{n:03}"}
        for n in range(1, 4)
    ]
    report = read(workbook([list(rows[0]), *(list(one.values()) for one in rows)]), "orders.xlsx")
    assert report.status == "failed" and {problem for _, problem in problems(report)} == {"id_rounded"}


def test_a_large_file_does_not_stand_in_memory(office, row, to_csv):
    head, line = to_csv([row()], "utf-8").decode().splitlines()
    path = office.drop(b"", "large.csv")
    with path.open("w", encoding="utf-8") as file:
        file.write(head + "\n")
        for n in range(20_000):
            file.write(line.replace("6917750000000000001", str(6_917_750_000_000_000_001 + n)) + "\n")
    tracemalloc.start()
    report = examine(office.settings, path, NOW)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (report.rows, report.documents, report.refused) == (20_000, 20_000, 0)
    assert peak < path.stat().st_size


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("order_no: [主订单编号]", "order_nr: [主订单编号]", "did you mean order_no"),
        ("platform: douyin", "platform: duoyin", "did you mean douyin"),
        ("quantity, payable, ordered_at, status]", "payable, ordered_at, status]", "quantity must be required"),
        ("payable_includes_postage: true", "payable_includes_postage: perhaps", "true or false"),
        ("  rows: lines", "  rows: pages", "unknown rows"),
    ],
)
def test_a_mistake_in_the_mappings_is_named_with_its_line(office, old, new, message):
    path = office.settings.config_dir / "import_headers.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError, match=message) as error:
        load(path)
    assert f"{path}:" in str(error.value)


def test_no_two_exports_are_taken_for_each_other(office):
    mappings = load(office.settings.config_dir / "import_headers.yaml")
    for mapping in mappings.values():
        if not mapping.refused:
            headers = [aliases[0] for aliases in mapping.fields.values()]
            assert recognise(mappings.values(), headers).mapping is mapping
