"""What shops have on sale, as Taobao and Shopify show it: items in their lists, stock that moves, search that lags."""

import csv
from pathlib import Path

import pytest

GOODS = list(csv.DictReader((Path(__file__).parents[2] / "config" / "goods.csv").read_text("utf-8-sig").splitlines()))
LONG_AGO = "2020-01-01 00:00:00"
DETAILS = "num_iid,title,price,num,approve_status,modified,sku"
PRODUCTS = """query P($first: Int!, $after: String, $q: String, $reverse: Boolean) {
  products(first: $first, after: $after, query: $q, sortKey: UPDATED_AT, reverse: $reverse) {
    pageInfo { hasNextPage endCursor }
    nodes { id status updatedAt totalInventory variants(first: 1) { pageInfo { hasNextPage endCursor } nodes { sku } } }
  }
}"""


@pytest.fixture
def call(sandbox, caller):
    return caller(sandbox())


def onsale(call, **params):
    return call.top("taobao.items.onsale.get", **{"fields": "num_iid,modified", "page_size": 200, **params})


def inventory(call, banner):
    answer = call.top("taobao.items.inventory.get", fields="num_iid,approve_status", banner=banner)
    return {str(row["num_iid"]) for row in answer.get("items", {}).get("item", [])}, answer["total_results"]


def set_stock(call, sku, pieces):
    for warehouse, quantity in (("WH-HZ", pieces), ("WH-FS", 0)):
        call.sandbox.control("POST", "stock", warehouse=warehouse, sku=sku, quantity=quantity)


