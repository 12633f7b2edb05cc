"""Customs data of orders that leave the country: what blocks, what warns, and nothing invented."""

import csv
import json
from decimal import Decimal

import pytest

from orderpipe.errors import ConfigError
from orderpipe.lake.reference import load_reference

NEW_COLUMNS = ("origin", "unit", "use", "brand", "restricted")


def goods_with(folder, **changes):
    """Change goods of a configuration's goods master: sku={column: value}, the sku with _ for -; gives the folder."""
    path = folder / "goods.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for sku, change in changes.items():
        row = next(row for row in rows if row["sku"] == sku.replace("_", "-"))
        row.update(change)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def pool(new_pool):
    """A pool under the shipped rules, for tests that look at orders of their own."""
    return new_pool()


def customs(pool, number):
    """(status, blocking, warnings) and {rule id: [(line, level)]} of an order; None when customs do not apply."""
    summary = pool.rows(
        "SELECT c.* FROM decision.customs c JOIN core.orders o USING (order_id) WHERE o.platform_order_no = $number",
        number=number,
    )
    checks = pool.rows(
        """SELECT c.* FROM decision.customs_checks c JOIN core.orders o USING (order_id)
           WHERE o.platform_order_no = $number ORDER BY rule_id, line_no""",
        number=number,
    )
    if not summary:
        assert checks == []
        return None
    (row,) = summary
    found = {}
    for check in checks:
        assert any("\u4e00" <= letter <= "\u9fff" for letter in check["message"])
        found.setdefault(check["rule_id"], []).append((check["line_no"], check["level"]))
    levels = [level for entries in found.values() for _, level in entries]
    assert (row["blocking"], row["warnings"]) == (levels.count("block"), levels.count("warn"))
    return row["status"], found


def facts(pool, number, line=1):
    """What the rules could ask about a line in the last decision."""
    (row,) = pool.rows(
        """SELECT f.* FROM work.customs_facts f JOIN core.orders o USING (order_id)
           WHERE o.platform_order_no = $number AND line_no = $line""",
        number=number, line=line,
    )  # fmt: skip
    return row


def test_goods_known_in_full_are_complete_and_orders_at_home_are_not_asked(pool, write, state, line):
    two = (line("CUP-500-BL", 2), line("GLS-WINE-2"))
    pool.take(
        write("shopify", state("101", country="DE", lines=two)),
        write("shopify", state("102", lines=two)),
        write("taobao", state("103")),
        write("shopify", state("104", country="DE", status="unpaid")),
    )
    assert customs(pool, "101") == ("complete", {})
    assert [customs(pool, number) for number in ("102", "103", "104")] == [None, None, None]
    (summary,) = pool.rows("SELECT * FROM decision.customs SEMI JOIN core.orders USING (order_id)")
    (route,) = pool.rows("FROM decision.routes WHERE warehouse_id = 'cross_border_review'")
    assert summary["lines"] == 2
    assert [summary[name] for name in ("order_id", "decided_at", "source_seq")] == [
        route[name] for name in ("order_id", "decided_at", "source_seq")
    ]


def test_goods_outside_the_master_block_line_by_line(pool, write, state, line):
    pool.take(write("shopify", state("110", country="DE", lines=(line(), line("NOT-IN-MASTER")))))
    status, found = customs(pool, "110")
    assert status == "incomplete"
    blocked = {"c01_no_hs_code", "c02_no_english_name", "c03_no_chinese_name", "c06_no_net_weight", "c07_no_origin",
               "c09_no_unit", "c12_unknown_goods"}  # fmt: skip
    warned = {"c10_no_material_or_use", "c11_no_brand", "c13_restriction_unset"}
    assert found == {rule: [(2, "block")] for rule in blocked} | {rule: [(2, "warn")] for rule in warned}


