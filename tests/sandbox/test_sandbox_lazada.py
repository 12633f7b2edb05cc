"""Lazada as it is: refusals in HTTP 200, offsets that end, rows that shift, one row per piece, values of any type."""

import hashlib
import hmac
import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderpipe.sandbox import lazop

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text("utf-8"))["vectors"]["lazada"]
few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def lazada_sign(path, params, secret):
    joined = path + "".join(f"{name}{params[name]}" for name in sorted(params) if name != "sign")
    return hmac.new(secret.encode(), joined.encode(), hashlib.sha256).hexdigest().upper()


class Talk:
    """Speaks the protocol of one running sandbox. Keyword arguments override what a correct call would send."""

    def __init__(self, sandbox):
        self.sandbox, self.http, self.env = sandbox, sandbox.http, dict(sandbox.credentials)

    def now(self):
        return datetime.fromisoformat(self.sandbox.now())

    def local(self, ago=0.0):
        """The time so many seconds ago, as the platform wants it."""
        return (self.now() + timedelta(hours=8, seconds=-ago)).strftime("%Y-%m-%dT%H:%M:%S") + "+08:00"

    def params(self, path, secret=None, **params):
        sent = {
            "app_key": self.env["LAZADA_APP_KEY"],
            "access_token": self.env["LAZADA_ACCESS_TOKEN"],
            "timestamp": str(int(self.now().timestamp() * 1000)),
            "sign_method": "sha256",
            **{name: str(value) for name, value in params.items()},
        }
        sent = {name: value for name, value in sent.items() if value}
        sent["sign"] = params.get("sign") or lazada_sign(path, sent, secret or self.env["LAZADA_APP_SECRET"])
        return sent

    def get(self, path, secret=None, **params):
        answer = self.http.get(f"{self.sandbox.url}/lazada{path}", params=self.params(path, secret, **params))
        assert answer.status_code == 200
        return answer.json()

    def post(self, path, **params):
        answer = self.http.post(f"{self.sandbox.url}/lazada{path}", data=self.params(path, **params))
        assert answer.status_code == 200
        return answer.json()

    def orders(self, **params):
        asked = {"update_after": self.local(86400), "sort_by": "updated_at", "sort_direction": "ASC", **params}
        return self.get("/orders/get", **asked)

    def items(self, *numbers):
        return self.get("/orders/items/get", order_ids=f"[{','.join(numbers)}]")

    def units(self, number):
        return self.items(number)["data"][0]["order_items"]

    def order(self, number):
        return next(o for o in self.orders()["data"]["orders"] if str(o["order_id"]) == number)


@pytest.fixture
def talk(sandbox):
    return Talk(sandbox(shops="lazada-my"))


@pytest.fixture
def world(talk):
    return talk.sandbox


def ids(answer):
    return [str(order["order_id"]) for order in answer["data"]["orders"]]


# ---- refusals


@pytest.mark.parametrize("vector", [pytest.param(v, id=v["id"]) for v in VECTORS])
def test_signatures_match_the_published_vectors(vector):
    arguments = (vector["api_path"], vector["params"], vector["app_secret"])
    assert lazop.sign(*arguments) == lazada_sign(*arguments) == vector["signature"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "not-the-secret"}, "IncompleteSignature"),
        ({"sign": "0" * 64}, "IncompleteSignature"),
        ({"sign": "签名"}, "IncompleteSignature"),
        ({"sign_method": "md5"}, "IncompleteSignature"),
        ({"app_key": "999"}, "InvalidAppKey"),
        ({"timestamp": "yesterday"}, "InvalidTimestamp"),
        ({"timestamp": "1500000000000"}, "InvalidTimestamp"),
        ({"access_token": "somebody-else"}, "IllegalAccessToken"),
        *(({name: ""}, "MissingParameter") for name in ("app_key", "timestamp", "sign_method", "access_token")),
        ({"update_after": ""}, "MissingParameter"),
        ({"update_after": "2026-11-09T10:00:00"}, "17"),
        ({"update_after": "2026-11-09T10:00:00 08:00"}, "17"),
        ({"update_before": "2026-11-09 10:00:00+08:00"}, "17"),
        ({"limit": "101"}, "19"),
        ({"limit": "0"}, "19"),
        ({"offset": "5001"}, "14"),
        ({"sort_by": "price"}, "75"),
        ({"sort_direction": "UP"}, "74"),
        ({"status": "nearly"}, "6"),
    ],
)
def test_a_wrong_call_is_refused_with_the_documented_code(talk, change, code):
    assert talk.orders(**change)["code"] == code


