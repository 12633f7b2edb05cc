"""Orders of a file in the pool: amounts, states, times, receivers; and who wins, the file or the platform."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orderpipe import flow
from orderpipe.flow.replay import replay
from orderpipe.lake.landing import PulledWindow, land

NO = "6917750000000000001"
# The same two-line order as order.searchList gives it (documentation of the platform), paid and not shipped.
API = {
    "order_id": NO, "order_status": 2, "main_status": 2, "pay_type": 1, "create_time": 1794189600,
    "pay_time": 1794189660, "update_time": 1794189660, "finish_time": 0, "ship_time": 0, "order_amount": 22680,
    "pay_amount": 22180, "post_amount": 0, "doudian_open_id": "buyer-1", "open_address_id": "address-1",
    "post_receiver": "", "post_tel": "", "mask_post_receiver": "王*", "mask_post_tel": "138****5678",
    "post_addr": {"province": {"name": "浙江省"}, "city": {"name": "杭州市"}, "town": {"name": "西湖区"},
                  "street": {"name": "仓前街道"}, "detail": ""},
    "mask_post_addr": {"detail": "****"}, "logistics_info": [],
    "sku_order_list": [
        {"order_id": NO, "order_status": 2, "product_id_str": "3600000000000000001", "code": "CUP-500-BL",
         "product_name": "不锈钢保温杯", "item_num": 2, "origin_amount": 6990, "pay_amount": 13280,
         "after_sale_info": {"after_sale_status": 0}},
        {"order_id": "6917750000000000002", "order_status": 2, "product_id_str": "3600000000000000002",
         "code": "BRUSH-STD", "product_name": "杯刷", "item_num": 1, "origin_amount": 8900, "pay_amount": 8900,
         "after_sale_info": {"after_sale_status": 0}},
    ],
}  # fmt: skip
PAID = 1794189660  # epoch seconds
SECOND = {"子订单编号": "\t6917750000000000002", "选购商品": "杯刷", "商品规格": "标准", "商品数量": "1",
          "商品ID": "\t3600000000000000002", "商家编码": "BRUSH-STD", "商品单价": "89.00",
          "订单应付金额": "89.00"}  # fmt: skip
MONEY = ("goods_amount", "discount_amount", "shipping_fee", "tax_amount", "payable_amount", "paid_amount")


@pytest.fixture
def two_lines(row):
    """two_lines(**cells): the export's two rows of that order."""
    return lambda **cells: [row(**cells), row(**{**SECOND, **cells})]


def amounts(order):
    return [str(order[name]) for name in MONEY]


def land_api(office, **fields):
    updated = datetime.fromtimestamp(fields.get("update_time", API["update_time"]), UTC)
    office.land("douyin", "douyin-hz", NO, updated, {**API, **fields})


def test_the_export_tells_the_order_as_the_platform_does(office, two_lines):
    office.take(two_lines())
    told, lines = office.order(), office.rows("FROM core.order_items ORDER BY line_no")
    assert amounts(told) == ["228.80", "7.00", "0.00", "0.00", "221.80", "221.80"]
    land_api(office)
    ours = office.order()
    assert ours["source_seq"] != told["source_seq"]
    for field in (
        *MONEY, "order_id", "platform", "shop_id", "platform_order_no", "status", "payment_status", "ordered_at",
        "paid_at", "shipped_at", "completed_at", "currency", "country", "province", "city", "district", "is_cod",
    ):  # fmt: skip
        assert told[field] == ours[field], field
    for line, true in zip(lines, office.rows("FROM core.order_items ORDER BY line_no"), strict=True):
        for field in line.keys() - {"source_seq", "platform_refund_status", "platform_sku_id"}:
            assert line[field] == true[field], field
    assert office.failed_checks() == []


def test_the_platform_wins_at_the_same_second(office, two_lines):
    """The file comes later and still knows less."""
    land_api(office)
    known = office.order()
    office.take(two_lines(订单状态="已关闭", 收件人="王*", 收件人手机号="138****5678", 详细地址="****"))
    assert office.order() == known
    assert len(office.rows("FROM core.order_versions")) == 2


