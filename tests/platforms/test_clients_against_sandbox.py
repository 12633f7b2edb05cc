"""The clients against simulated platforms over real HTTP: everything is pulled, whatever goes wrong on the way."""

import csv
import json
import time
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from orderpipe.clock import Clock
from orderpipe.errors import BadResponse, NeedsReauthorisation, Throttled, Unavailable
from orderpipe.platforms import PLATFORMS, Refused, TokenStore, Window

GOODS_FILE = Path(__file__).parents[2] / "config" / "goods.csv"
GOODS = list(csv.DictReader(GOODS_FILE.read_text("utf-8").splitlines()))
SHOPS = {"taobao": "taobao-hz", "shopify": "shopify-us"}
PLATFORM_NAMES = tuple(SHOPS)


class World:
    """A running sandbox with a client for each of its shops."""

    def __init__(self, sandbox, tokens, builders):
        self.sandbox, self.tokens, self.builders = sandbox, tokens, builders
        self.slept: list[float] = []
        self.answers: list[bytes] = []
        self.http = httpx.Client(trust_env=False, timeout=10, event_hooks={"response": [self._keep]})

    def _keep(self, response):
        self.answers.append(response.read())

    def client(self, platform, tokens=None, patience=None, credentials=None, **settings):
        known = self.sandbox.credentials
        names = {
            "taobao": ("app_key", "app_secret", "session", "refresh_token"),
            "shopify": ("client_id", "client_secret"),
        }[platform]
        found = {name: known[f"{platform}_{name}".upper()] for name in names}
        base = f"{self.sandbox.url}/{'shopify/demo' if platform == 'shopify' else 'taobao'}"
        shop = self.builders[platform](base, credentials={**found, **(credentials or {})}, **settings)
        return PLATFORMS[platform](
            shop,
            tokens=tokens or self.tokens,
            clock=Clock(f"{self.sandbox.url}/_control/clock"),
            http=self.http,
            sleep=patience or self.slept.append,
        )

    def now(self):
        return datetime.fromisoformat(self.sandbox.now()).astimezone(UTC)

    def last(self, **ago):
        """The window from so long ago until now."""
        return Window(self.now() - timedelta(**ago), self.now())

    def truth(self, platform):
        """Modified time by order number."""
        return {
            order["platform_order_no"]: datetime.fromisoformat(order["modified"])
            for order in self.sandbox.truth(SHOPS[platform])
        }

    def make(self, platform, n, **wishes):
        """Orders one second apart, old enough to be found by the search of either platform."""
        made = []
        for _ in range(n):
            made += self.sandbox.orders(SHOPS[platform], 1, **wishes)
            self.sandbox.step(1)
        self.sandbox.step(120)
        return made


@pytest.fixture
def world(sandbox, tokens, taobao_shop, shopify_shop):
    builders = {"taobao": taobao_shop, "shopify": shopify_shop}
    worlds = []

    def start(**options):
        worlds.append(World(sandbox(**options), tokens, builders))
        return worlds[-1]

    yield start
    for one in worlds:
        one.http.close()


def documents(pages):
    return {payload.source_id: payload for page in pages for payload in page.payloads}


@pytest.mark.parametrize("platform", PLATFORM_NAMES)
def test_every_order_of_a_shop_is_pulled_at_its_newest_state(world, platform):
    here = world(history=4, orders_per_hour=40)
    here.sandbox.step(120)
    client = here.client(platform, patience=time.sleep, page_size=20)  # points come back by real time
    window = Window(here.now() - timedelta(hours=10), here.now() - client.policy("order").lag)
    pulled = documents(client.pull("order", window))
    truth = {number: at for number, at in here.truth(platform).items() if window.start <= at <= window.end}
    assert len(truth) > 100
    assert {number: payload.source_updated_at for number, payload in pulled.items()} == truth
    assert client.census("order", window) == truth


