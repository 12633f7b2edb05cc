"""Lazada's documents in the common typed form: states of units, amounts, times, cases, and values no platform sends."""

import copy
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orderpipe.flow.pool import stage_batch
from orderpipe.lake.landing import PulledWindow, land

START = datetime(2026, 9, 21, 7, 0, tzinfo=UTC)
# The order and the reverse order the platform documentation prints.
UNIT = {
    "order_item_id": 491253082280001, "order_id": 491253082180001, "sku": "CUP-500-BL", "sku_id": "22332218421",
    "product_id": "3865707451", "name": "Insulated cup 500ml", "item_price": 39.9, "paid_price": 37.39,
    "currency": "MYR", "tax_amount": 0, "voucher_amount": 2.51, "voucher_platform": 1.51, "voucher_seller": 1.0,
    "status": "pending", "return_status": "", "shipment_provider": "", "tracking_code": "", "package_id": "",
    "created_at": "2026-09-21 15:45:00 +0800", "updated_at": "2026-09-21 15:50:22 +0800",
    "payment_time": 1789977022000, "order_type": "Normal", "stage_pay_status": "", "buyer_id": 9000123,
}  # fmt: skip
LAMP = {
    "order_item_id": 491253082480001, "sku": "LAMP-01", "sku_id": "22332218999", "name": "Desk lamp USB",
    "item_price": 79.2, "paid_price": 74.22, "voucher_amount": 4.98, "voucher_platform": 2.98, "voucher_seller": 2.0,
}  # fmt: skip
ADDRESS = {
    "first_name": "L***g", "last_name": "", "phone": "60*******78", "phone2": "", "address1": "N***************",
    "address2": "", "address3": "Selangor", "address4": "Petaling Jaya", "address5": "47301",
    "city": "Petaling Jaya", "post_code": "47301", "country": "Malaysia", "addressDsitrict": "",
}  # fmt: skip
ORDER = {
    "order_id": 491253082180001, "order_number": 491253082180001, "created_at": "2026-09-21 15:45:00 +0800",
    "updated_at": "2026-09-21 15:50:22 +0800", "price": "159.00", "voucher": 10.0, "voucher_platform": 6.0,
    "voucher_seller": 4.0, "shipping_fee": 5.9, "shipping_fee_original": 9.9, "payment_method": "MIXEDCARD",
    "statuses": ["pending"], "items_count": 3, "buyer_note": "", "remarks": "",
    "promised_shipping_times": "2026-09-24 23:59:59", "address_shipping": ADDRESS, "need_cancel_confirm": False,
    "recipient_info": {"identify_no": "", "passport_no": "", "detail_address": ""}, "is_cancel_pending": "false",
    "order_items": [UNIT, UNIT | {"order_item_id": 491253082380001}, UNIT | LAMP],
}  # fmt: skip
CASE = {
    "reverse_order_id": 704947701379284, "trade_order_id": 491253082180001, "request_type": "RETURN",
    "reverse_order_lines": [
        {
            "reverse_order_line_id": 704947701479284, "trade_order_line_id": 491253082280001,
            "reverse_status": "REQUEST_INITIATE", "refund_amount": 3739, "item_unit_price": 3990,
            "reason_text": "Item damaged", "return_order_line_gmt_create": 1790750000000,
            "return_order_line_gmt_modified": 1790750123000,
        },
    ],
    "_currency": "MYR", "_refund_unit": "cents",
}  # fmt: skip
PRODUCT = {
    "item_id": 2807246166, "updated_time": "1653463851000", "status": "Active", "attributes": {"name": "Watch"},
    "skus": [{"SkuId": 13449296008, "SellerSku": "12333-poi", "Status": "active", "price": 102.0, "quantity": 20,
              "Available": 18, "special_price": 0.0}],
    "_currency": "MYR",
}  # fmt: skip


def order(units=None, all_units=None, **changes):
    """The order with other values. units: changes to its units in turn; all_units: to each of them."""
    made = copy.deepcopy(ORDER) | changes
    for number, unit in enumerate(made["order_items"]):
        unit.update(all_units or {})
        if units and number < len(units):
            unit.update(units[number])
    return made


def case(lines=({},), **changes):
    made = copy.deepcopy(CASE) | changes
    made["reverse_order_lines"] = [copy.deepcopy(CASE["reverse_order_lines"][0]) | line for line in lines]
    return made