def test_a_newer_platform_document_wins_over_the_file(office, two_lines):
    office.take(two_lines())
    land_api(office, order_status=3, update_time=API["update_time"] + 60, ship_time=API["update_time"] + 60)
    assert office.order()["status"] == "shipped"


def test_a_newer_file_wins_over_the_platform_and_keeps_the_receiver_it_hides(office, two_lines):
    land_api(office, post_receiver="王小明", post_tel="13812345678",
             post_addr={**API["post_addr"], "detail": "文三路88号"})  # fmt: skip
    hidden = {"收件人": "##c2lt==##", "收件人手机号": "$$c2lt==$$", "详细地址": "##c2ltQWRkcg==##"}
    office.take(two_lines(订单状态="已发货", 发货时间="2026-11-09 11:30:00", **hidden))
    order = office.order()
    assert order["status"] == "shipped" and order["shipped_at"] == datetime(2026, 11, 9, 3, 30, tzinfo=UTC)
    (contact,) = office.rows("FROM vault.pii.contacts")
    assert (contact["name"], contact["phone"], contact["address"]) == ("王小明", "13812345678", "文三路88号")


def test_ciphertext_is_a_token_and_never_a_name(office, two_lines):
    hidden = {"收件人": "##c2lt==##", "收件人手机号": "$$c2lt==$$", "详细地址": "##c2ltQWRkcg==##"}
    office.take(two_lines(**hidden))
    (contact,) = office.rows("FROM vault.pii.contacts")
    assert (contact["name"], contact["phone"], contact["address"]) == (None, None, None)
    assert json.loads(contact["tokens"]) == {"name": "##c2lt==##", "phone": "$$c2lt==$$", "address": "##c2ltQWRkcg==##"}
    assert office.order()["missing_fields"] == ["address", "name", "phone"]


def test_the_same_file_twice_lands_nothing_and_neither_does_the_same_order_in_another(office, row, two_lines):
    assert office.take(two_lines()).landed == 1
    again = office.take(two_lines())
    assert (again.status, again.landed, again.run_id) == ("known", 0, "run-1")
    other = row(主订单编号="\t6917750000000000009", 子订单编号="\t6917750000000000009")
    more = office.take([other, *reversed(two_lines())])
    assert (more.status, more.landed, more.documents) == ("done", 1, 2)
    assert len(office.rows("FROM vault.raw.imports")) == 2
    assert office.failed_checks() == []


def test_a_changed_mapping_lets_a_file_be_imported_again(office, two_lines):
    office.take(two_lines())
    path = office.settings.config_dir / "import_headers.yaml"
    path.write_text(
        path.read_text("utf-8").replace("seller_memo: [商家备注]", "seller_memo: [商家备注, 流量来源]", 1), "utf-8"
    )
    report = office.take(two_lines())
    assert (report.status, report.landed) == ("done", 1)
    assert [entry["mapping_version"] for entry in office.rows("FROM vault.raw.imports")] == [report.mapping_version]


WORDS = {
    "待支付": ("pending_payment", "unpaid"), "备货中": ("paid", "paid"), "待发货": ("paid", "paid"),
    "部分发货": ("paid", "paid"), "已发货": ("shipped", "paid"), "已完成": ("completed", "paid"),
    "已关闭": ("closed", "paid"), "将来的状态": ("unknown", "paid"),
}  # fmt: skip
CASES = {
    "-": ("none", "paid", "paid", 1), "售后中-待商家处理": ("requested", "after_sale", "paid", 1),
    "已全额退款": ("refunded", "paid", "partially_refunded", 0), "售后关闭": ("closed", "paid", "paid", 1),
    "退款成功": ("refunded", "paid", "partially_refunded", 0), "新的售后状态": ("unknown", "paid", "paid", 1),
}  # fmt: skip


def numbered(rows, cells):
    """The rows of one order per entry of cells, each with its own numbers."""
    return [
        {**row, **more, "主订单编号": f"69177500000000{n:02}001", "子订单编号": f"69177500000000{n:02}{line:03}"}
        for n, more in enumerate(cells, 1)
        for line, row in enumerate(rows, 1)
    ]


