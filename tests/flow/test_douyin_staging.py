"""Douyin's documents in the common typed form: states, fen, times, ciphertexts, and values no platform should send."""

import copy
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderpipe.lake.landing import PulledWindow, land
from orderpipe.lake.models import model

START = datetime(2026, 3, 5, 1, 0, tzinfo=UTC)
# The order and the case the platform documentation prints.
ORDER = {
    "shop_id": 12345678, "order_id": "6917750000000000001", "order_status": 2, "main_status": 2,
    "create_time": 1772672470, "pay_time": 1772672480, "update_time": 1772676000, "finish_time": 0, "ship_time": 0,
    "pay_type": 1, "order_amount": 22680, "pay_amount": 22180, "post_amount": 0,
    "promotion_amount": 700, "promotion_shop_amount": 200, "promotion_platform_amount": 500,
    "promotion_talent_amount": 0, "promotion_pay_amount": 0, "buyer_words": "请尽快", "seller_words": "",
    "post_receiver": "", "post_tel": "", "encrypt_post_receiver": "##name==##", "encrypt_post_tel": "$$tel==$$",
    "post_addr": {
        "province": {"name": "浙江省", "id": "33"}, "city": {"name": "杭州市", "id": "330100"},
        "town": {"name": "余杭区", "id": "330110"}, "street": {"name": "仓前街道", "id": "330110012"},
        "detail": "", "encrypt_detail": "##addr==##",
    },
    "mask_post_receiver": "张*", "mask_post_tel": "138****0000",
    "mask_post_addr": {
        "province": {"name": "浙江省"}, "city": {"name": "杭州市"}, "town": {"name": "余杭区"},
        "street": {"name": "仓前街道"}, "detail": "****",
    },
    "doudian_open_id": "1@#abc", "logistics_info": [],
    "sku_order_list": [
        {
            "order_id": "6917750000000000001", "parent_order_id": "6917750000000000001", "order_status": 2,
            "product_id": 3600000000000000001, "product_id_str": "3600000000000000001", "sku_id": 1790000000000001,
            "code": "CUP-500-BLK", "product_name": "不锈钢保温杯", "item_num": 2, "origin_amount": 6990,
            "sum_amount": 13980, "order_amount": 13780, "pay_amount": 13280, "promotion_amount": 700,
            "after_sale_info": {"after_sale_status": 0, "after_sale_type": 0, "refund_status": 0},
        },
        {
            "order_id": "6917750000000000002", "parent_order_id": "6917750000000000001", "order_status": 2,
            "product_id": 3600000000000000002, "sku_id": 1790000000000002, "out_sku_id": "BRUSH-STD", "code": "",
            "product_name": "杯刷套装", "item_num": 1, "origin_amount": 8900, "sum_amount": 8900, "order_amount": 8900,
            "pay_amount": 8900, "promotion_amount": 0,
            "after_sale_info": {"after_sale_status": 0, "after_sale_type": 0, "refund_status": 0},
        },
    ],
}  # fmt: skip
CASE = {
    "aftersale_info": {
        "aftersale_id": "140000000000000001", "aftersale_type": 2, "aftersale_status": 6,
        "related_id": "6917750000000000002", "apply_time": 1772676000, "create_time": 1772676000,
        "update_time": 1772676007, "refund_amount": 8900, "refund_post_amount": 0, "refund_status": 1,
    },
    "order_info": {
        "shop_order_id": "6917750000000000001",
        "related_order_info": [{"sku_order_id": "6917750000000000002", "order_status": 2, "pay_amount": 8900}],
    },
    "text_part": {"reason_text": "不想要了"},
}  # fmt: skip


def order(lines=(), **changes):
    """The order with other values; lines: changes to its child orders, in turn."""
    made = copy.deepcopy(ORDER)
    for child, change in zip(made["sku_order_list"], lines, strict=False):
        child |= change
    return made | changes


def after_sale(status, kind=1, refund_status=1):
    info = {"after_sale_status": status, "after_sale_type": kind, "refund_status": refund_status}
    return {"after_sale_info": info}


def case(related=None, **changes):
    made = copy.deepcopy(CASE)
    made["aftersale_info"] |= changes
    if related is not None:
        made["order_info"]["related_order_info"] = related
    return made


