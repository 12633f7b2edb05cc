"""The sandbox's Shopee by raw HTTP: signature, tokens, limits, envelopes and the platform's traps."""

import hashlib
import hmac
from datetime import datetime
from typing import Any

import httpx
import pytest

SHOP = "shopee-sg"
FIELDS = "item_list,recipient_address,total_amount,pay_time,package_list,buyer_user_id,pickup_done_time,note"


class Shopee:
    """Speaks Shopee to one running sandbox. Keyword arguments override what a correct call would send."""

    def __init__(self, sandbox: Any):
        self.sandbox, self.env = sandbox, dict(sandbox.credentials)

    def now(self) -> int:
        return int(datetime.fromisoformat(self.sandbox.now()).timestamp())

    def raw(self, name: str, body: Any = None, *, public: bool = False, key: str = "", **params: Any) -> httpx.Response:
        path = f"/api/v2/{name}"
        query = {"partner_id": self.env["SHOPEE_PARTNER_ID"], "timestamp": str(self.now())}
        if not public:
            query |= {"access_token": self.env["SHOPEE_ACCESS_TOKEN"], "shop_id": self.env["SHOPEE_SHOP_ID"]}
        query |= {name: value for name, value in params.items() if name != "sign"}
        parts = [query["partner_id"], path, query["timestamp"]]
        if not public:
            parts += [query["access_token"], query["shop_id"]]
        secret = (key or self.env["SHOPEE_PARTNER_KEY"]).encode()
        query["sign"] = params.get("sign") or hmac.new(secret, "".join(parts).encode(), hashlib.sha256).hexdigest()
        url = f"{self.sandbox.url}/shopee{path}"
        if body is None:
            return self.sandbox.http.get(url, params=query)
        return self.sandbox.http.post(url, params=query, json=body)

    def call(self, name: str, body: Any = None, **params: Any) -> Any:
        """The `response` of a call that succeeds."""
        answer = self.raw(name, body, **params).json()
        assert answer["error"] in ("", "-"), answer
        return answer["response"]

    def refusal(self, name: str, body: Any = None, **params: Any) -> tuple[int, str]:
        """(HTTP status, error) of a call that is refused."""
        answer = self.raw(name, body, **params)
        return answer.status_code, answer.json()["error"]

    def listed(self, ago: int = 3600, until: int = 0, **params: Any) -> dict[str, Any]:
        span = {"time_from": self.now() - ago, "time_to": self.now() - until, "page_size": 100}
        return self.call("order/get_order_list", time_range_field="update_time", **{**span, **params})

    def detail(self, number: str, fields: str = FIELDS, **params: Any) -> dict[str, Any]:
        asked = {"order_sn_list": number, "response_optional_fields": fields, "request_order_status_pending": "true"}
        return self.call("order/get_order_detail", **{**asked, **params})["order_list"][0]

    def refresh(self, token: str | None = None, **changes: Any) -> httpx.Response:
        body = {
            "refresh_token": token or self.env["SHOPEE_REFRESH_TOKEN"],
            "partner_id": int(self.env["SHOPEE_PARTNER_ID"]), "shop_id": int(self.env["SHOPEE_SHOP_ID"]), **changes,
        }  # fmt: skip
        return self.raw("auth/access_token/get", body, public=True)


@pytest.fixture
def shopee(sandbox):
    return lambda **options: Shopee(sandbox(shops=SHOP, **options))


# Who may call


def test_signature_time_stamp_and_shop_are_checked(shopee):
    here, name = shopee(), "order/get_order_list"
    assert here.refusal(name, sign="0" * 64) == (403, "error_sign")
    assert here.refusal(name, key="another") == (403, "error_sign")
    assert here.refusal(name, shop_id="1") == (403, "error_auth")
    assert here.refusal(name, partner_id="1") == (403, "error_param")
    for skew in (-301, 301):
        assert here.refusal(name, timestamp=str(here.now() + skew)) == (403, "error_param")
    assert here.listed(time_from=here.now() - 10)["order_list"] == []


def test_parameters_and_body_are_not_signed(shopee):
    here = shopee()
    assert here.listed(never_signed="1")["more"] is False


def test_an_access_token_lives_four_hours(shopee):
    here = shopee()
    here.sandbox.step(4 * 3600 - 1)
    assert here.listed()["order_list"] == []
    here.sandbox.step(1)
    assert here.refusal("order/get_order_list") == (403, "invalid_acceess_token")