def test_the_words_of_the_back_office(office, two_lines):
    cells = [{"订单状态": word, **({"支付完成时间": "-"} if word == "待支付" else {})} for word in WORDS]
    office.take(numbered(two_lines(), cells))
    for order in office.rows("FROM core.orders"):
        assert (order["status"], order["payment_status"]) == WORDS[order["platform_status"]]
        assert order["paid_amount"] == (0 if order["payment_status"] == "unpaid" else Decimal("221.80"))
    assert len(office.rows("FROM core.orders")) == len(WORDS)


def test_a_case_stands_with_its_line(office, two_lines):
    rows = numbered(two_lines(), [{} for _ in CASES])
    for row, word in zip(rows[1::2], CASES, strict=True):
        row["售后状态"] = word
    office.take(rows)
    found = office.rows(
        """SELECT o.status, o.payment_status, i.refund_status, i.ship_quantity, i.platform_refund_status
           FROM core.orders o JOIN core.order_items i USING (order_id) WHERE i.line_no = 2"""
    )
    assert len(found) == len(CASES)
    for one in found:
        told = (one["refund_status"], one["status"], one["payment_status"], one["ship_quantity"])
        assert told == CASES[one["platform_refund_status"] or "-"]


def test_lines_that_moved_apart_show_the_order_by_what_is_left_to_do(office, row):
    office.take([row(订单状态="已发货", 发货时间="2026-11-09 11:00:00"), row(**SECOND)])
    assert office.order()["status"] == "paid"
    assert [line["shipped_quantity"] for line in office.rows("FROM core.order_items ORDER BY line_no")] == [2, 0]


def test_postage_counts_once_wherever_the_rows_hold_it(office, row):
    """Beside the rows' amounts, in one row's, in every row's."""
    payables = [("132.80", "89.00"), ("132.80", "99.00"), ("142.80", "99.00")]
    rows = []
    for n, (first, second) in enumerate(payables, 1):
        no = {"主订单编号": f"691775000000000000{n}", "运费": "10.00"}
        rows.append(row(**no, 订单应付金额=first, 优惠总金额="7.00", 子订单编号=f"691775000000000{n}001"))
        more = {"订单应付金额": second, "优惠总金额": "0.00", "子订单编号": f"691775000000000{n}002"}
        rows.append(row(**{**SECOND, **no, **more}))
    office.take(rows)
    orders = office.rows("FROM core.orders")
    assert len(orders) == 3
    for order in orders:
        assert amounts(order) == ["228.80", "7.00", "10.00", "0.00", "231.80", "231.80"]
        lines = office.rows(f"FROM core.order_items WHERE order_id = {order['order_id']} ORDER BY line_no")
        assert [str(line["line_amount"]) for line in lines] == ["132.80", "89.00"]


@pytest.mark.parametrize(("includes", "expected"), [
    ("true", ["129.80", "7.00", "10.00", "0.00", "132.80", "132.80"]),
    ("false", ["139.80", "7.00", "10.00", "0.00", "142.80", "142.80"]),
])  # fmt: skip
def test_where_no_price_is_told_the_mapping_says_whether_payable_holds_the_postage(office, row, includes, expected):
    """The export of 2026 has no unit price: amount due, postage and the shares of the discount only."""
    path = office.settings.config_dir / "import_headers.yaml"
    text = path.read_text("utf-8").replace("payable_includes_postage: true", f"payable_includes_postage: {includes}", 1)
    path.write_text(text, "utf-8")
    shares = {"平台实际承担优惠金额": "5.00", "商家实际承担优惠金额": "2.00", "达人实际承担优惠金额": "-"}
    cells = {
        name: cell for name, cell in {**row(运费="10.00"), **shares}.items() if name not in ("商品单价", "支付完成时间")
    }
    office.take([cells])
    assert amounts(office.order()) == expected
    (line,) = office.rows("FROM core.order_items")
    assert line["line_amount"] + line["discount_amount"] == Decimal(expected[0])
    assert office.rows("SELECT name, amount FROM core.order_discounts ORDER BY name") == [
        {"name": "platform", "amount": Decimal("5.00")}, {"name": "shop", "amount": Decimal("2.00")},
    ]  # fmt: skip