@pytest.fixture(scope="module")
def home(new_pool):
    return new_pool()


def landed(pool, kind, *documents, at=None):
    """Land documents; gives the first and the last seq."""
    texts = [text if isinstance(text, str) else json.dumps(text, ensure_ascii=False) for text in documents]
    with pool.run.writing("landing"):
        (last,) = pool.run.lake.execute("SELECT coalesce(max(seq), 0) FROM vault.raw.payloads").fetchone()
        rows = [(f"{last}-{n:03}", at or START, text) for n, text in enumerate(texts)]
        window = PulledWindow("douyin", "douyin-hz", kind, START, START + timedelta(hours=1), 1, rows, len(rows), 1)
        assert land(pool.run.lake, pool.settings, [window], run_id="run-1", now=START) == [len(rows)]
    return last + 1, last + len(texts)


@pytest.fixture
def typed(home):
    """typed(kind, document, …): the typed rows of the documents, in order, of this platform's models alone."""

    def make(kind, *documents):
        con = home.run.lake
        con.execute("CREATE OR REPLACE TABLE staging.payloads AS SELECT * FROM vault.raw.payloads LIMIT 0")
        con.executemany(
            """INSERT INTO staging.payloads BY NAME SELECT $seq::BIGINT AS seq, 'douyin' AS platform,
               'douyin-hz' AS shop_id, $kind AS kind, $text AS payload, $now::TIMESTAMPTZ AS fetched_at""",
            [
                {"seq": n, "kind": kind, "text": json.dumps(document, ensure_ascii=False), "now": START}
                for n, document in enumerate(documents)
            ],
        )
        rows = home.rows(f"FROM ({model(f'staging/douyin_{kind}s')}) ORDER BY source_seq")
        assert len(rows) == len(documents)
        return rows

    return make


def test_the_documented_order_in_the_common_form(typed):
    (row,) = typed("order", order())
    assert (row["platform_order_no"], row["status"], row["platform_status"]) == ("6917750000000000001", "paid", "2")
    assert (row["payment_status"], row["platform_hold"], row["is_cod"], row["is_presale"]) == (
        "paid",
        False,
        False,
        False,
    )
    times = {name: row[name] for name in ("ordered_at", "paid_at", "shipped_at", "completed_at", "updated_at")}
    assert {name: at and at.astimezone(UTC).strftime("%H:%M:%S") for name, at in times.items()} == {
        "ordered_at": "01:01:10", "paid_at": "01:01:20", "shipped_at": None, "completed_at": None,
        "updated_at": "02:00:00",
    }  # fmt: skip
    money = ("goods_amount", "discount_amount", "shipping_fee", "tax_amount", "payable_amount", "paid_amount")
    assert [str(row[name]) for name in money] == ["228.80", "7.00", "0.00", "0.00", "221.80", "221.80"]
    assert (row["currency"], row["buyer_id"], row["buyer_message"]) == ("CNY", "1@#abc", "请尽快")
    contact = row["contact"]
    assert (contact["name"], contact["phone"], contact["address"]) == ("张*", "138****0000", "****")
    assert [contact[name] for name in ("country", "province", "city", "district", "town")] == [
        "CN", "浙江省", "杭州市", "余杭区", "仓前街道"
    ]  # fmt: skip
    assert contact["oaid"] == "##addr==##"  # no reference of the receiver in this order: the address' ciphertext
    assert json.loads(contact["tokens"]) == {
        "encrypt_post_receiver": "##name==##", "encrypt_post_tel": "$$tel==$$", "encrypt_detail": "##addr==##"
    }  # fmt: skip
    cup, brush = row["items"]
    assert {name: str(cup[name]) for name in ("unit_price", "discount_amount", "line_amount")} == {
        "unit_price": "69.90", "discount_amount": "7.00", "line_amount": "132.80"
    }  # fmt: skip
    assert (cup["sku"], cup["platform_line_id"], cup["quantity"], cup["ship_quantity"], cup["shipped_quantity"]) == (
        "CUP-500-BLK", "6917750000000000001", 2, 2, 0
    )  # fmt: skip
    assert (cup["platform_product_id"], cup["platform_sku_id"]) == ("3600000000000000001", "1790000000000001")
    assert (brush["sku"], brush["platform_product_id"]) == ("BRUSH-STD", "3600000000000000002")
    assert [(d["name"], str(d["amount"])) for d in row["discounts"]] == [
        ("promotion_shop", "2.00"), ("promotion_platform", "5.00")
    ]  # fmt: skip