def test_a_refresh_token_works_once_and_the_old_access_token_five_minutes_more(shopee):
    here = shopee()
    answer = here.refresh()
    fresh = answer.json()
    assert (fresh["error"], fresh["expire_in"]) == ("", 14400) and "response" not in fresh, "tokens stand at top level"
    assert here.refresh().json()["message"] == "Invalid refresh_token."
    assert here.listed()["order_list"] == [], "the token before still works"
    here.sandbox.step(301)
    assert here.refusal("order/get_order_list") == (403, "invalid_acceess_token")
    assert here.listed(access_token=fresh["access_token"])["order_list"] == []
    assert here.refresh(fresh["refresh_token"]).json()["error"] == ""


def test_a_revoked_grant_cannot_be_renewed(shopee):
    here = shopee()
    here.sandbox.control("POST", "credentials", shop=SHOP, do="revoke")
    assert here.refusal("order/get_order_list")[1] == "invalid_acceess_token"
    assert here.refresh().json()["message"] == "Invalid refresh_token."
    assert here.refresh(shop_id=1).json()["error"] == "error_param"


# Orders


def test_the_list_keeps_its_limits(shopee):
    here, name = shopee(), "order/get_order_list"
    right = {"time_range_field": "update_time", "time_from": here.now() - 60, "time_to": here.now(), "page_size": 10}
    assert here.raw(name, **right).json()["error"] == ""
    days = 86400
    for wrong, error in [
        ({"time_from": here.now() - 15 * days - 1}, "order.order_list_invalid_time"),
        ({"time_to": here.now() - 60}, "order.order_list_invalid_time"),
        ({"page_size": 0}, "error_param"),
        ({"page_size": 101}, "error_param"),
        ({"time_range_field": "pay_time"}, "error_param"),
        ({"order_status": "RETRY_SHIP"}, "error_param"),
        ({"cursor": "bm9uc2Vuc2U"}, "error_param"),
        ({"time_from": "yesterday"}, "error_param"),
    ]:
        assert here.refusal(name, **{**right, **wrong}) == (200, error), wrong
    assert here.raw(name, **{**right, "time_from": here.now() - 15 * days}).json()["error"] == ""


def test_rows_hold_a_number_and_a_status_only_when_it_is_asked_for(shopee):
    here = shopee()
    here.sandbox.orders(SHOP, 1, state="paid")
    assert set(here.listed()["order_list"][0]) == {"order_sn"}
    assert set(here.listed(response_optional_fields="order_status")["order_list"][0]) == {"order_sn", "order_status"}


def test_the_cursor_is_opaque_bound_to_its_query_and_counts_rows(shopee):
    here = shopee()
    numbers = set(here.sandbox.orders(SHOP, 7, spread=60, state="paid"))
    span = {"time_from": here.now() - 3600, "time_to": here.now()}
    first = here.listed(page_size=3, **span)
    second = here.listed(page_size=3, cursor=first["next_cursor"], **span)
    third = here.listed(page_size=3, cursor=second["next_cursor"], **span)
    met = [row["order_sn"] for page in (first, second, third) for row in page["order_list"]]
    assert set(met) == numbers and len(met) == 7
    assert (first["more"], third["more"], third["next_cursor"]) == (True, False, "")
    span["time_from"] += 1
    refused = {"time_range_field": "update_time", "page_size": 3, "cursor": first["next_cursor"], **span}
    assert here.refusal("order/get_order_list", **refused) == (200, "error_param")


def test_a_row_that_changes_hides_another_one_from_a_walk(shopee):
    here = shopee()
    numbers = set(here.sandbox.orders(SHOP, 7, spread=60, state="paid"))
    here.sandbox.step(60)
    span = {"time_from": here.now() - 3600, "time_to": here.now() - 30, "page_size": 3}
    here.sandbox.fault("shopee", "shifted_page")
    page = here.listed(**span)
    met = {row["order_sn"] for row in page["order_list"]}
    while page["more"]:
        page = here.listed(cursor=page["next_cursor"], **span)
        met |= {row["order_sn"] for row in page["order_list"]}
    assert len(numbers - met) == 1


def test_held_orders_are_shown_to_those_who_know_of_them(shopee):
    here = shopee()
    (number,) = here.sandbox.orders(SHOP, 1, state="forbid_consign")
    assert here.listed()["order_list"] == []
    rows = here.listed(request_order_status_pending="true", response_optional_fields="order_status")["order_list"]
    assert rows == [{"order_sn": number, "order_status": "PENDING"}]
    assert here.detail(number)["pending_terms"] == ["SYSTEM_PENDING"]
    assert "pending_terms" not in here.detail(number, request_order_status_pending="false")