def test_a_lower_case_signature_is_none(talk):
    params = talk.params("/orders/get", update_after=talk.local(60))
    params["sign"] = params["sign"].lower()
    answer = talk.http.get(f"{talk.sandbox.url}/lazada/orders/get", params=params).json()
    assert answer["code"] == "IncompleteSignature"


def test_the_clock_of_a_caller_may_be_off_by_two_hours(talk):
    def at(ago):
        return talk.orders(timestamp=str(int((talk.now().timestamp() - ago) * 1000)))["code"]

    assert (at(7100), at(7300), at(-7300)) == ("0", "InvalidTimestamp", "InvalidTimestamp")


def test_a_plus_sign_that_is_not_encoded_arrives_as_a_blank(talk):
    path = "/orders/get"
    params = talk.params(path, update_after=talk.local(60))
    query = "&".join(f"{name}={value}" for name, value in params.items())  # by hand, as one should not
    answer = talk.http.get(f"{talk.sandbox.url}/lazada{path}?{query}").json()
    assert dict(parse_qsl(urlsplit(f"?{query}").query))["update_after"].count(" ") == 1
    assert answer["code"] == "IncompleteSignature", "what was signed is not what arrived"
    blank = params["update_after"].replace("+", " ")
    assert talk.orders(update_after=blank)["code"] == "17"


@few
@given(extra=st.dictionaries(st.text("abcXYZ_", min_size=1, max_size=8), st.text(min_size=1, max_size=9), max_size=4))
def test_every_parameter_counts_in_the_signature(talk, extra):
    extra = {name: value for name, value in extra.items() if value.isprintable()}
    call = {"update_after": talk.local(60), **extra}
    assert talk.get("/orders/get", **call)["code"] == "0"
    assert talk.get("/orders/get", **call, sign="F" * 64)["code"] == "IncompleteSignature"


@pytest.mark.parametrize(
    ("kind", "choice", "code", "told"),
    [
        ("throttle", {}, "ApiCallLimit", "this ban will last 1 seconds"),
        ("throttle", {"seconds": 9, "code": "SellerCallLimit"}, "SellerCallLimit", "9 seconds"),
        ("business_busy", {}, "6", "Unexpected"),
        ("business_busy", {"code": "ServiceTimeout"}, "ServiceTimeout", ""),
        ("expired_token", {}, "IllegalAccessToken", "expired"),
    ],
)
def test_armed_faults_answer_as_the_platform_does(talk, world, kind, choice, code, told):
    world.fault("lazada", kind, **choice)
    answer = talk.orders()
    assert answer["code"] == code and told in answer["message"] and answer["request_id"]


# ---- tokens


def test_a_refresh_token_works_once_and_its_end_does_not_move(talk, world):
    world.step(86400)
    left = 179 * 86400
    first = talk.post("/auth/token/refresh", access_token="", refresh_token=talk.env["LAZADA_REFRESH_TOKEN"])
    assert (first["code"], first["expires_in"], first["refresh_expires_in"]) == ("0", 30 * 86400, str(left))
    assert first["country_user_info_list"][0]["country"] == "my"
    again = talk.post("/auth/token/refresh", access_token="", refresh_token=talk.env["LAZADA_REFRESH_TOKEN"])
    assert again["code"] == "IllegalRefreshToken"
    assert talk.orders()["code"] == "IllegalAccessToken", "the old access token is dead"
    assert talk.orders(access_token=first["access_token"])["code"] == "0"
    world.step(left)
    ended = talk.post("/auth/token/refresh", access_token="", refresh_token=first["refresh_token"])
    assert ended["code"] == "IllegalRefreshToken"