def test_refunds_are_pulled_complete(world):
    here = world()
    numbers = here.make("taobao", 7, state="paid")
    for number in numbers:
        here.sandbox.advance(number, "refund_requested")
        here.sandbox.step(1)
    client, window = here.client("taobao", page_size=3), here.last(hours=1)
    pages = list(client.pull("refund", window))
    pulled = documents(pages)
    assert pages[0].reported == len(pulled) == sum(len(order["refunds"]) for order in here.sandbox.truth("taobao-hz"))
    assert {str(json.loads(payload.payload)["tid"]) for payload in pulled.values()} == set(numbers)
    assert client.census("refund", window) == {key: payload.source_updated_at for key, payload in pulled.items()}


@pytest.mark.parametrize("platform", PLATFORM_NAMES)
def test_payloads_are_exactly_the_bytes_the_platform_sent(world, platform):
    here = world(history=2, orders_per_hour=20)
    here.sandbox.step(120)
    pulled = documents(here.client(platform).pull("order", here.last(hours=5)))
    assert pulled
    sent = b"\n".join(here.answers)
    for number, payload in pulled.items():
        own = payload.payload.partition(',"_moreLineItems":')[0]
        assert own.encode() in sent
        document = json.loads(payload.payload)
        assert str(document.get("tid") or document.get("legacyResourceId")) == number


@pytest.mark.parametrize("platform", PLATFORM_NAMES)
@pytest.mark.parametrize("closed", [True, False], ids=["closed window", "window still open"])
def test_a_trade_modified_between_two_pages_loses_nobody(world, platform, closed):
    here = world()
    numbers = here.make(platform, 23, state="paid")
    start = here.now() - timedelta(hours=1)
    client = here.client(platform, page_size=5)
    first = Window(start, here.now() - timedelta(seconds=60) if closed else here.now() + timedelta(hours=1))
    here.sandbox.fault(platform, "shifted_page", times=3)
    here.sandbox.step(5)
    pulled = set(documents(client.pull("order", first)))
    assert here.sandbox.control("GET", "faults")[0]["fired"] >= 2
    if closed:  # what changed has left the window and is found by the next one
        here.sandbox.step(120)
        pulled |= set(documents(client.pull("order", Window(first.end - timedelta(minutes=3), here.now()))))
    assert pulled == set(numbers)


@pytest.mark.parametrize("delta", [-9, -1, 1, 9])
def test_a_wrong_count_is_found_out_and_no_trade_is_lost(world, delta):
    here = world()
    numbers = here.make("taobao", 23)
    here.sandbox.fault("taobao", "wrong_count", delta=delta, times=1)
    pages = list(here.client("taobao", page_size=5).pull("order", here.last(hours=1)))
    assert set(documents(pages)) == set(numbers) and pages[0].reported == 23


TRANSPORT = ["http_429", "http_500", "http_502_html", "truncated_body", "malformed_json", "timeout_after_write"]
FAULTS = [(platform, kind) for platform in PLATFORM_NAMES for kind in [*TRANSPORT, "business_busy", "throttle"]] + [
    ("taobao", "expired_token"),
    ("taobao", "duplicate_rows"),
    ("taobao", "missing_field"),
    ("shopify", "expired_token"),
    ("shopify", "duplicate_rows"),
    ("shopify", "missing_field"),
    ("shopify", "partial_data"),
]


@pytest.mark.parametrize(("platform", "kind"), FAULTS)
def test_a_fault_that_passes_costs_no_order(world, platform, kind):
    here = world()
    numbers = here.make(platform, 12)
    client = here.client(platform, page_size=5)
    here.sandbox.fault(platform, kind, times=1 if kind == "expired_token" else 2, after=1)
    assert set(documents(client.pull("order", here.last(hours=1)))) == set(numbers)
    assert here.sandbox.control("GET", "faults")[0]["fired"] >= 1


