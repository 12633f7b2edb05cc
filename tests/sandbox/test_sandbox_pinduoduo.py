"""Pinduoduo as it is, by raw HTTP: refusals, windows, pages that move, what it hides, receivers that vanish, tokens."""

import hashlib
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderpipe.sandbox.pinduoduo_gateway import sign as sandbox_sign

VECTORS = json.loads((Path(__file__).parent.parent / "data" / "vectors.json").read_text("utf-8"))["vectors"]["pdd-md5"]
SHOP = "pinduoduo-hz"
LIST, REFUNDS = "pdd.order.number.list.increment.get", "pdd.refund.list.increment.get"
INFORMATION, SEND = "pdd.order.information.get", "pdd.logistics.online.send"
REFRESH = "pdd.pop.auth.token.refresh"
ROOTS = {
    LIST: "order_sn_increment_get_response", INFORMATION: "order_info_get_response",
    REFUNDS: "refund_increment_get_response", SEND: "logistics_online_send_response",
    "pdd.order.list.get": "order_list_get_response", "pdd.goods.sale.status.set": "goods_sale_status_set_response",
    "pdd.time.get": "time_get_response", REFRESH: "pop_auth_token_refresh_response",
}  # fmt: skip


DISCOUNTS = ("platform_discount", "seller_discount", "capital_free_discount")
AMOUNTS = {"goods_amount", "discount_amount", "order_change_amount", "postage", "pay_amount", *DISCOUNTS}


def pdd_sign(params: dict[str, str], secret: str) -> str:
    kept = sorted(name for name, value in params.items() if value != "" and name != "sign")
    joined = "".join(f"{name}{params[name]}" for name in kept)
    return hashlib.md5(f"{secret}{joined}{secret}".encode()).hexdigest().upper()


class Talk:
    """A caller of one running sandbox. Keyword arguments override what a correct call would send."""

    def __init__(self, world: Any):
        self.world, self.env = world, dict(world.credentials)

    def now(self) -> int:
        return int(datetime.fromisoformat(self.world.now()).timestamp())

    def raw(self, api: str, secret: str = "", as_json: bool = False, **params: Any) -> httpx.Response:
        sent = {
            "type": api, "client_id": self.env["PINDUODUO_CLIENT_ID"], "timestamp": self.now(), "data_type": "JSON",
            "access_token": self.env["PINDUODUO_ACCESS_TOKEN"], "version": "V1", **params,
        }  # fmt: skip
        sent = {name: str(value) for name, value in sent.items() if value != ""}
        sent["sign"] = params.get("sign") or pdd_sign(sent, secret or self.env["PINDUODUO_CLIENT_SECRET"])
        url = f"{self.world.url}/pinduoduo/api/router"
        return self.world.http.post(url, json=sent) if as_json else self.world.http.post(url, data=sent)

    def call(self, api: str, **params: Any) -> dict[str, Any]:
        """The object under the API's root; fails when there is another."""
        answer = self.raw(api, **params)
        assert answer.status_code == 200
        return answer.json()[ROOTS[api]]

    def refused(self, api: str, **params: Any) -> int:
        """The error code of a refusal, which comes as HTTP 200."""
        answer = self.raw(api, **params)
        assert answer.status_code == 200
        return answer.json()["error_response"]["error_code"]

    def window(self, ago: float = 1800, until: float = 0, **params: Any) -> dict[str, Any]:
        """The parameters of the increment list for a stretch of the past, seconds ago."""
        now = self.now()
        chosen = {"is_lucky_flag": 0, "order_status": 5, "refund_status": 5, "start_updated_at": int(now - ago)}
        return {**chosen, "end_updated_at": int(now - until), **params}

    def cases(self, ago: float = 1800, **params: Any) -> dict[str, Any]:
        now = self.now()
        asked = {
            "after_sales_status": 1,
            "after_sales_type": 1,
            "start_updated_at": int(now - ago),
            "end_updated_at": now,
        }
        return {**asked, **params}

    def orders(self, **params: Any) -> dict[str, dict[str, Any]]:
        return {row["order_sn"]: row for row in self.call(LIST, **self.window(**params))["order_sn_list"]}


@pytest.fixture
def talk(sandbox):
    """Starts a sandbox with the Pinduoduo shop alone and gives a caller of it."""
    return lambda **options: Talk(sandbox(**{"shops": SHOP, **options}))


