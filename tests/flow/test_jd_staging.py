"""JD documents in the pool: states, money to the cent, times, ids, holds, cash on delivery, cases, hostile values."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderpipe.lake.landing import PulledWindow, land

SERIAL = itertools.count()
NOW = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
NO_TIME = "0001-01-01 00:00:00"
CUP = {
    "skuId": "100012000001", "wareId": "10020000000001", "outerSkuId": "CUP-500-BL", "skuName": "双层保温杯 500ml 蓝色",
    "jdPrice": "59.90", "itemTotal": "2", "giftPoint": "0", "newStoreId": "0",
}  # fmt: skip
GLASS = {**CUP, "skuId": "100012000002", "outerSkuId": "GLS-WINE-2", "jdPrice": "129.00", "itemTotal": "1"}
GIFT = {**CUP, "jdPrice": "0.00", "itemTotal": "1"}
HIDDEN = {
    "fullname": "BASE64CIPHERNAME==", "telephone": "BASE64CIPHERTEL==", "mobile": "BASE64CIPHERMOB==",
    "fullAddress": "BASE64CIPHERADDR==", "province": "浙江", "city": "杭州市", "county": "余杭区", "town": "仓前街道",
}  # fmt: skip
CLEAR = {
    **HIDDEN, "fullname": "王小明", "telephone": "", "mobile": "13812345678",
    "fullAddress": "浙江杭州市余杭区文一西路969号",
}  # fmt: skip
MASKED = {**HIDDEN, "fullname": "王**", "telephone": "138****5678", "mobile": "", "fullAddress": "浙江杭州市余杭区****"}
WAYBILL = {"waybill": "SF139", "logisticsId": "467"}
COD = {"payType": "1-货到付款", "paymentConfirmTime": NO_TIME}


def coupon(amount: str, sku: str = "", kind: str = "41-京东券优惠") -> dict[str, str]:
    return {"orderId": "1", "skuId": sku, "couponType": kind, "couponPrice": amount}


def order(number: int, minute: int = 5, **changes: Any) -> dict[str, Any]:
    """A paid order as the search gives it, changed minutes after it was placed: the documentation's own example."""
    document = {
        "orderId": str(287 * 10**9 + number), "venderId": "10000001", "orderType": "22", "payType": "4-在线支付",
        "orderTotalPrice": "248.80", "orderSellerPrice": "226.80", "orderPayment": "234.80", "freightPrice": "8.00",
        "sellerDiscount": "22.00", "orderState": "WAIT_SELLER_STOCK_OUT", "orderRemark": "", "venderRemark": "",
        "orderStartTime": "2026-11-09 07:00:10", "paymentConfirmTime": "2026-11-09 07:00:30",
        "modified": f"2026-11-09 07:{minute:02d}:00", "orderEndTime": NO_TIME, "pin": "pin_masked_sim",
        "open_id_buyer": "oid_sim_0001", "parentOrderId": "0", "waybill": "", "logisticsId": "", "balanceUsed": "0.00",
        "consigneeInfo": HIDDEN, "itemInfoList": [CUP, GLASS], "couponDetailList": [coupon("22.00")],
    }  # fmt: skip
    return {name: value for name, value in {**document, **changes}.items() if value != "absent"}


def application(number: int, of: int, status: int, **changes: Any) -> dict[str, Any]:
    """A refund application of before shipping."""
    return {
        "id": number, "orderId": str(287 * 10**9 + of), "buyerId": "pin", "applyTime": "2026-11-09 07:10:00",
        "applyRefundSum": 23480.0, "status": status, "reason": "不想要了", "systemId": 10, **changes,
    }  # fmt: skip


def service(number: int, of: int, state: str, **changes: Any) -> dict[str, Any]:
    """An after-sale service of after shipping."""
    return {
        "applyId": number + 7, "serviceId": number, "orderId": str(287 * 10**9 + of), "skuId": "100012000001",
        "serviceStatus": 5, "serviceStatusName": state, "customerExpect": 10, "applyTime": "2026-11-09 07:10:00",
        "updateDate": "2026-11-09 07:20:00", "actualPayPrice": "59.90", **changes,
    }  # fmt: skip


