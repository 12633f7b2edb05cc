"""Shopee's documents in the pool: states, money, bundles, times, ids, holds, payment on delivery, masks, bad values."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from orderpipe.lake.landing import PulledWindow, land

NOW = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
T0 = int(datetime(2026, 11, 8, 23, 0, tzinfo=UTC).timestamp())
LINE = {
    "item_id": 24600000001, "item_name": "Insulated cup 500 ml", "item_sku": "CUP", "model_id": 118000000000000001,
    "model_name": "Blue", "model_sku": "CUP-500-BL", "model_quantity_purchased": 2, "model_original_price": 29.9,
    "model_discounted_price": 25.9, "promotion_type": "product_promotion", "promotion_group_id": 0,
    "order_item_id": 24600000001, "line_item_id": 9007199254740993, "product_location_id": ["SG0001Z"],
    "active_qty": 2, "cancel_requested_qty": 0, "cancelled_qty": 0, "return_requested_qty": 0, "returned_qty": 0,
}  # fmt: skip
LAMP = {
    **LINE, "item_id": 24600000002, "item_name": "Desk lamp USB", "item_sku": "LAMP-01", "model_id": 0,
    "model_name": "", "model_sku": "", "model_quantity_purchased": 1, "model_original_price": 45.0,
    "model_discounted_price": 45.0, "promotion_type": "", "line_item_id": 9007199254740995, "active_qty": 1,
}  # fmt: skip
CLEAR = {
    "name": "Lim Wei Ming", "phone": "6591234567", "town": "", "district": "", "city": "Singapore", "state": "",
    "region": "SG", "zipcode": "238823", "full_address": "12 Orchard Road, 238823, SG",
}  # fmt: skip
MASKED = {
    **CLEAR, "name": "L******g", "phone": "******67", "zipcode": "2*****", "full_address": "1* O****** R***, 2*****, SG"
}  # fmt: skip


def package(number: str, status: str, *lines: dict[str, Any]) -> dict[str, Any]:
    items = [
        {"item_id": x["item_id"], "model_id": x["model_id"], "model_quantity": x["model_quantity_purchased"],
         "order_item_id": x["order_item_id"], "promotion_group_id": x["promotion_group_id"]}
        for x in lines
    ]  # fmt: skip
    return {
        "package_number": number, "logistics_status": status, "shipping_carrier": "SPX", "logistics_channel_id": 1,
        "item_list": items,
    }  # fmt: skip


READY = [package("OFG1", "LOGISTICS_READY", LINE, LAMP)]
LEFT = [package("OFG1", "LOGISTICS_PICKUP_DONE", LINE, LAMP)]


def order(number: int, minute: int = 5, **changes: Any) -> dict[str, Any]:
    """A paid order of two cups and a lamp, changed minutes after it was placed: 2 x 25.90 + 45.00 + 4.90 of postage
    - 6.00 of vouchers."""
    document = {
        "order_sn": f"261109T{number:07d}", "region": "SG", "currency": "SGD", "cod": False,
        "order_status": "READY_TO_SHIP", "message_to_seller": "", "create_time": T0, "update_time": T0 + 60 * minute,
        "days_to_ship": 3, "ship_by_date": T0 + 3 * 86400, "buyer_user_id": 556677001, "buyer_username": "m****9",
        "total_amount": 95.7, "payment_method": "Online Payment", "pay_time": T0 + 20, "estimated_shipping_fee": 4.9,
        "recipient_address": CLEAR, "note": "", "pickup_done_time": 0, "fulfillment_flag": "fulfilled_by_local_seller",
        "item_list": [LINE, LAMP], "package_list": READY,
    }  # fmt: skip
    return {name: value for name, value in {**document, **changes}.items() if value != "absent"}


def escrow(*items: dict[str, Any], **info: Any) -> dict[str, Any]:
    """What get_escrow_detail says beside the order."""
    return {"order_income": {"items": list(items)}, "buyer_payment_info": info}


def share(line: dict[str, Any], net: Any, voucher: Any = 0, **more: Any) -> dict[str, Any]:
    """An escrow item: what the line costs for all its pieces, and its share of the seller's voucher."""
    return {
        "item_id": line["item_id"], "model_id": line["model_id"], "line_item_id": line["line_item_id"],
        "quantity_purchased": line["model_quantity_purchased"], "discounted_price": net,
        "discount_from_voucher_seller": voucher, "discount_from_voucher_shopee": 0, "discount_from_coin": 0, **more,
    }  # fmt: skip


