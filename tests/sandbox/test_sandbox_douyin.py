"""Douyin as it is: strict signatures, pages from 0, tokens that are spent, receivers in ciphertext, fen that add up."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from orderpipe.sandbox import douyin_gateway

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text("utf-8"))["vectors"]
SHOP = "douyin-hz"
DAY = 86400


def marshal(params):
    return json.dumps(params, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Caller:
    """Speaks the protocol of one sandbox. Keyword arguments of `raw` override what a correct call would send."""

    def __init__(self, sandbox):
        self.sandbox, self.env = sandbox, dict(sandbox.credentials)

    def now(self):
        return int(datetime.fromisoformat(self.sandbox.now()).timestamp())

    def raw(self, method, params=None, *, body=None, secret=None, path=None, headers=None, **changes):
        body = marshal(params or {}) if body is None else body
        query = {
            "app_key": self.env["DOUYIN_APP_KEY"], "method": method, "access_token": self.env["DOUYIN_ACCESS_TOKEN"],
            "timestamp": str(self.now()), "v": "2", "sign_method": "hmac-sha256", **changes,
        }  # fmt: skip
        query = {name: value for name, value in query.items() if value}
        secret = secret or self.env["DOUYIN_APP_SECRET"]
        signed = "".join(
            name + value
            for name, value in (
                ("app_key", query.get("app_key", "")), ("method", query.get("method", "")), ("param_json", body),
                ("timestamp", query.get("timestamp", "")), ("v", query.get("v", "")),
            )
        )  # fmt: skip
        text = (secret + signed + secret).encode()
        if query.get("sign_method") == "hmac-sha256":
            query.setdefault("sign", hmac.new(secret.encode(), text, "sha256").hexdigest())
        else:
            query.setdefault("sign", hashlib.md5(text).hexdigest())
        url = f"{self.sandbox.url}/douyin/{path or method.replace('.', '/')}"
        headers = {"Content-Type": "application/json", **(headers or {})}
        answer = self.sandbox.http.post(url, params=query, content=body.encode(), headers=headers)
        assert answer.status_code == 200
        return answer.json()

    def ok(self, method, params=None, **changes):
        answer = self.raw(method, params, **changes)
        assert answer["code"] == 10000, answer
        return answer["data"]

    def page(self, number=0, size=100, ago=DAY, until=0, **params):
        asked = {
            "update_time_start": self.now() - ago, "update_time_end": self.now() - until, "order_by": "update_time",
            "order_asc": True, "page": number, "size": size,
        }  # fmt: skip
        return self.ok("order.searchList", asked | params)

    def order(self, number):
        return self.ok("order.orderDetail", {"shop_order_id": number})["shop_order_detail"]

    def cases(self, **params):
        asked = {"update_start_time": self.now() - DAY, "update_end_time": self.now(), "page": 0, "size": 100}
        return self.ok("afterSale.List", asked | {"order_by": ["update_time asc"]} | params)

    def ship(self, order, request_id="r1", lines=None, **params):
        lines = lines or {line["order_id"]: line["item_num"] for line in order["sku_order_list"]}
        pieces = [{"shipped_order_id": number, "shipped_num": count} for number, count in lines.items()]
        pack = {"shipped_order_info": pieces, "logistics_code": "SF139", "company_code": "shunfeng"}
        asked = {"order_id": order["order_id"], "request_id": request_id, "pack_list": [pack]}
        return self.raw("order.logisticsAddMultiPack", asked | params)


@pytest.fixture
def talk(sandbox):
    """A caller of a new sandbox with the Douyin shop only."""
    return lambda **options: Caller(sandbox(shops=SHOP, **options))


# ---- refusals


@pytest.mark.parametrize(
    "vector", [pytest.param(v, id=v["id"]) for s in ("douyin-v2-hmac-sha256", "douyin-v2-md5") for v in VECTORS[s]]
)
def test_the_sandbox_computes_the_published_vectors(vector):
    given = vector["inputs"]
    query = {name: str(given[name]) for name in ("app_key", "method", "timestamp", "v", "sign_method")}
    assert douyin_gateway.sign(query, given["param_json"], given["app_secret"]) == vector["signature"]


@pytest.mark.parametrize(
    ("change", "code", "sub_code"),
    [
        ({"secret": "not-the-secret"}, 40003, "isv.signature-invalid"),
        ({"sign": "0" * 64}, 40003, "isv.signature-invalid"),
        ({"sign": "签名"}, 40003, "isv.signature-invalid"),
        ({"app_key": "1"}, 40004, "isv.app-key-invalid"),
        ({"timestamp": "1000000000"}, 40003, "isv.timestamp-invalid"),
        ({"timestamp": "yesterday"}, 40003, "isv.timestamp-invalid"),
        ({"access_token": "somebody-else"}, 40003, "isv.access-token-no-existed"),
        ({"access_token": ""}, 40002, "isv.missing-parameter"),
        ({"timestamp": ""}, 40002, "isv.missing-parameter"),
        ({"v": "1"}, 40004, "isv.parameter-invalid"),
        ({"path": "order/orderDetail"}, 40004, "isv.method-invalid"),
        ({"body": "{]"}, 40004, "isv.parameter-invalid"),
        ({"body": '{"size":100,"page":0}'}, 40003, "isv.signature-invalid"),
        ({"body": '{"page": 0, "size": 100}'}, 40003, "isv.signature-invalid"),
        ({"body": '{"page":0,"product":"\\u5f20","size":100}'}, 40003, "isv.signature-invalid"),
        ({"params": {"size": 100}}, 40002, "isv.missing-parameter"),
        ({"params": {"page": 0}}, 40002, "isv.missing-parameter"),
        ({"params": {"page": 0, "size": 101}}, 40004, "isv.parameter-invalid"),
        ({"params": {"page": -1, "size": 100}}, 40004, "isv.parameter-invalid"),
        ({"params": {"page": 100, "size": 100}}, 40004, "isv.parameter-invalid"),
        ({"params": {"page": 0, "size": 1, "update_time_start": 1, "update_time_end": 10**12}}, 40004, None),
    ],
    ids=str,
)
def test_a_wrong_call_is_refused_with_the_documented_code(talk, change, code, sub_code):
    answer = talk().raw("order.searchList", **({"params": {"page": 0, "size": 100}} | change))
    assert answer["code"] == code and answer["sub_code"] == (sub_code or answer["sub_code"])
    assert "data" not in answer


def test_both_signatures_both_spellings_of_time_and_both_line_separators_are_accepted(talk):
    call = talk()
    gmt8 = datetime.fromisoformat(call.sandbox.now()).timestamp() + 8 * 3600
    text = datetime.fromtimestamp(gmt8, UTC).strftime("%Y-%m-%d %H:%M:%S")
    asked = {"page": 0, "size": 100, "product": '加急<件> & "轻放" http://a/b'}
    assert call.raw("order.searchList", asked, sign_method="")["code"] == 10000  # md5 where none is named
    assert call.raw("order.searchList", asked, timestamp=text)["code"] == 10000
    for product in ('"\u2028"', '"\\u2028"'):
        assert call.raw("order.searchList", body=f'{{"page":0,"product":{product},"size":100}}')["code"] == 10000


def test_older_clients_may_put_the_parameters_into_a_form_or_the_query(talk):
    call = talk()
    body = '{"page":0,"size":1}'
    query = {
        "app_key": call.env["DOUYIN_APP_KEY"],
        "method": "order.searchList",
        "timestamp": str(call.now()),
        "v": "2",
    }
    query["access_token"] = call.env["DOUYIN_ACCESS_TOKEN"]
    secret = call.env["DOUYIN_APP_SECRET"]
    signed = f"app_key{query['app_key']}methodorder.searchListparam_json{body}timestamp{query['timestamp']}v2"
    query["sign"] = hashlib.md5(f"{secret}{signed}{secret}".encode()).hexdigest()
    url = f"{call.sandbox.url}/douyin/order/searchList"
    form = call.sandbox.http.post(url, params=query, data={"param_json": body})
    in_query = call.sandbox.http.post(f"{url}?{urlencode({**query, 'param_json': body})}")
    assert form.json()["code"] == in_query.json()["code"] == 10000


def test_legacy_error_fields_go_when_asked_to(talk):
    call = talk()
    assert call.raw("order.orderDetail", {"shop_order_id": "1"})["err_no"] == 50002
    answer = call.raw("order.orderDetail", {"shop_order_id": "1"}, headers={"x-open-no-old-err-code": "1"})
    assert "err_no" not in answer and answer["sub_code"] == "isv.order-not-exist"


# ---- lists


def walk(call, numbers, **window):
    return {row["order_id"] for number in numbers for row in call.page(number, 20, **window)["shop_order_list"]}


def test_pages_count_from_zero_and_whoever_begins_at_one_misses_the_first(talk):
    call = talk()
    made = set(call.sandbox.orders(SHOP, 45, spread=600))
    assert walk(call, range(3)) == made
    assert len(walk(call, range(1, 4))) == 25
    assert call.page(0, 20)["total"] == 45


@pytest.mark.parametrize(("numbers", "lost"), [((0, 1, 2), 1), ((2, 1, 0), 0)])
def test_reading_forward_loses_an_order_that_reading_backward_keeps(talk, numbers, lost):
    call = talk()
    made = set(call.sandbox.orders(SHOP, 60, state="paid", spread=600))
    call.sandbox.step(300)
    end = call.now() - 299
    call.sandbox.fault("douyin", "shifted_page", after=0)
    found = walk(call, numbers, ago=1800, until=299)
    call.sandbox.step(60)
    found |= walk(call, (0,), ago=call.now() - end, until=1)  # the order that moved belongs to the next window
    assert len(made - found) == lost


def test_lists_are_sorted_as_asked_and_hold_only_the_window(talk):
    call = talk()
    call.sandbox.orders(SHOP, 30, spread=3000)
    rows = call.page(ago=1500)["shop_order_list"]
    times = [row["update_time"] for row in rows]
    assert times == sorted(times) and 0 < len(times) < 30 and min(times) >= call.now() - 1500
    rows = call.ok("order.searchList", {"page": 0, "size": 100})["shop_order_list"]
    created = [row["create_time"] for row in rows]  # the default: by creation, newest first
    assert created == sorted(created, reverse=True) and len(rows) == 30
    one = {"create_time_start": created[3], "create_time_end": created[3], "page": 0, "size": 100}
    assert [row["create_time"] for row in call.ok("order.searchList", one)["shop_order_list"]] == [created[3]]


def test_paging_ends_at_a_depth_however_much_there_is(talk):
    call = talk()
    call.sandbox.orders(SHOP, 30, spread=100)
    call.sandbox.fault("douyin", "shallow_pages", times=9, depth=20)
    assert call.page(1, 10)["total"] == 30
    asked = {"page": 2, "size": 10, "order_by": "update_time"}
    assert call.raw("order.searchList", asked)["sub_code"] == "isv.parameter-invalid"


def test_orders_can_be_asked_for_by_status(talk):
    call = talk()
    (paid,) = call.sandbox.orders(SHOP, state="paid")
    (held,) = call.sandbox.orders(SHOP, state="forbid_consign")
    (shipped,) = call.sandbox.orders(SHOP, state="shipped")
    found = call.page(combine_status=[{"order_status": "2,3"}])["shop_order_list"]
    assert {row["order_id"] for row in found} == {paid, shipped}
    assert [row["order_id"] for row in call.page(order_status="105")["shop_order_list"]] == [held]
    assert [row["order_id"] for row in call.page(abnormal_order=2)["shop_order_list"]] == [held]
    tracking = call.order(shipped)["logistics_info"][0]["tracking_no"]
    assert [row["order_id"] for row in call.page(tracking_no=tracking)["shop_order_list"]] == [shipped]
    assert call.raw("order.searchList", {"page": 0, "size": 1, "combine_status": [{}, {}]})["code"] == 40004


# ---- orders


def test_an_order_is_the_same_in_the_list_and_in_detail(talk):
    call = talk()
    (number,) = call.sandbox.orders(SHOP, state="paid")
    (row,) = call.page()["shop_order_list"]
    assert row == call.order(number) and row["order_id"] == number
    assert call.raw("order.orderDetail", {"shop_order_id": "1"})["sub_code"] == "isv.order-not-exist"


def test_money_is_whole_fen_that_add_up_and_missing_times_are_zero(talk):
    call = talk(orders_per_hour=40, history=6, pace=8)
    seen = set()
    for true in call.sandbox.truth(SHOP):
        order = call.order(true["platform_order_no"])
        lines = order["sku_order_list"]
        assert order["pay_amount"] == sum(line["pay_amount"] for line in lines)
        assert order["post_amount"] == sum(line["post_amount"] for line in lines)
        assert order["promotion_amount"] == order["promotion_shop_amount"] + order["promotion_platform_amount"]
        goods = sum(line["sum_amount"] for line in lines)
        assert order["pay_amount"] == goods + order["post_amount"] + order["modify_amount"] - order["promotion_amount"]
        assert f"{order['pay_amount'] / 100:.2f}" == true["payable_amount"]
        assert [line["order_id"] for line in lines].count(order["order_id"]) == 1  # one child has the parent's id
        for line in lines:
            assert line["sum_amount"] == line["origin_amount"] * line["item_num"]
            assert line["parent_order_id"] == order["order_id"]
            gift = line["given_product_type"] == "FREE"
            assert gift == bool(line["master_sku_order_id_list"])
            assert not gift or line["master_sku_order_id_list"] != [line["order_id"]]
            seen |= {"gift"} if gift else set()
        times = [order[name] for name in ("create_time", "pay_time", "ship_time", "finish_time", "update_time")]
        assert all(isinstance(at, int) and (at == 0 or 10**9 < at < 10**10) for at in times)
        assert (order["pay_time"] == 0) == (true["paid"] is None)
        seen |= {order["order_status"], order["pay_type"]}
    assert seen >= {1, 2, 3, 4, 0, "gift"}


def test_receivers_are_blank_masked_and_in_ciphertext(talk):
    call = talk()
    (number,) = call.sandbox.orders(SHOP, state="paid", name="王小明", phone="13812345678", address="文三路88号")
    order = call.order(number)
    assert order["post_receiver"] == order["post_tel"] == order["post_addr"]["detail"] == ""
    assert (order["mask_post_receiver"], order["mask_post_tel"]) == ("王**", "138****5678")
    assert order["encrypt_post_tel"].startswith("$$") and order["encrypt_post_receiver"].endswith("##")
    assert base64.b64decode(order["post_addr"]["encrypt_detail"].strip("#"))
    truth = call.sandbox.control("POST", f"orders/{number}/address")
    moved = call.order(number)
    assert moved["open_address_id"] == truth["receiver"]["oaid"] != order["open_address_id"]
    assert moved["encrypt_post_tel"] != order["encrypt_post_tel"]
    shown = json.dumps(moved, ensure_ascii=False)
    assert not any(truth["receiver"][name] in shown for name in ("name", "phone", "address"))


def test_a_presale_shows_its_deposit_and_then_its_balance(talk):
    call = talk(orders_per_hour=60, history=10, pace=1)
    found = {}
    for true in call.sandbox.truth(SHOP):
        if true["is_presale"]:
            order = call.order(true["platform_order_no"])
            paid = sum(phase["phase_pay_amount"] for phase in order["order_phase_list"] if phase["pay_success"])
            assert f"{paid / 100:.2f}" == true["paid_amount"]
            assert sum(phase["phase_pay_amount"] for phase in order["order_phase_list"]) == order["pay_amount"]
            found.setdefault((order["order_status"], order["main_status"]), order)
    assert (1, 103) in found and found[1, 103]["pay_time"] == 0


def test_a_withdrawn_refund_closes_while_its_money_still_looks_pending(talk):
    call = talk()
    (number,) = call.sandbox.orders(SHOP, state="paid")
    call.sandbox.advance(number, "refund_requested")
    info = call.order(number)["sku_order_list"][0]["after_sale_info"]
    assert info == {"after_sale_status": 6, "after_sale_type": 2, "refund_status": 1}
    call.raw("order.logisticsAdd", {
        "order_id": number, "company_code": "shunfeng", "logistics_code": "SF1", "is_refund_reject": True
    })  # fmt: skip
    order = call.order(number)
    assert order["order_status"] == 3
    info = order["sku_order_list"][0]["after_sale_info"]
    assert info == {"after_sale_status": 28, "after_sale_type": 2, "refund_status": 1}


def test_an_order_refunded_in_full_says_when_by_its_main_status(talk):
    call = talk()
    for state, main in (("paid", 21), ("shipped", 22), ("completed", 39)):
        (number,) = call.sandbox.orders(SHOP, state=state)
        truth = call.sandbox.advance(number, "refunded")
        order = call.order(number)
        assert (order["order_status"], order["main_status"]) == (4, main)
        assert truth["platform_status"] == f"4/{main}" and order["finish_time"] > 0


# ---- after-sale


def test_a_case_is_listed_with_its_order_and_its_line(talk):
    call = talk()
    (number,) = call.sandbox.orders(SHOP, state="paid", skus=["TEE-RED-M", "GLS-JUG-1L"])
    truth = call.sandbox.advance(number, "refund_requested", skus=["GLS-JUG-1L"])
    data = call.cases()
    (item,) = data["items"]
    info, (line,) = item["aftersale_info"], item["order_info"]["related_order_info"]
    assert (data["total"], data["has_more"]) == (1, False)
    assert (info["aftersale_status"], info["aftersale_type"], info["refund_status"]) == (6, 2, 1)
    assert f"{info['refund_amount'] / 100:.2f}" == truth["refunds"][0]["amount"]
    assert item["order_info"]["shop_order_id"] == number and line["shop_sku_code"] == "GLS-JUG-1L"
    assert line["sku_order_id"] == info["related_id"] == truth["refunds"][0]["platform_line_id"]
    call.sandbox.advance(number, "refunded")
    (item,) = call.cases(order_id=number)["items"]
    assert (item["aftersale_info"]["aftersale_status"], item["aftersale_info"]["refund_status"]) == (12, 3)
    order = call.order(number)
    assert order["order_status"] == 2  # the other line still goes
    assert {line["code"]: line["order_status"] for line in order["sku_order_list"]} == {"TEE-RED-M": 2, "GLS-JUG-1L": 4}
    assert call.cases(order_id="1")["items"] == []


# ---- shipping


def test_a_request_id_ships_once_however_often_it_is_sent(talk):
    call = talk()
    (number,) = call.sandbox.orders(SHOP, state="paid")
    order = call.order(number)
    first, second = call.ship(order), call.ship(order)
    assert first["code"] == second["code"] == 10000 and first["data"] == second["data"]
    assert call.ship(order, "r2")["sub_code"] in ("isv.order-status-invalid", "isv.business-failed")
    (effect,) = call.sandbox.receipts()["douyin"]
    assert (effect["kind"], effect["requests"], effect["duplicates"]) == ("shipment", 2, 0)
    order = call.order(number)
    assert order["order_status"] == 3 and order["logistics_info"][0]["company"] == "shunfeng"


def test_a_parcel_per_line_and_no_line_twice(talk):
    call = talk()
    (number,) = call.sandbox.orders(SHOP, state="paid", skus=["TEE-RED-M", "SOCK-5"])
    order = call.order(number)
    first, second = (line["order_id"] for line in order["sku_order_list"])
    assert call.ship(order, "r1", {first: 1})["code"] == 10000
    order = call.order(number)
    assert order["order_status"] == 101
    assert {line["order_id"]: line["order_status"] for line in order["sku_order_list"]} == {first: 3, second: 2}
    assert order["logistics_info"][0]["product_info"][0]["sku_order_id"] == first
    assert call.ship(order, "r2", {first: 1})["code"] == 50002
    assert call.ship(order, "r3", {second: 2})["code"] == 50002
    assert call.ship(order, "r4", {"1": 1})["code"] == 50002
    assert call.ship(order, "r5", {second: 1})["code"] == 10000
    assert call.order(number)["order_status"] == 3


@pytest.mark.parametrize("state", ["refund_requested", "forbid_consign", "closed"])
def test_an_order_that_must_not_be_shipped_is_refused(talk, state):
    call = talk()
    (number,) = call.sandbox.orders(SHOP, state=state)
    order = call.order(number)
    assert call.ship(order)["code"] == 50002
    plain = {"order_id": number, "company_code": "shunfeng", "logistics_code": "SF1"}
    assert call.raw("order.logisticsAdd", plain)["code"] == 50002
    assert call.sandbox.receipts()["counts"]["douyin"]["effects"] == 0


def test_a_courier_is_named_by_its_code(talk):
    call = talk()
    (number,) = call.sandbox.orders(SHOP, state="paid")
    parcel = {"order_id": number, "company_code": "SF", "logistics_code": "SF1"}
    assert call.raw("order.logisticsAdd", parcel)["code"] == 50002
    assert "shunfeng" in {company["code"] for company in call.ok("order.logisticsCompanyList")}


# ---- listing


def test_products_go_off_and_on_sale_by_a_number(talk):
    call = talk()
    product = call.sandbox.orders(SHOP) and call.page()["shop_order_list"][0]["sku_order_list"][0]["product_id"]
    call.ok("product.setOffline", {"product_id": product})
    assert call.sandbox.control("GET", "truth/listings") == [
        {"shop_id": SHOP, "product_id": str(product), "listed": False}
    ]
    call.ok("product.setOnline", {"product_id": product})
    assert call.sandbox.control("GET", "truth/listings") == []
    assert call.raw("product.setOffline", {"product_id": str(product)})["code"] == 40004
    assert call.raw("product.setOffline", {"product_id": 1})["sub_code"] == "isv.product-not-exist"


def test_a_change_of_stock_counts_once_per_idempotent_id(talk):
    call = talk()
    change = {"code": "TEE-RED-M", "incremental": True, "stock_num": -1, "idempotent_id": "i1"}
    call.ok("sku.syncStock", change)
    assert call.raw("sku.syncStock", change)["sub_code"] == "isv.idempotent-id-existed"
    absolute = {"code": "TEE-RED-M", "incremental": False, "stock_num": 5}
    assert call.ok("sku.syncStock", absolute) == call.ok("sku.syncStock", absolute)
    assert call.raw("sku.syncStock", {"code": "TEE-RED-M", "incremental": True, "stock_num": 1})["code"] == 40002


# ---- tokens


def refresh(call, token):
    asked = {"grant_type": "refresh_token", "refresh_token": token}
    return call.raw("token.refresh", asked, access_token="")


def create(call, **changes):
    asked = {"code": "", "grant_type": "authorization_self", "shop_id": call.env["DOUYIN_SHOP_ID"], **changes}
    return call.raw("token.create", asked, access_token="")


def test_a_refresh_token_is_spent_by_its_first_use(talk):
    call = talk()
    old = dict(call.env)
    pair = refresh(call, old["DOUYIN_REFRESH_TOKEN"])["data"]
    assert pair["expires_in"] == 7 * DAY and pair["shop_id"] == int(old["DOUYIN_SHOP_ID"])
    spent = refresh(call, old["DOUYIN_REFRESH_TOKEN"])
    assert spent["code"] == 50001 and spent["sub_code"].startswith("dop.token-generate-failed")
    asked = {"page": 0, "size": 1}
    assert call.raw("order.searchList", asked)["sub_code"] == "isv.access-token-no-existed"
    assert call.raw("order.searchList", asked, access_token=pair["access_token"])["code"] == 10000


def test_a_sellers_own_application_gets_the_live_token_until_shortly_before_its_end(talk):
    call = talk()
    assert create(call)["data"]["access_token"] == call.env["DOUYIN_ACCESS_TOKEN"]
    call.sandbox.step(7 * DAY - 3500)
    fresh = create(call)["data"]["access_token"]
    assert fresh != call.env["DOUYIN_ACCESS_TOKEN"] and create(call)["data"]["access_token"] == fresh
    assert create(call, shop_id="1")["code"] == create(call, grant_type="authorization_code")["code"] == 50001


def test_an_expired_token_stays_expired_until_it_is_renewed(talk):
    call = talk()
    call.sandbox.fault("douyin", "expired_token")
    for _ in range(2):
        assert call.raw("order.searchList", {"page": 0, "size": 1})["sub_code"] == "isv.access-token-expired"
    pair = refresh(call, call.env["DOUYIN_REFRESH_TOKEN"])["data"]
    assert call.raw("order.searchList", {"page": 0, "size": 1}, access_token=pair["access_token"])["code"] == 10000


def test_a_seller_who_takes_the_authorisation_back_ends_every_way_in(talk):
    call = talk()
    call.sandbox.control("POST", "credentials", shop=SHOP, do="revoke")
    answers = [call.raw("order.searchList", {"page": 0, "size": 1}), create(call)]
    answers.append(refresh(call, call.env["DOUYIN_REFRESH_TOKEN"]))
    assert {(answer["code"], answer["sub_code"]) for answer in answers} == {(30001, "dop.authorization-closed")}


# ---- faults


@pytest.mark.parametrize(
    ("kind", "choice", "code"),
    [
        ("throttle", {}, 60000),
        ("business_busy", {}, 20000),
        ("business_busy", {"code": 20001}, 20001),
        ("business_busy", {"code": 50001}, 50001),
        ("business_busy", {"code": 90000}, 90000),
    ],
)
def test_a_failure_is_played_once_and_then_gone(talk, kind, choice, code):
    call = talk()
    call.sandbox.fault("douyin", kind, **choice)
    codes = [call.raw("order.searchList", {"page": 0, "size": 1})["code"] for _ in range(2)]
    assert codes == [code, 10000]


def test_a_failure_may_hide_that_the_work_was_done(talk):
    call = talk()
    (number,) = call.sandbox.orders(SHOP, state="paid")
    order = call.order(number)
    call.sandbox.fault("douyin", "business_busy", code=20001, worked=True)
    assert call.ship(order)["code"] == 20001
    assert call.order(number)["order_status"] == 3 and call.ship(order)["code"] == 10000


def test_counts_rows_and_fields_can_be_wrong(talk):
    call = talk()
    call.sandbox.orders(SHOP, 3)
    for kind, choice in (
        ("wrong_count", {"delta": 2}),
        ("duplicate_rows", {}),
        ("missing_field", {"field": "order_id"}),
    ):
        call.sandbox.fault("douyin", kind, **choice)
    data = call.page()
    assert data["total"] == 5 and len(data["shop_order_list"]) == 4
    assert "order_id" not in data["shop_order_list"][0]
    assert len(call.page()["shop_order_list"]) == 3