def test_the_platforms_deadline_is_told_where_there_is_one(typed):
    promised = ORDER["pay_time"] + 48 * 3600
    rows = typed("order", *(order(exp_ship_time=value) for value in (promised, 0, None, 10**40)))
    assert [row["ship_by"] for row in rows] == [datetime.fromtimestamp(promised, UTC), None, None, None]


def test_every_state_has_its_word(typed):
    unpaid = {"pay_time": 0}
    given = {
        (1, 1): ("pending_payment", "unpaid"), (1, 103): ("pending_payment", "unpaid"), (105, 105): ("paid", "paid"),
        (2, 2): ("paid", "paid"), (101, 101): ("paid", "paid"), (3, 3): ("shipped", "paid"),
        (5, 5): ("completed", "paid"), (4, 4): ("closed", "unpaid"), (4, 21): ("closed", "refunded"),
        (3, 22): ("closed", "refunded"), (5, 39): ("closed", "refunded"), (999, 999): ("unknown", "paid"),
        (None, None): ("unknown", "paid"),
    }  # fmt: skip
    documents = [
        order(order_status=status, main_status=main, **(unpaid if ought[1] == "unpaid" else {}))
        for (status, main), ought in given.items()
    ]
    rows = typed("order", *documents)
    assert [(row["status"], row["payment_status"]) for row in rows] == list(given.values())
    assert [row["platform_hold"] for row in rows] == [status == 105 for status, _ in given]
    assert {row["platform_status"] for row in rows} >= {"105", "1/103", "4/21", "3/22", "5/39", "999"}
    assert all((row["paid_amount"] == 0) == (row["payment_status"] == "unpaid") for row in rows)


def test_an_order_cancelled_has_ended_but_is_not_completed(typed):
    ended = {"finish_time": 1772680000}
    closed, refunded, done = typed(
        "order",
        order(order_status=4, main_status=4, pay_time=0, **ended),
        order(order_status=4, main_status=39, **ended),
        order(order_status=5, main_status=5, **ended),
    )
    assert closed["completed_at"] is None
    assert refunded["completed_at"] == done["completed_at"] == datetime.fromtimestamp(1772680000, UTC)


@pytest.mark.parametrize(
    ("info", "line", "status"),
    [
        (after_sale(0), "none", "paid"),
        (after_sale(6), "requested", "after_sale"),
        (after_sale(7, 0), "returning", "after_sale"),
        (after_sale(11, 0), "returning", "after_sale"),
        (after_sale(13, 3), "returning", "after_sale"),
        (after_sale(27), "refused", "after_sale"),
        (after_sale(29), "refused", "after_sale"),
        (after_sale(12, 1, 3), "refunded", "paid"),
        (after_sale(53, 2, 3), "refunded", "paid"),
        (after_sale(12, 3), "closed", "paid"),  # exchanged, nothing refunded
        (after_sale(14, 3), "closed", "paid"),
        (after_sale(12, 6, 3), "partially_refunded", "paid"),  # price protection: the goods still go
        (after_sale(28, 1, 1), "closed", "paid"),  # withdrawn: refund_status stays 1
        (after_sale(51, 4, 3), "refunded", "paid"),
        (after_sale(51, 5, 0), "closed", "paid"),
        (after_sale(99), "unknown", "paid"),
        ({"after_sale_info": None}, "none", "paid"),
    ],
    ids=str,
)
def test_a_case_on_a_line_shows_on_the_line_and_while_open_on_the_order(typed, info, line, status):
    (row,) = typed("order", order([{}, info]))
    cup, brush = row["items"]
    assert (brush["refund_status"], row["status"], cup["refund_status"]) == (line, status, "none")
    code = (info["after_sale_info"] or {}).get("after_sale_status")
    gone = line == "refunded" or code == 51
    assert (cup["ship_quantity"], brush["ship_quantity"]) == (2, 0 if gone else 1)
    given_back = line in ("refunded", "partially_refunded")
    assert row["payment_status"] == ("partially_refunded" if given_back else "paid")