def take(pool, *documents: dict[str, Any] | str, kind: str = "order") -> Any:
    """Land the documents of one kind together, and pool them; gives the report."""
    rows = []
    for n, document in enumerate(documents):
        text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
        rows.append((f"{kind}-{n}-{hash(text)}", NOW + timedelta(seconds=n), text))
    window = PulledWindow("shopee", "shopee-sg", kind, NOW, NOW + timedelta(hours=1), 1, rows, len(rows), 1)
    with pool.run.writing("landing"):
        land(pool.run.lake, pool.settings, [window], run_id="run-1", now=NOW)
    return pool.pool()


def pooled(pool, number: int) -> dict[str, Any]:
    return pool.order(f"261109T{number:07d}")


def typed(pool, *documents: dict[str, Any]) -> list[dict[str, Any]]:
    """The typed rows of these documents, as the staging model gives them."""
    take(pool, *documents)
    return pool.rows("FROM staging.typed_orders WHERE platform = 'shopee' ORDER BY source_seq")


ASKED = [{**LINE, "return_requested_qty": 1}, LAMP]
CANCELLING = [LINE, {**LAMP, "cancel_requested_qty": 1}]
CANCELLED = [LINE, {**LAMP, "cancelled_qty": 1, "active_qty": 0}]
ALL_BACK = [{**LINE, "returned_qty": 2}, {**LAMP, "returned_qty": 1}]
COD = {"cod": True, "pay_time": None}
NOT_PAID = {"pay_time": 0, "total_amount": "absent"}
STATES = {
    # what differs from a paid order: (status, payment status, held, platform status)
    "unpaid": ({**NOT_PAID, "order_status": "UNPAID"}, "pending_payment", "unpaid", False, "UNPAID"),
    "paid": ({}, "paid", "paid", False, "READY_TO_SHIP"),
    "arranged": ({"order_status": "PROCESSED"}, "paid", "paid", False, "PROCESSED"),
    "pickup failed": ({"order_status": "RETRY_SHIP"}, "paid", "paid", False, "RETRY_SHIP"),
    "held": ({"order_status": "PENDING", "pending_terms": ["SYSTEM_PENDING", "KYC_PENDING"]}, "paid", "paid", True,
             "PENDING/SYSTEM_PENDING/KYC_PENDING"),
    "no invoice": ({"order_status": "INVOICE_PENDING"}, "paid", "paid", True, "INVOICE_PENDING"),
    "shopee ships": ({"fulfillment_flag": "fulfilled_by_shopee"}, "paid", "paid", True, "READY_TO_SHIP"),
    "sent in advance": ({"advance_package": True}, "paid", "paid", True, "READY_TO_SHIP"),
    "shipped": ({"order_status": "SHIPPED", "package_list": LEFT, "pickup_done_time": T0 + 3600},
                "shipped", "paid", False, "SHIPPED"),
    "received": ({"order_status": "TO_CONFIRM_RECEIVE"}, "shipped", "paid", False, "TO_CONFIRM_RECEIVE"),
    "completed": ({"order_status": "COMPLETED", "package_list": LEFT}, "completed", "paid", False, "COMPLETED"),
    "cancelling": ({"order_status": "IN_CANCEL"}, "after_sale", "paid", False, "IN_CANCEL"),
    "cancelling a line": ({"item_list": CANCELLING}, "after_sale", "paid", False, "READY_TO_SHIP"),
    "cancelled a line": ({"item_list": CANCELLED}, "paid", "partially_refunded", False, "READY_TO_SHIP"),
    "cancelled": ({"order_status": "CANCELLED"}, "closed", "refunded", False, "CANCELLED"),
    "never paid": ({**NOT_PAID, "order_status": "CANCELLED"}, "closed", "unpaid", False, "CANCELLED"),
    "returning": ({"order_status": "TO_RETURN", "item_list": ASKED}, "after_sale", "paid", False, "TO_RETURN"),
    "returning later": ({"order_status": "COMPLETED", "item_list": ASKED}, "after_sale", "paid", False, "COMPLETED"),
    "all returned": ({"order_status": "COMPLETED", "item_list": ALL_BACK}, "completed", "refunded", False, "COMPLETED"),
    "odd": ({"order_status": "BRAND_NEW"}, "unknown", "paid", False, "BRAND_NEW"),
    "no status": ({"order_status": "absent"}, "unknown", "paid", False, None),
    "on delivery": (COD, "paid", "cod", False, "READY_TO_SHIP"),
    "on delivery, shipped": ({**COD, "order_status": "SHIPPED"}, "shipped", "cod", False, "SHIPPED"),
    "on delivery, collected": ({**COD, "order_status": "SHIPPED", "pay_time": T0 + 9},
                               "shipped", "paid", False, "SHIPPED"),
    "on delivery, completed": ({**COD, "order_status": "COMPLETED"}, "completed", "paid", False, "COMPLETED"),
    "on delivery, cancelling": ({**COD, "order_status": "IN_CANCEL"}, "after_sale", "cod", False, "IN_CANCEL"),
    "on delivery, cancelled": ({**COD, "order_status": "CANCELLED"}, "closed", "unpaid", False, "CANCELLED"),
}  # fmt: skip