def test_cash_on_delivery_is_owed_until_it_is_completed(office, two_lines):
    office.take(two_lines(支付方式="货到付款", 支付完成时间="-"))
    order = office.order()
    assert (order["is_cod"], order["payment_status"], order["paid_at"], order["paid_amount"]) == (True, "cod", None, 0)
    office.take(two_lines(支付方式="货到付款", 支付完成时间="-", 订单状态="已完成", 订单完成时间="2026-11-09 15:00:00"))
    order = office.order()
    assert (order["payment_status"], order["paid_amount"]) == ("paid", Decimal("221.80"))
    assert order["paid_at"] == order["completed_at"]


def test_an_old_export_never_ships_anything(office, row):
    old = {name: cell.replace("2026-11-09", "2025-11-09") for name, cell in row().items() if "时间" in name}
    office.take([row(), row(**old, 主订单编号="\t6917750000000000007", 子订单编号="\t6917750000000000007")])
    flow.decide(office.run)
    held = office.rows("SELECT platform_order_no, hold_status FROM core.orders ORDER BY platform_order_no")
    assert [(order["platform_order_no"][-1], order["hold_status"]) for order in held] == [
        ("1", None),
        ("7", "platform_hold"),
    ]
    shipped = office.rows("SELECT order_id FROM outbox.instructions WHERE kind = 'pick_order'")
    assert shipped == office.rows("SELECT order_id FROM core.orders WHERE platform_order_no LIKE '%1'")


TAOBAO = {
    "子订单编号": "4823456789012345679", "主订单编号": "4823456789012345678", "标题": "杯子", "价格": "89.00",
    "购买数量": "2",
    "外部系统编号": "P-1", "商品属性": "颜色:蓝", "商家编码": "CUP-500-BL", "买家应付货款": "170.00",
    "买家实际支付金额": "178.00",
    "订单状态": "买家已付款，等待卖家发货", "退款状态": "没有申请退款", "退款金额": "无退款申请",
    "订单创建时间": "2026-11-09 10:00:00",
    "订单付款时间": "2026-11-09 10:01:00", "商品id": "712345678901", "物流单号": "null", "物流公司": "null",
    "主订单买家留言": "null",
}  # fmt: skip


def test_the_line_report_of_taobao(office):
    office.take([TAOBAO])
    order = office.order()
    assert (order["platform"], order["status"], order["platform_order_no"]) == ("taobao", "paid", "4823456789012345678")
    assert amounts(order) == ["178.00", "8.00", "8.00", "0.00", "178.00", "178.00"]
    (line,) = office.rows("FROM core.order_items")
    assert (line["platform_line_id"], line["sku"], line["refund_status"]) == (
        "4823456789012345679",
        "CUP-500-BL",
        "none",
    )
    shipped = {"订单状态": "卖家已发货，等待买家确认", "发货时间": "2026-11-09 12:00:00",
               "物流单号": "No:YT1234567890123", "物流公司": "圆通速递",
               "退款状态": "买家已经申请退款，等待卖家同意"}  # fmt: skip
    office.take([{**TAOBAO, **shipped}])
    assert office.order()["status"] == "after_sale"
    (parcel,) = office.rows("FROM core.shipments")
    assert (parcel["tracking_no"], parcel["courier"], parcel["status"]) == ("YT1234567890123", "圆通速递", "shipped")


PINDUODUO = {
    "订单成交时间": "2026-11-09 10:00:30", "商品": "杯子", "订单号": "261109-123456789012345\t",
    "订单状态": "已发货，待签收",
    "商品总价(元)": "89.00", "邮费(元)": "6.00", "店铺优惠折扣(元)": "3.00", "平台优惠折扣(元)": "2.00",
    "多多支付立减金额(元)": "1.00",
    "用户实付金额(元)": "89.00", "商家实收金额(元)": "92.00", "商品数量(件)": "1", "发货时间": "2026-11-09 11:00:00",
    "确认收货时间": "",
    "商品id": "600123456789\t", "商品规格": "蓝", "样式ID": "1500000000001\t", "商家编码-规格维度": "CUP-500-BL",
    "商家编码-商品维度": "P-1", "售后状态": "无售后或售后取消", "快递单号": "773000000000001\t", "快递公司": "申通快递",
}  # fmt: skip


