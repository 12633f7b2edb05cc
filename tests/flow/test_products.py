"""Listings: what Taobao and Shopify say of a product becomes rows of core.products, whatever the order they come in."""

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orderpipe.flow.replay import replay

START = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
NUMBER = 610000000001
FACTS = """platform_product_id, platform_sku_id, sku, title, sku_name, price, currency, stock, status, platform_status,
    updated_at"""


def gmt8(moment):
    return (moment + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")


@pytest.fixture
def item(refund):
    """item(minutes, {sku id: stock}, **fields): a Taobao item as items.seller.list.get gives it."""

    def make(minutes=0, stock=None, number=NUMBER, **fields):
        at = START + timedelta(minutes=minutes)
        content = {
            "num_iid": number,
            "title": "保温杯",
            "outer_id": "CUP",
            "price": "89.00",
            "num": 7,
            "approve_status": "onsale",
            "modified": gmt8(at),
            "skus": {
                "sku": [
                    {
                        "sku_id": sku_id,
                        "outer_id": f"CUP-{sku_id}",
                        "properties_name": f"1627207:-{sku_id}:颜色分类:色{sku_id};21433:8:容量:500ml",
                        "price": "89.00",
                        "quantity": pieces,
                        "status": "normal",
                    }
                    for sku_id, pieces in (stock or {}).items()
                ]
            },
            **fields,
        }
        text = json.dumps({k: v for k, v in content.items() if v is not None}, ensure_ascii=False)
        return replace(refund("1", "1", 1, "none"), kind="product", source_id=str(number), updated=at, text=text)

    return make


@pytest.fixture
def product(item):
    """product(minutes, *variants, **fields): a Shopify product as the products query gives it."""

    def make(minutes=0, *variants, **fields):
        at = START + timedelta(minutes=minutes)
        content = {
            "id": "gid://shopify/Product/8632910390007",
            "legacyResourceId": "8632910390007",
            "title": "Insulated cup",
            "status": "ACTIVE",
            "updatedAt": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "priceRangeV2": {"minVariantPrice": {"amount": "24.0", "currencyCode": "USD"}},
            "variants": {"pageInfo": {"hasNextPage": False}, "nodes": list(variants)},
            **fields,
        }
        return replace(item(), platform="shopify", source_id="8632910390007", updated=at, text=json.dumps(content))

    return make


def variant(number, stock=3, **fields):
    return {
        "id": f"gid://shopify/ProductVariant/{number}",
        "sku": f"V-{number}",
        "title": f"Colour {number}",
        "price": "24.00",
        "inventoryQuantity": stock,
        "inventoryItem": {"tracked": True},
        **fields,
    }


def known(pool):
    return {
        row["platform_sku_id"]: (row["stock"], row["status"])
        for row in pool.rows("FROM core.products ORDER BY platform_sku_id")
    }


def test_an_items_skus_are_rows_with_every_fact(pool, item):
    pool.take(item(5, {4500000000001: 3, 4500000000002: 0}))
    rows = pool.rows(f"SELECT {FACTS} FROM core.products ORDER BY platform_sku_id")
    common = {
        "platform_product_id": str(NUMBER),
        "title": "保温杯",
        "price": Decimal("89.00"),
        "currency": "CNY",
        "status": "listed",
        "platform_status": "onsale",
        "updated_at": START + timedelta(minutes=5),
    }
    assert rows == [
        {
            **common,
            "platform_sku_id": sku_id,
            "sku": f"CUP-{sku_id}",
            "sku_name": f"颜色分类:色{sku_id};容量:500ml",
            "stock": stock,
        }
        for sku_id, stock in (("4500000000001", 3), ("4500000000002", 0))
    ]


def test_an_item_without_skus_is_one_row_and_a_sku_without_code_has_its_items(pool, item):
    pool.take(
        item(0, {}), item(0, {1: 5}, number=NUMBER + 1, skus={"sku": [{"sku_id": 1, "quantity": 5, "price": "1"}]})
    )
    rows = pool.rows("SELECT platform_sku_id, sku, stock, price FROM core.products ORDER BY platform_product_id")
    assert rows == [
        {"platform_sku_id": "", "sku": "CUP", "stock": 7, "price": Decimal("89.00")},
        {"platform_sku_id": "1", "sku": "CUP", "stock": 5, "price": Decimal("1.00")},
    ]


ITEM_STATES = [
    ("onsale", "normal", "listed"),
    ("instock", "normal", "suspended"),
    ("onsale", "delete", "deleted"),
    ("instock", "delete", "deleted"),
    ("onsale", "odd", "unknown"),
    ("brand_new", "normal", "unknown"),
    (None, "normal", "unknown"),
]


def test_the_worse_state_of_item_and_sku_counts(pool, item):
    for number, (shown, sku, _) in enumerate(ITEM_STATES, 1):
        skus = {"sku": [{"sku_id": str(number), "quantity": 5, "price": "1.00", "status": sku}]}
        pool.land(item(number=number, approve_status=shown).changed(skus=skus))
    report = pool.pool()
    assert known(pool) == {str(number): (5, status) for number, (_, _, status) in enumerate(ITEM_STATES, 1)}
    assert report.unknown == [f"taobao-hz: 商品状态 {shown}" for shown in ("", "brand_new", "onsale")]


def test_a_products_variants_are_rows_those_beyond_the_page_too(pool, product):
    more = [variant(3, inventoryItem={"tracked": False}), variant(4, -2, title="Default Title", sku="")]
    pool.take(product(5, variant(1), variant(2, 0), _moreVariants=more))
    rows = pool.rows(f"SELECT {FACTS} FROM core.products ORDER BY platform_sku_id")
    assert [(r["platform_sku_id"], r["sku"], r["sku_name"], r["stock"]) for r in rows] == [
        ("1", "V-1", "Colour 1", 3),
        ("2", "V-2", "Colour 2", 0),
        ("3", "V-3", "Colour 3", None),
        ("4", None, None, -2),
    ]
    assert {(r["price"], r["currency"], r["status"], r["updated_at"]) for r in rows} == {
        (Decimal("24.00"), "USD", "listed", START + timedelta(minutes=5))
    }


STATES = {
    "ACTIVE": "listed",
    "UNLISTED": "listed",
    "DRAFT": "suspended",
    "ARCHIVED": "suspended",
    "BRAND_NEW": "unknown",
}


def test_shopify_states(pool, product):
    for number, shown in enumerate(STATES, 1):
        document = product(0, variant(number), status=shown, id=f"gid://shopify/Product/{number}")
        pool.land(replace(document, source_id=str(number)))
    pool.pool()
    assert known(pool) == {str(number): (3, status) for number, status in enumerate(STATES.values(), 1)}


def test_the_newest_document_wins_and_a_late_old_one_adds_only_what_is_gone(pool, item):
    pool.take(item(10, {1: 5, 2: 5}))
    pool.take(item(20, {1: 4}, approve_status="instock"))
    assert known(pool) == {"1": (4, "suspended"), "2": (5, "deleted")}
    pool.take(item(5, {1: 9, 2: 9, 3: 9}))
    assert known(pool) == {"1": (4, "suspended"), "2": (5, "deleted"), "3": (9, "deleted")}
    pool.take(item(30, {2: 8, 1: 4}))
    assert known(pool) == {"1": (4, "listed"), "2": (8, "listed"), "3": (9, "deleted")}
    pool.take(item(40, {}))  # sold without skus from now on
    assert known(pool) == {"": (7, "listed"), "1": (4, "deleted"), "2": (8, "deleted"), "3": (9, "deleted")}
    assert pool.failed_checks() == []


def test_of_two_documents_of_one_second_the_later_landed_one_counts(pool, item):
    pool.take(item(10, {1: 5}))
    pool.take(item(10, {1: 4}))
    assert known(pool) == {"1": (4, "listed")}
    pool.take(item(10, {1: 5}))  # the same bytes as the first: the stock went back
    assert known(pool) == {"1": (5, "listed")}


def test_products_of_two_shops_and_of_one_number_stay_apart(pool, item, product):
    pool.take(item(0, {1: 5}, number=8632910390007), product(0, variant(1)))
    assert len(pool.rows("SELECT DISTINCT listing_id FROM core.products")) == 2


@pytest.mark.long
def test_the_table_is_a_function_of_the_documents_in_any_order_and_bite(new_pool, item, product, tmp_path):
    documents = [
        item(10, {1: 5, 2: 5}),
        item(20, {1: 4, 3: 1}, approve_status="instock"),
        item(30, {3: 2}),
        product(5, variant(1), variant(2)),
        product(15, variant(2, 1), status="DRAFT"),
    ]
    hashes = set()
    orders = [list(order) for order in itertools.permutations(documents)][:: 120 // 5]
    for number, order in enumerate(orders):
        one = new_pool()
        one.land_together(*order) if number == 0 else None
        if number:
            for document in order:
                one.land(document)
                if number % 2:
                    one.pool()
        report = one.pool(bite=2)
        # Every accepted document counts as pooled, in any order.
        assert number % 2 or (report.read, report.pooled, report.quarantined) == (5, 5, 0)
        rows = one.rows("SELECT * EXCLUDE source_seq FROM core.products ORDER BY listing_id")
        hashes.add(json.dumps(rows, default=str))
        assert one.failed_checks() == []
        if number < 2:
            assert all(table.same for table in replay(one.settings, tmp_path / f"home-{number}", bite=1 + number))
        one.close()
    assert len(hashes) == 1


HOSTILE = [
    ({"num_iid": None}, "listing_id_missing"),
    ({"num_iid": ""}, "product_id_empty"),
    ({"modified": None}, "updated_at_missing"),
    ({"modified": "soon"}, "updated_at_missing"),
    ({"modified": "1999-01-01 00:00:00"}, "updated_at_absurd"),
    ({"modified": "2027-11-09 00:00:00"}, "updated_in_the_future"),
    ({"modified": "9999999-01-01 00:00:00"}, "updated_at_missing"),
    ({"skus": {"sku": [{"sku_id": "1"}, {"sku_id": "1"}]}}, "listing_repeated"),
    ({"skus": {"sku": [{"outer_id": "no id"}]}}, "listing_id_missing"),
    ({"skus": {"sku": [{"sku_id": "1", "price": "-0.01"}]}}, "price_negative"),
]


def test_broken_documents_are_set_aside_and_the_others_go_on(pool, item):
    for number, (changes, _) in enumerate(HOSTILE, 1):
        broken = item(0, {1: 5}, number=number)
        pool.land(replace(broken, text=json.dumps({**json.loads(broken.text), **changes})))
    pool.land(item(0, {1: 3}))
    report = pool.pool()
    assert report.quarantined == len(HOSTILE)
    rules = {seq: rule for rule, seqs in report.quarantine.items() for seq in seqs}
    assert rules == {number: rule for number, (_, rule) in enumerate(HOSTILE, 1)}
    assert pool.rows("SELECT platform_product_id AS id, stock FROM core.products") == [{"id": str(NUMBER), "stock": 3}]
    assert pool.failed_checks() == []


ODD = [
    {"price": "much", "skus": {"sku": [{"sku_id": "1", "price": "1e999", "quantity": "99999999999999999999"}]}},
    {"skus": {"sku": [{"sku_id": "1", "price": {}, "quantity": [], "status": 7, "properties_name": "::;"}]}},
    {"skus": "none", "num": "NaN"},
    {"skus": {"sku": {}}, "title": None},
    {"title": "x" * 100_000, "outer_id": "\u0000"},
]


def test_an_odd_value_costs_only_itself(pool, item):
    for number, changes in enumerate(ODD, 1):
        document = item(0, {1: 5}, number=number)
        pool.land(replace(document, text=json.dumps({**json.loads(document.text), **changes})))
    assert pool.pool().quarantined == 0
    rows = pool.rows("SELECT platform_product_id AS id, stock FROM core.products ORDER BY id")
    assert [(row["id"], row["stock"]) for row in rows] == [("1", None), ("2", None), ("3", None), ("4", 7), ("5", 5)]
    assert pool.failed_checks() == []


def test_a_refused_document_is_pooled_once_the_rule_is_mended(pool, item, changed_config):
    pool.take(item(0, {1: 5}).changed(skus={"sku": [{"sku_id": "1", "price": "-1.00", "quantity": 5}]}))
    assert known(pool) == {}
    pool.reopen(
        changed_config(
            "mended", [("quality/products.yaml", "{column: price, min_value: 0}", "{column: price, min_value: -9}")]
        )
    )
    assert pool.pool().repaired == 1
    assert known(pool) == {"1": (5, "listed")}
    assert pool.failed_checks() == []