@pytest.fixture(scope="module")
def home(new_pool):
    return new_pool()


def landed(pool, kind, *documents, shop="lazada-my"):
    """Land documents; gives the first and the last seq."""
    texts = [text if isinstance(text, str) else json.dumps(text, ensure_ascii=False) for text in documents]
    with pool.run.writing("landing"):
        (last,) = pool.run.lake.execute("SELECT coalesce(max(seq), 0) FROM vault.raw.payloads").fetchone()
        rows = [(f"{last}-{n:03}", START, text) for n, text in enumerate(texts)]
        window = PulledWindow("lazada", shop, kind, START, START + timedelta(hours=1), 1, rows, len(rows), 1)
        assert land(pool.run.lake, pool.settings, [window], run_id="run-1", now=START) == [len(rows)]
    return last + 1, last + len(texts)


@pytest.fixture
def typed(home):
    """typed(kind, document, …): the typed rows of the documents, in order, without pooling them."""

    def make(kind, *documents):
        (serial,) = home.run.lake.execute("SELECT coalesce(max(seq), 0) FROM vault.raw.payloads").fetchone()
        distinct = [d if isinstance(d, str) else d | {"_test": serial + n} for n, d in enumerate(documents)]
        first, last = landed(home, kind, *distinct)
        with home.run.writing("staging"):
            stage_batch(home.run, first, last)
        return home.rows(f"FROM staging.typed_{kind}s WHERE platform = 'lazada' ORDER BY source_seq")

    return make


def clock_times(row, *names):
    return {name: row[name] and row[name].astimezone(UTC).strftime("%H:%M:%S") for name in names}


def test_the_documented_order_in_the_common_form(typed):
    (row,) = typed("order", order())
    assert (row["platform_order_no"], row["status"], row["platform_status"]) == ("491253082180001", "paid", "pending")
    flags = ("payment_status", "platform_hold", "is_cod", "is_presale", "is_test")
    assert [row[name] for name in flags] == ["paid", False, False, False, False]
    assert clock_times(row, "ordered_at", "paid_at", "updated_at") == {
        "ordered_at": "07:45:00", "paid_at": "07:50:22", "updated_at": "07:50:22"
    }  # fmt: skip
    assert (row["shipped_at"], row["completed_at"]) == (None, None)
    money = ("goods_amount", "discount_amount", "shipping_fee", "tax_amount", "payable_amount", "paid_amount")
    assert [str(row[name]) for name in money] == ["159.00", "10.00", "5.90", "0.00", "154.90", "154.90"]
    assert (row["currency"], row["buyer_id"]) == ("MYR", "9000123")
    contact = row["contact"]
    assert [contact[name] for name in ("name", "phone", "address")] == ["L***g", "60*******78", "N***************"]
    assert [contact[name] for name in ("country", "province", "city", "district", "zip")] == [
        "MY", "Selangor", "Petaling Jaya", None, "47301"
    ]  # fmt: skip
    assert [item["platform_line_id"] for item in row["items"]] == [
        "491253082280001", "491253082380001", "491253082480001"
    ]  # fmt: skip
    assert {(item["quantity"], item["ship_quantity"], item["shipped_quantity"]) for item in row["items"]} == {(1, 1, 0)}
    lamp = row["items"][2]
    assert [str(lamp[name]) for name in ("unit_price", "discount_amount", "line_amount")] == ["79.20", "4.98", "74.22"]
    assert (lamp["sku"], lamp["platform_product_id"], lamp["platform_sku_id"]) == (
        "LAMP-01",
        "3865707451",
        "22332218999",
    )
    assert sum(d["amount"] for d in row["discounts"]) == Decimal(10)
    assert {d["name"] for d in row["discounts"]} == {"voucher_seller", "voucher_platform"}


STATES = [
    (["unpaid"], "pending_payment"),
    *(([status], "paid") for status in (
        "pending", "topack", "packed", "repacked", "toship", "ready_to_ship_pending", "ready_to_ship")),
    (["shipped"], "shipped"),
    (["shipping"], "shipped"),
    (["delivered"], "completed"),
    (["confirmed"], "completed"),
    (["Delivered"], "completed"),
    (["canceled"], "closed"),
    *(([status], "after_sale") for status in (
        "returned", "shipped_back", "shipped_back_success", "failed", "failed_delivery", "shipped_back_failed", "lost",
        "lost_by_3pl", "damaged_by_3pl", "package_scrapped")),
    (["nearly_there"], "unknown"),
    ([None], "unknown"),
    (["shipped", "pending", "canceled"], "paid"),
    (["shipped", "delivered", "delivered"], "shipped"),
    (["delivered", "canceled", "delivered"], "completed"),
    (["canceled", "unpaid", "unpaid"], "pending_payment"),
    (["delivered", "returned", "delivered"], "after_sale"),
]  # fmt: skip


