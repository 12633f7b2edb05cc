"""JD as it is: refusals, failures inside code 0, pages that move, unpaid orders nobody finds, tokens that are spent."""

import hashlib
import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from orderpipe.sandbox import jd_gateway

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text("utf-8"))["vectors"]
SHOP = "jd-hz"
SEARCH = "jingdong.pop.order.enSearch"
STATES = (
    "WAIT_SELLER_STOCK_OUT,WAIT_SELLER_DELIVERY,WAIT_GOODS_RECEIVE_CONFIRM,FINISHED_L,TRADE_CANCELED,LOCKED,PAUSE,"
    "POP_ORDER_PAUSE,WAIT_SEND_CODE,PARENT_TRADE_CANCELED"
)
DAY = 86400


class Caller:
    """Speaks the protocol of one sandbox. Keyword arguments of `raw` override what a correct call would send."""

    def __init__(self, sandbox):
        self.sandbox, self.env = sandbox, dict(sandbox.credentials)

    def gmt8(self, ago=0.0):
        at = datetime.fromisoformat(self.sandbox.now()) + timedelta(hours=8, seconds=-ago)
        return at.strftime("%Y-%m-%d %H:%M:%S")

    def raw(self, method, params=None, *, secret=None, **changes):
        sent = {
            "method": method, "app_key": self.env["JD_APP_KEY"], "access_token": self.env["JD_ACCESS_TOKEN"],
            "timestamp": self.gmt8(), "v": "2.0",
            "360buy_param_json": json.dumps(params or {}, ensure_ascii=False), **changes,
        }  # fmt: skip
        sent = {name: value for name, value in sent.items() if value}
        secret = secret or self.env["JD_APP_SECRET"]
        text = secret + "".join(name + sent[name] for name in sorted(sent)) + secret
        sent.setdefault("sign", hashlib.md5(text.encode()).hexdigest().upper())
        answer = self.sandbox.http.post(f"{self.sandbox.url}/jd/routerjson", data=sent)
        assert answer.status_code == 200
        return answer.json()

    def make(self, state="unpaid", **wishes):
        """An order in a state, paid online unless told otherwise."""
        (number,) = self.sandbox.orders(SHOP, state=state, **{"cod": False, **wishes})
        return number

    def code(self, method, params=None, **changes):
        """The code of a refusal."""
        return self.raw(method, params, **changes)["error_response"]["code"]

    def ok(self, method, params=None, **changes):
        """What stands under the root of an answer with code 0."""
        (root, body), *none = self.raw(method, params, **changes).items()
        assert none == [] and root == method.replace(".", "_") + "_responce", body
        assert body.pop("code") == "0"
        return body

    def search(self, ago=DAY, until=0.0, **params):
        asked = {
            "start_date": self.gmt8(ago), "end_date": self.gmt8(until), "order_state": STATES,
            "optional_fields": "orderId,modified,orderState", "page": "1", "page_size": "100", **params,
        }  # fmt: skip
        asked = {name: value for name, value in asked.items() if value}
        return self.ok(SEARCH, asked)["searchorderinfo_result"]

    def numbers(self, **params):
        return [row["orderId"] for row in self.search(**params)["orderInfoList"]]

    def order(self, number, fields):
        asked = {"order_id": number, "optional_fields": fields}
        return self.ok("jingdong.pop.order.enGet", asked)["orderDetailInfo"]["orderInfo"]

    def state(self, number):
        return self.order(number, "orderState")["orderState"]

    def ship(self, number, **changes):
        asked = {"orderId": number, "logiCoprId": "467", "logiNo": "SF139", **changes}
        return self.raw("jingdong.pop.order.shipment", asked)

    def applications(self, **params):
        asked = {
            "applyTimeStart": self.gmt8(DAY),
            "applyTimeEnd": self.gmt8(),
            "pageIndex": "1",
            "pageSize": "50",
            **params,
        }
        return self.ok("jingdong.pop.afs.soa.refundapply.queryPageList", asked)["queryResult"]

    def services(self, **params):
        asked = {
            "buId": "10000001", "operatePin": "p", "operateNick": "n", "applyTimeBegin": self.gmt8(DAY),
            "applyTimeEnd": self.gmt8(), "pageNumber": "1", "pageSize": "50", **params,
        }  # fmt: skip
        return self.ok("jingdong.asc.query.list", asked)["pageResult"]