def test_details_hold_what_is_asked_for_of_at_most_fifty_orders(shopee):
    here, name = shopee(), "order/get_order_detail"
    (number,) = here.sandbox.orders(SHOP, 1, state="paid", cod=False, skus=["CUP-500-BL"])
    bare = here.detail(number, "")
    assert {"order_sn", "order_status", "update_time", "cod", "create_time"} <= set(bare)
    assert not {"item_list", "recipient_address", "total_amount", "pay_time"} & set(bare)
    whole = here.detail(number)
    assert isinstance(whole["total_amount"], float) and whole["pay_time"]
    assert here.refusal(name, order_sn_list=",".join([number] * 51)) == (200, "error_param")
    assert here.refusal(name, order_sn_list=f"{number},261109NOTHERE1") == (403, "error_not_found")


def test_what_is_not_paid_has_neither_total_nor_time_nor_escrow(shopee):
    here = shopee()
    (unpaid,) = here.sandbox.orders(SHOP, 1)
    document = here.detail(unpaid)
    assert document["order_status"] == "UNPAID" and document["pay_time"] is None and "total_amount" not in document
    assert here.call("payment/get_escrow_detail_batch", {"order_sn_list": [unpaid]}) == []
    assert here.refusal("payment/get_escrow_detail", order_sn=unpaid) == (200, "common.error_not_found")
    too_many = {"order_sn_list": [unpaid] * 51}
    assert here.refusal("payment/get_escrow_detail_batch", too_many) == (200, "exceed_max_limit")


def test_cash_on_delivery_is_ready_to_ship_without_payment(shopee):
    here = shopee()
    (number,) = here.sandbox.orders(SHOP, 1, state="paid", cod=True)
    document = here.detail(number)
    assert (document["cod"], document["order_status"], document["pay_time"]) == (True, "READY_TO_SHIP", None)
    here.sandbox.advance(number, "completed")
    assert here.detail(number)["pay_time"] == here.now()


def test_bundles_cost_nothing_in_the_order_and_their_price_in_the_escrow(shopee):
    here = shopee(history=30, orders_per_hour=20, seed=4)
    numbers = [row["order_sn"] for row in here.listed(40 * 3600)["order_list"]]
    lines = []
    for number in numbers:
        document = here.detail(number)
        if document["pay_time"]:
            escrow = here.call("payment/get_escrow_detail", order_sn=number)["order_income"]["items"]
            lines += list(zip(document["item_list"], escrow, strict=True))
    bundles = [(line, money) for line, money in lines if line["promotion_type"] == "bundle_deal"]
    assert bundles and all(line["model_discounted_price"] == 0 < money["discounted_price"] for line, money in bundles)
    assert any(line["model_original_price"] == 0 for line, _ in bundles)
    assert all(line["line_item_id"] == money["line_item_id"] for line, money in lines)
    assert any(line["model_id"] == 0 and line["item_sku"] for line, _ in lines), "goods without variants"


def test_receivers_are_masked_after_the_end_and_for_some_always(shopee):
    here = shopee()
    numbers = here.sandbox.orders(SHOP, 12, spread=60, state="paid")
    shown = {number: here.detail(number)["recipient_address"] for number in numbers}
    clear = [number for number, receiver in shown.items() if "*" not in receiver["phone"]]
    assert 0 < len(clear) < 12
    here.sandbox.advance(clear[0], "completed")
    hidden = here.detail(clear[0])["recipient_address"]
    assert all("*" in hidden[name] for name in ("name", "phone", "full_address", "zipcode"))
    assert hidden["city"] == "Singapore"


# Cancellations and returns


def test_a_cancellation_shows_in_the_order_and_in_no_return(shopee):
    here = shopee()
    (number,) = here.sandbox.orders(SHOP, 1, state="paid", cod=False, skus=["CUP-500-BL", "GLS-WINE-2"])
    here.sandbox.advance(number, "refund_requested")
    assert here.detail(number)["order_status"] == "IN_CANCEL"
    here.sandbox.advance(number, "refunded")
    document = here.detail(number)
    assert document["order_status"] == "CANCELLED"
    assert [line["cancelled_qty"] for line in document["item_list"]] == [1, 1]
    returns = here.call("returns/get_return_list", page_no=0, page_size=10)
    assert returns == {"more": False, "return": []}