@pytest.fixture(scope="module")
def states(new_pool):
    """One order in every state, numbered in the order of STATES, and the report of pooling them."""
    pool = new_pool()
    report = take(pool, *(order(n, **changes) for n, (changes, *_) in enumerate(STATES.values())))
    return pool, report


@pytest.mark.parametrize(("number", "name"), list(enumerate(STATES)), ids=STATES)
def test_a_state_of_the_platform_has_one_unified_reading(states, number, name):
    pool, report = states
    _, status, payment_status, held, platform_status = STATES[name]
    row = pooled(pool, number)
    assert report.quarantined == 0
    assert (row["status"], row["payment_status"], row["platform_status"]) == (status, payment_status, platform_status)
    assert (row["hold_status"] == "platform_hold") is held


def test_a_status_nobody_knows_is_reported(states):
    assert any("BRAND_NEW" in text for text in states[1].unknown)


def test_cash_on_delivery_is_owed_until_it_is_collected(states):
    pool, _ = states
    rows = {name: pooled(pool, list(STATES).index(name)) for name in STATES if name.startswith("on delivery")}
    assert all(row["is_cod"] for row in rows.values())
    first = rows["on delivery"]
    assert (first["paid_at"], first["paid_amount"], first["balance_due"]) == (None, Decimal(0), Decimal("95.70"))
    assert rows["on delivery, collected"]["paid_at"] == datetime(2026, 11, 8, 23, 0, 9, tzinfo=UTC)
    assert rows["on delivery, completed"]["paid_amount"] == Decimal("95.70")
    assert rows["on delivery, cancelled"]["balance_due"] == 0


def test_times_are_instants_and_ids_keep_every_digit(states):
    pool, _ = states
    row = pooled(pool, list(STATES).index("shipped"))
    assert row["platform_order_no"].startswith("261109T")
    assert row["ordered_at"] == datetime(2026, 11, 8, 23, 0, tzinfo=UTC)
    assert row["paid_at"] == datetime(2026, 11, 8, 23, 0, 20, tzinfo=UTC)
    assert row["shipped_at"] == datetime(2026, 11, 9, 0, 0, tzinfo=UTC)
    assert row["completed_at"] is None
    lines = pool.rows("FROM core.order_items WHERE order_id = $id ORDER BY line_no", id=row["order_id"])
    assert [line["platform_line_id"] for line in lines] == ["9007199254740993", "9007199254740995"]
    assert lines[0]["platform_sku_id"] == "118000000000000001" and lines[1]["platform_sku_id"] is None
    assert [line["sku"] for line in lines] == ["CUP-500-BL", "LAMP-01"]


def test_the_platforms_deadline_is_told_where_there_is_one(pool):
    given = (T0 + 3 * 86400, 0, None, "absent")
    rows = typed(pool, *(order(900 + n, ship_by_date=value) for n, value in enumerate(given)))
    assert [row["ship_by"] for row in rows] == [datetime.fromtimestamp(T0 + 3 * 86400, UTC), None, None, None]