@pytest.fixture
def talk(sandbox):
    return Caller(sandbox(shops=SHOP))


# ---- refusals


@pytest.mark.parametrize("vector", VECTORS["jd-routerjson-md5"], ids=lambda vector: vector["id"])
def test_the_sandbox_signs_as_the_published_vector_does(vector):
    assert jd_gateway.sign(vector["inputs"]["params"], vector["inputs"]["app_secret"]) == vector["signature"]


def test_a_wrong_call_is_refused_with_the_documented_code_as_text(talk):
    params = {"order_state": STATES, "optional_fields": "orderId", "page": "1", "page_size": "10"}
    for change, code in (
        ({"secret": "not-the-secret"}, "12"),
        ({"sign": "0" * 32}, "12"),
        ({"sign": "签名"}, "12"),
        ({"app_key": "9"}, "21"),
        ({"app_key": ""}, "20"),
        ({"timestamp": "yesterday"}, "8"),
        ({"timestamp": ""}, "7"),
        ({"v": "1.0"}, "5"),
        ({"v": ""}, "4"),
        ({"access_token": "somebody-else"}, "19"),
        ({"access_token": ""}, "18"),
        ({"360buy_param_json": "{"}, "61"),
        ({"360buy_param_json": "[]"}, "61"),
    ):
        assert talk.code(SEARCH, params, **change) == code, change
    assert talk.code("jingdong.pop.order.list.get") == "15"
    assert talk.code(SEARCH, {**params, "order_state": ""}) == "50"
    assert talk.code(SEARCH, {**params, "optional_fields": ""}) == "50"
    assert talk.code("jingdong.pop.order.search", params) == "24"
    error = talk.raw(SEARCH, params, access_token="x")["error_response"]
    assert error == {"code": "19", "zh_desc": "无效access_token", "en_desc": "Invalid access_token"}


def test_every_parameter_that_is_sent_is_signed(talk):
    params = {"order_state": STATES, "optional_fields": "orderId", "page": "1", "page_size": "10"}
    assert "error_response" not in talk.raw(SEARCH, params, format="json", note="买家 + 备注")
    sent = {"method": SEARCH, "app_key": talk.env["JD_APP_KEY"], "access_token": talk.env["JD_ACCESS_TOKEN"],
            "timestamp": talk.gmt8(), "v": "2.0", "360buy_param_json": json.dumps(params)}  # fmt: skip
    secret = talk.env["JD_APP_SECRET"]
    text = secret + "".join(name + sent[name] for name in sorted(sent)) + secret
    signed = {**sent, "sign": hashlib.md5(text.encode()).hexdigest().upper()}
    url = f"{talk.sandbox.url}/jd/routerjson"
    assert "error_response" not in talk.sandbox.http.get(url, params=signed).json()
    assert talk.sandbox.http.post(url, data={**signed, "format": "json"}).json()["error_response"]["code"] == "12"


def test_the_clock_of_a_caller_may_be_off_by_six_minutes_and_no_more(talk):
    params = {"order_state": STATES, "optional_fields": "orderId", "page": "1", "page_size": "10"}
    assert "error_response" not in talk.raw(SEARCH, params, timestamp=talk.gmt8(355))
    assert talk.code(SEARCH, params, timestamp=talk.gmt8(365)) == "8"
    assert "error_response" not in talk.raw(SEARCH, params, timestamp=talk.gmt8() + ".683+0800")