def test_a_cancellation_of_one_line_leaves_the_order_ready(shopee):
    here = shopee()
    (number,) = here.sandbox.orders(SHOP, 1, state="paid", cod=False, skus=["CUP-500-BL", "GLS-WINE-2"])
    here.sandbox.advance(number, "refund_requested", what="line")
    document = here.detail(number)
    assert document["order_status"] == "READY_TO_SHIP"
    assert [line["cancel_requested_qty"] for line in document["item_list"]] == [1, 0]


def test_a_return_after_completion_leaves_the_orders_status_alone(shopee):
    here = shopee()
    early, late = here.sandbox.orders(SHOP, 2, spread=2, state="shipped", cod=False, skus=["CUP-500-BL"])
    here.sandbox.advance(late, "completed")
    for number in (early, late):
        here.sandbox.advance(number, "refund_requested")
    assert [here.detail(number)["order_status"] for number in (early, late)] == ["TO_RETURN", "COMPLETED"]
    assert here.detail(late)["item_list"][0]["return_requested_qty"] == 1
    answer = here.raw("returns/get_return_list", page_no=0, page_size=10).json()
    assert answer["error"] == "-", "as the documentation's sample has it"
    rows = {row["order_sn"]: row for row in answer["response"]["return"]}
    assert {number: row["return_refund_type"] for number, row in rows.items()} == {early: "RRBOC", late: "RRAOC"}
    assert rows[late]["item"][0]["amount"] == 1, "amount is a number of pieces"


def test_returns_have_pages_from_zero_or_from_one_and_limits(shopee):
    here, name = shopee(), "returns/get_return_list"
    for number in here.sandbox.orders(SHOP, 5, spread=9, state="shipped", cod=False, skus=["CUP-500-BL"]):
        here.sandbox.advance(number, "refund_requested")

    def rows(number: int) -> list[str]:
        return [row["return_sn"] for row in here.call(name, page_no=number, page_size=3)["return"]]

    assert (len(rows(0)), len(rows(1)), len(rows(2))) == (3, 2, 0)
    here.sandbox.fault("shopee", "first_page_one", probability=1)
    assert rows(0) == rows(1) and len(rows(2)) == 2
    here.sandbox.control("DELETE", "faults")
    here.sandbox.fault("shopee", "first_page_one", refuse=True)
    assert here.refusal(name, page_no=0, page_size=3) == (200, "error_param")
    long = {"update_time_from": here.now() - 16 * 86400, "update_time_to": here.now()}
    assert here.refusal(name, page_no=0, page_size=3, **long) == (200, "error_param")
    assert here.refusal(name, page_no=0, page_size=101) == (200, "error_param")


# Shipping


def test_a_parcel_is_arranged_once_and_picked_up_later(shopee):
    here = shopee()
    seen = set()
    for number in here.sandbox.orders(SHOP, 8, spread=60, state="paid"):
        wanted = here.call("logistics/get_shipping_parameter", order_sn=number)["info_needed"]
        own = "non_integrated" in wanted
        seen.add(own)
        wrong = {"dropoff": {}} if own else {"non_integrated": {"tracking_number": "SF1"}}
        assert here.refusal("logistics/ship_order", {"order_sn": number, **wrong})[1] == "logistics.error_param"
        assert here.refusal("logistics/ship_order", {"order_sn": number, "package_number": ""})[1] == "error_param"
        right = {"non_integrated": {"tracking_number": "SF1"}} if own else {"dropoff": {}}
        here.call("logistics/ship_order", {"order_sn": number, **right})
        assert here.detail(number)["order_status"] == ("SHIPPED" if own else "PROCESSED")
        assert here.refusal("logistics/ship_order", {"order_sn": number, **right})[0] == 200
        assert here.refusal("logistics/get_shipping_parameter", order_sn=number) == (200, "error_param")
        here.sandbox.step(1801)
        here.env["SHOPEE_ACCESS_TOKEN"] = here.sandbox.control("POST", "credentials", shop=SHOP, do="authorise")[
            "SHOPEE_ACCESS_TOKEN"
        ]
        assert here.detail(number)["order_status"] == "SHIPPED" and here.detail(number)["pickup_done_time"]
        assert here.call("logistics/get_tracking_number", order_sn=number)["tracking_number"]
    assert seen == {True, False}
    shipments = here.sandbox.receipts()["shopee"]
    assert [effect["requests"] for effect in shipments] == [2] * 8 and len(shipments) == 8