def test_the_export_of_pinduoduo(office):
    office.take([PINDUODUO])
    order = office.order()
    assert (order["status"], order["payment_status"], order["platform_order_no"]) == (
        "shipped",
        "paid",
        "261109-123456789012345",
    )
    assert amounts(order) == ["89.00", "6.00", "6.00", "0.00", "89.00", "89.00"]
    (line,) = office.rows("FROM core.order_items")
    assert (line["platform_line_id"], line["platform_sku_id"], str(line["line_amount"])) == (
        "1500000000001",
        "1500000000001",
        "83.00",
    )
    assert office.failed_checks() == []


def test_the_words_of_pinduoduo(office):
    words = {
        "待发货": ("paid", "paid"), "未发货，退款成功": ("closed", "refunded"), "已收货": ("completed", "paid"),
        "已发货，退款成功": ("closed", "refunded"),
    }  # fmt: skip
    rows = [
        {**PINDUODUO, "订单号": f"261109-12345678901234{n}", "订单状态": word, "售后状态": ""}
        for n, word in enumerate(words)
    ]
    office.take(rows)
    for order in office.rows("FROM core.orders"):
        assert (order["status"], order["payment_status"]) == words[order["platform_status"]]
    assert len(office.rows("FROM core.orders")) == len(words)