def test_pieces_that_left_or_went_back_do_not_ship(states):
    pool, _ = states
    rows = pool.rows("SELECT * FROM core.order_items JOIN core.orders USING (order_id) ORDER BY line_no")
    left: dict[str, list] = {}
    for row in rows:
        name = list(STATES)[int(row["platform_order_no"][-7:])]
        left.setdefault(name, []).append((row["ship_quantity"], row["shipped_quantity"], row["refund_status"]))
    assert left["paid"] == [(2, 0, "none"), (1, 0, "none")]
    assert left["shipped"] == [(2, 2, "none"), (1, 1, "none")]
    assert left["cancelled a line"] == [(2, 0, "none"), (0, 0, "refunded")]
    assert left["cancelling a line"] == [(2, 0, "none"), (1, 0, "requested")]
    assert left["cancelling"] == [(2, 0, "requested"), (1, 0, "requested")], "orders of before lines counted pieces"
    assert left["all returned"] == [(0, 2, "refunded"), (0, 1, "refunded")]


def test_a_split_order_counts_the_pieces_of_the_parcels_that_left(pool):
    twin = {**LAMP, "line_item_id": 9007199254740997}
    first, second = package("A", "LOGISTICS_PICKUP_DONE", LINE), package("B", "LOGISTICS_READY", LAMP)
    split, unclear = typed(
        pool,
        order(301, split_up=True, package_list=[first, second]),
        order(302, item_list=[LINE, LAMP, twin], total_amount=140.7, package_list=[first, second]),
    )
    assert [line["shipped_quantity"] for line in split["items"]] == [2, 0]
    assert [line["shipped_quantity"] for line in unclear["items"]] == [2, None, None]
    assert [(s["platform_shipment_id"], s["status"]) for s in split["shipments"]] == [("A", "shipped")]


# Money

BUNDLED = {**LINE, "promotion_type": "bundle_deal", "promotion_group_id": 77, "model_discounted_price": 0}
SECOND = {**BUNDLED, "model_id": 118000000000000002, "line_item_id": 9007199254740999, "model_quantity_purchased": 1}
BUNDLE = [BUNDLED, SECOND]
PAID = {"shipping_fee": 1.99, "buyer_total_amount": 71.99}
AMOUNTS = ("goods_amount", "discount_amount", "shipping_fee", "tax_amount", "payable_amount")
MONEY = {
    # name: (fields, goods, discount, shipping, tax, payable, line amounts)
    "lines and a voucher": ({}, "104.80", "14.00", "4.90", "0.00", "95.70", ["48.59", "42.21"]),
    "shares are told": ({"_escrow": escrow(share(LINE, 51.8, 6), share(LAMP, 45, 0), shipping_fee=4.9)},
                        "104.80", "14.00", "4.90", "0.00", "95.70", ["45.80", "45.00"]),
    "shares that do not add up": ({"_escrow": escrow(share(LINE, 51.8, 1), share(LAMP, 45, 1), shipping_fee=4.9)},
                                  "104.80", "14.00", "4.90", "0.00", "95.70", ["48.59", "42.21"]),
    "postage is told": ({"_escrow": escrow(shipping_fee=0)},
                        "104.80", "9.10", "0.00", "0.00", "95.70", ["51.22", "44.48"]),
    "postage in the income": ({"_escrow": {"order_income": {"buyer_paid_shipping_fee": 1.9}}},
                              "104.80", "11.00", "1.90", "0.00", "95.70", ["50.20", "43.60"]),
    "tax and fees": ({"total_amount": 110,
                      "_escrow": escrow(shipping_fee=4.9, buyer_service_fee=1.1, buyer_tax_amount=7.2)},
                     "104.80", "8.00", "6.00", "7.20", "110.00", ["51.80", "45.00"]),
    "paid more than is told": ({"total_amount": 105}, "104.80", "4.70", "4.90", "0.00", "105.00", ["53.56", "46.54"]),
    "a float's tail": ({"total_amount": 95.70000000000002, "estimated_shipping_fee": 4.8999999999999995},
                       "104.80", "14.00", "4.90", "0.00", "95.70", ["48.59", "42.21"]),
    "nothing told yet": ({"order_status": "UNPAID", "pay_time": None, "total_amount": "absent"},
                         "104.80", "8.00", "4.90", "0.00", "101.70", ["51.80", "45.00"]),
    "a total of nothing": ({"order_status": "UNPAID", "pay_time": None, "total_amount": 0},
                           "104.80", "8.00", "4.90", "0.00", "101.70", ["51.80", "45.00"]),
    "paid by coins alone": ({"total_amount": 0}, "104.80", "104.80", "0.00", "0.00", "0.00", ["0.00", "0.00"]),
    "bundle": ({"item_list": BUNDLE, "total_amount": 71.99,
                "_escrow": escrow(share(BUNDLED, 46.6), share(SECOND, 23.4), **PAID)},
               "89.70", "19.70", "1.99", "0.00", "71.99", ["46.60", "23.40"]),
    "bundle, original prices 0 too": (
        {"item_list": [{**x, "model_original_price": 0} for x in BUNDLE], "total_amount": 71.99,
         "_escrow": escrow(share(BUNDLED, 46.6, original_price=59.8), share(SECOND, 23.4, original_price=29.9),
                           **PAID)},
        "89.70", "19.70", "1.99", "0.00", "71.99", ["46.60", "23.40"]),
    "bundle without escrow": ({"item_list": BUNDLE, "total_amount": 71.99, "estimated_shipping_fee": 1.99},
                              "89.70", "19.70", "1.99", "0.00", "71.99", ["46.67", "23.33"]),
    "bundle and a lamp without escrow": ({"item_list": [BUNDLED, LAMP], "total_amount": 99.9},
                                         "104.80", "9.80", "4.90", "0.00", "99.90", None),
    "bundle, ids of before": (
        {"item_list": [{**x, "line_item_id": 0} for x in BUNDLE], "total_amount": 71.99,
         "_escrow": escrow(share(BUNDLED, 46.6, line_item_id=None), share(SECOND, 23.4, line_item_id=0), **PAID)},
        "89.70", "19.70", "1.99", "0.00", "71.99", ["46.60", "23.40"]),
    "escrow of other pieces": (
        {"item_list": BUNDLE, "total_amount": 71.99,
         "_escrow": escrow(share(BUNDLED, 46.6, quantity_purchased=1), share(SECOND, 23.4), **PAID)},
        "89.70", "19.70", "1.99", "0.00", "71.99", None),
    "a gift": ({"item_list": [LINE, LAMP, {**LAMP, "promotion_type": "add_on_free_gift_sub", "model_original_price": 0,
                                           "model_discounted_price": 0, "line_item_id": 9}], "total_amount": 101.7},
               "104.80", "8.00", "4.90", "0.00", "101.70", ["51.80", "45.00", "0.00"]),
}  # fmt: skip