def take(pool, *documents: dict[str, Any] | str, kind: str = "order") -> Any:
    """Land the documents of one kind together, and pool them; gives the report."""
    rows = []
    for n, document in enumerate(documents):
        text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
        rows.append((f"{kind}-{next(SERIAL)}", NOW + timedelta(seconds=n), text))
    window = PulledWindow("jd", "jd-hz", kind, NOW, NOW + timedelta(hours=1), 1, rows, len(rows), 1)
    with pool.run.writing("landing"):
        land(pool.run.lake, pool.settings, [window], run_id="run-1", now=NOW)
    return pool.pool()


def pooled(pool, number: int) -> dict[str, Any]:
    return pool.order(str(287 * 10**9 + number))


def typed(pool, *documents: dict[str, Any]) -> list[dict[str, Any]]:
    """The typed rows of these documents, as the staging model gives them."""
    take(pool, *documents)
    return pool.rows("FROM staging.typed_orders WHERE platform = 'jd' ORDER BY source_seq")


def cases_of(pool, number: int) -> list[dict[str, Any]]:
    return pool.rows("FROM core.refunds WHERE platform_order_no = $no", no=str(287 * 10**9 + number))


@pytest.fixture(scope="module")
def pool(new_pool):
    """One pool for all: opening one takes longer than any test here."""
    return new_pool()


NUMBERS = itertools.count(1000)
CANCELLED = {"orderState": "TRADE_CANCELED", "orderEndTime": "2026-11-09 08:00:00"}
FINISHED = {"orderState": "FINISHED_L", "orderEndTime": "2026-11-09 09:00:00", **WAYBILL}
STATES = {
    # what differs from a paid order: (status, payment status, held)
    "to ship": ({}, "paid", "paid", False),
    "overseas": ({"orderState": "WAIT_SELLER_DELIVERY"}, "paid", "paid", False),
    "codes": ({"orderState": "WAIT_SEND_CODE"}, "paid", "paid", False),
    "paused": ({"orderState": "PAUSE"}, "paid", "paid", True),
    "paused by POP": ({"orderState": "POP_ORDER_PAUSE"}, "paid", "paid", True),
    "locked": ({"orderState": "LOCKED"}, "after_sale", "paid", True),
    "shipped": ({"orderState": "WAIT_GOODS_RECEIVE_CONFIRM", **WAYBILL}, "shipped", "paid", False),
    "finished": (FINISHED, "completed", "paid", False),
    "cancelled": (CANCELLED, "closed", "refunded", False),
    "cancelled unpaid": ({**CANCELLED, "paymentConfirmTime": NO_TIME}, "closed", "unpaid", False),
    "split": ({**CANCELLED, "orderState": "PARENT_TRADE_CANCELED"}, "closed", "unpaid", False),
    "unpaid": ({"orderState": "NOT_PAY", "paymentConfirmTime": NO_TIME}, "pending_payment", "unpaid", False),
    "odd": ({"orderState": "TRADE_FINISHED"}, "unknown", "paid", False),
    "odd unpaid": ({"orderState": "ODD", "paymentConfirmTime": NO_TIME}, "unknown", "unknown", False),
    "cod to ship": (COD, "paid", "cod", False),
    "cod paused": ({**COD, "orderState": "PAUSE"}, "paid", "cod", True),
    "cod shipped": ({**COD, "orderState": "WAIT_GOODS_RECEIVE_CONFIRM", **WAYBILL}, "shipped", "cod", False),
    "cod finished": ({**FINISHED, **COD}, "completed", "paid", False),
    "cod refused": ({**CANCELLED, **COD}, "closed", "unpaid", False),
}  # fmt: skip


@pytest.fixture(scope="module")
def states(pool):
    """One order in every state, numbered in the order of STATES, and the report of pooling them."""
    return pool, take(pool, *(order(n, **changes) for n, (changes, *_) in enumerate(STATES.values())))