@pytest.mark.parametrize(
    "change",
    [
        {"page_size": "101"}, {"page_size": "0"}, {"page": "0"}, {"start_date": "2026-11-09"},
        {"ago": 32 * DAY}, {"order_state": "WAIT_SELLER_STOCK_OUT,BRAND_NEW"},
    ],
)  # fmt: skip
def test_a_failure_of_the_business_stands_inside_code_0(talk, change):
    verdict = talk.search(**change)["apiResult"]
    assert verdict["success"] is False and verdict["numberCode"] != 10100000


# ---- orders


def test_only_the_fields_asked_for_come_back_and_text_is_text(talk):
    number = talk.make(state="paid")
    fields = "orderId,orderEndTime,paymentConfirmTime,orderPayment,itemInfoList,consigneeInfo,payType"
    row = talk.order(number, fields)
    assert set(row) == set(fields.split(","))
    assert row["orderEndTime"] == "0001-01-01 00:00:00" and row["paymentConfirmTime"].startswith("2026-")
    assert isinstance(row["orderPayment"], str) and isinstance(row["itemInfoList"][0]["itemTotal"], str)
    (truth,) = talk.sandbox.truth()
    shown = json.dumps(row, ensure_ascii=False)
    for name in ("name", "phone", "address"):
        assert truth["receiver"][name] not in shown
    assert row["consigneeInfo"]["fullAddress"] == truth["receiver"]["oaid"]


def test_unpaid_orders_are_never_found_but_those_paid_on_delivery_are(talk):
    unpaid = talk.make()
    cod = talk.make(state="paid", cod=True)
    closed = talk.make(state="closed")
    assert talk.numbers() == [cod] == talk.numbers(order_state="ALL")
    assert talk.numbers(order_state="NOT_PAY") == []
    for number in (unpaid, closed):
        assert talk.code("jingdong.pop.order.enGet", {"order_id": number, "optional_fields": "orderId"}) == "71"
    row = talk.order(cod, "payType,paymentConfirmTime")
    assert row == {"payType": "1-货到付款", "paymentConfirmTime": "0001-01-01 00:00:00"}
    talk.sandbox.advance(cod, "completed")
    assert talk.order(cod, "paymentConfirmTime")["paymentConfirmTime"] == talk.gmt8()
    assert [order["listed"] for order in talk.sandbox.truth()] == [False, True, False]


def test_a_presale_order_is_found_when_its_balance_is_paid(talk):
    number = talk.make(presale=True, ages=True)
    seen = []
    for _ in range(30):
        talk.sandbox.step(3600)
        seen.append(number in talk.numbers(ago=30 * DAY))
    (truth,) = talk.sandbox.truth()
    assert seen[0] is False and seen[-1] is (truth["paid"] is not None) is True


def test_states_follow_the_orders_life(talk):
    made = {state: talk.make(state) for state in ("paid", "shipped", "completed")}
    held = talk.make(state="forbid_consign")
    locked = talk.make(state="refund_requested")
    refunded = talk.make(state="refunded")
    assert talk.state(made["paid"]) == "WAIT_SELLER_STOCK_OUT"
    assert talk.state(made["shipped"]) == "WAIT_GOODS_RECEIVE_CONFIRM"
    assert talk.state(made["completed"]) == "FINISHED_L"
    assert talk.state(held) in ("PAUSE", "POP_ORDER_PAUSE")
    assert talk.state(locked) == "LOCKED" and talk.state(refunded) == "TRADE_CANCELED"
    assert set(talk.numbers(order_state="LOCKED,FINISHED_L")) == {locked, made["completed"]}
    talk.sandbox.advance(made["shipped"], "refund_requested")
    assert talk.state(made["shipped"]) == "WAIT_GOODS_RECEIVE_CONFIRM", "a case after shipping does not show"