def test_pinduoduo_orders_without_a_time_have_the_day_of_their_number(office):
    office.take([{**PINDUODUO, "订单成交时间": "", "发货时间": "", "订单状态": "待发货"}])
    assert office.order()["ordered_at"] == datetime(2026, 11, 8, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize("deal_time", ["2026-11-09 10:00:30", ""])
def test_a_pinduoduo_order_is_one_order_though_file_and_platform_tell_two_times(office, deal_time):
    office.take([{**PINDUODUO, "订单成交时间": deal_time}])
    api = {
        "order_sn": "261109-123456789012345", "order_status": 2, "confirm_status": 1, "group_status": 1,
        "refund_status": 1, "after_sales_status": 0, "risk_control_status": 0, "created_time": "2026-11-09 10:00:00",
        "pay_time": "2026-11-09 10:00:20", "updated_at": "2026-11-09 11:00:00", "shipping_time": "2026-11-09 11:00:00",
        "goods_amount": "89.00", "pay_amount": "89.00", "postage": "6.00", "seller_discount": "3.00",
        "platform_discount": "3.00", "discount_amount": "6.00",
        "item_list": [{"goods_id": 600123456789, "goods_price": "89.00", "goods_count": 1, "sku_id": 1500000000001}],
    }  # fmt: skip
    office.land("pinduoduo", "pinduoduo-hz", api["order_sn"], datetime(2026, 11, 9, 3, 0, tzinfo=UTC), api)
    order = office.order()
    assert order["ordered_at"] == datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
    assert amounts(order) == ["89.00", "6.00", "6.00", "0.00", "89.00", "89.00"]
    assert office.rows("FROM vault.raw.quarantine") == [] and office.failed_checks() == []


OWN = {
    "平台订单号": "306151234567890", "商品编码": "CUP-500-BL", "数量": "2", "单价": "35.90", "运费": "4.90",
    "税额": "1.00",
    "收件人": "Ahmad", "电话": "+60 12-345 6789", "国家": "MY", "详细地址": "1 Jalan Ampang",
    "下单时间": "2026-11-09 10:00:00",
    "付款时间": "2026-11-09 10:01:00", "订单状态": "待发货",
}  # fmt: skip


def test_a_sheet_of_ones_own_takes_currency_and_zone_of_its_shop(office):
    report = office.take([OWN])
    assert report.status == "failed" and "--shop" in report.error
    assert office.take([OWN], shop="lazada-my").status == "done"
    order = office.order()
    assert (order["platform"], order["currency"], order["country"]) == ("lazada", "MYR", "MY")
    assert order["ordered_at"] == datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
    assert amounts(order) == ["71.80", "0.00", "4.90", "1.00", "77.70", "77.70"]


def test_the_zone_of_a_shop_knows_summer_time(office):
    times = {"下单时间": "2026-07-01 10:00:00", "付款时间": "2026-07-01T10:01:00-04:00"}
    office.take([{**OWN, **times}], shop="shopify-us")
    order = office.order()
    assert order["ordered_at"] == datetime(2026, 7, 1, 14, 0, tzinfo=UTC)
    assert order["paid_at"] - order["ordered_at"] == timedelta(minutes=1)


HOSTILE = [
    "{}", '{"rows": []}', '{"rows": null}', '{"rows": [null]}', '{"rows": [1, "x", []]}', '{"rows": {"order_no": "1"}}',
    '{"rows": [{"order_no": "1", "quantity": "99999999999", "unit_price": "9999999999999.99", "payable": "9e13"}]}',
    '{"rows": [{"order_no": "1", "quantity": "999999999", "unit_price": "999999999999.99"}]}',
    '{"timezone": "Foo/Bar", "rows": [{"order_no": "1", "ordered_at": "2026-11-09 10:00:00", "quantity": "0"}]}',
    '{"timezone": "Asia/Shanghai", "rows": [{"order_no": "1", "order_no": "2", "ordered_at": "294247-01-10 0:0"}]}',
    '{"refused": "x", "rows": 1}', '{"refused": [null, {"rule": {"a": 1}, "reason": []}], "rows": [{}]}', "[1]", "x",
]  # fmt: skip


def test_no_document_of_kind_import_however_broken_stops_the_others(office, two_lines):
    rows = [(f"{n}", text) for n, text in enumerate(HOSTILE)]
    at = datetime(2026, 11, 9, tzinfo=UTC)
    documents = [(number, at, text) for number, text in rows]
    with office.run.writing("landing"):
        window = PulledWindow("douyin", "douyin-hz", "import", at, at + timedelta(hours=1), 1, documents, len(rows), 1)
        land(office.run.lake, office.settings, [window], run_id="run-1", now=at)
    office.take(two_lines())
    assert len(office.rows("FROM core.orders")) == 1
    assert len(office.rows("SELECT DISTINCT seq FROM vault.raw.quarantine")) == len(HOSTILE)
    assert office.failed_checks() == []


def test_the_order_of_arrival_does_not_show(new_office, two_lines):
    """Two files and two platform documents of one order, in every order of arrival: the same order at the end."""
    steps = [
        lambda one: one.take(two_lines()),
        lambda one: one.take(two_lines(订单状态="已发货", 发货时间="2026-11-09 11:30:00")),
        lambda one: land_api(one),
        lambda one: land_api(one, order_status=5, **dict.fromkeys(("update_time", "finish_time"), PAID + 9000)),
    ]
    seen = set()
    for order in [(0, 2, 1, 3), (3, 1, 2, 0)]:
        one = new_office()
        for step in order:
            steps[step](one)
        row = one.order()
        seen.add(tuple(str(value) for name, value in sorted(row.items()) if name != "source_seq"))
    assert len(seen) == 1


def test_a_replay_gives_the_same_tables(office, row, two_lines, tmp_path):
    office.take([*two_lines(), row(主订单编号="4.8E+18")])
    land_api(office)
    flow.decide(office.run)
    office.run.close()
    tables = replay(office.settings, tmp_path / "there", bite=1)
    assert [table.table for table in tables if not table.same] == []


def test_nothing_personal_is_in_the_lake(office, two_lines):
    office.take(two_lines(买家留言="请打 13812345678 找王小明"))
    flow.pool(office.run)
    for table in ("core.orders", "core.order_items", "core.order_versions", "core.order_events", "outbox.instructions"):
        text = str(office.rows(f"FROM {table}"))
        assert "13812345678" not in text and "文三路88号" not in text and "王小明" not in text