@pytest.mark.parametrize(
    ("platform", "kind", "error", "scope"),
    [
        ("taobao", "http_500", Unavailable, "shop"),
        ("taobao", "business_busy", Unavailable, "shop"),
        ("taobao", "throttle", Throttled, "shop"),
        ("taobao", "malformed_json", BadResponse, "window"),
        ("shopify", "http_502_html", Unavailable, "shop"),
        ("shopify", "throttle", Throttled, "shop"),
        ("shopify", "malformed_json", BadResponse, "window"),
        ("shopify", "partial_data", BadResponse, "window"),
    ],
)
def test_a_fault_that_stays_fails_the_window_and_says_where(world, platform, kind, error, scope):
    here = world()
    here.make(platform, 3)
    here.sandbox.fault(platform, kind, times=1000, match={"taobao": "taobao.", "shopify": "OrdersPage"}[platform])
    with pytest.raises(error) as caught:
        list(here.client(platform).pull("order", here.last(hours=1)))
    assert caught.value.scope == scope and SHOPS[platform] in str(caught.value) and caught.value.remedy


def test_a_platform_that_hangs_is_not_waited_for_without_end(world):
    here = world()
    numbers = here.make("taobao", 2)
    here.http.timeout = httpx.Timeout(0.5)
    here.sandbox.fault("taobao", "hang", times=1)
    assert set(documents(here.client("taobao").pull("order", here.last(hours=1)))) == set(numbers)


# Tokens


def test_a_session_refreshed_by_one_process_serves_the_next_one(world, tokens):
    here = world()
    numbers = here.make("taobao", 3)
    at_start = here.sandbox.credentials
    here.sandbox.fault("taobao", "expired_token", times=1)
    assert set(documents(here.client("taobao").pull("order", here.last(hours=1)))) == set(numbers)
    rotated = here.sandbox.control("GET", "credentials")
    assert rotated["TAOBAO_SESSION"] != at_start["TAOBAO_SESSION"]
    stored = json.loads(tokens.path.read_text())["taobao-hz"]
    assert stored["access_token"] == rotated["TAOBAO_SESSION"]
    assert stored["refresh_token"] == rotated["TAOBAO_REFRESH_TOKEN"]
    later = here.client("taobao", tokens=TokenStore(tokens.path))  # configured with the session of the start
    assert set(documents(later.pull("order", here.last(hours=1)))) == set(numbers)


def test_a_process_killed_after_the_refresh_leaves_a_pair_that_works(world, tokens):
    class DiesAfterWriting(TokenStore):
        def set(self, shop_id, token):
            super().set(shop_id, token)
            raise KeyboardInterrupt

    here = world()
    numbers = here.make("taobao", 3)
    here.sandbox.fault("taobao", "expired_token", times=1)
    with pytest.raises(KeyboardInterrupt):
        list(here.client("taobao", tokens=DiesAfterWriting(tokens.path)).pull("order", here.last(hours=1)))
    restarted = here.client("taobao", tokens=TokenStore(tokens.path))
    assert set(documents(restarted.pull("order", here.last(hours=1)))) == set(numbers)


@pytest.mark.parametrize(
    ("platform", "wrong", "remedy"),
    [
        ("taobao", "app_secret", "TAOBAO_APP_SECRET"),
        ("taobao", "app_key", "TAOBAO_APP_KEY"),
        ("shopify", "client_secret", "SHOPIFY_CLIENT_SECRET"),
    ],
)
def test_a_wrong_secret_is_told_with_its_variable_and_without_its_value(world, platform, wrong, remedy):
    here = world()
    client = here.client(platform, credentials={wrong: "wrong-secret-value"})
    with pytest.raises(NeedsReauthorisation, match=remedy) as caught:
        list(client.pull("order", here.last(hours=1)))
    told = "".join(traceback.format_exception(caught.value))
    secrets = [value for name, value in here.sandbox.credentials.items() if "KEY" not in name]
    assert not [secret for secret in [*secrets, "wrong-secret-value"] if secret in told]


# Shopify's own


