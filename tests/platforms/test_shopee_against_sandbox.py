"""Shopee's client against the simulated platform over real HTTP: everything is pulled and written back once, whatever
goes wrong on the way."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import NeedsReauthorisation, PlatformError
from orderpipe.platforms import Refused, TokenStore, Window
from orderpipe.platforms.shopee import ShopeeClient

SHOP = "shopee-sg"


class Here:
    """A running sandbox and a client of its shop."""

    def __init__(self, sandbox: Any, tokens: TokenStore):
        self.sandbox, self.tokens = sandbox, tokens
        self.answers: list[bytes] = []
        self.http = httpx.Client(trust_env=False, timeout=10, event_hooks={"response": [self._keep]})

    def _keep(self, response: httpx.Response) -> None:
        self.answers.append(response.read())

    def client(self, tokens: TokenStore | None = None, **settings: Any) -> ShopeeClient:
        names = ("partner_id", "partner_key", "shop_id", "access_token", "refresh_token")
        shop = Shop(
            id=SHOP, platform="shopee", name="SG", timezone="Asia/Singapore", currency="SGD",
            base_url=f"{self.sandbox.url}/shopee",
            credentials={name: self.sandbox.credentials[f"SHOPEE_{name.upper()}"] for name in names},
            settings={"calls_per_second": 1000, **settings},
        )  # fmt: skip
        clock = Clock(f"{self.sandbox.url}/_control/clock")
        return ShopeeClient(shop, tokens=tokens or self.tokens, clock=clock, http=self.http, sleep=lambda pause: None)

    def now(self) -> datetime:
        return datetime.fromisoformat(self.sandbox.now()).astimezone(UTC)

    def last(self, **ago: float) -> Window:
        return Window(self.now() - timedelta(**ago), self.now())

    def truth(self, window: Window) -> dict[str, datetime]:
        found = {o["platform_order_no"]: datetime.fromisoformat(o["modified"]) for o in self.sandbox.truth(SHOP)}
        return {number: at for number, at in found.items() if window.start <= at <= window.end}


@pytest.fixture
def here(sandbox, tmp_path):
    opened = []

    def start(**options: Any) -> Here:
        opened.append(Here(sandbox(shops=SHOP, **options), TokenStore(tmp_path / "state" / "tokens.json")))
        return opened[-1]

    yield start
    for one in opened:
        one.http.close()


def documents(pages: Any) -> dict[str, Any]:
    return {payload.source_id: payload for page in pages for payload in page.payloads}


def test_every_order_is_pulled_at_its_newest_state_byte_for_byte(here):
    here = here(history=10, orders_per_hour=15)
    client, window = here.client(page_size=20), here.last(hours=20)
    pulled = documents(client.pull("order", window))
    truth = here.truth(window)
    assert len(truth) > 100
    assert {number: payload.source_updated_at for number, payload in pulled.items()} == truth
    assert client.census("order", window) == truth
    sent = b"\n".join(here.answers)
    for number, payload in pulled.items():
        own, _, money = payload.payload.partition(',"_escrow":')
        assert own.encode() in sent and (not money or money[:-1].encode() in sent)
        assert json.loads(payload.payload)["order_sn"] == number


@pytest.mark.parametrize("closed", [True, False], ids=["closed window", "window still open"])
def test_an_order_that_moves_between_two_pages_hides_nobody(here, closed):
    here = here()
    numbers = set(here.sandbox.orders(SHOP, 23, spread=300, state="paid"))
    here.sandbox.step(120)
    start, ahead = here.now() - timedelta(hours=1), timedelta(seconds=-60) if closed else timedelta(hours=1)
    first, client = Window(start, here.now() + ahead), here.client(page_size=5)
    here.sandbox.fault("shopee", "shifted_page", times=3)
    pulled = set(documents(client.pull("order", first)))
    assert here.sandbox.control("GET", "faults")[0]["fired"] == 3
    if closed:  # what changed has left the window and is found by the next one
        here.sandbox.step(120)
        pulled |= set(documents(client.pull("order", Window(first.end - timedelta(minutes=5), here.now()))))
    assert pulled == numbers


def test_a_list_that_keeps_rows_back_is_found_out_by_the_census(here):
    here = here()
    numbers = set(here.sandbox.orders(SHOP, 7, spread=60, state="paid"))
    here.sandbox.fault("shopee", "short_page")
    client = here.client()
    pulled = set(documents(client.pull("order", here.last(hours=1))))
    assert len(pulled) == 6 and set(client.census("order", here.last(hours=1))) == numbers


FAULTS = [
    "http_429", "http_500", "http_502_html", "truncated_body", "malformed_json", "timeout_after_write",
    "business_busy", "throttle", "expired_token", "duplicate_rows", "missing_field", "missing_detail", "clock_skew",
    "no_escrow", "exclusive_bounds",
]  # fmt: skip


ONCE = ("expired_token", "clock_skew", "missing_detail")  # what is wrong twice running is told


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_that_passes_costs_no_order(here, kind):
    here = here()
    numbers = set(here.sandbox.orders(SHOP, 12, spread=60, state="paid"))
    here.sandbox.fault("shopee", kind, times=1 if kind in ONCE else 2)
    assert set(documents(here.client(page_size=5).pull("order", here.last(hours=1)))) == numbers
    assert here.sandbox.control("GET", "faults")[0]["fired"] >= 1


def test_tokens_live_through_days_without_anybody(here):
    here = here()
    number = here.sandbox.orders(SHOP, 1, state="paid")[0]
    for _ in range(12):
        here.sandbox.step(3 * 3600)
        assert set(documents(here.client().pull("order", here.last(days=3)))) == {number}


def test_a_grant_that_is_taken_back_needs_a_person_and_a_new_one_heals_it(here):
    here = here()
    here.sandbox.control("POST", "credentials", shop=SHOP, do="revoke")
    with pytest.raises(NeedsReauthorisation, match="SHOPEE_REFRESH_TOKEN"):
        documents(here.client().pull("order", here.last(hours=1)))
    here.sandbox.credentials = here.sandbox.control("POST", "credentials", shop=SHOP, do="authorise")
    assert documents(here.client().pull("order", here.last(hours=1))) == {}


@pytest.mark.parametrize("choice", [None, {"probability": 1}, {"times": 1, "refuse": True}])
def test_returns_are_complete_whichever_page_is_the_first(here, choice):
    here = here()
    numbers = here.sandbox.orders(SHOP, 7, spread=60, state="shipped", cod=False, skus=["CUP-500-BL"])
    for number in numbers:
        here.sandbox.advance(number, "refund_requested")
        here.sandbox.step(1)
    if choice:
        here.sandbox.fault("shopee", "first_page_one", **choice)
    client, window = here.client(page_size=3), here.last(hours=1)
    pulled = documents(client.pull("refund", window))
    assert {json.loads(payload.payload)["order_sn"] for payload in pulled.values()} == set(numbers)
    assert client.census("refund", window) == {key: payload.source_updated_at for key, payload in pulled.items()}


@pytest.mark.parametrize("by_modified", [True, False])
def test_listings_are_pulled_with_their_models_and_change_when_they_are_taken_down(here, by_modified):
    here = here()
    client = here.client(items_by_modified=by_modified, page_size=7)
    window = here.last(days=3650)
    pulled = documents(client.pull("product", window))
    assert len(pulled) > 15
    assert set(client.census("product", window)) == set(pulled)
    chosen = next(iter(pulled))
    here.sandbox.step(60)
    client.suspend_listing(chosen)
    changed = documents(client.pull("product", here.last(seconds=30)))
    assert json.loads(changed[chosen].payload)["item_status"] == "UNLIST"
    assert set(changed) == ({chosen} if by_modified else set(pulled))
    client.resume_listing(chosen, 3)
    assert [effect["kind"] for effect in here.sandbox.receipts()["shopee"]] == ["delisting", "listing"]


def test_a_listing_in_a_promotion_stays_up_and_says_why(here):
    here = here()
    chosen = next(iter(documents(here.client().pull("product", here.last(days=3650)))))
    here.sandbox.fault("shopee", "in_promotion")
    with pytest.raises(Refused, match="out of the promotion"):
        here.client().suspend_listing(chosen)


UNCLEAR = ["timeout_after_write", "truncated_body", "malformed_json"]


@pytest.mark.parametrize("kind", [None, *UNCLEAR])
def test_every_parcel_is_arranged_once(here, kind):
    here = here()
    numbers = here.sandbox.orders(SHOP, 6, spread=60, state="paid")
    client = here.client()
    for number in numbers:
        if kind:
            here.sandbox.fault("shopee", kind, match="ship_order")
        receipt = client.confirm_shipment(number, "SF", f"SF{number}")
        assert receipt["already_shipped"] is (kind is not None)
        assert client.confirm_shipment(number, "SF", f"SF{number}")["already_shipped"] is True
    effects = here.sandbox.receipts()["shopee"]
    assert [effect["requests"] for effect in effects] == [1] * 6
    assert {effect["method"] for effect in effects} == {"non_integrated", "dropoff"}
    assert all(effect["tracking"] in ("", f"SF{effect['key']}") for effect in effects)


def test_a_parcel_picked_up_by_the_platform_goes_to_the_flagged_address(here):
    here = here()
    for number in here.sandbox.orders(SHOP, 4, spread=60, state="paid"):
        try:
            here.client(ship_method="pickup").confirm_shipment(number, "SF", "SF1")
        except Refused as error:
            assert "only non_integrated" in str(error)
    bodies = [json.loads(effect["body"])["pickup"] for effect in here.sandbox.receipts()["shopee"]]
    assert bodies and all(body == {"address_id": 234, "pickup_time_id": "slot-2"} for body in bodies)


def test_a_cancelled_order_is_not_shipped(here):
    here = here()
    (number,) = here.sandbox.orders(SHOP, 1, state="paid", cod=False)
    here.sandbox.advance(number, "refunded")
    with pytest.raises(PlatformError):
        here.client().confirm_shipment(number, "SF", "SF1")
    assert here.sandbox.receipts()["shopee"] == []
