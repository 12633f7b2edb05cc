"""Pinduoduo documents in the pool: states, money, times, ids, holds, deposits, receivers, cases, hostile values."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from orderpipe.lake.landing import PulledWindow, land

SERIAL = itertools.count()
NOW = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
GOODS = {
    "goods_id": 600123456789, "goods_name": "双层保温杯 500ml 蓝色", "goods_img": "https://img.example/a.jpg",
    "goods_price": 89, "goods_count": 1, "goods_spec": "500ml,蓝色", "sku_id": 1500000000001,
    "outer_goods_id": "CUP-500", "outer_id": "CUP-500-BL",
}  # fmt: skip
SHOWN = {
    "receiver_name": "~AgAAAAsim==~xxx~", "receiver_phone": "$sim$==$", "receiver_address": "~AgAAAAsim2==~yyy~",
    "receiver_name_mask": "张*", "receiver_phone_mask": "138****0000", "receiver_address_mask": "文三路***",
    "open_address_id": "1oaid==",
}  # fmt: skip
HIDDEN = dict.fromkeys(SHOWN, "")
SHIPPED = {
    "order_status": 2, "shipping_time": "2026-11-09 08:00:00", "logistics_id": 44, "tracking_number": "SF1", **HIDDEN,
}  # fmt: skip
SIGNED = {**SHIPPED, "order_status": 3, "receive_time": "2026-11-09 09:00:00"}
STEP = {"step_trade_status": 1, "step_paid_fee": 10.5, "advanced_paid_fee": "10.50", "step_discount_amount": 2}


def order(number: int, minute: int = 5, **changes: Any) -> dict[str, Any]:
    """A paid order of one cup, as the increment list gives it, changed minutes after it was placed."""
    document = {
        "order_sn": f"261109-{number:015d}", "trade_type": 0, "is_lucky_flag": 1, "confirm_status": 1,
        "group_status": 1, "order_status": 1, "refund_status": 1, "after_sales_status": 0, "risk_control_status": 0,
        "created_time": "2026-11-09 07:00:00", "pay_time": "2026-11-09 07:00:20", "confirm_time": "2026-11-09 07:00:21",
        "updated_at": f"2026-11-09 07:{minute:02d}:00", "shipping_time": "", "receive_time": "",
        "goods_amount": 89, "discount_amount": "0.00", "platform_discount": 0, "seller_discount": "0.00",
        "capital_free_discount": 0, "order_change_amount": "0.00", "postage": 0.0, "pay_amount": 89.0,
        "pay_type": "WEIXIN", "item_list": [GOODS], "gift_list": [], "logistics_id": 0, "tracking_number": "",
        "extra_delivery_list": [], "remark": "", "buyer_memo": "请尽快发货", "province": "浙江省", "city": "杭州市",
        "town": "余杭区", "stock_out_handle_status": -1, "order_tag_list": [{"name": "ship_hold", "value": 0}],
        "step_order_info": None, **SHOWN,
    }  # fmt: skip
    return {name: value for name, value in {**document, **changes}.items() if value != "absent"}


def case(number: int, of: int, status: int, **changes: Any) -> dict[str, Any]:
    """An after-sale case as the refund list gives it."""
    return {
        "id": number, "order_sn": f"261109-{of:015d}", "after_sales_type": 2, "after_sales_status": status,
        "after_sale_reason": "不想要了", "refund_amount": "28.00", "order_amount": "82.80", "sku_id": "1500000000001",
        "outer_id": "CUP-500-BL", "created_time": "1794180000", "updated_time": "1794180005", **changes,
    }  # fmt: skip


def take(pool, *documents: dict[str, Any] | str, kind: str = "order") -> Any:
    """Land the documents of one kind together, and pool them; gives the report."""
    rows = []
    for n, document in enumerate(documents):
        text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
        rows.append((f"{kind}-{next(SERIAL)}", NOW + timedelta(seconds=n), text))
    window = PulledWindow("pinduoduo", "pinduoduo-hz", kind, NOW, NOW + timedelta(hours=1), 1, rows, len(rows), 1)
    with pool.run.writing("landing"):
        land(pool.run.lake, pool.settings, [window], run_id="run-1", now=NOW)
    return pool.pool()


def pooled(pool, number: int) -> dict[str, Any]:
    return pool.order(f"261109-{number:015d}")


def cases_of(pool, number: int) -> list[dict[str, Any]]:
    return pool.rows("FROM core.refunds WHERE platform_order_no = $no", no=f"261109-{number:015d}")


def typed(pool, *documents: dict[str, Any]) -> list[dict[str, Any]]:
    """The typed rows of these documents, as the staging model gives them."""
    take(pool, *documents)
    return pool.rows("FROM staging.typed_orders WHERE platform = 'pinduoduo' ORDER BY source_seq")


STATES = {
    # what differs from a paid order: (status, payment status, held, platform status)
    "paid": ({}, "paid", "paid", False, "1/1/0"),
    "shipped": (SHIPPED, "shipped", "paid", False, "2/1/0"),
    "completed": (SIGNED, "completed", "paid", False, "3/1/0"),
    "refund asked": ({"refund_status": 2, "after_sales_status": 2}, "after_sale", "paid", False, "1/2/2"),
    "refunding": ({"refund_status": 3, "after_sales_status": 4}, "after_sale", "paid", False, "1/3/4"),
    "unknown case": ({"refund_status": 2, "after_sales_status": 77}, "after_sale", "paid", False, "1/2/77"),
    "unknown case, over": ({"refund_status": 1, "after_sales_status": 77}, "paid", "paid", False, "1/1/77"),
    "withdrawn": ({"refund_status": 1, "after_sales_status": 11}, "paid", "paid", False, "1/1/11"),
    "refunded": ({"refund_status": 4, "after_sales_status": 10}, "closed", "refunded", False, "1/4/10"),
    "refunded later": ({**SIGNED, "refund_status": 4, "after_sales_status": 10}, "closed", "refunded", False, "3/4/10"),
    "cancelled": ({"confirm_status": 2}, "closed", "refunded", False, "1/1/0/CONFIRM_2"),
    "group failed": ({"group_status": 2}, "closed", "refunded", False, "1/1/0/GROUP_2"),
    "under review": ({"risk_control_status": 1, **HIDDEN}, "paid", "paid", True, "1/1/0/RISK_1"),
    "grouping": ({"group_status": 0, "confirm_status": 0}, "paid", "paid", True, "1/1/0/CONFIRM_0/GROUP_0"),
    "out of stock": ({"stock_out_handle_status": 0}, "paid", "paid", True, "1/1/0"),
    "stock settled": ({"stock_out_handle_status": 1}, "paid", "paid", False, "1/1/0"),
    "stopped": ({"order_tag_list": [{"name": "ship_hold", "value": 1}]}, "paid", "paid", True, "1/1/0"),
    "not paid": ({"confirm_status": 0, "pay_time": ""}, "pending_payment", "unpaid", False, "1/1/0/CONFIRM_0"),
    "odd": ({"order_status": 9}, "unknown", "paid", False, "9/1/0"),
    "odd deal": ({"confirm_status": 7}, "unknown", "paid", False, "1/1/0/CONFIRM_7"),
    "deposit": ({"trade_type": 1, "step_order_info": STEP}, "pending_payment", "deposit_paid", False, "1/1/0/STEP_1"),
    "deposit due": (
        {"trade_type": 1, "step_order_info": {**STEP, "step_trade_status": 0}, "confirm_status": 0, "pay_time": ""},
        "pending_payment", "unpaid", False, "1/1/0/CONFIRM_0/STEP_0",
    ),
    "deposit and rest": (
        {"trade_type": 1, "step_order_info": {**STEP, "step_trade_status": 2}}, "paid", "paid", False, "1/1/0/STEP_2",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def pool(new_pool):
    """One pool for all: opening one takes longer than any test here. The orders of STATES have the first numbers."""
    return new_pool()


@pytest.fixture(scope="module")
def states(pool):
    """One order in every state, numbered in the order of STATES, and the report of pooling them."""
    report = take(pool, *(order(n, **changes) for n, (changes, *_) in enumerate(STATES.values())))
    return pool, report


@pytest.mark.parametrize(("number", "name"), list(enumerate(STATES)), ids=list(STATES))
def test_a_state_of_the_platform_has_one_unified_reading(states, number, name):
    pool, report = states
    _, status, payment_status, held, platform_status = STATES[name]
    row = pooled(pool, number)
    assert report.quarantined == 0
    assert (row["status"], row["payment_status"], row["platform_status"]) == (status, payment_status, platform_status)
    assert (row["hold_status"] == "platform_hold") is held


def test_a_status_nobody_knows_is_reported(states):
    assert any("9/1/0" in text for text in states[1].unknown)


def test_times_are_instants_and_the_number_keeps_its_dash(states):
    pool, _ = states
    row = pooled(pool, list(STATES).index("completed"))
    assert row["platform_order_no"].startswith("261109-0000")
    assert row["ordered_at"] == datetime(2026, 11, 8, 23, 0, tzinfo=UTC)
    assert row["paid_at"] == datetime(2026, 11, 8, 23, 0, 20, tzinfo=UTC)
    assert row["shipped_at"] == datetime(2026, 11, 9, 0, 0, tzinfo=UTC)
    assert row["completed_at"] == datetime(2026, 11, 9, 1, 0, tzinfo=UTC)
    assert row["updated_at"] == datetime(2026, 11, 8, 23, 5, tzinfo=UTC)
    assert pooled(pool, list(STATES).index("shipped"))["completed_at"] is None


def test_the_platforms_deadline_is_told_where_there_is_one(pool):
    given = ("2026-11-11 07:00:21", "", "0000-00-00 00:00:00", "absent")
    rows = typed(pool, *(order(900 + n, last_ship_time=text) for n, text in enumerate(given)))
    assert [row["ship_by"] for row in rows] == [datetime(2026, 11, 10, 23, 0, 21, tzinfo=UTC), None, None, None]
    assert pooled(pool, 900)["ship_by"] == datetime(2026, 11, 10, 23, 0, 21, tzinfo=UTC)


def test_a_deposit_counts_as_paid_before_the_rest(states):
    pool, _ = states
    paid = {name: pooled(pool, n)["paid_amount"] for n, name in enumerate(STATES) if "deposit" in name}
    assert paid == {"deposit": Decimal("10.50"), "deposit due": Decimal(0), "deposit and rest": Decimal("89.00")}


def test_pieces_that_left_or_went_back_do_not_ship(states):
    pool, _ = states
    rows = pool.rows(
        """SELECT * FROM core.order_items JOIN core.orders USING (order_id)
           WHERE platform_order_no < '261109-000000000000100'"""
    )
    left = {row["platform_status"]: (row["ship_quantity"], row["shipped_quantity"]) for row in rows}
    assert left["1/1/0"] == (1, 0) and left["2/1/0"] == (1, 1) and left["1/4/10"][0] == 0
    assert left["9/1/0"] == (1, None), "the platform does not say"


# Money

MONEY = {
    # name: (fields, goods, discount, shipping, payable, line amounts)
    "numbers": ({"goods_amount": 87.8, "pay_amount": 82.8, "discount_amount": 5,
                 "item_list": [{**GOODS, "goods_price": 87.8}]}, "87.80", "5.00", "0.00", "82.80", ["82.80"]),
    "a float's tail": ({"goods_amount": 0.30000000000000004, "pay_amount": 0.30000000000000004,
                        "item_list": [{**GOODS, "goods_price": "0.10", "goods_count": "3"}]},
                       "0.30", "0.00", "0.00", "0.30", ["0.30"]),
    "texts": ({"goods_amount": "178.00", "discount_amount": "5.00", "platform_discount": "2.00",
               "seller_discount": "3.00", "postage": "8.00", "pay_amount": "181.00",
               "item_list": [{**GOODS, "goods_count": "2"}]}, "178.00", "5.00", "8.00", "181.00", ["173.00"]),
    "price cut by hand": ({"goods_amount": 84, "order_change_amount": 5, "discount_amount": 4, "pay_amount": 80},
                          "89.00", "9.00", "0.00", "80.00", ["80.00"]),
    "price raised by hand": ({"goods_amount": 94, "order_change_amount": -5, "pay_amount": 94},
                             "89.00", "-5.00", "0.00", "94.00", ["94.00"]),
    "delivery services": ({"postage": 6, "pay_amount": "110.00", "service_fee_detail": [
        {"service_name": "sf_express_fee", "service_fee": 12.5},
        {"service_name": "install_fee", "service_fee": "2.50"}]},
                          "89.00", "0.00", "21.00", "110.00", ["89.00"]),
    "three lines": ({"goods_amount": "30.00", "discount_amount": "10.00", "pay_amount": "20.00",
                     "item_list": [{**GOODS, "goods_price": "10.00", "sku_id": n} for n in (1, 2, 3)]},
                    "30.00", "10.00", "0.00", "20.00", ["6.67", "6.67", "6.66"]),
    "a gift": ({"gift_list": [{**GOODS, "outer_id": "GIFT-CARD", "goods_price": 9.9, "sku_id": 7}]},
               "89.00", "0.00", "0.00", "89.00", ["89.00", "0.00"]),
    "no price": ({"item_list": [{**GOODS, "goods_price": "?"}], "discount_amount": 9, "pay_amount": 80},
                 "89.00", "9.00", "0.00", "80.00", [None]),
}  # fmt: skip


@pytest.fixture(scope="module")
def money(pool):
    return dict(zip(MONEY, typed(pool, *(order(100 + n, **m[0]) for n, m in enumerate(MONEY.values()))), strict=True))


@pytest.mark.parametrize("name", MONEY)
def test_amounts_are_the_buyers_and_add_up_to_the_fen(money, name):
    _, goods, discount, shipping, payable, lines = MONEY[name]
    row = money[name]
    wanted = tuple(map(Decimal, (goods, discount, shipping, payable)))
    found = tuple(row[f"{part}_amount" if part != "shipping" else "shipping_fee"]
                  for part in ("goods", "discount", "shipping", "payable"))  # fmt: skip
    assert found == wanted
    assert wanted[0] - wanted[1] + wanted[2] + row["tax_amount"] == wanted[3] == row["paid_amount"]
    assert [line["line_amount"] for line in row["items"]] == [None if x is None else Decimal(x) for x in lines]
    if None not in lines:
        assert sum(line["line_amount"] for line in row["items"]) == wanted[0] - wanted[1]
        for line in row["items"]:
            assert line["unit_price"] * line["quantity"] - line["discount_amount"] == line["line_amount"]


def test_who_paid_for_the_discount_is_told_apart(money):
    told = {d["name"]: d["amount"] for d in money["texts"]["discounts"]}
    assert told == {"平台优惠": Decimal("2.00"), "店铺优惠": Decimal("3.00")}
    assert [d["name"] for d in money["price cut by hand"]["discounts"]] == ["改价"]


def test_an_amount_that_does_not_add_up_waits_in_quarantine(pool):
    report = take(pool, order(201, pay_amount="70.00"), order(202, goods_amount="absent"), order(203))
    assert report.quarantined == 2
    assert pooled(pool, 203)["payable_amount"] == Decimal("89.00")


# Receivers


def test_a_receiver_comes_masked_with_the_merge_key_and_the_ciphertexts(pool):
    (row,) = typed(pool, order(211))
    contact = row["contact"]
    assert (contact["name"], contact["phone"], contact["address"]) == ("张*", "138****0000", "文三路***")
    assert (contact["province"], contact["city"], contact["district"]) == ("浙江省", "杭州市", "余杭区")
    assert contact["oaid"] == "1oaid=="
    assert json.loads(contact["tokens"]) == {
        k: SHOWN[k] for k in ("receiver_name", "receiver_phone", "receiver_address")
    }
    assert pooled(pool, 211)["missing_fields"] == []


@pytest.mark.parametrize(
    ("mobile", "shown", "passed_on"),
    [("13800000000", "13800000000", "13800000000"), ("138****0000", "138****0000", "138****0000"),
     ("$cipher==$", None, "$cipher==$"), ("", None, None)],
)  # fmt: skip
def test_a_phone_may_stand_in_contact_mobile_alone(pool, mobile, shown, passed_on):
    (row,) = typed(pool, order(212, receiver_phone="", receiver_phone_mask="", contact_mobile=mobile))
    assert row["contact"]["phone"] == shown
    assert json.loads(row["contact"]["tokens"]).get("contact_mobile") == passed_on


def test_all_receiver_fields_may_be_empty_beside_contact_mobile(pool):
    (row,) = typed(pool, order(213, **{**HIDDEN, "contact_mobile": "$cipher==$"}))
    assert json.loads(row["contact"]["tokens"]) == {"contact_mobile": "$cipher==$"}


def test_without_a_merge_key_ciphertexts_are_not_compared(pool):
    plain = {"open_address_id": "absent"}
    rows = typed(
        pool,
        order(214, **plain),
        order(214, 6, **plain, receiver_address="~another ciphertext of the same~"),
        order(214, 7, **plain, town="西湖区"),
        order(215, **plain),
    )
    references = [row["contact"]["oaid"] for row in rows]
    assert references[0] == references[1], "the same order with new ciphertexts has not moved"
    assert len(set(references)) == 3, "another district is another address, another order another receiver"


def test_a_shipped_order_shows_no_receiver(pool):
    (row,) = typed(pool, order(216, **SHIPPED))
    assert {row["contact"][name] for name in ("name", "phone", "address", "oaid", "tokens")} == {None}
    assert row["contact"]["province"] == "浙江省"


# Shipments and cases


def test_every_parcel_is_told(pool):
    further = {"extra_delivery_list": [{"logistics_id": 115, "tracking_number": "Z2"}],
               "gift_delivery_list": [{"logistics_id": 0, "tracking_number": ""}]}  # fmt: skip
    (row,) = typed(pool, order(217, **SIGNED, **further))
    parcels = [(s["courier"], s["tracking_no"], s["status"], s["delivered_at"]) for s in row["shipments"]]
    received = datetime(2026, 11, 9, 1, 0, tzinfo=UTC)
    assert parcels == [("44", "SF1", "delivered", received), ("115", "Z2", "delivered", received)]


CASES = {
    2: "requested", 3: "requested", 4: "requested", 5: "requested", 6: "refused", 7: "returning", 8: "requested",
    9: "closed", 10: "refunded", 11: "closed", 12: "closed", 13: "closed", 14: "requested", 15: "requested",
    16: "closed", 17: "closed", 18: "requested", 21: "requested", 22: "returning", 24: "closed", 25: "closed",
    27: "returning", 31: "requested", 32: "requested", 33: "requested", 0: "unknown", 99: "unknown",
}  # fmt: skip


def test_every_after_sale_status_has_its_reading(pool):
    take(pool, order(301))
    take(pool, *(case(3_100_000_000_000 + status, 301, status) for status in CASES), kind="refund")
    rows = cases_of(pool, 301)
    assert {int(row["platform_status"]): row["status"] for row in rows} == CASES
    assert {row["order_id"] for row in rows} == {pooled(pool, 301)["order_id"]}
    assert {(row["amount"], row["platform_line_id"]) for row in rows} == {(Decimal("28.00"), "1500000000001")}


def test_a_case_has_its_time_in_either_form_and_its_kind(pool):
    written = {"created_time": "2026-11-09 07:20:00", "updated_time": "2026-11-09 07:20:05"}
    types = {2: "refund", 3: "return", 4: "exchange", 5: "other", 6: "other", 9: "other"}
    cases = [case(n, 302, 2, after_sales_type=n, **(written if n % 2 else {})) for n in types]
    take(pool, *cases, case(50, 302, 2, updated_time="99999999999999999999"), kind="refund")
    rows = cases_of(pool, 302)
    assert {int(row["platform_refund_no"]): row["kind"] for row in rows} == types
    assert {row["updated_at"] for row in rows} == {
        datetime(2026, 11, 8, 23, 20, 5, tzinfo=UTC), datetime.fromtimestamp(1794180005, UTC),
    }  # fmt: skip


# Anything


BROKEN = [None, "", "abc", "1e30", "99999999999999999999.99", "NaN", "9999-12-31 00:00:00", "infinity", "\u0000", [],
          {}, [None], [[]], [{}], [{"goods_price": []}], {"goods_price": "1"}, True, -1, 0.5, 10**30]  # fmt: skip


def test_no_broken_field_stops_the_others(pool):
    whole = order(0, **SIGNED, service_fee_detail=[{"service_name": "a", "service_fee": 0}])
    broken, number = [], 1000
    for name in whole:
        for junk in BROKEN:
            number += 1
            broken.append({**whole, "order_sn": f"261109-{number:015d}", name: junk})
    for name in GOODS:
        for junk in BROKEN:
            number += 1
            broken.append({**whole, "order_sn": f"261109-{number:015d}", "item_list": [GOODS, {**GOODS, name: junk}]})
    report = take(pool, *broken, order(400))
    assert report.read == len(broken) + 1 == report.pooled + report.superseded + report.quarantined
    assert pooled(pool, 400)["status"] == "paid"
    absurd = [case(n, 401, 2, **{name: junk}) for n, (name, junk) in enumerate(
        ((name, junk) for name in case(1, 401, 2) for junk in BROKEN), 1)]  # fmt: skip
    report = take(pool, *absurd, kind="refund")
    assert report.read == len(absurd) == report.pooled + report.superseded + report.quarantined
    assert pool.failed_checks() == []