def test_a_parcel_of_a_cancelled_order_is_not_arranged(shopee):
    here = shopee()
    (number,) = here.sandbox.orders(SHOP, 1, state="paid", cod=False)
    here.sandbox.advance(number, "refund_requested")
    for body in ({"dropoff": {}}, {"non_integrated": {"tracking_number": "SF1"}}):
        assert here.refusal("logistics/ship_order", {"order_sn": number, **body})[1] == "error_param"
    assert here.sandbox.receipts()["shopee"] == []


# Listings


def test_listings_have_models_states_and_stock(shopee):
    here = shopee()
    asked = {"offset": 0, "page_size": 3, "item_status": "NORMAL"}
    page = here.call("product/get_item_list", **asked)
    assert page["has_next_page"] and page["next_offset"] == 3 and page["total_count"] > 3
    assert set(page["item"][0]) == {"item_id", "item_status", "update_time"}
    assert here.refusal("product/get_item_list", offset=0, page_size=3) == (200, "error_param_item_status")
    assert here.refusal("product/get_item_list", offset=0, page_size=101, item_status="NORMAL")[1] == "error_param"
    every = here.call("product/get_item_list", offset=0, page_size=100, item_status=["NORMAL", "UNLIST"])["item"]
    numbers = ",".join(str(row["item_id"]) for row in every[:50])
    infos = here.call("product/get_item_base_info", item_id_list=numbers)["item_list"]
    assert {info["has_model"] for info in infos} == {True, False}
    for info in infos:
        models = here.call("product/get_model_list", item_id=info["item_id"])["model"]
        assert bool(models) is info["has_model"] is ("price_info" not in info)


def test_taking_listings_down_fails_item_by_item(shopee):
    here = shopee()
    rows = here.call("product/get_item_list", offset=0, page_size=3, item_status="NORMAL")["item"]
    first, second = (row["item_id"] for row in rows[:2])
    here.sandbox.fault("shopee", "in_promotion")
    body = {"item_list": [{"item_id": n, "unlist": True} for n in (first, second, 7)]}
    done = here.call("product/unlist_item", body)
    assert [item["item_id"] for item in done["success_list"]] == [second]
    assert [item["item_id"] for item in done["failure_list"]] == [first, 7]
    (gone,) = here.call("product/get_item_list", offset=0, page_size=3, item_status="UNLIST")["item"]
    assert gone["item_id"] == second
    here.call("product/unlist_item", {"item_list": [{"item_id": second, "unlist": False}]})
    assert [effect["kind"] for effect in here.sandbox.receipts()["shopee"]] == ["delisting", "listing"]
    assert here.refusal("product/unlist_item", {"item_list": []}) == (200, "error_param")


# Faults


@pytest.mark.parametrize(
    ("kind", "choice", "status", "error"),
    [
        ("throttle", {}, 403, "error_rate_limit"),
        ("business_busy", {}, 200, "error_param"),
        ("business_busy", {"error": "common.error_server", "message": "x", "status": 403}, 403, "common.error_server"),
        ("expired_token", {}, 403, "invalid_acceess_token"),
        ("clock_skew", {}, 403, "error_param"),
    ],
)
def test_a_fault_answers_as_the_platform_does(shopee, kind, choice, status, error):
    here = shopee()
    here.sandbox.fault("shopee", kind, **choice)
    assert here.refusal("order/get_order_list") == (status, error)


def test_the_trap_of_a_parameter_error_that_is_none(shopee):
    here = shopee()
    here.sandbox.fault("shopee", "business_busy")
    assert here.raw("order/get_order_list").json()["message"] == "Inner error, please try later. [1]."


def test_lists_lie_when_told_to(shopee):
    here = shopee()
    numbers = here.sandbox.orders(SHOP, 5, spread=60, state="paid")
    for kind, rows in (("short_page", 4), ("duplicate_rows", 6)):
        here.sandbox.fault("shopee", kind)
        page = here.listed()
        assert (len(page["order_list"]), page["more"]) == (rows, False)
    here.sandbox.fault("shopee", "missing_field")
    assert here.listed()["order_list"][0] == {}
    here.sandbox.fault("shopee", "missing_detail")
    asked = {"order_sn_list": ",".join(numbers)}
    assert len(here.call("order/get_order_detail", **asked)["order_list"]) == 4
    here.sandbox.step(5)
    here.sandbox.orders(SHOP, 1)
    span = {"time_from": here.now() - 60, "time_to": here.now()}
    assert len(here.listed(**span)["order_list"]) > 0
    here.sandbox.fault("shopee", "exclusive_bounds")
    met = here.listed(**span, response_optional_fields="order_status")["order_list"]
    assert all(row["order_status"] != "UNPAID" for row in met), "the order of this very second stays out"