def test_amounts_add_up_and_coupons_say_whose_they_are(sandbox):
    talk = Caller(sandbox(shops=SHOP, history=4, orders_per_hour=15))
    fields = "orderTotalPrice,orderSellerPrice,orderPayment,freightPrice,sellerDiscount,itemInfoList,couponDetailList"
    rows = talk.search(optional_fields=fields)["orderInfoList"]
    assert len(rows) > 20
    for row in rows:
        total = sum(Decimal(item["jdPrice"]) * int(item["itemTotal"]) for item in row["itemInfoList"])
        discount = sum(Decimal(coupon["couponPrice"]) for coupon in row["couponDetailList"])
        assert Decimal(row["orderTotalPrice"]) == total and Decimal(row["sellerDiscount"]) == discount
        assert Decimal(row["orderSellerPrice"]) == total - discount
        assert Decimal(row["orderPayment"]) == total - discount + Decimal(row["freightPrice"])
        skus = {item["skuId"] for item in row["itemInfoList"]} | {""}
        assert {coupon["skuId"] for coupon in row["couponDetailList"]} <= skus
    assert {coupon["skuId"] == "" for row in rows for coupon in row["couponDetailList"]} == {True, False}


# ---- pages


def test_lists_run_by_modified_or_created_time_in_both_directions(talk):
    first, second, third = (talk.make("paid") for _ in range(3) if talk.sandbox.step(60))
    talk.sandbox.step(60)
    talk.sandbox.advance(first, "shipped")
    assert talk.numbers() == [second, third, first]
    assert talk.numbers(sortType="1") == [first, third, second]
    assert talk.numbers(dateType="1") == [first, second, third]
    assert talk.numbers(until=30) == [second, third] and talk.numbers(ago=0) == [first]


def test_beyond_page_100_there_is_nothing_though_the_count_says_more(talk):
    talk.sandbox.orders(SHOP, 102, state="paid")
    page = talk.search(page="100", page_size="1")
    assert len(page["orderInfoList"]) == 1 and page["orderTotal"] == 102
    page = talk.search(page="101", page_size="1")
    assert page["orderInfoList"] == [] and page["orderTotal"] == 102 and page["apiResult"]["success"]


def test_reading_forward_loses_an_order_that_reading_backward_keeps(talk):
    made = set(talk.sandbox.orders(SHOP, 60, state="paid", spread=600))
    talk.sandbox.step(300)

    def lost(*pages):
        """What a walk over a closed window of 60 orders and the time after it does not find."""
        known = set(talk.numbers(ago=1800))
        talk.sandbox.fault("jd", "shifted_page")
        found = {number for page in pages for number in talk.numbers(ago=1800, until=299, page_size="20", page=page)}
        return known - found - set(talk.numbers(ago=298))

    assert len(lost("1", "2", "3")) == 1
    assert len(made) == 60 and lost("3", "2", "1") == set()


def test_counts_rows_and_fields_can_be_made_wrong(talk):
    talk.sandbox.orders(SHOP, 3, state="paid")
    talk.sandbox.fault("jd", "wrong_count", delta=2)
    talk.sandbox.fault("jd", "duplicate_rows")
    talk.sandbox.fault("jd", "missing_field", field="orderState")
    page = talk.search()
    assert page["orderTotal"] == 5 and len(page["orderInfoList"]) == 4 and "orderState" not in page["orderInfoList"][0]
    assert talk.search()["orderTotal"] == 3


def test_a_change_may_show_late_in_the_list(talk):
    talk.sandbox.fault("jd", "late_commit", seconds=300)
    number = talk.make()
    talk.sandbox.control("DELETE", "faults")
    talk.sandbox.fault("jd", "late_commit", seconds=300)
    talk.sandbox.advance(number, "paid")
    assert talk.numbers() == []
    talk.sandbox.step(301)
    assert talk.numbers() == [number]


@pytest.mark.parametrize(("kind", "code"), [("throttle", "2"), ("business_busy", "67"), ("expired_token", "19")])
def test_the_platform_can_be_made_to_refuse(talk, kind, code):
    talk.sandbox.fault("jd", kind)
    params = {"order_state": STATES, "optional_fields": "orderId", "page": "1", "page_size": "10"}
    assert talk.code(SEARCH, params) == code