@pytest.fixture
def money(pool):
    rows = typed(pool, *(order(100 + n, **m[0]) for n, m in enumerate(MONEY.values())))
    return dict(zip(MONEY, rows, strict=True))


def test_amounts_are_the_buyers_and_add_up_to_the_cent(money):
    for name, (_, *wanted, lines) in MONEY.items():
        row = money[name]
        goods, discount, shipping, tax, payable = map(Decimal, wanted)
        found = [row[part] for part in AMOUNTS]
        assert found == [goods, discount, shipping, tax, payable], name
        assert goods - discount + shipping + tax == payable, name
        assert row["paid_amount"] == (0 if row["status"] == "pending_payment" else payable), name
        if lines:
            assert [line["line_amount"] for line in row["items"]] == [Decimal(x) for x in lines], name
        assert sum(line["line_amount"] for line in row["items"]) == goods - discount, name
        for line in row["items"]:
            assert line["unit_price"] * line["quantity"] - line["discount_amount"] == line["line_amount"], name


def test_a_bundles_price_of_nothing_is_never_a_gift(pool, money):
    free = pool.rows("SELECT platform_order_no FROM core.orders JOIN core.order_items USING (order_id) WHERE is_gift")
    numbers = {f"261109T{100 + list(MONEY).index(name):07d}" for name in ("a gift", "paid by coins alone")}
    assert {row["platform_order_no"] for row in free} == numbers


def test_a_bundle_whose_prices_nobody_tells_waits_in_quarantine(pool):
    blind = [{**x, "model_original_price": 0} for x in BUNDLE]
    report = take(pool, order(401, item_list=blind, total_amount=71.99), order(402))
    assert report.quarantined == 1
    assert pooled(pool, 402)["payable_amount"] == Decimal("95.70")