def test_items_are_listed_newest_first_and_were_changed_long_before_the_world_began(call):
    rows = onsale(call)["items"]["item"]
    assert {str(row["num_iid"]) for row in rows} == {row["taobao_num_iid"] for row in GOODS}
    by_time = onsale(call, order_by="modified:desc")["items"]["item"]
    times = [row["modified"] for row in by_time]
    assert times == sorted(times, reverse=True) and times[-1] < call.gmt8(ago=30 * 86400)
    other_way = onsale(call, order_by="modified:asc")["items"]["item"]
    assert other_way == by_time[::-1]
    middle = times[len(times) // 2]
    newer = onsale(call, start_modified=middle, end_modified=call.gmt8())
    assert newer["total_results"] == sum(at >= middle for at in times)


def test_what_is_taken_down_and_what_sold_out_stand_in_lists_of_their_own(call):
    taken, sold = (
        GOODS[0]["taobao_num_iid"],
        next(row for row in GOODS if sum(other["taobao_num_iid"] == row["taobao_num_iid"] for other in GOODS) == 1),
    )
    assert inventory(call, "") == (set(), 0)
    call.sandbox.step(60)
    call.top("taobao.item.update.delisting", num_iid=taken)
    set_stock(call, sold["sku"], 0)
    assert inventory(call, "")[0] == inventory(call, "off_shelf")[0] == {taken}
    assert inventory(call, "sold_out")[0] == {sold["taobao_num_iid"]}
    still = {str(row["num_iid"]) for row in onsale(call)["items"]["item"]}
    assert still == {row["taobao_num_iid"] for row in GOODS} - {taken, sold["taobao_num_iid"]}
    changed = call.top("taobao.items.seller.list.get", fields=DETAILS, num_iids=f"{taken},{sold['taobao_num_iid']}")
    for item in changed["items"]["item"]:
        assert item["approve_status"] == "instock" and item["modified"] == call.gmt8()


def test_details_leave_out_unknown_items_and_take_twenty_at_most(call):
    number = GOODS[0]["taobao_num_iid"]
    (item,) = call.top("taobao.items.seller.list.get", fields=DETAILS, num_iids=f"{number},999")["items"]["item"]
    ours = [row for row in GOODS if row["taobao_num_iid"] == number]
    assert [sku["outer_id"] for sku in item["skus"]["sku"]] == [row["sku"] for row in ours]
    assert item["num"] == sum(int(row["stock_hz"]) + int(row["stock_fs"]) for row in ours)
    assert "skus" not in call.top("taobao.items.seller.list.get", fields="title", num_iids=number)["items"]["item"][0]
    assert "items" not in call.top("taobao.items.seller.list.get", fields=DETAILS, num_iids="999")
    too_many = call.top("taobao.items.seller.list.get", fields=DETAILS, num_iids=",".join(["1"] * 21))
    assert too_many["sub_code"] == "isv.invalid-parameter:num_iids"


@pytest.mark.parametrize(
    ("params", "sub_code"),
    [
        ({"page_size": 201}, "isv.invalid-parameter:page_size"),
        ({"page_no": 102}, "isv.invalid-parameter:page_no"),
        ({"order_by": "modified"}, "isv.invalid-parameter:order_by"),
        ({"start_modified": "yesterday"}, "isv.invalid-parameter:start_modified"),
    ],
)
def test_item_lists_refuse_what_the_platform_refuses(call, params, sub_code):
    assert onsale(call, **params)["sub_code"] == sub_code


def test_products_are_searched_by_update_time_and_a_change_shows_after_the_lag(call):
    everything = call.graphql(PRODUCTS, first=250)["data"]["products"]["nodes"]
    assert len(everything) == len({row["shopify_product_id"] for row in GOODS})
    times = [node["updatedAt"] for node in everything]
    assert times == sorted(times)
    changed = f"gid://shopify/Product/{GOODS[0]['shopify_product_id']}"
    since = call.sandbox.step(600)
    recent = {"first": 5, "q": f"updated_at:>='{since}'"}
    mutation = "mutation U($p: ProductUpdateInput!) { productUpdate(product: $p) { product { id status } } }"
    call.graphql(mutation, p={"id": changed, "status": "DRAFT"})
    assert call.graphql(PRODUCTS, **recent)["data"]["products"]["nodes"] == []
    call.sandbox.step(61)
    (node,) = call.graphql(PRODUCTS, **recent)["data"]["products"]["nodes"]
    assert (node["id"], node["status"]) == (changed, "DRAFT")


def test_products_page_by_value_in_both_directions_and_variants_within(call):
    for reverse in (False, True):
        found, after, page = [], None, None
        while page is None or page["pageInfo"]["hasNextPage"]:
            page = call.graphql(PRODUCTS, first=7, after=after, reverse=reverse)["data"]["products"]
            found, after = found + [node["id"] for node in page["nodes"]], page["pageInfo"]["endCursor"]
        assert len(found) == len(set(found)) == len({row["shopify_product_id"] for row in GOODS})
    two = next(n for n in call.graphql(PRODUCTS, first=250)["data"]["products"]["nodes"]
               if n["variants"]["pageInfo"]["hasNextPage"])  # fmt: skip
    more = (
        "query M($id: ID!, $after: String) { product(id: $id) { variants(first: 5, after: $after) { nodes { sku } } } }"
    )
    rest = call.graphql(more, id=two["id"], after=two["variants"]["pageInfo"]["endCursor"])["data"]["product"]
    skus = {row["sku"] for row in GOODS if two["id"].endswith(row["shopify_product_id"])}
    assert {node["sku"] for node in two["variants"]["nodes"] + rest["variants"]["nodes"]} == skus


def test_an_unknown_product_filter_is_a_warning_and_filters_nothing(call):
    answer = call.graphql(PRODUCTS, first=250, q="financial_status:paid")
    assert answer["extensions"]["search"][0]["warnings"][0]["field"] == "financial_status"
    assert len(answer["data"]["products"]["nodes"]) == len({row["shopify_product_id"] for row in GOODS})


def test_fulfilments_say_how_many_pieces_of_which_line_left(call):
    (number,) = call.sandbox.orders("shopify-us", 1, state="shipped", skus=[GOODS[0]["sku"], GOODS[5]["sku"]])
    query = """query O($id: ID!) { order(id: $id) { fulfillments(first: 5) {
        fulfillmentLineItems(first: 20) { nodes { quantity lineItem { id } } } } } }"""
    order = call.graphql(query, id=f"gid://shopify/Order/{number}")["data"]["order"]
    (true,) = call.sandbox.truth("shopify-us")
    left = {
        node["lineItem"]["id"].rsplit("/", 1)[1]: node["quantity"]
        for parcel in order["fulfillments"]
        for node in parcel["fulfillmentLineItems"]["nodes"]
    }
    assert left == {line["platform_line_id"]: line["quantity"] for line in true["lines"]}