def test_the_business_can_be_made_to_fail_inside_code_0(talk):
    talk.sandbox.fault("jd", "api_failure", times=3)
    assert talk.search()["apiResult"]["success"] is False
    assert talk.applications()["success"] is False and talk.services()["success"] is False
    assert talk.search()["apiResult"]["success"] is True


# ---- tokens


def refresh(talk, **changes):
    asked = {
        "app_key": talk.env["JD_APP_KEY"], "app_secret": talk.env["JD_APP_SECRET"], "grant_type": "refresh_token",
        "refresh_token": talk.env["JD_REFRESH_TOKEN"], **changes,
    }  # fmt: skip
    return talk.sandbox.http.get(f"{talk.sandbox.url}/jd/oauth2/refresh_token", params=asked).json()


def test_a_refresh_token_is_spent_by_its_use(talk):
    fresh = refresh(talk)
    assert fresh["expires_in"] == 365 * DAY and set(fresh) >= {"access_token", "refresh_token", "uid", "scope"}
    params = {"order_state": STATES, "optional_fields": "orderId", "page": "1", "page_size": "10"}
    assert talk.code(SEARCH, params) == "19"
    assert "error_response" not in talk.raw(SEARCH, params, access_token=fresh["access_token"])
    assert refresh(talk)["error_response"]["code"] == "19"
    assert "access_token" in refresh(talk, refresh_token=fresh["refresh_token"])


@pytest.mark.parametrize("change", [{"app_secret": "x"}, {"app_key": "x"}, {"grant_type": "x"}, {"refresh_token": ""}])
def test_a_wrong_renewal_is_refused(talk, change):
    assert refresh(talk, **change)["error_response"]["code"] in ("19", "21")


# ---- after-sale


def test_a_case_before_shipping_is_an_application_in_fen_and_one_after_it_a_service(talk):
    before = talk.make(state="refund_requested", skus=["CUP-500-BL"])
    after = talk.make(state="shipped", skus=["CUP-500-BL"])
    talk.sandbox.advance(after, "refund_requested")
    by_number = {order["platform_order_no"]: order["refunds"][0] for order in talk.sandbox.truth()}
    (row,) = talk.applications()["result"]
    assert row["orderId"] == before and row["id"] == int(by_number[before]["platform_refund_id"])
    assert row["applyRefundSum"] == float(by_number[before]["amount"]) * 100
    assert (row["status"], "checkTime" in row) == (0, False)
    (row,) = talk.services()["data"]
    assert (row["orderId"], row["serviceId"]) == (after, int(by_number[after]["platform_refund_id"]))
    assert (row["serviceStatusName"], row["customerExpect"]) == ("待审核", 10)


def test_a_case_stays_in_the_list_where_it_was_asked_for(talk):
    number = talk.make(state="refund_requested")
    talk.sandbox.step(3600)
    talk.sandbox.advance(number, "refunded")
    recent = {"applyTimeStart": talk.gmt8(60)}
    assert talk.applications(**recent) == {"success": True, "totalCount": 0, "result": []}
    rows = talk.applications()["result"]
    assert {row["status"] for row in rows} == {3} and {row["checkTime"] for row in rows} == {talk.gmt8()}
    assert talk.applications(status="0")["totalCount"] == 0
    assert (
        talk.applications(orderId=number)["totalCount"] == len(rows) and talk.applications(orderId="1")["result"] == []
    )


def test_the_service_list_wants_to_know_who_asks(talk):
    for change in ({"buId": ""}, {"buId": "1"}, {"operatePin": ""}, {"operateNick": ""}):
        asked = {"buId": "10000001", "operatePin": "p", "operateNick": "n", "applyTimeBegin": talk.gmt8(60),
                 "applyTimeEnd": talk.gmt8(), "pageNumber": "1", "pageSize": "50", **change}  # fmt: skip
        assert talk.code("jingdong.asc.query.list", asked) == "50"


