"""Stock read from the warehouse: what is asked, what each answer means, and what happens when there is none."""

import xml.etree.ElementTree as ET

import httpx
import pytest

from orderpipe.dispatch.qimen import QimenClient
from orderpipe.dispatch.qimen_stock import AT_ONCE, inventory

BUSY = "<response><flag>failure</flag><code>isp.system-busy</code><message>system busy</message></response>"


def success(*rows):
    items = "".join(f"<item>{''.join(f'<{k}>{v}</{k}>' for k, v in row.items())}</item>" for row in rows)
    return f"<response><flag>success</flag><code>0</code><items>{items}</items></response>"


@pytest.fixture
def ask(receiver, line, clock):
    """ask(items, answers…): what the warehouse said of them, and the item codes of every request."""

    def run(items, *answers):
        other = line(*answers)
        client = QimenClient(receiver("wms"), clock, http=other.http)
        answered = inventory(client, "WH-HZ", "OWNER01", items, sleep=lambda seconds: None)
        asked = [[c.text for c in ET.fromstring(r.content).iter("itemCode")] for r in other.requests]
        assert all(r.url.params["method"] == "taobao.qimen.inventory.query" for r in other.requests)
        return answered, asked

    return run


def test_every_row_of_an_item_is_kept_and_an_item_without_rows_is_there_without(ask):
    rows = [
        {"warehouseCode": "WH-HZ", "itemCode": "CUP", "inventoryType": "ZP", "quantity": "7", "lockQuantity": "2"},
        {"warehouseCode": "WH-HZ", "itemCode": "cup", "inventoryType": "CC", "quantity": "1", "batchCode": "L2"},
        {"warehouseCode": "WH-FS", "itemCode": "CUP", "inventoryType": "ZP", "quantity": "99"},
        {"warehouseCode": "WH-HZ", "itemCode": "NOT-ASKED", "inventoryType": "ZP", "quantity": "99"},
    ]
    answered, asked = ask(["CUP", "JUG"], success(*rows))
    assert answered.rows == {"CUP": rows[:2], "JUG": []} and answered.errors == []
    assert asked == [["CUP", "JUG"]]


def test_many_items_are_asked_in_batches(ask):
    items = [f"SKU-{n}" for n in range(2 * AT_ONCE + 1)]
    answered, asked = ask(items, success())
    assert [len(batch) for batch in asked] == [AT_ONCE, AT_ONCE, 1]
    assert [item for batch in asked for item in batch] == items == list(answered.rows)


LOST = [BUSY, (502, "<html>"), httpx.ReadTimeout("no answer"), httpx.ConnectError("refused"), "<response><flag>succ"]


@pytest.mark.parametrize("lost", LOST, ids=repr)
def test_an_answer_that_is_none_is_asked_for_once_more(ask, lost):
    answered, asked = ask(["CUP"], lost, success())
    assert answered.rows == {"CUP": []} and answered.errors == [] and len(asked) == 2


@pytest.mark.parametrize("lost", LOST, ids=repr)
def test_a_dead_warehouse_is_an_error_and_says_nothing_of_any_item(ask, lost):
    answered, asked = ask([f"SKU-{n}" for n in range(AT_ONCE + 1)], lost)
    assert answered.rows == {} and len(asked) == 2
    (error,) = answered.errors
    assert "WH-HZ" in error and " — " in error


def test_an_item_the_warehouse_refuses_by_name_does_not_hide_the_others(ask):
    refused = "<response><flag>failure</flag><code>E1</code><message>item JUG does not exist</message></response>"
    answered, asked = ask(["CUP", "JUG", "BOWL"], refused, success())
    assert answered.rows == {"CUP": [], "BOWL": []}
    assert asked == [["CUP", "JUG", "BOWL"], ["CUP", "BOWL"]]
    assert len(answered.errors) == 1 and "JUG" in answered.errors[0]


def test_a_wrong_signature_is_an_error_with_its_remedy(ask):
    refused = "<response><flag>failure</flag><code>sign-check-failure</code><message>Illegal</message></response>"
    answered, asked = ask(["CUP"], refused)
    assert answered.rows == {} and len(asked) == 1 and "WMS_SECRET" in answered.errors[0]
    assert "qmsecret" not in answered.errors[0]