def test_the_state_of_an_order_is_that_of_its_least_advanced_unit(typed):
    documents = [order(all_units={"status": s[0]}, units=[{"status": each} for each in s]) for s, _ in STATES]
    assert [row["status"] for row in typed("order", *documents)] == [status for _, status in STATES]


RETURNS = [
    ("REQUEST_INITIATE", "requested", "after_sale"),
    ("CANCEL_INIT", "requested", "after_sale"),
    ("RTM_SHIPPING_BACK", "returning", "after_sale"),
    ("RTW_REFUND_PENDING", "returning", "after_sale"),
    ("REQUEST_REJECT", "refused", "after_sale"),
    ("REQUEST_CANCEL", "closed", "completed"),
    ("REFUND_SUCCESS", "refunded", "completed"),
    ("", "none", "completed"),
    ("SOMETHING_NEW", "unknown", "after_sale"),
]


def test_an_open_case_on_a_unit_shows_on_the_order(typed):
    documents = [order(all_units={"status": "delivered"}, units=[{"return_status": told}]) for told, _, _ in RETURNS]
    rows = typed("order", *documents)
    assert [(row["items"][0]["refund_status"], row["status"]) for row in rows] == [case[1:] for case in RETURNS]
    assert [row["items"][0]["platform_refund_status"] for row in rows] == [told or None for told, _, _ in RETURNS]


def test_a_unit_that_came_back_and_was_repaid_is_done_with(typed):
    back = {"status": "returned", "return_status": "REFUND_SUCCESS"}
    one, whole, before = typed(
        "order",
        order(all_units={"status": "delivered"}, units=[back]),
        order(all_units=back),
        order(units=[{"status": "canceled", "return_status": "CANCEL_SUCCESS"}]),
    )
    assert (one["status"], one["payment_status"]) == ("completed", "partially_refunded")
    assert [item["ship_quantity"] for item in one["items"]] == [0, 1, 1]
    assert (whole["status"], whole["payment_status"], whole["paid_amount"]) == ("closed", "refunded", Decimal("154.90"))
    assert (before["status"], before["payment_status"]) == ("paid", "partially_refunded")
    assert [(item["ship_quantity"], item["shipped_quantity"]) for item in before["items"]] == [(0, 0), (1, 0), (1, 0)]


def test_a_request_to_cancel_stops_the_order_in_whatever_type_it_comes(typed):
    rows = typed(
        "order",
        order(need_cancel_confirm=True),
        order(need_cancel_confirm="true"),
        order(is_cancel_pending=1),
        order(units=[{"is_cancel_pending": "1"}]),
        order(units=[{"need_cancel_confirm": True}]),
        order(units=[{"need_cancel_confirm": "false"}], is_cancel_pending="0"),
    )
    assert [row["status"] for row in rows] == ["after_sale"] * 5 + ["paid"]


def test_cash_on_delivery_is_owed_until_it_is_delivered(typed):
    cod = {"payment_method": "COD"}
    at = {"updated_at": "2026-09-25T10:00:00+08:00"}
    waiting, shipped, delivered, told, refused = typed(
        "order",
        order(all_units={"payment_time": 0}, **cod),
        order(all_units={"payment_time": "1789977022000", "status": "shipped"} | at, **cod),
        order(all_units={"payment_time": None, "status": "delivered"} | at, **cod),
        order(all_units={"payment_time": "1789977099000", "status": "delivered"} | at, **cod),
        order(all_units={"payment_time": 0, "status": "canceled"}, **cod),
    )
    facts = [(row["status"], row["payment_status"], row["paid_at"], row["paid_amount"]) for row in (waiting, shipped)]
    assert facts == [("paid", "cod", None, 0), ("shipped", "cod", None, 0)]
    assert (delivered["payment_status"], delivered["paid_amount"]) == ("paid", Decimal("154.90"))
    assert delivered["paid_at"] == delivered["completed_at"] == datetime(2026, 9, 25, 2, 0, tzinfo=UTC)
    assert told["paid_at"] == datetime(2026, 9, 21, 7, 51, 39, tzinfo=UTC)
    assert (refused["status"], refused["payment_status"]) == ("closed", "unpaid")
    assert all(row["is_cod"] for row in (waiting, shipped, delivered, refused))