# ---- shipping, shelf, stock


def test_an_order_ships_once_and_a_second_time_is_code_70(talk):
    number = talk.make(state="paid")
    answer = talk.ship(number)["jingdong_pop_order_shipment_responce"]
    assert answer["sopjosshipment_result"]["success"] is True
    row = talk.order(number, "orderState,waybill,logisticsId")
    assert row == {"orderState": "WAIT_GOODS_RECEIVE_CONFIRM", "waybill": "SF139", "logisticsId": "467"}
    assert talk.ship(number)["error_response"]["code"] == "70"
    (effect,) = talk.sandbox.receipts()["jd"]
    assert (effect["kind"], effect["key"], effect["requests"], effect["duplicates"]) == ("shipment", number, 2, 0)


@pytest.mark.parametrize("state", ["refund_requested", "forbid_consign", "refunded"])
def test_an_order_that_was_locked_between_list_and_shipment_fails_inside_code_0(talk, state):
    number = talk.make(state="paid")
    talk.sandbox.advance(number, state)
    result = talk.ship(number)["jingdong_pop_order_shipment_responce"]["sopjosshipment_result"]
    assert result["success"] is False and talk.state(number) in result["chineseErrCode"]
    assert talk.sandbox.receipts()["counts"]["jd"] == {"effects": 0, "requests": 0, "refused": 1, "duplicates": 0}


def test_a_shipment_wants_an_order_of_ours_and_a_carrier_by_number(talk):
    number = talk.make(state="paid")
    assert talk.ship(number, logiCoprId="SF")["error_response"]["code"] == "50"
    assert talk.ship(number, logiNo="")["error_response"]["code"] == "50"
    assert talk.ship("1")["error_response"]["code"] == "71"


def test_a_shipment_may_have_happened_though_the_answer_says_busy(talk):
    number = talk.make(state="paid")
    talk.sandbox.fault("jd", "business_busy", worked=True)
    assert talk.ship(number)["error_response"]["code"] == "67"
    assert talk.state(number) == "WAIT_GOODS_RECEIVE_CONFIRM"


def test_wares_go_off_the_shelf_and_come_back(talk):
    number = talk.make(state="paid", skus=["CUP-500-BL"])
    ware_id = talk.order(number, "itemInfoList")["itemInfoList"][0]["wareId"]
    up_or_down = "jingdong.ware.write.upOrDown"
    assert talk.ok(up_or_down, {"wareId": ware_id, "opType": "2"}) == {"success": True}
    assert talk.sandbox.control("GET", "truth/listings") == [{"shop_id": SHOP, "product_id": ware_id, "listed": False}]
    talk.ok(up_or_down, {"wareId": ware_id, "opType": "1"})
    assert talk.sandbox.control("GET", "truth/listings") == []
    talk.ok("360buy.ware.update.delisting", {"ware_id": ware_id})
    assert len(talk.sandbox.control("GET", "truth/listings")) == 1
    assert talk.ok(up_or_down, {"wareId": "1", "opType": "2"})["success"] is False
    assert talk.code(up_or_down, {"wareId": ware_id, "opType": "3"}) == "50"


def test_stock_is_set_absolutely(talk):
    number = talk.make(state="paid", skus=["CUP-500-BL"])
    sku_id = talk.order(number, "itemInfoList")["itemInfoList"][0]["skuId"]
    for method, pieces in (("jingdong.stock.write.updateSkuStock", 7), ("jingdong.ware.stock.sku.set", 3)):
        assert talk.ok(method, {"skuId": sku_id, "stockNum": str(pieces)}) == {"success": True}
        found = talk.ok("jingdong.stock.read.findSkuStock", {"skuId": sku_id, "field": "skuId,stockNum"})
        assert [(row["skuId"], row["stockNum"]) for row in found["skuStocks"]] == [(sku_id, pieces)]
    assert talk.ok("jingdong.stock.write.updateSkuStock", {"skuId": "1", "stockNum": "1"})["success"] is False