def test_an_order_can_be_shipped_with_one_refunded_line_and_refunded_with_all(typed):
    refunded = after_sale(12, 1, 3)
    one, whole, gift = typed(
        "order",
        order([refunded], order_status=3),
        order([refunded, refunded], order_status=3),
        order([refunded, {"pay_amount": 0, "origin_amount": 0}], order_status=3, pay_amount=13280),
    )
    assert (one["status"], one["payment_status"]) == ("shipped", "partially_refunded")
    assert whole["payment_status"] == gift["payment_status"] == "refunded"
    assert [item["line_amount"] for item in gift["items"]] == [Decimal("132.80"), 0]


# Money: what is uncertain in the documentation, one test for each reading.


@pytest.mark.parametrize("reading", ["postage in the lines", "postage beside the lines"])
def test_postage_may_stand_in_the_lines_or_beside_them(typed, reading):
    lines = [{"pay_amount": 13280, "post_amount": 500}, {"pay_amount": 8900, "post_amount": 300}]
    if reading == "postage in the lines":
        lines = [{"pay_amount": 13780, "post_amount": 500}, {"pay_amount": 9200, "post_amount": 300}]
    (row,) = typed("order", order(lines, post_amount=800, pay_amount=22980))
    assert [str(item["line_amount"]) for item in row["items"]] == ["132.80", "89.00"]
    assert (str(row["shipping_fee"]), str(row["discount_amount"]), str(row["payable_amount"])) == (
        "8.00",
        "7.00",
        "229.80",
    )


@pytest.mark.parametrize("order_amount", [22680, 22180, 22880])
def test_the_platforms_other_totals_do_not_count(typed, order_amount):
    (row,) = typed("order", order(order_amount=order_amount, promotion_amount=99999))
    assert (str(row["payable_amount"]), str(row["discount_amount"])) == ("221.80", "7.00")


def test_tax_is_paid_on_top(typed):
    (row,) = typed("order", order([{"pay_amount": 13380, "tax_amount": 100}], tax_amount=100, pay_amount=22280))
    assert (str(row["tax_amount"]), str(row["discount_amount"])) == ("1.00", "7.00")
    assert str(row["items"][0]["line_amount"]) == "132.80"


def test_a_deposit_is_what_its_phases_say_was_paid(typed):
    phases = [
        {"current_phase": 1, "pay_success": True, "phase_pay_amount": 4000},
        {"current_phase": 2, "pay_success": False, "phase_pay_amount": 18180},
    ]
    waiting = {"order_status": 1, "main_status": 103, "pay_time": 0}
    begun, nothing, done = typed(
        "order",
        order(order_phase_list=phases, **waiting),
        order(order_phase_list=[phases[1]], **waiting),
        order(order_phase_list=[{**phase, "pay_success": True} for phase in phases]),
    )
    assert (begun["status"], begun["payment_status"], str(begun["paid_amount"])) == (
        "pending_payment",
        "deposit_paid",
        "40.00",
    )
    assert (nothing["payment_status"], nothing["paid_amount"]) == ("unpaid", 0)
    assert (done["payment_status"], str(done["paid_amount"])) == ("paid", "221.80")
    assert begun["is_presale"] and nothing["is_presale"] and done["is_presale"]


@pytest.mark.parametrize("mark", [{"trade_type": 2}, {"pre_sale_type": 1}])
def test_a_presale_also_shows_on_its_line(typed, mark):
    assert typed("order", order([mark]))[0]["is_presale"] is True


def test_cash_on_delivery_is_paid_when_the_goods_are_received(typed):
    cash = {"pay_type": 0, "pay_time": 0}
    waiting, going, there, unpaid = typed(
        "order",
        order(**cash),
        order(**cash, order_status=3),
        order(**cash, order_status=5, main_status=5, finish_time=1772680000),
        order(**cash, order_status=1, main_status=1),
    )
    assert [(row["status"], row["payment_status"], row["is_cod"]) for row in (waiting, going, there, unpaid)] == [
        ("paid", "cod", True), ("shipped", "cod", True), ("completed", "paid", True),
        ("pending_payment", "unpaid", False),
    ]  # fmt: skip
    assert (waiting["paid_at"], waiting["paid_amount"], going["paid_amount"]) == (None, 0, 0)
    assert there["paid_at"] == there["completed_at"] and there["paid_amount"] == there["payable_amount"]


