"""Receivers that a platform shows in ciphertext only: handed on whole, in the words of WMS and courier, kept by neither
ledger nor log."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from orderpipe.config import Receiver, Warehouse
from orderpipe.dispatch import bodies, masking
from orderpipe.dispatch.qimen import xml_text

TOKENS = '{"receiver_name":"~AgAAA<&\\"1~","receiver_phone":"$x$y=$"}'
PLACE = dict.fromkeys(("name", "mobile", "province", "city", "area", "address"), "x")
SETTINGS = SimpleNamespace(
    shops={}, warehouses={"HZ": Warehouse(id="HZ", name="一号仓", wms_code="WH", owner_code="O", sender=PLACE)}
)
NOW = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)


def row(platform="pinduoduo", oaid="oaid-1", tokens=TOKENS):
    texts = ("ordered_at", "paid_at", "payable_amount", "goods_amount", "discount_amount", "freight", "to_collect",
             "paid_amount", "name", "phone", "province", "city", "district", "town", "address", "zip", "buyer_message",
             "seller_memo", "weight_kg", "shop_id")  # fmt: skip
    known = {
        "parcel_id": "7",
        "platform": platform,
        "platform_order_no": "211213-1",
        "warehouse_id": "HZ",
        "is_cod": False,
        "order_type": "JYCK",
        "origin_parcel_id": None,
    }
    return dict.fromkeys(texts) | known | {"oaid": oaid, "tokens": tokens, "lines": []}


def label(platform="pinduoduo", oaid="oaid-1", **settings):
    return bodies.label_order(row(platform, oaid), SETTINGS, Receiver(name="courier", base_url="", settings=settings))


def delivery(**known):
    return bodies.delivery_order(row(**known), SETTINGS, Receiver(name="wms", base_url=""), NOW)["delivery_order"]


def test_the_warehouse_gets_the_ciphertexts_as_the_platform_wrote_them():
    root = ET.fromstring(xml_text({"deliveryOrder": delivery()}))
    assert root.findtext("deliveryOrder/receiverInfo/extendProps/receiverTokens") == TOKENS
    assert root.findtext("deliveryOrder/receiverInfo/oaid") == "oaid-1"


def test_a_receiver_without_ciphertexts_has_no_element_for_them():
    root = ET.fromstring(xml_text({"deliveryOrder": delivery(tokens=None)}))
    assert root.find("deliveryOrder/receiverInfo") is not None and root.find(".//extendProps") is None


NETS = [("taobao", "taobao"), ("pinduoduo", "pinduoduoWx"), ("jd", "jdalpha"), ("douyin", "douyin")]


@pytest.mark.parametrize(("platform", "net"), NETS)
def test_the_courier_is_told_whose_network_resolves_the_receiver(platform, net):
    param = label(platform)
    assert (param["oaid"], param["thirdOrderId"], param["net"]) == ("oaid-1", "211213-1", net)


def test_a_receiver_in_clear_or_of_no_known_network_names_none():
    assert label("taobao", oaid=None).keys().isdisjoint({"oaid", "thirdOrderId", "net"})
    assert "net" not in label("shopee")


def test_networks_can_be_named_otherwise():
    nets = {"taobao": "cainiao", "douyin": "", "kuaishou": "kuaishou"}
    named = {platform: label(platform, nets=nets).get("net") for platform in ("taobao", "douyin", "kuaishou", "jd")}
    assert named == {"taobao": "cainiao", "douyin": None, "kuaishou": "kuaishou", "jd": "jdalpha"}
    assert label("jd", nets=None)["net"] == "jdalpha"


def test_what_is_kept_of_a_request_shows_the_network_and_no_ciphertext():
    shown = str(masking.document({"order": delivery(), "label": label()}))
    assert "pinduoduoWx" in shown and "receiverTokens" in shown
    assert "AgAAA" not in shown and "$x$y" not in shown and "oaid-1" not in shown