# ---- lists


def test_both_ends_of_a_range_belong_to_it(talk, world):
    [first] = world.orders("lazada-my")
    world.step(60)
    [second] = world.orders("lazada-my")
    both = talk.orders(update_after=talk.local(60), update_before=talk.local(0))
    assert ids(both) == [first, second] and both["data"]["countTotal"] == both["data"]["count"] == 2
    assert ids(talk.orders(update_after=talk.local(59))) == [second]
    assert ids(talk.orders(update_before=talk.local(1))) == [first]
    assert ids(talk.orders(sort_direction="DESC")) == [second, first]


def test_a_page_counts_itself_and_the_whole(talk, world):
    world.orders("lazada-my", 7, spread=60)
    data = talk.orders(limit=3, offset=6)["data"]
    assert (data["countTotal"], data["count"], len(data["orders"])) == (7, 1, 1)
    assert talk.orders(offset=5000)["data"]["orders"] == []


def test_reading_forward_loses_an_order_that_reading_backward_keeps(talk, world):
    made = world.orders("lazada-my", 30, state="paid", spread=600)
    world.step(60)
    span = {"update_after": talk.local(1000), "update_before": talk.local(30), "limit": 10}

    def read(offsets):
        world.fault("lazada", "shifted_page")
        found = {number for offset in offsets for number in ids(talk.orders(offset=offset, **span))}
        world.control("DELETE", "faults")
        return found

    assert len(set(made) - read((0, 10, 20))) == 1
    found = read((20, 10, 0))
    staying = set(ids(talk.orders(**span | {"limit": 100})))
    assert len(staying) == 28 and staying <= found


def test_orders_are_found_by_status_and_by_creation(talk, world):
    [paid], [closed] = world.orders("lazada-my", state="paid"), world.orders("lazada-my", state="closed")
    assert ids(talk.orders(status="pending")) == [paid]
    assert ids(talk.orders(status="canceled")) == [closed]
    created = talk.get("/orders/get", created_after=talk.local(10), sort_by="created_at")
    assert sorted(ids(created)) == sorted([paid, closed])


@pytest.mark.parametrize(
    ("order_ids", "code"),
    [("[1]", "39"), ("1,2", "56"), ("[" + ",".join(map(str, range(51))) + "]", "38")],
)
def test_units_of_orders_that_cannot_be_given_are_refused(talk, order_ids, code):
    assert talk.get("/orders/items/get", order_ids=order_ids)["code"] == code


def test_one_wrong_order_spoils_the_batch(talk, world):
    [number] = world.orders("lazada-my")
    assert talk.items(number, "17")["code"] == "37"
    assert talk.get("/order/items/get", order_id="17")["code"] == "16"
    assert talk.get("/order/items/get", order_id=number)["data"] == talk.units(number)


# ---- documents


def test_every_piece_is_a_row_and_the_amounts_add_up(talk, world):
    numbers = world.orders("lazada-my", 25, state="paid")
    [number] = world.orders("lazada-my", state="paid", skus=[{"sku": "CUP-500-BL", "quantity": 3}])
    assert len(talk.units(number)) == 3 and len({str(u["order_item_id"]) for u in talk.units(number)}) == 3
    rows = {str(order["order_id"]): order for order in talk.orders()["data"]["orders"]}
    truth = {order["platform_order_no"]: order for order in world.truth("lazada-my")}
    for number in numbers:
        row, units = rows[number], talk.units(number)
        price, voucher, fee = (Decimal(str(row[name])) for name in ("price", "voucher", "shipping_fee"))
        assert price - voucher + fee == Decimal(truth[number]["payable_amount"])
        assert sum(Decimal(str(unit["item_price"])) for unit in units) == price
        assert sum(Decimal(str(unit["paid_price"])) for unit in units) == price - voucher
        assert {unit["currency"] for unit in units} == {"MYR"} and "currency" not in row