# Parcels, receivers


def test_parcels_say_which_pieces_have_left(typed):
    parcels = [
        {"tracking_no": "SF1", "company": "shunfeng", "ship_time": 1772690000, "delivery_id": "P1",
         "product_info": [{"sku_order_id": "6917750000000000001", "product_count": 1}]},
        {"tracking_no": "YT1", "company": "yuantong", "ship_time": 1772689000, "delivery_id": "P2",
         "product_info": None},
    ]  # fmt: skip
    part, whole, silent = typed(
        "order",
        order([{}, {"order_status": 3}], order_status=101, logistics_info=parcels, ship_time=1772690000),
        order([{"order_status": 3}, {"order_status": 3}], order_status=3, ship_time=1772690000, logistics_info=None),
        order([{"order_status": 4}, {"order_status": None}]),
    )
    assert [item["shipped_quantity"] for item in part["items"]] == [1, 1]
    assert [item["shipped_quantity"] for item in whole["items"]] == [2, 1]
    assert [item["shipped_quantity"] for item in silent["items"]] == [None, None]
    assert part["shipped_at"] == datetime.fromtimestamp(1772689000, UTC)
    assert whole["shipped_at"] == datetime.fromtimestamp(1772690000, UTC) and whole["shipments"] == []
    assert [(s["platform_shipment_id"], s["courier"], s["tracking_no"], s["status"]) for s in part["shipments"]] == [
        ("P1", "shunfeng", "SF1", "shipped"), ("P2", "yuantong", "YT1", "shipped")
    ]  # fmt: skip


def test_a_receiver_in_clear_goes_before_the_mask_and_the_reference_before_the_ciphertext(typed):
    address = {**ORDER["post_addr"], "detail": "文一西路1号"}
    clear, reference, nothing = typed(
        "order",
        order(post_receiver="张三", post_tel="13812340000", post_addr=address),
        order(open_address_id="#ref#"),
        order(encrypt_post_receiver="", encrypt_post_tel=None, post_addr=None),
    )
    contact = clear["contact"]
    assert (contact["name"], contact["phone"], contact["address"]) == ("张三", "13812340000", "文一西路1号")
    assert reference["contact"]["oaid"] == "#ref#"
    assert nothing["contact"]["oaid"] is None and nothing["contact"]["tokens"] is None
    assert nothing["contact"]["city"] == "杭州市"  # as the masked address has it


# After-sale cases


def test_the_documented_case_in_the_common_form(typed):
    (row,) = typed("refund", case())
    names = (
        "platform_refund_no",
        "platform_order_no",
        "platform_line_id",
        "status",
        "platform_status",
        "kind",
        "phase",
    )
    assert [row[name] for name in names] == [
        "140000000000000001", "6917750000000000001", "6917750000000000002", "requested", "6",
        "refund", "before_completion",
    ]  # fmt: skip
    assert (row["amount"], row["currency"], row["reason"]) == (Decimal("89.00"), "CNY", "不想要了")
    assert row["updated_at"] - row["created_at"] == timedelta(seconds=7)


def test_every_case_has_its_word(typed):
    ought = {
        (6, 1): "requested", (7, 0): "returning", (8, 3): "returning", (11, 0): "returning", (13, 3): "returning",
        (12, 0): "refunded", (12, 6): "refunded", (12, 3): "closed", (12, 7): "closed", (14, 3): "closed",
        (27, 1): "refused", (28, 1): "closed", (29, 0): "refused", (99, 1): "unknown",
    }  # fmt: skip
    rows = typed("refund", *(case(aftersale_status=status, aftersale_type=kind) for status, kind in ought))
    assert [row["status"] for row in rows] == list(ought.values())
    kinds = dict(zip([kind for _, kind in ought], [row["kind"] for row in rows], strict=True))
    assert kinds == {0: "return", 1: "refund", 6: "refund", 3: "exchange", 7: "other"}


def test_a_case_of_the_whole_order_has_no_line(typed):
    related = [{"sku_order_id": str(number), "order_status": 5} for number in (1, 2)]
    whole, none = typed("refund", case(related, aftersale_type=1), case([], create_time=0))
    assert (whole["platform_line_id"], whole["phase"], none["platform_line_id"]) == (None, "after_completion", None)
    assert none["created_at"] == datetime.fromtimestamp(CASE["aftersale_info"]["apply_time"], UTC)