# ---- refusals


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_the_sandbox_signs_as_the_published_vectors_do(vector):
    params, secret = vector["inputs"]["params"], vector["inputs"]["secret"]
    assert sandbox_sign(params, secret) == pdd_sign(params, secret) == vector["signature"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "not-the-secret"}, 20004), ({"sign": "0" * 32}, 20004), ({"sign": "签名"}, 20004),
        ({"client_id": "nobody"}, 10016), ({"client_id": ""}, 10001), ({"timestamp": ""}, 10001),
        ({"timestamp": "1772674200"}, 10001), ({"timestamp": "2026-11-09 10:00:00"}, 10001),
        ({"data_type": "json"}, 10001), ({"access_token": "somebody-else"}, 20032), ({"access_token": ""}, 20032),
        ({"is_lucky_flag": ""}, 10000), ({"is_lucky_flag": 3}, 10000), ({"order_status": ""}, 10000),
        ({"order_status": 4}, 10000), ({"refund_status": ""}, 10000), ({"page": 0}, 10000), ({"page_size": 101}, 10000),
        ({"start_updated_at": ""}, 10000), ({"end_updated_at": 1}, 10000),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_call_is_refused_with_the_documented_code(talk, change, code):
    one = talk()
    assert one.refused(LIST, **{**one.window(), **change}) == code


def test_an_unknown_type_and_a_window_beyond_half_an_hour_are_refused(talk):
    one = talk()
    assert one.refused("pdd.order.steal") == 10017
    assert one.refused(LIST, **one.window(1801)) == 10000
    assert one.refused(REFUNDS, **one.cases(1801)) == 10000
    assert one.call(LIST, **one.window(1800))["total_count"] == 0
    assert one.call(REFUNDS, **one.cases(1800))["total_count"] == 0
    now = one.now()
    day = {"order_status": 5, "refund_status": 5, "end_confirm_at": now}
    assert one.call("pdd.order.list.get", **day, start_confirm_at=now - 86400)["order_list"] == []
    assert one.refused("pdd.order.list.get", **day, start_confirm_at=now - 86401) == 10000


def test_a_clock_may_be_off_by_ten_minutes_and_no_more(talk):
    one = talk()
    assert one.call("pdd.time.get", timestamp=one.now() - 590)["time"] == "2026-11-09 10:00:00"
    assert one.refused("pdd.time.get", timestamp=one.now() - 610) == 10001


def test_a_json_body_serves_as_well_and_xml_is_answered_in_xml(talk):
    one = talk()
    assert one.raw(LIST, as_json=True, **one.window()).json()[ROOTS[LIST]]["total_count"] == 0
    assert one.raw(LIST, data_type="XML", **one.window()).text.startswith("<?xml")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text("abcdefgh_", min_size=1, max_size=8),
                       st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)))  # fmt: skip
def test_every_parameter_counts_in_the_signature(shared, extra):
    call = {**extra, **shared.window()}
    assert "error_response" not in shared.raw(LIST, **call).json()
    assert shared.refused(LIST, **call, sign="F" * 32) == 20004


@pytest.fixture
def shared(talk):
    return talk()


def test_the_quota_of_the_case_list_is_a_hundred_calls_in_ten_seconds(talk):
    one = talk(rate=1)
    answers = [one.raw(REFUNDS, **one.cases()).json() for _ in range(101)]
    assert all(ROOTS[REFUNDS] in answer for answer in answers[:100])
    assert answers[100]["error_response"]["error_code"] == 70031
    one.world.step(10)
    assert one.call(REFUNDS, **one.cases())["total_count"] == 0


def test_a_stepped_clock_knows_no_quota(talk):
    one = talk()
    assert all(one.call(REFUNDS, **one.cases())["total_count"] == 0 for _ in range(102))


# ---- what the lists show


def test_orders_show_once_they_are_dealt_and_not_before(talk):
    one = talk()
    (unpaid,) = one.world.orders(SHOP)
    (paid,) = one.world.orders(SHOP, state="paid")
    (closed,) = one.world.orders(SHOP, state="closed")
    one.world.control("POST", f"orders/{paid}/status", platform_status="grouping")
    one.world.step(60)
    assert one.orders() == {} and one.refused(INFORMATION, order_sn=paid) == 50001
    one.world.control("POST", f"orders/{paid}/status", platform_status=None)
    one.world.advance(unpaid, "paid")
    shown = one.orders(ago=1)
    assert set(shown) == {unpaid, paid}, "they come with a new update time"
    listed = {order["platform_order_no"]: order["listed"] for order in one.world.truth()}
    assert listed == {unpaid: True, paid: True, closed: False}
    assert shown[paid]["created_time"] < shown[paid]["updated_at"]


