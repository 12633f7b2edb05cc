"""Orders that wait for a person, from the shop to the warehouse's own books."""

import json

import pytest

SKU = {"sku": "TEE-RED-M", "quantity": 60}
WHO = ("--by", "周敏", "--reason", "电话核实")
NEW = {"name": "陈晨", "phone": "13611112222", "province": "广东省", "city": "深圳市", "district": "南山区",
       "address": "科技园路371号"}  # fmt: skip


@pytest.fixture
def hub_with(hub):
    """A hub whose shop has four large orders, all held."""
    here = hub(shops="taobao-hz")
    numbers = here.sandbox.orders("taobao-hz", 4, state="paid", skus=[SKU])
    here.sandbox.step(900)
    assert here.tick().problems == []
    holds = {row["platform_order_no"]: row["hold_status"] for row in here.rows("FROM core.orders")}
    assert holds == dict.fromkeys(numbers, "review")
    return here, numbers


def test_what_a_person_decides_is_what_the_warehouse_gets(hub_with, tmp_path):
    here, (approved, rejected, moved, waiting) = hub_with
    assert here.sandbox.receipts()["qimen"] == []
    told = " ".join(message["body"] for message in here.sandbox.receipts()["dingtalk"])
    ids = {row["platform_order_no"]: row["order_id"] for row in here.rows("FROM core.orders")}
    assert all(told.count(f"http://127.0.0.1:8080/reviews/{order_id}") == 1 for order_id in ids.values())
    assert not [number for number in ids if number in told]

    path = tmp_path / "address.json"
    path.write_text(json.dumps(NEW, ensure_ascii=False), "utf-8")
    for arguments in (
        ("approve", approved, *WHO),
        ("reject", rejected, *WHO),
        ("readdress", moved, *WHO, "--from-json", str(path)),
    ):
        done = here.command("review", *arguments)
        assert done.returncode == 0, done.stderr
    for _ in range(2):
        here.sandbox.step(900)
        assert here.tick().problems == []

    receipts = here.sandbox.receipts()
    picked = {e["key"]: e["body"] for e in receipts["qimen"] if e["kind"] == "delivery_order"}
    assert picked.keys() == {f"OP{ids[approved]}", f"OP{ids[moved]}"}
    label = {effect["key"]: json.loads(effect["body"]) for effect in receipts["kuaidi100"]}[f"OP{ids[moved]}"]
    body = picked[f"OP{ids[moved]}"]
    assert NEW["address"] in body and NEW["phone"] in body and "<oaid>" not in body
    assert NEW["address"] in label["recMan"]["printAddr"] and "oaid" not in label
    assert "<oaid>" in picked[f"OP{ids[approved]}"]
    holds = {row["order_id"]: row["hold_status"] for row in here.rows("FROM core.orders")}
    assert (holds[ids[rejected]], holds[ids[waiting]]) == ("rejected", "review")
    kept = " ".join(str(row) for row in here.rows("SELECT body_masked, error FROM outbox.attempts"))
    assert NEW["address"] not in kept and NEW["phone"] not in kept
    told = " ".join(message["body"] for message in here.sandbox.receipts()["dingtalk"])
    assert all(told.count(f"/reviews/{order_id}") == 1 for order_id in ids.values())
    done = here.command("replay", "--into", str(tmp_path / "again"))
    assert done.returncode == 0, done.stdout


def test_an_order_that_moves_on_the_platform_after_a_readdress_waits_again(hub_with):
    here, (number, *_) = hub_with
    done = here.command("review", "readdress", number, *WHO, *(x for k, v in NEW.items() for x in (f"--{k}", v)))
    assert done.returncode == 0, done.stderr
    here.sandbox.control("POST", f"orders/{number}/address", city="宁波市", district="鄞州区", address="中山东路1号")
    here.sandbox.step(900)
    here.tick()
    (order,) = [row for row in here.rows("FROM core.orders") if row["platform_order_no"] == number]
    assert (order["city"], order["hold_status"]) == ("宁波市", "review")
    assert here.sandbox.receipts()["qimen"] == []