def test_an_order_with_more_lines_than_a_page_is_pulled_with_all_of_them(world):
    here = world()
    (number,) = here.make("shopify", 1, skus=[item["sku"] for item in GOODS[:30]])
    (order,) = here.sandbox.truth("shopify-us")
    (payload,) = documents(here.client("shopify").pull("order", here.last(hours=1))).values()
    document = json.loads(payload.payload)
    lines = document["lineItems"]["nodes"] + document["_moreLineItems"]
    assert payload.source_id == number and len(order["lines"]) >= 30
    assert [line["id"].rpartition("/")[2] for line in lines] == [line["platform_line_id"] for line in order["lines"]]
    assert all(set(line) == set(lines[0]) for line in lines)


@pytest.mark.slow
def test_the_points_of_a_shop_are_spent_without_being_refused(world):
    """Real waiting: at the measured price only so many orders a second can be read; not one query is throttled."""
    here = world()
    here.make("shopify", 3)
    here.sandbox.orders("shopify-us", 240)
    here.sandbox.step(120)
    waits = []

    def patience(seconds):
        waits.append(seconds)
        time.sleep(seconds)

    client = here.client("shopify", patience=patience)
    assert len(documents(client.pull("order", here.last(hours=1)))) == 243
    assert not any(b"THROTTLED" in answer for answer in here.answers)
    assert waits


# Write-backs


@pytest.mark.parametrize("kind", [None, "timeout_after_write", "http_502_html", "business_busy", "hang"])
def test_a_shipment_reaches_the_platform_exactly_once(world, kind):
    here = world()
    (number,) = here.make("taobao", 1, state="paid")
    if kind:
        here.http.timeout = httpx.Timeout(0.5)
        here.sandbox.fault("taobao", kind, times=1, match="offline.send")
    receipt = here.client("taobao").confirm_shipment(number, "SF", "SF1390000000001")
    (shipment,) = [effect for effect in here.sandbox.receipts()["taobao"] if effect["kind"] == "shipment"]
    assert (shipment["key"], shipment["tracking"], shipment["requests"]) == (number, "SF1390000000001", 1)
    assert receipt["already_shipped"] is (kind == "timeout_after_write")
    assert here.sandbox.truth("taobao-hz")[0]["status"] == "shipped"


def test_a_trade_leaves_in_two_parcels(world):
    here = world()
    (number,) = here.make("taobao", 1, state="paid", skus=["TEE-RED-M", "CUP-500-BL"])
    first, second = (line["platform_line_id"] for line in here.sandbox.truth("taobao-hz")[0]["lines"])
    client = here.client("taobao")
    client.confirm_shipment(number, "SF", "SF1390000000001", lines=[second])
    assert [line["shipped"] for line in here.sandbox.truth("taobao-hz")[0]["lines"]] == [False, True]
    here.sandbox.fault("taobao", "timeout_after_write", times=1, match="offline.send")
    assert client.confirm_shipment(number, "SF", "SF1390000000002", lines=[first])["already_shipped"] is True
    assert here.sandbox.truth("taobao-hz")[0]["status"] == "shipped"


def test_confirming_a_shipment_twice_is_harmless_and_a_closed_trade_is_refused(world):
    here = world()
    shipped, closed = here.make("taobao", 2, state="paid")
    here.sandbox.advance(closed, "closed")
    client = here.client("taobao")
    client.confirm_shipment(shipped, "SF", "SF1390000000001")
    assert client.confirm_shipment(shipped, "SF", "SF1390000000001")["already_shipped"] is True
    with pytest.raises(Refused, match="B04"):
        client.confirm_shipment(closed, "SF", "SF1390000000002")


@pytest.mark.parametrize(("platform", "column"), [("taobao", "taobao_num_iid"), ("shopify", "shopify_product_id")])
def test_a_listing_is_taken_off_sale_and_put_back(world, platform, column):
    here = world()
    listing = GOODS[0][column]
    client = here.client(platform)
    client.suspend_listing(listing)
    off = [entry["product_id"] for entry in here.sandbox.control("GET", "truth/listings")]
    client.resume_listing(listing, 12)
    assert off == [listing] and here.sandbox.control("GET", "truth/listings") == []
    with pytest.raises(Refused):
        client.suspend_listing("999")