def test_what_the_whole_order_lacks_is_told_once(pool, write, state, line):
    """Two lines, a hidden receiver, and a country that asks for a tax number the order does not have."""
    lines = (line(), line("GLS-WINE-2"))
    pool.take(write("shopify", state("120", country="BR", masked=True, lines=lines)))
    assert customs(pool, "120") == (
        "incomplete", {"c21_receiver_hidden": [(1, "block")], "c22_no_tax_id": [(1, "block")]}
    )  # fmt: skip


def test_hong_kong_is_a_destination_of_its_own(pool, write, state):
    document = write("taobao", state("130")).changed(receiver_state="香港特别行政区", receiver_city="香港岛")
    gift = document.changed(
        orders={"order": [{**json.loads(document.text)["orders"]["order"][0], "divide_order_fee": "0.00"}]}
    )
    pool.take(gift)
    assert "c04_no_value" in customs(pool, "130")[1]
    assert facts(pool, "130")["dest_country"] == "HK"


def test_a_gift_is_asked_about_and_never_given_a_value(pool, write, state, line):
    document = write("shopify", state("140", country="DE", lines=(line(), line("GLS-WINE-2"))))
    order = json.loads(document.text)
    order["lineItems"]["nodes"][1]["originalUnitPriceSet"]["shopMoney"]["amount"] = "0.00"
    order["totalPriceSet"]["shopMoney"]["amount"] = "29.00"
    pool.take(document.changed(**order))
    assert customs(pool, "140") == ("incomplete", {"c04_no_value": [(2, "block")]})
    assert (facts(pool, "140", 2)["unit_value"], facts(pool, "140", 1)["line_paid_ratio"]) == (0, 100)


def test_lines_that_do_not_add_up_to_what_was_paid_are_doubted(pool, write, state, line):
    """A discount the platform gave on the order and shared out over no line."""
    document = write("shopify", state("145", country="DE", lines=(line(quantity=2),)))
    pool.take(document.changed(
        totalDiscountsSet={"shopMoney": {"amount": "20.00", "currencyCode": "USD"}},
        totalPriceSet={"shopMoney": {"amount": "33.00", "currencyCode": "USD"}},
    ))  # fmt: skip
    assert customs(pool, "145") == ("complete", {"c05_value_differs": [(1, "warn")]})
    assert facts(pool, "145")["line_paid_ratio"] == 171  # 48.00 declared, 28.00 paid


def test_the_value_of_a_piece_is_what_was_paid_for_it_to_the_cent(pool, write, state, line):
    document = write("shopify", state("150", country="DE", lines=(line(quantity=3),)))
    order = json.loads(document.text)
    order["lineItems"]["nodes"][0]["discountAllocations"] = [
        {"allocatedAmountSet": {"shopMoney": {"amount": "2.00", "currencyCode": "USD"}}}
    ]
    order["lineItems"]["nodes"][0]["currentQuantity"] = 2
    pool.take(document.changed(**order))
    row = facts(pool, "150")
    # 3 x 24.00 - 2.00 for three pieces, of which two still ship.
    assert (row["unit_value"], row["quantity"], row["currency"]) == (Decimal("23.33"), 2, "USD")


def test_a_case_stops_the_export_and_its_end_lets_it_go(pool, write, state, line):
    def minute(at, refund):
        return write("shopify", state("160", at, country="DE", lines=(line(), line("GLS-WINE-2", refund=refund))))

    pool.take(minute(1, "requested"))
    assert customs(pool, "160")[1]["c26_after_sale"][0][1] == "block"
    pool.take(minute(2, "none"))
    assert customs(pool, "160") == ("complete", {})
    pool.take(minute(3, "refunded"))  # one line less to declare
    assert customs(pool, "160") == ("complete", {})
    assert facts(pool, "160")["sku"] == "CUP-500-BL"
    with pytest.raises(ValueError, match="not enough values"):
        facts(pool, "160", 2)