def test_a_deposit_makes_an_order_show_before_it_is_paid(talk):
    one = talk()
    one.world.orders(SHOP, presale=True, ages=True, skus=["CUP-500-BL"])
    one.world.step(700)
    (order,) = one.orders(ago=1800).values()
    assert (order["trade_type"], order["confirm_status"], order["pay_time"]) == (1, 0, "")
    assert order["step_order_info"]["step_trade_status"] == 1
    assert 0 < order["step_order_info"]["step_paid_fee"] < order["pay_amount"]


def test_the_answer_tells_the_count_or_whether_there_is_more_never_both(talk):
    one = talk()
    one.world.orders(SHOP, 5, state="paid", spread=100)
    page = one.call(LIST, **one.window(), page_size=2)
    assert page["total_count"] == 5 and "has_next" not in page and len(page["order_sn_list"]) == 2
    page = one.call(LIST, **one.window(), page_size=2, page=3, use_has_next="true")
    assert page["has_next"] is False and "total_count" not in page and len(page["order_sn_list"]) == 1
    assert one.call(LIST, **one.window(), page_size=2, page=2, use_has_next="true")["has_next"] is True
    assert one.call(LIST, **one.window(), page=9, use_has_next="true")["order_sn_list"] == []


def test_rows_are_whole_orders_oldest_first_within_both_bounds(talk):
    one = talk()
    one.world.orders(SHOP, 30, state="paid", spread=1700)
    rows = list(one.orders(ago=900).values())
    times = [row["updated_at"] for row in rows]
    assert times == sorted(times) and 0 < len(rows) < 30
    assert one.call(INFORMATION, order_sn=rows[0]["order_sn"])["order_info"] == rows[0]
    assert all(len(row["item_list"]) == 1 for row in rows)
    edge = one.now() - int(datetime.fromisoformat(f"{times[0]}+08:00").timestamp())
    assert rows[0]["order_sn"] in one.orders(ago=edge) and rows[0]["order_sn"] in one.orders(ago=edge + 9, until=edge)


def test_the_filters_choose(talk):
    one = talk()
    one.world.orders(SHOP, 2, state="paid")
    (shipped,) = one.world.orders(SHOP, state="shipped")
    (refunded,) = one.world.orders(SHOP, state="refunded")
    assert set(one.orders(order_status=2)) == {shipped}
    assert set(one.orders(refund_status=4)) == {refunded}
    assert len(one.orders(order_status=1)) == 3


def test_reading_forward_loses_an_order_that_reading_backward_keeps(talk):
    def read(one, start, end, numbers):
        window = {"start_updated_at": start, "end_updated_at": end}
        ask = {**one.window(), **window, "page_size": 20, "use_has_next": "true"}
        return {row["order_sn"] for number in numbers for row in one.call(LIST, **ask, page=number)["order_sn_list"]}

    def lost(numbers):
        one = talk()
        made = set(one.world.orders(SHOP, 60, state="paid", spread=600))
        one.world.step(300)
        start, end = one.now() - 1800, one.now() - 299
        one.world.fault("pinduoduo", "shifted_page")
        found = read(one, start, end, numbers)
        one.world.step(60)
        found |= read(one, end, one.now(), [1])  # the order that moved belongs to the next window
        return made - found

    assert len(lost([1, 2, 3])) == 1
    assert lost([3, 2, 1]) == set()


# ---- one order


def test_receivers_vanish_when_an_order_is_shipped_or_under_review(talk):
    one = talk()
    (order,) = one.world.orders(SHOP, state="paid")
    names = [name for name in one.orders()[order] if name.startswith("receiver_")] + ["open_address_id"]
    before = one.orders()[order]
    assert len(names) == 7 and all(before[name] for name in names)
    truth = one.world.advance(order, "forbid_consign")
    held = one.orders()[order]
    assert held["risk_control_status"] == 1 and not any(held[name] for name in names)
    one.world.advance(order, "paid")
    again = one.orders()[order]
    assert again["open_address_id"] == before["open_address_id"] == truth["receiver"]["oaid"]
    one.world.step(5)
    one.world.control("POST", f"orders/{order}/status", platform_status=None)
    later = one.orders()[order]
    assert later["receiver_address"] != again["receiver_address"], "a ciphertext must not be compared"
    one.world.advance(order, "shipped")
    shipped = one.orders()[order]
    assert shipped["order_status"] == 2 and not any(shipped[name] for name in names)
    assert (shipped["province"], shipped["town"]) == (truth["receiver"]["province"], truth["receiver"]["district"])
    assert shipped["tracking_number"] and shipped["logistics_id"]