def test_lines_without_ids_are_told_apart_by_goods_promotion_and_place(pool):
    (row,) = typed(pool, order(403, item_list=[{**x, "line_item_id": None} for x in (LINE, LINE, BUNDLED)]))
    ids = [line["platform_line_id"] for line in row["items"]]
    assert ids == [f"24600000001-118000000000000001-{tail}" for tail in ("0-1", "0-2", "77-1")]


# Receivers


def test_a_receiver_in_clear_outlives_the_mask(pool):
    said = {"message_to_seller": "leave at the door"}
    take(pool, order(501, **said))
    take(pool, order(501, 9, order_status="COMPLETED", recipient_address=MASKED, **said))
    row = pooled(pool, 501)
    (contact,) = pool.rows("FROM vault.pii.contacts WHERE order_id = $id", id=row["order_id"])
    assert row["status"] == "completed"
    assert (contact["name"], contact["phone"], contact["address"]) == (
        CLEAR["name"], CLEAR["phone"], CLEAR["full_address"]
    )  # fmt: skip
    assert (row["country"], row["province"], row["city"], row["missing_fields"]) == ("SG", None, "Singapore", [])
    assert contact["buyer_message"] == "leave at the door"


def test_a_receiver_that_was_always_masked_says_what_is_missing(pool):
    take(pool, order(502, recipient_address=MASKED))
    row = pooled(pool, 502)
    assert row["missing_fields"] == ["address", "phone"] and row["phone_key"] is None
    assert row["buyer_id"] == "556677001"


def test_a_number_for_customs_is_kept_in_the_vault(pool):
    take(pool, order(503, buyer_cpf_id="12345678909"))
    row = pooled(pool, 503)
    (contact,) = pool.rows("FROM vault.pii.contacts WHERE order_id = $id", id=row["order_id"])
    assert contact["id_number"] == "12345678909" and row["id_key"]


# Returns


def case(number: int, status: str, **changes: Any) -> dict[str, Any]:
    return {
        "return_sn": f"26110900{number:05d}", "order_sn": "261109T0000601", "status": status, "refund_amount": 25.9,
        "currency": "SGD", "create_time": T0, "update_time": T0 + number, "reason": "ITEM_DAMAGED",
        "return_solution": 0, "return_refund_type": "RRBOC", "text_reason": "call me: 91234567",
        "user": {"email": "a@example.test"},
        "item": [{"item_id": 24600000001, "model_id": 118000000000000001, "amount": 1}], **changes,
    }  # fmt: skip


CASES = {
    "REQUESTED": "requested", "PROCESSING": "returning", "JUDGING": "requested", "SELLER_DISPUTE": "refused",
    "ACCEPTED": "refunded", "CLOSED": "closed", "CANCELLED": "closed", "BRAND_NEW": "unknown",
}  # fmt: skip


def test_every_state_of_a_return_has_one_unified_reading(pool):
    take(pool, order(601))
    take(pool, *(case(n, status) for n, status in enumerate(CASES)), kind="refund")
    rows = pool.rows("FROM core.refunds ORDER BY platform_refund_no")
    assert {row["platform_status"]: row["status"] for row in rows} == CASES
    assert {row["order_id"] for row in rows} == {pooled(pool, 601)["order_id"]}
    first = rows[0]
    assert (first["amount"], first["currency"], first["kind"], first["phase"]) == (
        Decimal("25.90"), "SGD", "return", "before_completion"
    )  # fmt: skip
    assert first["reason"] == "ITEM_DAMAGED", "the buyer's own words stay in the vault"
    assert first["created_at"] == datetime(2026, 11, 8, 23, 0, tzinfo=UTC)


def test_a_refund_without_goods_and_one_after_completion_are_told_apart(pool):
    money_only = {"return_solution": 1, "return_refund_type": "RRAOC"}
    take(pool, case(1, "PROCESSING", **money_only), case(2, "ACCEPTED", return_solution=7, return_refund_type=""),
         kind="refund")  # fmt: skip
    rows = pool.rows("FROM core.refunds ORDER BY platform_refund_no")
    assert [(row["status"], row["kind"], row["phase"]) for row in rows] == [
        ("requested", "refund", "after_completion"), ("refunded", "other", "unknown"),
    ]  # fmt: skip


# Listings