def test_values_come_in_more_than_one_type_but_always_in_the_same_one(talk, world):
    world.orders("lazada-my", 40)
    orders = talk.orders()["data"]["orders"]
    for name in ("order_id", "price", "gift_option", "need_cancel_confirm"):
        assert len({type(order[name]) for order in orders}) == 2, name
    assert {order["updated_at"].endswith(" +0800") for order in orders} == {True, False}
    assert not any("+" in order["promised_shipping_times"] for order in orders)
    assert all("addressDsitrict" in order["address_shipping"] for order in orders)
    assert talk.orders()["data"]["orders"] == orders


def test_a_receiver_is_masked(talk, world):
    [number] = world.orders("lazada-my", name="Nurul Aisyah", phone="+60123456789", address="12 Jalan Utara")
    order = talk.order(number)
    shown = json.dumps([order["address_shipping"], order["customer_first_name"]])
    assert "Nurul" not in shown and "3456" not in shown and "Jalan" not in shown
    assert order["address_shipping"]["first_name"] == "N***h" and order["address_shipping"]["phone"] == "60*******89"


def test_the_statuses_of_an_order_are_those_of_its_pieces(talk, world):
    [number] = world.orders("lazada-my", state="paid", skus=["CUP-500-BL", "GLS-WINE-2"])
    assert talk.order(number)["statuses"] == ["pending"]
    unit = talk.units(number)[0]["order_item_id"]
    request = {"pack_order_list": [{"order_item_list": [unit], "order_id": int(number)}], "delivery_type": "dropship",
               "shipping_allocate_type": "TFS"}  # fmt: skip
    packed = talk.post("/order/fulfill/pack", packReq=json.dumps(request))["result"]
    assert sorted(talk.order(number)["statuses"]) == ["packed", "pending"]
    result = packed["data"]["pack_order_list"][0]["order_item_list"][0]
    handed = {"packages": [{"package_id": result["package_id"]}]}
    for code in ("0", "700000"):
        answer = talk.post("/order/package/rts", readyToShipReq=json.dumps(handed))["result"]
        assert answer["data"]["packages"][0]["item_err_code"] == code
    assert sorted(talk.order(number)["statuses"]) == ["pending", "shipped"]
    again = talk.post("/order/fulfill/pack", packReq=json.dumps(request))["result"]
    assert again["success"] is True
    assert again["data"]["pack_order_list"][0]["order_item_list"][0]["item_err_code"] == "700026"


def test_cash_on_delivery_is_paid_when_it_is_delivered(talk, world):
    [number] = world.orders("lazada-my", state="paid", cod=True)
    assert talk.order(number)["payment_method"] == "COD"
    assert {int(unit["payment_time"]) for unit in talk.units(number)} == {0}
    world.advance(number, "completed")
    assert {int(unit["payment_time"]) for unit in talk.units(number)} == {int(talk.now().timestamp()) * 1000}
    assert talk.order(number)["statuses"] == ["delivered"]


# ---- reverse orders


def reverse(talk, ago=86400, **params):
    start, end = (str(int((talk.now().timestamp() - seconds) * 1000)) for seconds in (ago, 0))
    asked = {
        "page_no": 1,
        "page_size": 100,
        "ReverseOrderLineModifiedTimeRangeStart": start,
        "ReverseOrderLineModifiedTimeRangeEnd": end,
        **params,
    }
    return talk.get("/reverse/getreverseordersforseller", **asked)