def test_an_order_that_was_never_paid_owes_all_of_it(typed):
    unpaid, closed, untold = typed(
        "order",
        order(all_units={"status": "unpaid", "payment_time": 0}),
        order(all_units={"status": "canceled", "payment_time": 0}),
        order(all_units={"payment_time": "soon"}),
    )
    assert [(r["status"], r["payment_status"], r["paid_amount"], r["paid_at"]) for r in (unpaid, closed)] == [
        ("pending_payment", "unpaid", 0, None), ("closed", "unpaid", 0, None)
    ]  # fmt: skip
    assert (untold["status"], untold["payment_status"], untold["paid_at"]) == ("paid", "paid", None)
    assert untold["paid_amount"] == Decimal("154.90"), "it is to be shipped, so it is paid, whenever that was"


def test_a_presale_waits_for_its_balance(typed):
    waiting = {"order_type": "PreSale", "stage_pay_status": "unpaid final payment"}
    row, paid = typed("order", order(all_units=waiting), order(all_units={"order_type": "PreSale"}))
    assert (row["status"], row["payment_status"], row["is_presale"]) == ("pending_payment", "deposit_paid", True)
    assert (row["paid_amount"], row["paid_at"]) == (0, None)
    assert (paid["status"], paid["is_presale"]) == ("paid", True)


def test_a_parcel_shows_when_it_left_and_when_it_came(typed):
    parcel = {"package_id": "FP1", "tracking_code": "LEX1", "shipment_provider": "LEX MY"}
    other = {"package_id": "FP2", "tracking_code": "LEX2", "shipment_provider": "LEX MY"}
    on_way, there = typed(
        "order",
        order(units=[
            {"status": "shipped", "updated_at": "2026-09-22 09:00:00 +0800", **parcel},
            {"status": "shipped", "updated_at": "2026-09-22 09:00:00 +0800", **parcel},
            {"status": "pending", "package_id": "FP9"},
        ]),
        order(units=[
            {"status": "delivered", "updated_at": "2026-09-25T09:00:00+08:00", **parcel},
            {"status": "delivered", "updated_at": "2026-09-25T09:00:00+08:00", **parcel},
            {"status": "delivered", "updated_at": "2026-09-26T09:00:00+08:00", **other},
        ]),
    )  # fmt: skip
    left, came, last = (datetime(2026, 9, day, 1, 0, tzinfo=UTC) for day in (22, 25, 26))
    assert (on_way["status"], on_way["shipped_at"], on_way["completed_at"]) == ("paid", left, None)
    assert on_way["shipments"] == [
        {"platform_shipment_id": "FP1", "status": "shipped", "courier": "LEX MY", "tracking_no": "LEX1",
         "shipped_at": left, "delivered_at": None}
    ]  # fmt: skip
    assert (there["shipped_at"], there["completed_at"]) == (None, last)
    assert [(s["tracking_no"], s["status"], s["delivered_at"]) for s in there["shipments"]] == [
        ("LEX1", "delivered", came), ("LEX2", "delivered", last)
    ]  # fmt: skip


def test_a_time_is_read_in_every_way_it_is_written_but_never_guessed(typed):
    texts = ["2026-09-21 15:45:00 +0800", "2026-09-21T15:45:00+08:00", "2026-09-21T07:45:00Z", "2026-09-21 15:45:00"]
    *rows, without_zone = typed("order", *(order(created_at=text, updated_at=text) for text in texts))
    assert {row[name] for row in rows for name in ("ordered_at", "updated_at")} == {
        datetime(2026, 9, 21, 7, 45, tzinfo=UTC)
    }
    assert (without_zone["ordered_at"], without_zone["updated_at"]) == (None, None)