MODELS = {
    "tier_variation": [{"name": "Colour", "option_list": [{"option": "Blue"}, {"option": "White"}]},
                       {"name": "Size", "option_list": [{"option": "500 ml"}]}],
    "model": [
        {"model_id": 118000000000000001, "model_sku": "CUP-500-BL", "model_status": "MODEL_NORMAL",
         "tier_index": [0, 0], "price_info": [{"currency": "SGD", "current_price": 25.9}],
         "stock_info_v2": {"summary_info": {"total_available_stock": 7}}},
        {"model_id": 118000000000000002, "model_sku": "", "model_status": "MODEL_UNAVAILABLE", "tier_index": [1, 0],
         "price_info": [{"currency": "SGD", "current_price": 26}],
         "stock_info_v2": {"summary_info": {"total_available_stock": 0}}},
    ],
}  # fmt: skip


def listing(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "item_id": number, "item_name": "Insulated cup", "item_sku": "CUP", "item_status": "NORMAL", "update_time": T0,
        "has_model": True, "weight": "0.42", "_model_list": MODELS, **changes,
    }  # fmt: skip


def test_listings_show_their_models_states_and_stock(pool):
    plain = {"has_model": False, "_model_list": None, "price_info": [{"currency": "SGD", "current_price": 45}],
             "stock_info_v2": {"summary_info": {"total_available_stock": 3}}}  # fmt: skip
    row_of_the_list = {"item_id": 4, "item_status": "SELLER_DELETE", "update_time": T0, "_currency": "SGD"}
    take(pool, listing(1), listing(2, **plain), listing(3, item_status="BANNED"), row_of_the_list,
         listing(5, item_status="?"), kind="product")  # fmt: skip
    rows = pool.rows("FROM core.products ORDER BY platform_product_id, platform_sku_id")
    names = ("platform_product_id", "platform_sku_id", "sku", "sku_name", "price", "stock", "status")
    seen = [tuple(row[name] for name in names) for row in rows]
    blue, white = "118000000000000001", "118000000000000002"
    assert seen == [
        ("1", blue, "CUP-500-BL", "Blue,500 ml", Decimal("25.90"), 7, "listed"),
        ("1", white, "CUP", "White,500 ml", Decimal("26.00"), 0, "suspended"),
        ("2", "", "CUP", None, Decimal("45.00"), 3, "listed"),
        ("3", blue, "CUP-500-BL", "Blue,500 ml", Decimal("25.90"), 7, "suspended"),
        ("3", white, "CUP", "White,500 ml", Decimal("26.00"), 0, "suspended"),
        ("4", "", None, None, None, None, "deleted"),
        ("5", blue, "CUP-500-BL", "Blue,500 ml", Decimal("25.90"), 7, "unknown"),
        ("5", white, "CUP", "White,500 ml", Decimal("26.00"), 0, "suspended"),
    ]
    assert {row["currency"] for row in rows} == {"SGD"}


# What nobody should send


HOSTILE = {
    "no object": "[1]",
    "no JSON": "{",
    "texts for numbers": {"total_amount": "a lot", "create_time": "yesterday"},
    "milliseconds": {"create_time": T0 * 1000},
    "huge": {
        "total_amount": 1e300,
        "item_list": [{**LINE, "model_original_price": 1e200, "model_quantity_purchased": 10**18}],
    },
    "lists for objects": {"recipient_address": [], "item_list": {}, "package_list": 7, "_escrow": "?"},
    "nulls": {"recipient_address": None, "item_list": None, "package_list": None, "_escrow": None},
    "negative": {"item_list": [{**LINE, "model_quantity_purchased": -1}]},
    "no price": {"item_list": [{**LINE, "model_original_price": "?"}]},
}


def test_a_bad_document_stops_no_other(pool):
    bad = [value if isinstance(value, str) else order(700 + n, **value) for n, value in enumerate(HOSTILE.values())]
    bad.append(order(799, order_sn=None))
    report = take(pool, *bad, order(798))
    assert report.quarantined >= 7
    assert pooled(pool, 798)["status"] == "paid"
    take(pool, case(7, "REQUESTED", create_time="x", refund_amount="?"), "{}", kind="refund")
    take(pool, listing(9, _model_list={"model": [{"tier_index": ["x", 9]}]}), listing(8, price_info=7), kind="product")