# Values no platform should send


@pytest.mark.parametrize(
    ("change", "column", "ought"),
    [
        ({"pay_amount": "many"}, "payable_amount", None),
        ({"pay_amount": 22180.5}, "payable_amount", None),
        ({"pay_amount": 10**30}, "payable_amount", None),
        ({"pay_amount": None}, "discount_amount", None),
        ({"pay_amount": "22180"}, "payable_amount", Decimal("221.80")),
        ({"create_time": 0}, "ordered_at", None),
        ({"create_time": 1772672470000}, "ordered_at", None),  # milliseconds
        ({"create_time": -5}, "ordered_at", None),
        ({"create_time": "2026-03-05 09:01:10"}, "ordered_at", None),
        ({"update_time": 10**40}, "updated_at", None),
        ({"sku_order_list": None}, "items", []),
        ({"sku_order_list": {"order_id": "1"}}, "items", []),
        ({"logistics_info": "none"}, "shipments", []),
        ({"order_status": {"code": 2}}, "status", "unknown"),
        ({"order_id": 6917750000000000001}, "platform_order_no", "6917750000000000001"),
        ({"post_addr": "浙江省", "mask_post_addr": 7}, "payment_status", "paid"),
    ],
    ids=str,
)
def test_a_bad_value_is_null_and_never_an_error(typed, change, column, ought):
    assert typed("order", order(**change))[0][column] == ought


hostile = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**22), 10**22), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6), st.just([]), st.just({}),
    st.just([{}]), st.just("9" * 40),
    st.sampled_from([2**31 - 1, 10**12 - 1, -(10**12) + 1, 10**14, "1e5", "0x10", "NaN"]),
)  # fmt: skip


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(sorted(ORDER)), hostile, max_size=6),
    st.dictionaries(st.sampled_from(sorted(ORDER["sku_order_list"][0])), hostile, max_size=6),
    st.dictionaries(st.sampled_from(sorted(CASE["aftersale_info"])), hostile, max_size=5),
)
def test_no_document_stops_the_batch_it_comes_in(typed, change, line_change, case_change):
    broken, whole = typed("order", order([line_change], **change), order())
    assert whole["payable_amount"] == Decimal("221.80") and broken["currency"] == "CNY"
    assert typed("refund", case(**case_change))[0]["currency"] == "CNY"


# From the documents to core


def test_orders_and_cases_reach_the_pool_and_pass_its_gate(pool):
    gift = {"order_id": "6917750000000000003", "item_num": 1, "origin_amount": 0, "pay_amount": 0, "code": "GIFT-CARD",
            "product_name": "卡", "given_product_type": "FREE", "order_status": 2}  # fmt: skip
    whole = order()
    whole["sku_order_list"].append(gift)
    held = order(order_id="6917750000000000009", order_status=105, main_status=105)
    landed(pool, "order", whole, held)
    landed(pool, "refund", case())
    report = pool.pool()
    assert (report.read, report.quarantined, report.unknown) == (3, 0, [])
    found = pool.order("6917750000000000001")
    assert (found["platform"], found["status"], found["payable_amount"]) == ("douyin", "paid", Decimal("221.80"))
    lines = pool.rows("FROM core.order_items WHERE order_id = $id ORDER BY line_no", id=found["order_id"])
    assert [(line["platform_line_id"], line["is_gift"]) for line in lines] == [
        ("6917750000000000001", False), ("6917750000000000002", False), ("6917750000000000003", True)
    ]  # fmt: skip
    (refund,) = pool.rows("FROM core.refunds")
    assert (refund["order_id"], refund["status"]) == (found["order_id"], "requested")
    assert pool.order("6917750000000000009")["hold_status"] == "platform_hold"


def test_an_order_without_an_amount_is_quarantined_and_the_others_go_on(pool):
    landed(pool, "order", order(pay_amount=None), order(order_id="6917750000000000008"))
    report = pool.pool()
    assert (report.pooled, report.quarantined) == (1, 1)
    assert pool.order("6917750000000000008")["status"] == "paid"