def test_a_reverse_order_stands_under_result_and_counts_in_cents(talk, world):
    [number] = world.orders("lazada-my", state="shipped", skus=["CUP-500-BL", "GLS-WINE-2"])
    true = world.advance(number, "refund_requested")
    answer = reverse(talk)
    assert "data" not in answer and answer["result"]["success"] is True and answer["result"]["total"] == 1
    [case] = answer["result"]["items"]
    assert (case["trade_order_id"], case["request_type"]) == (int(number), "RETURN")
    amounts = {str(line["reverse_order_line_id"]): int(line["refund_amount"]) for line in case["reverse_order_lines"]}
    assert amounts == {r["platform_refund_id"]: int(Decimal(r["amount"]) * 100) for r in true["refunds"]}
    assert len(amounts) == 2 and "currency" not in json.dumps(case)
    assert {unit["return_status"] for unit in talk.units(number)} == {"REQUEST_INITIATE"}
    world.step(60)
    world.advance(number, "refunded")
    assert reverse(talk, 30)["result"]["items"][0]["reverse_order_lines"][0]["reverse_status"] == "REFUND_SUCCESS"
    assert talk.order(number)["statuses"] == ["returned"]


def test_a_cancellation_asks_the_seller_first(talk, world):
    [number] = world.orders("lazada-my", state="paid")
    world.advance(number, "refund_requested")
    assert str(talk.order(number)["need_cancel_confirm"]).lower() == "true"
    assert reverse(talk)["result"]["items"][0]["request_type"] == "CANCEL"
    world.advance(number, "refunded")
    assert talk.order(number)["statuses"] == ["canceled"]


def test_reverse_orders_need_their_pages_and_ranges_told(talk):
    assert reverse(talk, page_no="")["code"] == "MissingParameter"
    assert reverse(talk, page_size="101")["code"] == "19"
    assert reverse(talk, ReverseOrderLineModifiedTimeRangeStart="2026-11-09")["code"] == "17"


# ---- listings


def test_a_listing_goes_off_sale_by_json_and_by_xml(talk, world):
    products = talk.get("/products/get", filter="all", limit=50)["data"]
    assert products["total_products"] == len(products["products"])
    number = products["products"][0]["item_id"]
    body = f"<Request><Product><ItemId>{number}</ItemId></Product></Request>"
    assert talk.post("/product/deactivate", apiRequestBody=body)["code"] == "0"
    as_json = json.dumps({"Request": {"Product": {"ItemId": number}}})
    assert talk.post("/product/deactivate", apiRequestBody=as_json)["code"] == "E0004"
    inactive = talk.get("/products/get", filter="inactive")["data"]["products"]
    assert [product["item_id"] for product in inactive] == [number] and inactive[0]["status"] == "InActive"
    skus = [{"SkuId": str(sku["SkuId"]), "Status": "active"} for sku in inactive[0]["skus"]]
    payload = json.dumps({"Request": {"Product": {"ItemId": str(number), "Skus": {"Sku": skus}}}})
    assert talk.post("/product/update", payload=payload)["data"]["item_status"] == "Active"
    assert [effect["kind"] for effect in world.receipts()["lazada"]] == ["delisting", "listing"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"Request":{"Product":{}}}', "E0001"),
        ('{"Request":{"Product":{"ItemId":17}}}', "E0002"),
        ("<Request><Product>", "5"),
        ("{}", "5"),
    ],
)
def test_a_listing_that_cannot_be_changed_is_refused(talk, body, code):
    assert talk.post("/product/deactivate", apiRequestBody=body)["code"] == code


def test_a_variant_named_by_the_sellers_code_is_refused(talk):
    number = talk.get("/products/get", filter="all")["data"]["products"][0]["item_id"]
    body = f"<Request><Product><ItemId>{number}</ItemId><Skus><SellerSku>A</SellerSku></Skus></Product></Request>"
    assert talk.post("/product/deactivate", apiRequestBody=body)["code"] == "4193"