def test_the_deadline_is_the_earliest_of_the_units_that_still_count(typed):
    late, early = {"sla_time_stamp": "2026-09-24T23:59:59+08:00"}, {"sla_time_stamp": "2026-09-23 23:59:59 +0800"}
    cancelled, guessed = {**early, "status": "canceled"}, {"sla_time_stamp": "2026-09-22 23:59:59"}
    rows = typed("order", order([late, early, late]), order([late, cancelled, {}]), order([guessed]), order())
    day = [row["ship_by"] and row["ship_by"].astimezone(UTC).isoformat() for row in rows]
    assert day == ["2026-09-23T15:59:59+00:00", "2026-09-24T15:59:59+00:00", None, None]


PLACES = [
    ({"country": "Malaysia", "address5": "47301"}, ("MY", None)),
    ({"country": "singapore", "address5": "Bedok"}, ("SG", "Bedok")),
    ({"country": "Viet Nam", "address5": ""}, ("VN", None)),
    ({"country": "ID", "addressDsitrict": "Kinrara"}, ("ID", "Kinrara")),
    ({"country": "Brunei", "addressDistrict": "Kinrara"}, ("Brunei", "Kinrara")),
    ({"country": ""}, (None, None)),
]


def test_country_and_district_of_a_receiver(typed):
    rows = typed("order", *(order(address_shipping=ADDRESS | changes) for changes, _ in PLACES))
    assert [(row["contact"]["country"], row["contact"]["district"]) for row in rows] == [place for _, place in PLACES]


def test_a_number_of_an_identity_document_goes_to_the_contact_only(typed):
    (row,) = typed("order", order(recipient_info={"identify_no": "900101-14-5678"}))
    assert row["contact"]["id_number"] == "900101-14-5678"


# ---- cases


CASES = [
    ("REQUEST_INITIATE", "requested"),
    ("REFUND_INIT", "requested"),
    ("RTM_RECEIVE_ITEM", "returning"),
    ("REFUND_PENDING", "returning"),
    ("REFUND_REJECTED", "refused"),
    ("RTW_CANCELED", "closed"),
    ("CANCEL_SUCCESS", "refunded"),
    ("CANCEL_REFUND_ISSUED", "refunded"),
    ("REFUND_SUCCESS", "refunded"),
    ("QC_LIMBO", "unknown"),
    (None, "unknown"),
]


def test_every_line_of_a_reverse_order_is_a_case(typed):
    lines = [{"reverse_order_line_id": str(n), "reverse_status": status} for n, (status, _) in enumerate(CASES, 1)]
    lines[1]["refund_amount"] = "100"
    rows = sorted(typed("refund", case(lines=lines)), key=lambda row: int(row["platform_refund_no"]))
    assert [row["platform_refund_no"] for row in rows] == [line["reverse_order_line_id"] for line in lines]
    assert [row["status"] for row in rows] == [ours for _, ours in CASES]
    first, second = rows[:2]
    assert (first["amount"], second["amount"]) == (Decimal("37.39"), Decimal("1.00"))
    assert (first["platform_order_no"], first["platform_line_id"]) == ("491253082180001", "491253082280001")
    told = [first[name] for name in ("kind", "phase", "currency", "reason")]
    assert told == ["return", "after_completion", "MYR", "Item damaged"]
    assert clock_times(first, "created_at", "updated_at") == {"created_at": "06:33:20", "updated_at": "06:35:23"}


REQUESTS = [
    ("CANCEL", "refund", "before_completion"),
    ("ONLY_REFUND", "refund", "after_completion"),
    ("ONLY_ REFUND", "refund", "after_completion"),
    ("SWAP", "other", "unknown"),
]
UNITS = [("cents", Decimal("37.39")), ("whole", Decimal("3739.00")), ("stones", None), (None, None)]


def test_what_a_case_asks_for_and_in_which_unit(typed):
    rows = typed("refund", *(case(request_type=request) for request, _, _ in REQUESTS))
    assert [(row["kind"], row["phase"]) for row in rows] == [asked[1:] for asked in REQUESTS]
    rows = typed("refund", *(case(_refund_unit=unit) for unit, _ in UNITS))
    assert [row["amount"] for row in rows] == [amount for _, amount in UNITS]


# ---- listings


LISTED = {
    "Active": "listed", "InActive": "suspended", "Pending QC": "suspended", "Suspended": "suspended",
    "Deleted": "deleted", "Odd": "unknown",
}  # fmt: skip


