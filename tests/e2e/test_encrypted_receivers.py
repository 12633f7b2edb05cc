"""Orders whose receivers come in ciphertext, from the platform to warehouse and courier."""

import json
import re
from html import unescape

NETS = {"taobao-hz": "taobao", "pinduoduo-hz": "pinduoduoWx", "jd-hz": "jdalpha", "douyin-hz": "douyin"}


def test_what_a_platform_encrypts_reaches_warehouse_and_courier_and_no_ledger(hub):
    here = hub(",".join(NETS))
    for shop in NETS:
        here.sandbox.orders(shop, 2, state="paid", skus=["TEE-RED-M"])
    here.sandbox.step(900)
    assert here.tick().problems == []
    here.sandbox.step(900)
    assert here.tick().problems == []  # courier after warehouse, where one waits for the other

    held = {
        row["order_id"]: row
        for row in here.rows(
            "SELECT order_id, shop_id, oaid, tokens FROM vault.pii.contacts JOIN core.orders USING (order_id)",
            vault=True,
        )
    }
    receipts = here.sandbox.receipts()
    picked = {effect["key"]: effect["body"] for effect in receipts["qimen"] if effect["kind"] == "delivery_order"}
    labelled = {effect["key"]: json.loads(effect["body"]) for effect in receipts["kuaidi100"]}
    went = {row["shop_id"]: row["tokens"] for number, row in held.items() if f"OP{number}" in picked.keys() & labelled}
    assert set(went) == set(NETS)
    assert {shop for shop, tokens in went.items() if tokens} == {"pinduoduo-hz", "jd-hz", "douyin-hz"}
    kept = " ".join(row["body_masked"] for row in here.rows("SELECT body_masked FROM outbox.attempts"))
    for number, row in held.items():
        if body := picked.get(f"OP{number}"):
            sent = re.search("<receiverTokens>(.*?)</receiverTokens>", body)
            assert (unescape(sent[1]) if sent else None) == row["tokens"]
        if param := labelled.get(f"OP{number}"):
            assert (param["oaid"], param["net"]) == (row["oaid"], NETS[row["shop_id"]])
        assert row["oaid"] not in kept
        assert not [text for text in json.loads(row["tokens"] or "{}").values() if text and text in kept]