def test_nothing_of_a_receiver_stands_in_clear(talk):
    one = talk(history=5, orders_per_hour=30, pace=6)
    people = {order["platform_order_no"]: order["receiver"] for order in one.world.truth()}
    shown = one.orders()
    assert len(shown) > 10
    for number, order in shown.items():
        fields = json.dumps({k: v for k, v in order.items() if k.startswith("receiver_")}, ensure_ascii=False)
        for kind in ("name", "phone", "address"):
            assert people[number][kind] not in fields


def test_money_adds_up_to_the_fen_and_comes_as_number_and_text(talk):
    one = talk(history=26, orders_per_hour=20, pace=8)
    kinds, seen = set(), 0
    for order in one.world.truth():
        if not order["listed"]:
            continue
        shown = one.raw(INFORMATION, order_sn=order["platform_order_no"]).text
        info = json.loads(shown, parse_float=Decimal)["order_info_get_response"]["order_info"]
        yuan = {name: Decimal(value) for name, value in info.items() if name in AMOUNTS}
        kinds |= {(name, type(info[name]).__name__) for name in yuan}
        (line,) = info["item_list"]
        fees = sum(Decimal(fee["service_fee"]) for fee in info["service_fee_detail"])
        assert yuan["goods_amount"] == Decimal(line["goods_price"]) * line["goods_count"] - yuan["order_change_amount"]
        assert yuan["discount_amount"] == sum(yuan[name] for name in DISCOUNTS)
        assert yuan["pay_amount"] == yuan["goods_amount"] - yuan["discount_amount"] + yuan["postage"] + fees
        assert yuan["pay_amount"] == Decimal(order["payable_amount"])
        seen += 1
        kinds |= {"fees"} if fees else set()
        kinds |= {name for name in ("order_change_amount", *DISCOUNTS) if yuan[name]}
    assert seen > 300
    assert kinds >= {"fees", "order_change_amount", "platform_discount", "seller_discount", "capital_free_discount"}
    assert {("pay_amount", "Decimal"), ("goods_amount", "str")} <= kinds


def test_a_status_nobody_knows_is_shown(talk):
    one = talk()
    (order,) = one.world.orders(SHOP, state="paid")
    truth = one.world.control("POST", f"orders/{order}/status", platform_status="77")
    assert one.orders()[order]["order_status"] == 77 and truth["platform_status"].startswith("77/")


# ---- cases, shipping, goods


def test_a_case_is_seen_on_the_order_and_in_the_list_and_in_fen_by_its_id(talk):
    one = talk()
    (order,) = one.world.orders(SHOP, state="paid")
    truth = one.world.advance(order, "refund_requested")
    (case,) = one.call(REFUNDS, **one.cases())["refund_list"]
    assert (case["order_sn"], case["after_sales_type"], case["after_sales_status"]) == (order, 2, 2)
    assert case["refund_amount"] == truth["refunds"][0]["amount"]
    assert (one.orders()[order]["refund_status"], one.orders()[order]["after_sales_status"]) == (2, 2)
    flat = one.raw("pdd.refund.information.get", after_sales_id=case["id"], order_sn=order).json()
    assert flat["refund_amount"] == int(Decimal(case["refund_amount"]) * 100) and flat["after_sales_type"] == 1
    assert [one.refused(REFUNDS, **one.cases(**{name: ""})) for name in ("after_sales_status", "after_sales_type")] == [
        10000, 10000,
    ]  # fmt: skip
    assert one.call(REFUNDS, **one.cases(after_sales_status=10))["refund_list"] == []
    one.world.advance(order, "refunded")
    assert len(one.call(REFUNDS, **one.cases(after_sales_status=10))["refund_list"]) == 1
    assert len(one.call(REFUNDS, order_sn=order)["refund_list"]) == 1
    assert one.orders()[order]["refund_status"] == 4


def test_case_times_come_in_both_forms(talk):
    one = talk()
    for order in one.world.orders(SHOP, 8, state="paid"):
        one.world.advance(order, "refund_requested")
    written = {row["updated_time"] for row in one.call(REFUNDS, **one.cases())["refund_list"]}
    assert written == {str(one.now()), "2026-11-09 10:00:00"}