def test_a_listing_in_the_common_form(typed):
    rows = typed("product", *(PRODUCT | {"status": status} for status in LISTED))
    assert [(row["platform_status"], row["status"]) for row in rows] == list(LISTED.items())
    row = rows[0]
    assert [row[name] for name in ("platform_product_id", "title", "currency")] == ["2807246166", "Watch", "MYR"]
    assert row["skus"] == [
        {"platform_sku_id": "13449296008", "sku": "12333-poi", "name": "Watch", "price": Decimal("102.00"),
         "stock": 18, "status": "listed"}
    ]  # fmt: skip
    assert row["updated_at"] == datetime(2022, 5, 25, 7, 30, 51, tzinfo=UTC)


# ---- in the pool


def test_orders_and_cases_are_pooled_and_add_up(new_pool):
    pool = new_pool()
    landed(pool, "order", order())
    landed(pool, "refund", case(lines=({}, {"reverse_order_line_id": 704947701479285, "trade_order_line_id": 17})))
    pool.pool()
    (row,) = pool.rows("SELECT order_id, goods_amount, country, hold_status FROM core.orders")
    assert (row["goods_amount"], row["country"]) == (Decimal("159.00"), "MY")
    cases = pool.rows("SELECT platform_refund_no, order_id, amount, currency FROM core.refunds ORDER BY 1")
    assert {case["order_id"] for case in cases} == {row["order_id"]} and len(cases) == 2
    assert pool.failed_checks() == []


def test_the_same_number_in_two_stores_is_two_orders(new_pool):
    """One cart over two stores gives the order the same number in both, at the same moment."""
    pool = new_pool()
    for shop in ("lazada-my", "lazada-sg"):
        landed(pool, "order", order(), shop=shop)
        landed(pool, "refund", case(), shop=shop)
    pool.pool()
    orders = pool.rows("SELECT order_id, shop_id FROM core.orders")
    cases = pool.rows("SELECT order_id, shop_id FROM core.refunds")
    assert sorted(row["shop_id"] for row in orders) == ["lazada-my", "lazada-sg"]
    assert sorted(cases, key=str) == sorted(orders, key=str)


def test_an_order_whose_amounts_do_not_fit_its_units_waits(new_pool):
    pool = new_pool()
    landed(pool, "order", order(price="169.00"), order(all_units={"currency": None}, order_id=2))
    landed(pool, "refund", CASE | {"reverse_order_lines": []})
    report = pool.pool()
    assert report.quarantined == 3 and pool.rows("FROM core.orders") == []
    rules = {row["rule"] for row in pool.rows("SELECT rule FROM vault.raw.quarantine")}
    assert {"money_does_not_add_up", "currency_missing", "platform_refund_no_missing"} <= rules


BROKEN = [
    None, "", "abc", "***", "-1", "1e30", "99999999999999999999.99", "NaN", "infinity", "9999-12-31 00:00:00 +0800",
    "1789977022", "99999999999999", "9223372036854775807", "+08:00", "\u0000", "💥", [], {}, [None], [[]], [{}],
    {"a": [None]}, True, -1, 0.5, 10**30,
]  # fmt: skip


def leaves(value, path=()):
    """The path of every value within a document, containers included."""
    if path:
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from leaves(inner, (*path, key))


def spoilt(document, place, junk):
    content = copy.deepcopy(document)
    paths = list(leaves(content))
    *parents, last = paths[place % len(paths)]
    inner = content
    for key in parents:
        inner = inner[key]
    inner[last] = junk
    return content


def test_no_document_however_broken_stops_the_others(new_pool):
    pool, count = new_pool(), 0
    for kind, document in (("order", ORDER), ("refund", CASE), ("product", PRODUCT)):
        places = len(list(leaves(document)))
        picks = [(place, BROKEN[(place * 7 + n * 5) % len(BROKEN)]) for place in range(places) for n in range(5)]
        texts = {json.dumps(document), *(json.dumps(spoilt(document, *pick)) for pick in picks)}
        landed(pool, kind, *sorted(texts))
        count += len(texts)
    report = pool.pool()
    assert report.read == count == report.pooled + report.superseded + report.quarantined
    assert report.quarantined > 50
    assert pool.failed_checks() == []
    assert pool.rows("SELECT status FROM core.refunds WHERE platform_refund_no = '704947701479284'")
    assert pool.rows("SELECT status FROM core.orders WHERE platform_order_no = '491253082180001'")
    pool.close()
