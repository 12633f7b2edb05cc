"""Lazada's client against the simulated platform over real HTTP: everything is pulled, every write has one effect."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import NeedsReauthorisation
from orderpipe.platforms import Refused, Window
from orderpipe.platforms.lazada import LazadaClient


class Store:
    """A sandbox with this one store, and a client for it."""

    def __init__(self, sandbox, tokens):
        self.sandbox, self._tokens, self.slept = sandbox, tokens, []
        self.http = httpx.Client(trust_env=False, timeout=10)

    def client(self, **settings):
        names = ("app_key", "app_secret", "access_token", "refresh_token")
        shop = Shop(
            id="lazada-my", platform="lazada", name="Store", timezone="Asia/Kuala_Lumpur", currency="MYR",
            base_url=f"{self.sandbox.url}/lazada", settings=settings,
            credentials={name: self.sandbox.credentials[f"LAZADA_{name.upper()}"] for name in names},
        )  # fmt: skip
        clock = Clock(f"{self.sandbox.url}/_control/clock")
        return LazadaClient(shop, tokens=self._tokens, clock=clock, http=self.http, sleep=self.slept.append)

    def last(self, **ago):
        now = datetime.fromisoformat(self.sandbox.now()).astimezone(UTC)
        return Window(now - timedelta(**ago), now)

    def make(self, n=1, **wishes):
        return self.sandbox.orders("lazada-my", n, **wishes)

    def true(self, number):
        return next(order for order in self.sandbox.truth("lazada-my") if order["platform_order_no"] == number)

    def shipments(self):
        return [effect for effect in self.sandbox.receipts()["lazada"] if effect["kind"] == "shipment"]


@pytest.fixture
def store(sandbox, tokens):
    opened = []

    def start(**options):
        opened.append(Store(sandbox(shops="lazada-my", **options), tokens))
        return opened[-1]

    yield start
    for one in opened:
        one.http.close()


def documents(pages):
    return {payload.source_id: payload for page in pages for payload in page.payloads}


def test_every_order_and_every_case_of_a_store_is_pulled(store):
    here = store(history=30, orders_per_hour=10, pace=10)
    client, window = here.client(page_size=15), here.last(days=3)
    truth = here.sandbox.truth("lazada-my")
    pulled = documents(client.pull("order", window))
    assert len(truth) > 200
    assert {n: p.source_updated_at for n, p in pulled.items()} == {
        order["platform_order_no"]: datetime.fromisoformat(order["modified"]) for order in truth
    }
    assert client.census("order", window) == {n: p.source_updated_at for n, p in pulled.items()}
    units = {n: len(json.loads(p.payload)["order_items"]) for n, p in pulled.items()}
    assert units == {order["platform_order_no"]: len(order["lines"]) for order in truth}

    cases = documents(client.pull("refund", window))
    lines = {
        str(line["reverse_order_line_id"])
        for p in cases.values()
        for line in json.loads(p.payload)["reverse_order_lines"]
    }
    assert lines == {refund["platform_refund_id"] for order in truth for refund in order["refunds"]} and len(lines) > 5
    assert len(cases) < len(lines), "some cases hold several lines"
    assert client.census("refund", window) == {n: p.source_updated_at for n, p in cases.items()}


@pytest.mark.parametrize("shifts", [1, 3])
def test_an_order_that_changes_between_two_pages_costs_nobody(store, shifts):
    here = store()
    numbers = here.make(23, state="paid", spread=600)
    here.sandbox.step(60)
    window = here.last(hours=1)
    first = Window(window.start, window.end - timedelta(seconds=50))
    here.sandbox.fault("lazada", "shifted_page", times=shifts)
    client = here.client(page_size=5)
    pulled = set(documents(client.pull("order", first)))
    assert here.sandbox.control("GET", "faults")[0]["fired"] == shifts
    here.sandbox.step(60)
    pulled |= set(documents(client.pull("order", Window(first.end, here.last(hours=1).end))))
    assert pulled == set(numbers)


def test_a_token_that_ends_in_the_middle_of_a_walk_is_renewed(store):
    here = store()
    numbers = here.make(23)
    here.sandbox.fault("lazada", "expired_token", after=3)
    assert set(documents(here.client(page_size=5).pull("order", here.last(hours=1)))) == set(numbers)


def test_renewing_never_moves_the_end_of_the_authorisation(store):
    here = store()
    for _ in range(6):  # 177 of its 180 days
        here.sandbox.step(29.5 * 86400)
        client = here.client()
        assert client.census("order", here.last(hours=1)) == {}
    assert client.warnings == ["lazada-my: the seller must authorise the shop again within 3 days"]
    here.sandbox.step(33 * 86400)
    with pytest.raises(NeedsReauthorisation, match="LAZADA_REFRESH_TOKEN"):
        here.client().census("order", here.last(hours=1))


# ---- shipments


def test_a_shipment_is_packed_and_handed_over_once(store):
    here = store()
    [number] = here.make(state="paid", skus=["CUP-500-BL", "CUP-500-BL"])
    client = here.client()
    receipt = client.confirm_shipment(number, "", "")
    assert receipt["already_shipped"] is False and receipt["status"] == "shipped"
    assert [package["shipment_provider"] for package in receipt["packages"]] == ["LEX MY"]
    assert here.true(number)["status"] == "shipped"
    assert client.confirm_shipment(number, "", "")["already_shipped"] is True
    [effect] = here.shipments()
    assert (effect["key"], effect["requests"], effect["duplicates"]) == (number, 1, 0)


def test_some_units_can_be_shipped_before_the_others(store):
    here = store()
    [number] = here.make(state="paid", skus=["CUP-500-BL", "GLS-WINE-2"])
    first, second = [line["platform_line_id"] for line in here.true(number)["lines"]]
    client = here.client()
    client.confirm_shipment(number, "", "", lines=[second])
    assert [line["shipped"] for line in here.true(number)["lines"]] == [False, True]
    client.confirm_shipment(number, "", "", lines=[first])
    assert here.true(number)["status"] == "shipped" and len(here.shipments()) == 2
    with pytest.raises(Refused, match="does not hold"):
        client.confirm_shipment(number, "", "", lines=["1"])


@pytest.mark.parametrize("path", ["/order/fulfill/pack", "/order/package/rts"])
@pytest.mark.parametrize("kind", ["timeout_after_write", "truncated_body", "http_502_html", "business_busy"])
def test_an_unclear_end_of_a_shipment_is_looked_at_before_it_is_repeated(store, path, kind):
    here = store()
    [number] = here.make(state="paid")
    here.sandbox.fault("lazada", kind, match=path, **({"worked": True} if kind == "business_busy" else {}))
    assert here.client().confirm_shipment(number, "", "")["status"] == "shipped"
    [effect] = here.shipments()
    assert effect["duplicates"] == 0 and here.true(number)["status"] == "shipped"


def test_what_cannot_be_shipped_is_refused_with_its_state(store):
    here = store()
    [closed], [unpaid] = here.make(state="closed"), here.make()
    for number, state in ((closed, "canceled"), (unpaid, "unpaid")):
        with pytest.raises(Refused, match=state):
            here.client().confirm_shipment(number, "", "")
    with pytest.raises(Refused, match="E016"):
        here.client().confirm_shipment("17", "", "")
    assert here.shipments() == []


@pytest.mark.parametrize(("settings", "named"), [({}, False), ({"shipping_allocate_type": "NTFS"}, True)])
def test_only_a_cross_border_store_names_its_carrier(store, settings, named):
    here = store()
    [number] = here.make(state="paid")
    sent = []
    here.http.event_hooks["request"].append(lambda request: sent.append(request.read().decode()))
    here.client(**settings).confirm_shipment(number, "FM50", "")
    assert any("FM50" in body for body in sent) is named


# ---- listings


def product_of(here, sku="CUP-500-BL"):
    for payload in documents(here.client().pull("product", here.last(hours=1))).values():
        product = json.loads(payload.payload)
        if any(variant["SellerSku"] == sku for variant in product["skus"]):
            return product
    raise AssertionError(sku)


def test_a_listing_goes_off_sale_and_on_again(store):
    here = store()
    client, item_id = here.client(), str(product_of(here)["item_id"])
    assert client.suspend_listing(item_id)["already_inactive"] is False
    assert client.suspend_listing(item_id)["already_inactive"] is True
    assert product_of(here)["status"] == "InActive"
    assert here.sandbox.control("GET", "truth/listings") == [
        {"shop_id": "lazada-my", "product_id": item_id, "listed": False}
    ]
    receipt = client.resume_listing(item_id, 40)
    product = product_of(here)
    assert product["status"] == "Active" and here.sandbox.control("GET", "truth/listings") == []
    if receipt["stock_set"]:
        assert [sku["Available"] for sku in product["skus"]] == [40]
    assert [e["kind"] for e in here.sandbox.receipts()["lazada"]] == ["delisting", "listing"]


def test_every_listing_is_pulled_with_its_stock(store):
    here = store()
    client, window = here.client(), here.last(hours=1)
    pages = list(client.pull("product", window))
    products = [json.loads(payload.payload) for payload in documents(pages).values()]
    assert pages[0].reported == len(products) > 5
    assert client.census("product", window) == {n: p.source_updated_at for n, p in documents(pages).items()}
    stock = here.sandbox.control("GET", "stock")
    for sku in (sku for product in products for sku in product["skus"]):
        assert sku["Available"] == sum(warehouse[sku["SellerSku"]]["available"] for warehouse in stock.values())


def test_a_listing_nobody_knows_is_refused(store):
    here = store()
    with pytest.raises(Refused, match="E0002"):
        here.client().suspend_listing("17")
    with pytest.raises(Refused, match="item id"):
        here.client().suspend_listing("x")
