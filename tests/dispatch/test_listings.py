"""Listings off sale and on again at seven simulated platforms, over real HTTP."""

import pytest

from orderpipe import config
from orderpipe.clock import Clock
from orderpipe.dispatch import shops
from orderpipe.dispatch.listings import RESUME, SUSPEND
from orderpipe.dispatch.shops import Desk
from orderpipe.sandbox.model import load_goods

SEVEN = ("taobao-hz", "pinduoduo-hz", "douyin-hz", "jd-hz", "shopee-sg", "lazada-my", "shopify-us")
READ = {"taobao-hz", "shopee-sg", "lazada-my", "shopify-us"}  # the platforms that can be asked how a listing stands
GOODS = next(goods for goods in load_goods("config/goods.csv") if goods.sku == "GLS-WINE-2")


def product(shop):
    return GOODS.listing(shop.partition("-")[0]).product_id


def body(kind, shop, product_id=None):
    return {"kind": kind, "shop_id": shop, "product_id": product_id or product(shop), "quantity": 12}


@pytest.fixture
def desk(sandbox, configured, tmp_path, monkeypatch):
    """A desk on the seven shops of a sandbox, which is its attribute `world`."""
    world = sandbox(shops=",".join(SEVEN))
    monkeypatch.setenv("ORDERPIPE_SANDBOX_URL", world.url)
    for name, value in world.credentials.items():
        monkeypatch.setenv(name, value)
    settings = config.load(tmp_path / "home", configured(*SEVEN))
    settings.home.path.mkdir()
    made = Desk(settings, Clock(f"{world.url}/_control/clock"), sleep=lambda seconds: None)
    made.world = world
    yield made
    made.close()


def off(desk):
    return {(row["shop_id"], row["product_id"]) for row in desk.world.control("GET", "truth/listings")}


def test_every_platform_takes_a_listing_off_and_puts_it_on_again(desk):
    for shop in SEVEN:
        for kind in (SUSPEND, SUSPEND, RESUME, RESUME):
            outcome, shop_failed = desk.write(body(kind, shop), retry=False)
            assert (outcome.status, shop_failed) == ("acknowledged", False), outcome.error
            assert ((shop, product(shop)) in off(desk)) is (kind == SUSPEND)
            assert desk.client(shop).is_listed(product(shop)) is ((kind == RESUME) if shop in READ else None)
            assert product(shop) in outcome.body_masked


def test_a_write_whose_end_is_unknown_is_read_before_it_is_repeated(desk):
    for shop in SEVEN:
        desk.write(body(SUSPEND, shop), retry=False)
        requests = desk.world.receipts()["counts"][shop.partition("-")[0]]["requests"]
        outcome, _ = desk.write(body(SUSPEND, shop), retry=True)
        assert outcome.status == "acknowledged"
        again = desk.world.receipts()["counts"][shop.partition("-")[0]]["requests"] - requests
        assert again == (0 if shop in READ else 1)
        assert outcome.receipt.get("read", False) is (shop in READ)


def test_a_listing_that_is_gone_is_refused_for_good(desk):
    for shop in SEVEN:
        outcome, shop_failed = desk.write(body(SUSPEND, shop, "999"), retry=False)
        assert (outcome.status, shop_failed) == ("rejected", False), (shop, outcome)
        assert " — " in outcome.error


def test_a_listing_in_a_promotion_is_refused_with_the_remedy(desk):
    desk.world.fault("shopee", "in_promotion", times=9)
    outcome, _ = desk.write(body(SUSPEND, "shopee-sg"), retry=False)
    assert outcome.status == "rejected" and "promotion" in outcome.error


def test_a_shop_that_cannot_be_called_fails_alone_and_is_tried_again(desk):
    class Row:
        kind = SUSPEND

        def __init__(self, number, shop):
            self.instruction_id, self.retry, self.body = f"{number}", False, body(SUSPEND, shop, f"{number}")

    desk.world.control("POST", "credentials", shop="jd-hz", do="revoke")
    rows = [Row(number, "jd-hz") for number in range(3)] + [Row(7, "taken-away")]
    good = Row(8, "taobao-hz")
    good.body = body(SUSPEND, "taobao-hz")
    built = {row.instruction_id: row.body for row in [*rows, good]}
    calls = shops.calls(desk, [*rows, good], built)
    assert len(calls) == 3, "one for each shop"
    outcomes = {key: outcome for call in calls for key, outcome in call().items()}
    assert {key: outcome.status for key, outcome in outcomes.items()} == {
        "0": "retry", "1": "retry", "2": "retry", "7": "retry", "8": "acknowledged",
    }  # fmt: skip
    assert outcomes["1"].latency_ms == 0 and outcomes["1"].error == outcomes["0"].error, "asked once, not for each"
    assert "shops.yaml" in outcomes["7"].error
    secrets = [value for value in desk.world.credentials.values() if len(value) > 6]
    assert not [value for value in secrets if value in repr(outcomes)]


def test_instructions_of_one_product_are_one_write(desk):
    class Row:
        kind, retry = SUSPEND, False

        def __init__(self, number):
            self.instruction_id = number

    built = {number: body(SUSPEND, "taobao-hz") for number in ("a", "b")}
    before = desk.world.receipts()["counts"]["taobao"]["requests"]
    (call,) = shops.calls(desk, [Row("a"), Row("b")], built)
    outcomes = call()
    assert outcomes["a"] is outcomes["b"] and outcomes["a"].status == "acknowledged"
    assert desk.world.receipts()["counts"]["taobao"]["requests"] == before + 1
