"""Shopify as it is: exact selections, cursors by value, a search index that lags, a bucket of points."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PAGE = """
query Page($first: Int!, $after: String, $q: String!) {
  orders(first: $first, after: $after, query: $q, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage endCursor }
    nodes { id legacyResourceId updatedAt }
  }
}
"""
WITH_LINES = """
query OrdersPage($first: Int!, $after: String, $q: String!) {
  orders(first: $first, after: $after, query: $q, sortKey: UPDATED_AT, reverse: false) {
    pageInfo { hasNextPage endCursor }
    nodes { ...Core }
  }
}
fragment Money on MoneyBag { shopMoney { amount currencyCode } }
fragment Core on Order {
  id legacyResourceId test cancelledAt clientIp displayFinancialStatus displayFulfillmentStatus returnStatus
  totalPriceSet { ...Money } subtotalPriceSet { ...Money } totalShippingPriceSet { ...Money } totalTaxSet { ...Money }
  totalDiscountsSet { ...Money } totalRefundedSet { ...Money } totalReceivedSet { ...Money }
  customer { id displayName }
  shippingAddress { name countryCodeV2 province provinceCode phone }
  lineItems(first: 20) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id sku quantity currentQuantity
      originalUnitPriceSet { ...Money } discountAllocations { allocatedAmountSet { ...Money } }
      variant { id }
    }
  }
  refunds(first: 10) {
    id totalRefundedSet { ...Money }
    refundLineItems(first: 20) { nodes { quantity lineItem { id } } }
  }
  returns(first: 5) { nodes { id status } }
}
"""
EXTRA = """
query Extra($id: ID!, $after: String) {
  order(id: $id) {
    lineItems(first: 15, after: $after) { pageInfo { hasNextPage endCursor } nodes { id } }
    discountApplications(first: 20) {
      nodes {
        __typename
        value { __typename ... on MoneyV2 { amount } ... on PricingPercentageValue { percentage } }
        ... on DiscountCodeApplication { code }
        ... on ManualDiscountApplication { title }
      }
    }
    transactions(first: 20) { kind amountSet { shopMoney { amount } } }
    localizedFields(first: 20) { nodes { key value } }
  }
}
"""
EVER = "updated_at:>='2020-01-01T00:00:00Z'"


def walk(talk, query: str, search: str, first: int) -> list[dict]:
    found, after = [], None
    while True:
        orders = talk.graphql(query, first=first, after=after, q=search)["data"]["orders"]
        found += orders["nodes"]
        after = orders["pageInfo"]["endCursor"]
        if not orders["pageInfo"]["hasNextPage"]:
            return found


def amount(bag: dict) -> Decimal:
    return Decimal(bag["shopMoney"]["amount"])


@pytest.fixture
def shared_talk(sandbox, caller):
    return caller(sandbox())


# ---- tokens and versions


def test_a_wrong_secret_gets_no_token_and_a_made_up_token_no_data(sandbox, caller):
    talk = caller(sandbox())
    assert talk.grant(client_secret="wrong").status_code == 401
    assert talk.graphql_raw("{ shop { name } }", token="shpat_made_up").status_code == 401


def test_a_token_lives_a_day(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    granted = talk.grant().json()
    world.step(granted["expires_in"] - 60)
    assert talk.graphql_raw("{ shop { name } }", token=granted["access_token"]).status_code == 200
    world.step(120)
    assert talk.graphql_raw("{ shop { name } }", token=granted["access_token"]).status_code == 401


def test_a_retired_version_is_answered_by_the_oldest_supported_one(sandbox, caller):
    talk = caller(sandbox())
    assert talk.graphql_raw("{ shop { name } }").headers["X-Shopify-API-Version"] == "2026-10"
    assert talk.graphql_raw("{ shop { name } }", version="2024-01").headers["X-Shopify-API-Version"] == "2026-01"


# ---- queries


def test_exactly_the_selected_fields_come_back_under_their_aliases(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("shopify-us", skus=["TEE-RED-M"])
    query = """query($id: ID!, $yes: Boolean!) { it: order(id: $id) {
        number: legacyResourceId name @skip(if: $yes) test @include(if: $yes)
        lineItems(first: 1) { edges { node { sku } } } } }"""
    data = talk.graphql(query, id=f"gid://shopify/Order/{order}", yes=True)["data"]
    lines = {"edges": [{"node": {"sku": "TEE-RED-M"}}]}
    assert data == {"it": {"number": order, "test": False, "lineItems": lines}}


def test_a_field_that_does_not_exist_is_an_error(sandbox, caller):
    answer = caller(sandbox()).graphql("{ orders(first: 1) { nodes { id totalWeightInStones } } }")
    assert "data" not in answer
    assert answer["errors"][0]["extensions"]["code"] == "undefinedField"


def test_an_unknown_filter_is_ignored_with_a_warning(sandbox, caller):
    world = sandbox()
    world.control("POST", "settings", index_lag={"shopify-us": 0})
    world.orders("shopify-us", 2)
    answer = caller(world).graphql(PAGE, first=5, q="updatedat:>='2026-11-09T00:00:00Z'")
    assert len(answer["data"]["orders"]["nodes"]) == 2
    assert answer["extensions"]["search"][0]["warnings"][0]["field"] == "updatedat"


def test_an_unquoted_time_is_warned_about(sandbox, caller):
    answer = caller(sandbox()).graphql(PAGE, first=5, q="updated_at:>=2026-11-09T00:00:00Z")
    assert answer["extensions"]["search"][0]["warnings"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 25), first=st.integers(1, 10), cut=st.integers(0, 600))
def test_any_page_size_reads_every_order_of_a_window_once_in_order(shared_talk, count, first, cut):
    world = shared_talk.sandbox
    world.step(7200)
    world.orders("shopify-us", count, spread=600)
    world.step(61)
    edge = int(shared_talk.now().timestamp()) - 61 - cut
    low, middle = _iso(edge - 3000), _iso(edge)
    before = walk(shared_talk, PAGE, f"updated_at:>='{low}' AND updated_at:<'{middle}'", first)
    after = walk(shared_talk, PAGE, f"updated_at:>='{middle}'", first)
    rows = [(row["updatedAt"], int(row["legacyResourceId"])) for row in before + after]
    assert rows == sorted(rows) and len(set(rows)) == count
    assert all(row["updatedAt"] < middle for row in before) and all(row["updatedAt"] >= middle for row in after)


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_an_order_shows_in_search_only_after_the_lag_but_by_id_at_once(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("shopify-us", state="paid")
    assert talk.graphql(PAGE, first=5, q=EVER)["data"]["orders"]["nodes"] == []
    assert world.truth("shopify-us")[0]["visible"] is False
    assert talk.graphql(EXTRA, id=f"gid://shopify/Order/{order}")["data"]["order"]
    world.step(59)
    assert talk.graphql(PAGE, first=5, q=EVER)["data"]["orders"]["nodes"] == []
    world.step(1)
    assert [row["legacyResourceId"] for row in talk.graphql(PAGE, first=5, q=EVER)["data"]["orders"]["nodes"]] == [
        order
    ]
    assert world.truth("shopify-us")[0]["visible"] is True


def test_a_changed_order_stays_findable_under_its_old_time_until_the_index_catches_up(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("shopify-us", state="paid")
    world.step(600)
    window = f"updated_at:<'{_iso(int(talk.now().timestamp()) - 300)}'"
    world.advance(order, "shipped")
    world.step(30)
    [row] = talk.graphql(PAGE, first=5, q=window)["data"]["orders"]["nodes"]
    assert row["legacyResourceId"] == order and row["updatedAt"] > _iso(int(talk.now().timestamp()) - 300)
    world.step(30)
    assert talk.graphql(PAGE, first=5, q=window)["data"]["orders"]["nodes"] == []


# ---- cost


def test_a_page_too_large_costs_too_much_and_is_not_run(sandbox, caller):
    talk = caller(sandbox())
    answer = talk.graphql(WITH_LINES, first=250, q=EVER)
    assert "data" not in answer
    error = answer["errors"][0]["extensions"]
    assert error["code"] == "MAX_COST_EXCEEDED" and error["cost"] > error["maxCost"] == 1000
    assert talk.graphql(WITH_LINES, first=50, q=EVER)["extensions"]["cost"]["requestedQueryCost"] < 1000
    assert talk.graphql(PAGE, first=250, q=EVER)["extensions"]["cost"]["requestedQueryCost"] < 1000
    assert "errors" in talk.graphql(PAGE, first=251, q=EVER)


def test_an_empty_bucket_throttles_with_http_200_until_time_has_passed(sandbox, caller):
    world = sandbox(orders_per_hour=600, history=1)
    talk = caller(world)
    for _ in range(40):
        answer = talk.graphql_raw(WITH_LINES, first=100, q=EVER)
        assert answer.status_code == 200
        body = answer.json()
        if "errors" in body:
            break
    cost = body["extensions"]["cost"]
    assert body["errors"][0]["extensions"]["code"] == "THROTTLED" and "data" not in body
    assert cost["actualQueryCost"] is None
    assert cost["throttleStatus"]["currentlyAvailable"] < cost["requestedQueryCost"]
    world.step(20)
    assert "errors" not in talk.graphql(WITH_LINES, first=100, q=EVER)


# ---- orders


def test_the_world_holds_what_orders_of_a_real_shop_hold(sandbox, caller):
    world = sandbox(orders_per_hour=300, history=4, pace=12)
    talk = caller(world)
    truths = {order["platform_order_no"]: order for order in world.truth("shopify-us")}
    nodes, after = [], None
    while True:
        world.step(10)  # lets the bucket refill
        page = talk.graphql(WITH_LINES, first=100, after=after, q=EVER)["data"]["orders"]
        nodes += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(nodes) > 500
    seen = set()
    for node in nodes:
        truth = truths.get(node["legacyResourceId"])
        if truth is None or len(truth["lines"]) > 20:
            seen |= {"long"} if node["lineItems"]["pageInfo"]["hasNextPage"] else set()
            continue
        lines = node["lineItems"]["nodes"]
        gross = sum(amount(line["originalUnitPriceSet"]) * line["quantity"] for line in lines)
        shared = sum(amount(part["allocatedAmountSet"]) for line in lines for part in line["discountAllocations"])
        assert shared == amount(node["totalDiscountsSet"])
        assert amount(node["subtotalPriceSet"]) == gross - shared
        parts = ("subtotalPriceSet", "totalShippingPriceSet", "totalTaxSet")
        assert amount(node["totalPriceSet"]) == sum(amount(node[part]) for part in parts)
        assert amount(node["totalPriceSet"]) == Decimal(truth["payable_amount"])
        assert amount(node["totalRefundedSet"]) == sum(amount(refund["totalRefundedSet"]) for refund in node["refunds"])
        seen |= {node["displayFinancialStatus"], node["displayFulfillmentStatus"], node["returnStatus"]}
        seen |= {"guest"} if node["customer"] is None else set()
        seen |= {"test"} if node["test"] else set()
        seen |= {"no ip"} if node["clientIp"] is None else set()
        seen |= {"deleted"} if any(line["variant"] is None for line in lines) else set()
        seen |= {"gift"} if any(amount(line["originalUnitPriceSet"]) == 0 for line in lines) else set()
        seen |= {node["shippingAddress"]["countryCodeV2"]}
    assert seen >= {
        "PAID", "PENDING", "PARTIALLY_PAID", "PARTIALLY_REFUNDED", "REFUNDED", "FULFILLED", "UNFULFILLED", "guest",
        "test", "no ip", "deleted", "gift", "long", "US", "CN", "BR",
    }  # fmt: skip


def test_a_long_order_is_read_to_its_last_line(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    goods = list(world.control("GET", "stock")["WH-HZ"])[:23]
    [order] = world.orders("shopify-us", skus=goods)
    found, after = [], None
    while True:
        lines = talk.graphql(EXTRA, id=f"gid://shopify/Order/{order}", after=after)["data"]["order"]["lineItems"]
        found += [line["id"] for line in lines["nodes"]]
        after = lines["pageInfo"]["endCursor"]
        if not lines["pageInfo"]["hasNextPage"]:
            break
    assert len(found) == len(set(found)) == 23


def test_a_refund_before_shipping_cancels_and_a_return_after_shipping_is_shown(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    early, late = world.orders("shopify-us", 2, state="paid", skus=["TEE-RED-M"])
    world.advance(early, "refunded")
    world.advance(late, "shipped")
    world.advance(late, "refund_requested")
    world.step(61)
    page = talk.graphql(WITH_LINES, first=9, q=EVER)["data"]["orders"]
    nodes = {node["legacyResourceId"]: node for node in page["nodes"]}
    assert nodes[early]["displayFinancialStatus"] == "REFUNDED" and nodes[early]["cancelledAt"]
    assert nodes[early]["lineItems"]["nodes"][0]["currentQuantity"] == 0
    assert nodes[late]["returnStatus"] == "RETURN_REQUESTED" and nodes[late]["refunds"] == []
    assert nodes[late]["returns"]["nodes"][0]["status"] == "REQUESTED"


def test_customs_numbers_and_discounts_come_with_the_extra_query(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    [order] = world.orders("shopify-us", country="BR", state="paid")
    truth = world.truth("shopify-us")[0]
    extra = talk.graphql(EXTRA, id=f"gid://shopify/Order/{order}")["data"]["order"]
    assert extra["localizedFields"]["nodes"] == [{"key": "TAX_CREDENTIAL_BR", "value": truth["id_number"]}]
    assert extra["transactions"] == [{"kind": "SALE", "amountSet": {"shopMoney": {"amount": truth["paid_amount"]}}}]


def test_unlisting_a_product_is_recorded_and_an_unknown_product_is_a_user_error(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    mutation = """mutation Unlist($product: ProductUpdateInput!) {
        productUpdate(product: $product) { product { id status } userErrors { field message } } }"""
    product = "gid://shopify/Product/8632910390007"
    done = talk.graphql(mutation, product={"id": product, "status": "DRAFT"})["data"]["productUpdate"]
    assert done == {"product": {"id": product, "status": "DRAFT"}, "userErrors": []}
    assert world.control("GET", "truth/listings")[0]["product_id"] == "8632910390007"
    wrong = talk.graphql(mutation, product={"id": "gid://shopify/Product/1", "status": "DRAFT"})["data"][
        "productUpdate"
    ]
    assert wrong["product"] is None and wrong["userErrors"]


def test_a_fulfilment_order_is_fulfilled_once_and_refused_by_user_errors_otherwise(sandbox, caller):
    world = sandbox()
    talk = caller(world)
    paid, held, closed, unpaid = world.orders("shopify-us", 4, skus=["TEE-RED-M"])
    for order, state in ((paid, "paid"), (held, "forbid_consign"), (closed, "closed")):
        world.advance(order, state)
    query = "query Q($id: ID!) { order(id: $id) { fulfillmentOrders(first: 5) { nodes { id status } } } }"
    mutation = """mutation Ship($fulfillment: FulfillmentInput!) { fulfillmentCreate(fulfillment: $fulfillment) {
        fulfillment { status trackingInfo { company number } } userErrors { message } } }"""

    def waiting(order):
        (found,) = talk.graphql(query, id=f"gid://shopify/Order/{order}")["data"]["order"]["fulfillmentOrders"]["nodes"]
        return found

    def ship(order, **more):
        what = [{"fulfillmentOrderId": waiting(order)["id"], **more}]
        wish = {"lineItemsByFulfillmentOrder": what, "trackingInfo": {"company": "DHL Express", "number": "A1"}}
        return talk.graphql(mutation, fulfillment=wish)["data"]["fulfillmentCreate"]

    assert [waiting(order)["status"] for order in (paid, held, closed, unpaid)] == [
        "OPEN", "ON_HOLD", "CLOSED", "ON_HOLD",
    ]  # fmt: skip
    wrong = ship(paid, fulfillmentOrderLineItems=[{"id": "gid://shopify/FulfillmentOrderLineItem/1", "quantity": 1}])
    assert "does not exist" in wrong["userErrors"][0]["message"]
    made = ship(paid)
    assert made["userErrors"] == [] and made["fulfillment"]["trackingInfo"] == [
        {"company": "DHL Express", "number": "A1"}
    ]
    for order in (paid, held, closed, unpaid):
        refused = ship(order)
        assert refused["fulfillment"] is None and "unfulfillable status" in refused["userErrors"][0]["message"]
    (shipment,) = [effect for effect in world.receipts()["shopify"] if effect["kind"] == "shipment"]
    assert (shipment["key"], shipment["notified"], shipment["duplicates"]) == (paid, False, 0)