CHANGES = {
    # goods and what is wrong with them: (destination, column, value, the rules that must count)
    "CUP-500-BL": ("US", "hs_code", "961700", {"c01_short_for_us", "c01_short_for_china"}),
    "CUP-500-WH": ("DE", "hs_code", "9617.00.90", {"c01_no_hs_code"}),
    "GLS-WINE-2": ("DE", "hs_code", "96170090001", {"c01_no_hs_code"}),
    "GLS-JUG-1L": ("DE", "name_en", "Free gift sample", {"c02_vague_english_name"}),
    "GLS-BOWL-3": ("DE", "name_en", "Gift of other goods", {"c02_vague_english_name"}),
    "GLS-JAR-6": ("DE", "name_en", "X1", {"c02_no_english_name"}),
    "GLS-TEA-600": ("DE", "name", "礼品配件", {"c03_vague_chinese_name"}),
    "GLS-VASE-S": ("DE", "weight_kg", "0", {"c06_no_net_weight"}),
    "CER-BOWL-4": ("DE", "origin", "CHN", {"c07_no_origin"}),
    "CER-PLATE-6": ("DE", "unit", "", {"c09_no_unit"}),
    "CER-MUG-RD": ("DE", "use", "", {"c10_no_material_or_use"}),
    "CER-MUG-GN": ("DE", "material", "", {"c10_no_material_or_use"}),
    "CER-TEASET": ("DE", "brand", "", {"c11_no_brand"}),
    "KIT-KNIFE-5": ("DE", "restricted", "", {"c13_restriction_unset"}),
}


def test_each_flaw_of_the_goods_master_is_found_and_mending_it_completes_the_order(
    new_pool, changed_config, write, state, line
):
    flawed = goods_with(
        changed_config("flawed"),
        **{sku.replace("-", "_"): {column: value} for sku, (_, column, value, _) in CHANGES.items()},
    )
    pool = new_pool(flawed)
    numbers = {sku: f"20{n:02}" for n, sku in enumerate(CHANGES)}
    pool.take(*(
        write("shopify", state(numbers[sku], country=country, lines=(line(sku),)))
        for sku, (country, *_) in CHANGES.items()
    ))  # fmt: skip
    found = {sku: set(customs(pool, numbers[sku])[1]) for sku in CHANGES}
    # A made-up price may differ from the goods', what was paid follows from it: no other check can fire.
    assert found == {sku: rules for sku, (*_, rules) in CHANGES.items()}
    pool.reopen(changed_config("mended"))
    pool.decide()
    assert {sku: customs(pool, numbers[sku]) for sku in CHANGES} == dict.fromkeys(CHANGES, ("complete", {}))
    pool.close()


def test_a_goods_master_from_before_customs_is_read_and_says_nothing(new_pool, changed_config, write, state):
    folder = changed_config("older")
    path = folder / "goods.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [name for name in rows[0] if name not in (*NEW_COLUMNS, "name_en")]
    lines = [",".join(kept), *(",".join(row[name] for name in kept) for row in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    pool = new_pool(folder)
    pool.take(write("shopify", state("1", country="DE")))
    assert set(customs(pool, "1")[1]) == {
        "c02_no_english_name", "c07_no_origin", "c09_no_unit", "c10_no_material_or_use", "c11_no_brand",
        "c13_restriction_unset",
    }  # fmt: skip
    path.write_text(path.read_text("utf-8") + lines[1] + "\n", "utf-8")
    with pytest.raises(ConfigError, match=rf"goods\.csv:{len(lines) + 1}.*CUP-500-BL stands in line 2 already"):
        load_reference(pool.run.lake, pool.settings)
    pool.close()


def test_a_restriction_nobody_knows_is_refused(pool, changed_config):
    folder = goods_with(changed_config("odd"), CUP_500_BL={"restricted": "blade"})
    settings = type(pool.settings)(pool.settings.home, folder, pool.settings.env)
    with pytest.raises(ConfigError, match=r"goods\.csv:2.*battery, liquid, food, none"):
        load_reference(pool.run.lake, settings)