@pytest.mark.parametrize(("number", "name"), list(enumerate(STATES)), ids=list(STATES))
def test_a_state_of_the_platform_has_one_unified_reading(states, number, name):
    pool, report = states
    changes, status, payment_status, held = STATES[name]
    row = pooled(pool, number)
    assert report.quarantined == 0
    assert (row["status"], row["payment_status"]) == (status, payment_status)
    assert row["platform_status"] == changes.get("orderState", "WAIT_SELLER_STOCK_OUT")
    assert (row["hold_status"] == "platform_hold") is held and row["is_presale"] is False
    assert row["is_cod"] is name.startswith("cod ")
    paid = payment_status in ("paid", "refunded")
    assert row["paid_amount"] == (Decimal("234.80") if paid else 0) and (row["paid_at"] is not None) is paid
    assert row["balance_due"] == (0 if paid or status == "closed" or payment_status == "unknown" else Decimal("234.80"))


def test_times_are_utc_and_the_first_year_is_no_time(states):
    pool, _ = states
    names = list(STATES)
    row, cod = pooled(pool, names.index("finished")), pooled(pool, names.index("cod finished"))
    end = datetime(2026, 11, 9, 1, 0, tzinfo=UTC)
    assert row["ordered_at"] == datetime(2026, 11, 8, 23, 0, 10, tzinfo=UTC)
    assert row["paid_at"] == datetime(2026, 11, 8, 23, 0, 30, tzinfo=UTC)
    assert row["completed_at"] == end and row["updated_at"] == datetime(2026, 11, 8, 23, 5, tzinfo=UTC)
    assert cod["paid_at"] == end == cod["completed_at"], "cash on delivery is paid when the order is finished"
    assert pooled(pool, names.index("cancelled"))["completed_at"] is None
    assert row["shipped_at"] is None, "the platform does not say"
    (typed_row,) = typed(pool, order(next(NUMBERS), paymentConfirmTime="1970-01-01 08:00:00"))
    assert typed_row["paid_at"] is None


def test_what_the_documentation_shows_adds_up_to_the_cent(states):
    pool, _ = states
    row = pooled(pool, 0)
    names = ("goods_amount", "discount_amount", "shipping_fee", "tax_amount", "payable_amount", "paid_amount")
    assert [row[name] for name in names] == [Decimal(x) for x in ("248.80", "22.00", "8.00", "0", "234.80", "234.80")]
    lines = pool.rows("FROM core.order_items WHERE order_id = $id ORDER BY line_no", id=row["order_id"])
    assert [(i["platform_line_id"], i["sku"], i["quantity"], i["line_amount"]) for i in lines] == [
        ("100012000001", "CUP-500-BL", 2, Decimal("109.21")),
        ("100012000002", "GLS-WINE-2", 1, Decimal("117.59")),
    ]
    assert (lines[0]["platform_product_id"], lines[0]["platform_sku_id"]) == ("10020000000001", "100012000001")
    (discount,) = pool.rows("FROM core.order_discounts WHERE order_id = $id", id=row["order_id"])
    assert (discount["kind"], discount["line_no"], discount["amount"]) == ("order", None, Decimal("22.00"))


def test_a_coupon_for_a_sku_stays_on_its_line_and_never_on_the_gift_of_the_same_sku(pool):
    money = {"orderTotalPrice": "248.80", "orderPayment": "226.80", "orderSellerPrice": "218.80"}
    coupons = [coupon("10.00", "100012000001"), coupon("20.00"), coupon("0.00", "404")]
    document = order(next(NUMBERS), itemInfoList=[GIFT, CUP, GLASS], couponDetailList=coupons, **money)
    (row,) = typed(pool, document)
    assert [line["line_amount"] for line in row["items"]] == [0, Decimal("100.60"), Decimal("118.20")]
    assert [line["discount_amount"] for line in row["items"]] == [0, Decimal("19.20"), Decimal("10.80")]
    assert [(d["line_no"], d["kind"]) for d in row["discounts"]] == [(2, "line"), (None, "order"), (None, "order")]
    core = pool.rows("FROM core.order_items WHERE source_seq = $seq ORDER BY line_no", seq=row["source_seq"])
    assert [line["is_gift"] for line in core] == [True, False, False]


def cents(value: int) -> str:
    return f"{value // 100}.{value % 100:02d}"