def test_an_order_is_shipped_once(talk):
    one = talk()
    (order,) = one.world.orders(SHOP, state="forbid_consign")
    parcel = {"order_sn": order, "logistics_id": 44, "tracking_number": "SF1"}
    assert one.refused(SEND, **parcel) == 50001
    one.world.advance(order, "paid")
    assert one.refused(SEND, **{**parcel, "logistics_id": "SF"}) == 10000
    assert one.call(SEND, **parcel)["is_success"] is True
    shown = one.orders()[order]
    assert (shown["order_status"], shown["logistics_id"], shown["tracking_number"]) == (2, 44, "SF1")
    assert one.refused(SEND, **parcel) == 50001
    (effect,) = one.world.receipts()["pinduoduo"]
    assert (effect["kind"], effect["key"], effect["duplicates"]) == ("shipment", order, 0)


def test_goods_go_off_sale_and_back(talk):
    one = talk()
    (order,) = one.world.orders(SHOP, state="paid")
    goods_id = one.orders()[order]["item_list"][0]["goods_id"]
    assert one.call("pdd.goods.sale.status.set", goods_id=goods_id, is_onsale=0)["is_success"] is True
    listing = {"shop_id": SHOP, "product_id": str(goods_id), "listed": False}
    assert one.world.control("GET", "truth/listings") == [listing]
    one.call("pdd.goods.sale.status.set", goods_id=goods_id, is_onsale=1)
    assert one.world.control("GET", "truth/listings") == []
    assert one.refused("pdd.goods.sale.status.set", goods_id=1, is_onsale=0) == 50001


# ---- tokens and faults


def test_a_token_ends_after_a_day_and_its_refresh_token_is_spent_by_one_use(talk):
    one = talk()
    first, refresh = one.env["PINDUODUO_ACCESS_TOKEN"], one.env["PINDUODUO_REFRESH_TOKEN"]
    one.world.step(86399)
    assert one.call("pdd.time.get")
    one.world.step(1)
    assert one.refused("pdd.time.get") == 10019
    grant = one.call(REFRESH, refresh_token=refresh, access_token="")
    assert grant["access_token"] != first and grant["refresh_token"] != refresh and grant["expires_in"] == 86400
    assert one.refused(REFRESH, refresh_token=refresh, access_token="") == 20031
    assert one.refused("pdd.time.get") == 10019, "the old token has ended, it is not a stranger's"
    assert one.call("pdd.time.get", access_token=grant["access_token"])
    one.world.step(31 * 86400)
    assert one.refused(REFRESH, refresh_token=grant["refresh_token"], access_token="") == 20031


@pytest.mark.parametrize(
    ("kind", "choice", "code"),
    [("expired_token", {}, 10019), ("throttle", {}, 70031), ("business_busy", {}, 52002),
     ("business_busy", {"code": 50000}, 50000), ("throttle", {"code": 52101}, 52101)],
)  # fmt: skip
def test_armed_failures_come_as_the_platform_tells_them(talk, kind, choice, code):
    one = talk()
    one.world.fault("pinduoduo", kind, **choice)
    assert one.refused(LIST, **one.window()) == code


def test_armed_traps_bend_a_page(talk):
    one = talk()
    one.world.orders(SHOP, 5, state="paid")

    def bent(kind: str, **choice: Any) -> dict[str, Any]:
        one.world.fault("pinduoduo", kind, **choice)
        return one.call(LIST, **one.window())

    assert bent("wrong_count", delta=3)["total_count"] == 8
    assert len(bent("short_page")["order_sn_list"]) == 4
    assert len(bent("duplicate_rows")["order_sn_list"]) == 6
    assert "created_time" not in bent("missing_field")["order_sn_list"][0]
    assert set(bent("numbers_only")["order_sn_list"][0]) == {"order_sn", "updated_at"}
    row = bent("mobile_only")["order_sn_list"][0]
    assert row["contact_mobile"] and not row["receiver_phone"] and not row["receiver_name_mask"]
    assert "created_time" in one.call(LIST, **one.window())["order_sn_list"][0], "the order itself is whole"


def test_a_lost_answer_to_a_shipment_did_ship(talk):
    one = talk()
    (order,) = one.world.orders(SHOP, state="paid")
    one.world.fault("pinduoduo", "business_busy", worked=True, match="logistics")
    assert one.refused(SEND, order_sn=order, logistics_id=44, tracking_number="SF1") == 52002
    assert one.orders()[order]["order_status"] == 2