def spread(amount: int, weights: list[int]) -> list[int]:
    """Largest remainders, written down once more: whole shares first, then a cent each to those cut off most."""
    total = sum(weights)
    shares = [amount * weight // total for weight in weights]
    order_ = sorted(range(len(weights)), key=lambda n: (-((amount * weights[n]) % total), n))
    for n in order_[: amount - sum(shares)]:
        shares[n] += 1
    return shares


def test_a_discount_is_spread_exactly_over_any_lines(pool):
    """Many orders at once: pooling one by one would take long."""
    made = []

    @settings(max_examples=150, database=None)
    @given(st.lists(st.tuples(st.integers(0, 99_999), st.integers(1, 9)), min_size=1, max_size=7), st.floats(0, 1))
    def collect(lines, share):
        weights = [price * pieces for price, pieces in lines]
        if sum(weights):
            made.append((lines, weights, int(sum(weights) * share)))

    collect()
    documents = [
        order(
            next(NUMBERS),
            itemInfoList=[
                {**CUP, "skuId": str(n), "jdPrice": cents(price), "itemTotal": str(pieces)}
                for n, (price, pieces) in enumerate(lines)
            ],
            couponDetailList=[coupon(cents(discount))],
            orderTotalPrice=cents(sum(weights)),
            orderPayment=cents(sum(weights) - discount + 800),
        )
        for lines, weights, discount in made
    ]
    rows = typed(pool, *documents)
    assert len(rows) == len(made) > 50
    for row, (_, weights, discount) in zip(rows, made, strict=True):
        cuts = [int(line["discount_amount"] * 100) for line in row["items"]]
        assert cuts == spread(discount, weights)
        assert sum(line["line_amount"] for line in row["items"]) == row["goods_amount"] - row["discount_amount"]


@pytest.mark.parametrize(
    ("payment", "balance", "payable"),
    [("234.80", "0.00", "234.80"), ("184.80", "50.00", "234.80"), ("234.80", "50.00", "234.80")],
    ids=["none used", "left out of orderPayment", "held in orderPayment"],
)
def test_a_used_balance_was_paid_whether_the_payment_holds_it_or_not(pool, payment, balance, payable):
    (row,) = typed(pool, order(next(NUMBERS), orderPayment=payment, balanceUsed=balance))
    assert row["payable_amount"] == row["paid_amount"] == Decimal(payable)
    assert row["goods_amount"] - row["discount_amount"] + row["shipping_fee"] == row["payable_amount"]


def test_what_the_platform_pays_counts_as_discount_of_the_buyer(pool):
    """226.80 is the seller's, but the buyer pays 30 less."""
    coupons = [coupon("22.00"), coupon("30.00", kind="100-平台补贴")]
    (row,) = typed(pool, order(next(NUMBERS), orderPayment="204.80", couponDetailList=coupons))
    assert (row["discount_amount"], row["payable_amount"]) == (Decimal("52.00"), Decimal("204.80"))
    assert sum(line["line_amount"] for line in row["items"]) == Decimal("196.80")


def test_receivers_are_encrypted_masked_or_clear(pool):
    hidden, clear, masked = typed(pool, *(order(next(NUMBERS), consigneeInfo=who) for who in (HIDDEN, CLEAR, MASKED)))
    who = hidden["contact"]
    assert (who["name"], who["phone"], who["address"], who["oaid"]) == (None, None, None, "BASE64CIPHERADDR==")
    assert json.loads(who["tokens"]) == {
        name: HIDDEN[name] for name in ("fullname", "mobile", "telephone", "fullAddress")
    }
    assert (who["province"], who["city"], who["district"], who["town"]) == ("浙江省", "杭州市", "余杭区", "仓前街道")
    who = clear["contact"]
    assert (who["name"], who["phone"], who["oaid"], who["tokens"]) == ("王小明", "13812345678", None, None)
    assert who["address"] == CLEAR["fullAddress"]
    who = masked["contact"]
    assert (who["name"], who["phone"], who["address"]) == ("王**", "138****5678", MASKED["fullAddress"])
    assert who["oaid"] is None


def test_an_encrypted_receiver_lacks_nothing_to_ship_and_stays_out_of_the_lake(pool):
    number = next(NUMBERS)
    take(pool, order(number, orderRemark="到了打13912345678", venderRemark="老客户"))
    row = pooled(pool, number)
    assert "phone" not in row["missing_fields"] and "address" not in row["missing_fields"]
    assert row["address_key"] and row["buyer_message"] == "到了打**" and row["seller_memo"] == "老客户"
    (contact,) = pool.rows("FROM vault.pii.contacts WHERE order_id = $id", id=row["order_id"])
    assert contact["oaid"] == "BASE64CIPHERADDR==" and contact["buyer_message"] == "到了打13912345678"
    assert row["buyer_id"] == "oid_sim_0001"


def test_a_province_is_one_province_however_the_platform_writes_it(pool):
    written = {"浙江": "浙江省", "浙江省": "浙江省", "北京": "北京市", "新疆": "新疆维吾尔自治区", "火星": "火星"}
    rows = typed(pool, *(order(next(NUMBERS), consigneeInfo={**HIDDEN, "province": name}) for name in written))
    assert [row["contact"]["province"] for row in rows] == list(written.values())


def test_several_waybills_are_several_parcels(pool):
    many = {"orderState": "WAIT_GOODS_RECEIVE_CONFIRM", "waybill": "SF1,SF2|ZT3", "logisticsId": "467|1499"}
    none = {"orderState": "WAIT_GOODS_RECEIVE_CONFIRM"}
    several, own, waiting, stopped = typed(
        pool,
        order(next(NUMBERS), **many),
        order(next(NUMBERS), **none),
        order(next(NUMBERS)),
        order(next(NUMBERS), orderState="LOCKED", **WAYBILL),
    )
    assert [(s["courier"], s["tracking_no"], s["status"]) for s in several["shipments"]] == [
        ("467", "SF1", "shipped"), ("467", "SF2", "shipped"), ("1499", "ZT3", "shipped"),
    ]  # fmt: skip
    assert [(s["courier"], s["tracking_no"]) for s in own["shipments"]] == [(None, None)]
    assert waiting["shipments"] == []
    pieces = [[line["shipped_quantity"] for line in row["items"]] for row in (several, own, waiting, stopped)]
    assert pieces == [[2, 1], [2, 1], [0, 0], [None, None]]


APPLICATIONS = {
    0: "requested", 1: "requested", 2: "refused", 3: "refunded", 4: "refused", 5: "requested", 6: "returning",
    7: "returning", 8: "requested", 9: "closed", 10: "requested", 77: "unknown",
}  # fmt: skip
SERVICES = {
    ("待审核", 10): ("requested", "return"),
    ("待收货", 10): ("returning", "return"),
    ("待处理", 20): ("returning", "exchange"),
    ("待用户确认", 11): ("returning", "refund"),
    ("审核不通过", 10): ("refused", "return"),
    ("取消", 10): ("closed", "return"),
    ("完成", 10): ("refunded", "return"),
    ("完成", 11): ("refunded", "refund"),
    ("完成", 20): ("closed", "exchange"),
    ("完成", 30): ("closed", "other"),
    ("飞走了", 10): ("unknown", "return"),
}


def test_a_case_before_shipping_is_a_refund_of_the_order_in_fen_unless_told_otherwise(pool):
    number = next(NUMBERS)
    take(pool, order(number))
    made = [application(900000100 + status, number, status) for status in APPLICATIONS]
    yuan = application(900000200, number, 0, applyRefundSum=234.8, _applyRefundSumUnit="yuan")
    take(pool, *made, yuan, kind="refund")
    found = {int(row["platform_refund_no"]) - 900000100: row for row in cases_of(pool, number)}
    in_yuan = found.pop(100)
    assert {status: row["status"] for status, row in found.items()} == APPLICATIONS
    row = found[0]
    assert (row["amount"], row["currency"], row["kind"], row["platform_line_id"]) == (
        Decimal("234.80"),
        "CNY",
        "refund",
        None,
    )
    assert row["phase"] == "before_completion" and row["order_id"] == pooled(pool, number)["order_id"]
    assert row["created_at"] == row["updated_at"] == datetime(2026, 11, 8, 23, 10, tzinfo=UTC)
    assert in_yuan["amount"] == Decimal("234.80")


def test_a_case_after_shipping_is_read_by_the_name_of_its_state(pool):
    number = next(NUMBERS)
    take(pool, order(number, orderState="WAIT_GOODS_RECEIVE_CONFIRM", **WAYBILL))
    made = [service(5000 + n, number, state, customerExpect=expect) for n, (state, expect) in enumerate(SERVICES)]
    take(pool, *made, kind="refund")
    found = {int(row["platform_refund_no"]) - 5000: row for row in cases_of(pool, number)}
    assert [(found[n]["status"], found[n]["kind"]) for n in range(len(SERVICES))] == list(SERVICES.values())
    row = found[0]
    assert (row["amount"], row["platform_line_id"], row["platform_status"]) == (
        Decimal("59.90"),
        "100012000001",
        "5 待审核",
    )
    assert row["updated_at"] == datetime(2026, 11, 8, 23, 20, tzinfo=UTC)


def test_a_case_that_changed_and_says_so_nowhere_still_becomes_what_it_is(pool):
    """The list gives no modified time: of two documents with the same times the one that came later counts."""
    number = next(NUMBERS)
    take(pool, order(number))
    take(pool, application(900000300, number, 0), kind="refund")
    take(pool, application(900000300, number, 3), kind="refund")
    (row,) = cases_of(pool, number)
    assert row["status"] == "refunded"


def test_the_newest_version_of_an_order_wins_in_any_order(pool):
    number = next(NUMBERS)
    take(pool, order(number, 30, **FINISHED))
    take(pool, order(number, 10))
    assert pooled(pool, number)["status"] == "completed"


HOSTILE = (
    {"itemInfoList": None},
    {"itemInfoList": "none"},
    {"itemInfoList": [{}]},
    {"itemInfoList": [{**CUP, "jdPrice": "abc", "itemTotal": "1.5"}]},
    {"itemInfoList": [{**CUP, "jdPrice": "999999999999.99", "itemTotal": "2147483647"}] * 9},
    {"itemInfoList": [{**CUP, "jdPrice": "-5.00", "itemTotal": "-3"}]},
    {"orderTotalPrice": "1e30", "orderPayment": "nan"},
    {"orderPayment": "-1.00"},
    {"orderPayment": "9999.00"},
    {"couponDetailList": [coupon("999999999999.99")] * 20},
    {"couponDetailList": [coupon("x", "100012000001")]},
    {"couponDetailList": {"a": 1}},
    {"consigneeInfo": None},
    {"consigneeInfo": "secret"},
    {"orderStartTime": "tomorrow"},
    {"orderStartTime": "99999-99-99 99:99:99"},
    {"modified": NO_TIME},
    {"paymentConfirmTime": ["2026-11-09"]},
    {"waybill": "|,|,,", "logisticsId": "|||"},
    {"waybill": None, "logisticsId": None},
    {"payType": None},
    {"payType": "10-未知"},
    {"orderId": None},
    {"orderRemark": "\u0000\u202e" * 40},
    {"balanceUsed": "999999999999.99"},
    {"freightPrice": "-8.00"},
)


def test_hostile_orders_stop_nothing_and_every_one_is_kept(pool):
    """Together in one bite: one that raised would stop them all."""
    good, before = next(NUMBERS), pool.rows("SELECT count(*) AS n FROM vault.raw.payloads")[0]["n"]
    report = take(pool, *(order(next(NUMBERS), **changes) for changes in HOSTILE), order(good), "[1]", "{")
    assert pooled(pool, good)["status"] == "paid"
    assert report.read == len(HOSTILE) + 3 == report.pooled + report.quarantined + report.superseded
    assert pool.rows("SELECT count(*) AS n FROM vault.raw.payloads")[0]["n"] - before == report.read
    refused = {rule for rule, seqs in report.quarantine.items() if seqs}
    assert {"not_json", "order_id_missing", "quantity_missing", "updated_at_missing"} <= refused
    assert pool.failed_checks() == []
