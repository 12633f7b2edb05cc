"""Shipments confirmed to Shopify: once, to what may be shipped, whatever becomes of the answer."""

import re

import httpx
import pytest

from orderpipe.clock import Clock
from orderpipe.platforms import Refused, Unanswered
from orderpipe.platforms.shopify import ShopifyClient

DHL = ("DHL Express", "JD014600003GB")


# Against a scripted platform


def row(number, remaining=1):
    line = {"id": f"gid://shopify/LineItem/{number}"}
    return {"id": f"gid://shopify/FulfillmentOrderLineItem/9{number}", "remainingQuantity": remaining, "lineItem": line}


def waiting(number, *rows, status="OPEN", place="Shop", sent=(), more=None):
    """A fulfilment order. sent: (tracking number, status) of its parcels; more: cursor of its further lines."""
    ready = status in ("OPEN", "IN_PROGRESS")
    return {
        "id": f"gid://shopify/FulfillmentOrder/{number}",
        "status": status,
        "supportedActions": [{"action": "CREATE_FULFILLMENT" if ready else "RELEASE_HOLD"}],
        "assignedLocation": {"name": place},
        "fulfillments": {"nodes": [{"status": state, "trackingInfo": [{"number": no}]} for no, state in sent]},
        "lineItems": {"pageInfo": {"hasNextPage": more is not None, "endCursor": more}, "nodes": list(rows)},
    }


def order(*found, status="UNFULFILLED", after=None):
    info = {"hasNextPage": after is not None, "endCursor": after}
    whole = {"displayFulfillmentStatus": status, "fulfillmentOrders": {"pageInfo": info, "nodes": list(found)}}
    return {"data": {"order": whole}}


def made(number=5):
    created = {"fulfillment": {"id": f"gid://shopify/Fulfillment/{number}", "status": "SUCCESS"}, "userErrors": []}
    return {"data": {"fulfillmentCreate": created}}


def refused(message):
    return {"data": {"fulfillmentCreate": {"fulfillment": None, "userErrors": [{"field": [], "message": message}]}}}


DONE = order(waiting(1, row(11, 0), status="CLOSED", sent=[(DHL[1], "SUCCESS")]), status="FULFILLED")


class Scripted:
    """A client whose reads and writes get these answers in turn, the last ones for ever."""

    def __init__(self, script, shop, tokens, clock, reads, writes):
        self.reads, self.writes, self.asked, self.sent = list(reads), list(writes), [], []
        other_side = script(self._answer)
        self.client = ShopifyClient(
            shop, tokens=tokens, clock=clock, http=other_side.http, sleep=other_side.slept.append
        )

    def _answer(self, asked, request):
        if request.url.path.endswith("/oauth/access_token"):
            return {"access_token": "t", "expires_in": 86399}
        name = re.search(r"(?:query|mutation) (\w+)", asked["query"])[1]
        writes = name == "FulfilmentCreate"
        (self.sent if writes else self.asked).append(asked["variables"])
        answers = self.writes if writes else self.reads
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def scripted(script, shopify_shop, tokens, clock):
    def make(reads, writes=None, **settings):
        return Scripted(script, shopify_shop(**settings), tokens, clock, reads, writes or [made()])

    return make


def test_a_whole_order_is_shipped_from_every_place_it_waits_at(scripted):
    parts = [waiting(1, row(11)), waiting(2, row(12)), waiting(3, row(13), place="Other"), waiting(4, row(14, 0))]
    held = waiting(5, row(15), status="ON_HOLD")
    here = scripted([order(*parts, held)], [made(5), made(6)])
    receipt = here.client.confirm_shipment("820982911946154508", *DHL)
    assert receipt == {"status": "sent", "already_shipped": False, "fulfillment_ids": ["5", "6"]}
    assert here.asked[0]["id"] == "gid://shopify/Order/820982911946154508"
    whole = [
        [part["fulfillmentOrderId"][-1] for part in sent["fulfillment"]["lineItemsByFulfillmentOrder"]]
        for sent in here.sent
    ]
    assert whole == [["1", "2"], ["3"]]
    first = here.sent[0]["fulfillment"]
    assert first["trackingInfo"] == {"company": DHL[0], "number": DHL[1]} and first["notifyCustomer"] is True
    assert "fulfillmentOrderLineItems" not in first["lineItemsByFulfillmentOrder"][0]


def test_the_customer_is_not_written_to_where_the_shop_says_so(scripted):
    here = scripted([order(waiting(1, row(11)))], notify_customer=False)
    here.client.confirm_shipment("77", *DHL)
    assert here.sent[0]["fulfillment"]["notifyCustomer"] is False


def test_named_lines_are_found_on_any_page_and_sent_with_what_remains_of_them(scripted):
    more = {"pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": [row(12, 3)]}
    pages = [order(waiting(1, row(11), more="l1"), after="o1"), order(waiting(2, row(13)))]
    here = scripted([*pages, {"data": {"fulfillmentOrder": {"lineItems": more}}}])
    here.client.confirm_shipment("77", *DHL, lines=["12", "gid://shopify/LineItem/13"])
    assert [asked["after"] for asked in here.asked] == [None, "o1", "l1"]
    assert here.sent[0]["fulfillment"]["lineItemsByFulfillmentOrder"] == [
        {"fulfillmentOrderId": "gid://shopify/FulfillmentOrder/1",
         "fulfillmentOrderLineItems": [{"id": "gid://shopify/FulfillmentOrderLineItem/912", "quantity": 3}]},
        {"fulfillmentOrderId": "gid://shopify/FulfillmentOrder/2",
         "fulfillmentOrderLineItems": [{"id": "gid://shopify/FulfillmentOrderLineItem/913", "quantity": 1}]},
    ]  # fmt: skip


UNCLEAR = [
    httpx.ReadTimeout("slow"),
    (502, "<html>"),
    (200, '{"data": {"fulfil'),
    {"errors": [{"message": "Internal error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]},
    {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]},
    {"data": {"fulfillmentCreate": None}, "errors": [{"message": "m"}]},
]


@pytest.mark.parametrize("lost", UNCLEAR)
def test_a_shipment_whose_answer_was_lost_is_read_before_it_is_sent_again(scripted, lost):
    before = order(waiting(1, row(11)))
    here = scripted([before, DONE], [lost])
    receipt = here.client.confirm_shipment("77", *DHL)
    assert receipt == {"status": "FULFILLED", "already_shipped": True, "tracking_numbers": [DHL[1]]}
    assert len(here.sent) == 1
    here = scripted([before], [lost, made()])
    assert here.client.confirm_shipment("77", *DHL)["status"] == "sent"
    assert (len(here.asked), len(here.sent)) == (2, 2)


def test_a_shipment_that_never_gets_an_answer_stays_unknown(scripted):
    here = scripted([order(waiting(1, row(11)))], [httpx.ReadTimeout("slow")])
    with pytest.raises(Unanswered):
        here.client.confirm_shipment("77", *DHL)
    assert (len(here.asked), len(here.sent)) == (3, 3)


def test_what_one_place_has_sent_is_not_sent_again_for_the_other_place(scripted):
    left = waiting(2, row(12), place="Other")
    first = order(waiting(1, row(11)), left)
    second = order(waiting(1, row(11, 0), status="CLOSED", sent=[(DHL[1], "SUCCESS")]), left)
    here = scripted([first, second], [made(5), httpx.ReadTimeout("slow"), made(6)])
    assert here.client.confirm_shipment("77", *DHL)["fulfillment_ids"] == ["6"]
    assert [sent["fulfillment"]["lineItemsByFulfillmentOrder"][0]["fulfillmentOrderId"][-1] for sent in here.sent] == [
        "1", "2", "2",
    ]  # fmt: skip


def test_a_refusal_counts_as_done_only_when_the_parcel_is_known(scripted):
    error = refused("Fulfillment order 1 has an unfulfillable status= closed.")
    here = scripted([order(waiting(1, row(11))), DONE], [error])
    assert here.client.confirm_shipment("77", *DHL)["already_shipped"] is True
    here = scripted([order(waiting(1, row(11)))], [error])
    with pytest.raises(Refused, match="unfulfillable status"):
        here.client.confirm_shipment("77", *DHL)
    assert (len(here.asked), len(here.sent)) == (2, 1)


def test_a_parcel_that_is_known_is_not_sent_again_though_more_of_the_order_waits(scripted):
    part = waiting(1, row(11, 0), row(12), status="IN_PROGRESS", sent=[(DHL[1], "SUCCESS")])
    here = scripted([order(part, status="PARTIALLY_FULFILLED")])
    assert here.client.confirm_shipment("77", *DHL)["already_shipped"] is True
    assert here.client.confirm_shipment("77", *DHL, lines=["11"])["already_shipped"] is True
    assert here.sent == []
    assert here.client.confirm_shipment("77", *DHL, lines=["12"])["status"] == "sent"  # the same parcel, told by line


@pytest.mark.parametrize(
    ("found", "lines", "told"),
    [
        (order(waiting(1, row(11), status="ON_HOLD"), status="ON_HOLD"), None, "ON_HOLD"),
        (order(waiting(1, row(11, 0), status="CLOSED")), None, "CLOSED"),
        (order(waiting(1, row(11, 0), status="CLOSED", sent=[(DHL[1], "CANCELLED")])), None, "CLOSED"),
        (
            order(waiting(1, row(11, 0), sent=[(DHL[1], "SUCCESS")]), waiting(2, row(12), status="ON_HOLD")),
            ["12"],
            "ON_HOLD",
        ),
        (order(), None, "no fulfilment orders"),
        (order(waiting(1, row(11))), ["99"], "does not hold"),
        (order(waiting(1, row(11))), [], "does not hold"),
        ({"data": {"order": None}}, None, "no such order"),
    ],
)
def test_what_cannot_be_shipped_is_refused_before_anything_is_sent(scripted, found, lines, told):
    here = scripted([found])
    with pytest.raises(Refused, match=told):
        here.client.confirm_shipment("77", *DHL, lines=lines)
    assert here.sent == []


# Against a simulated platform


@pytest.fixture
def live(sandbox, tokens, shopify_shop):
    """A sandbox and a client on its Shopify shop."""
    http = httpx.Client(trust_env=False, timeout=httpx.Timeout(5, read=0.5))
    box = sandbox()
    credentials = {name: box.credentials[f"SHOPIFY_{name}".upper()] for name in ("client_id", "client_secret")}
    shop = shopify_shop(f"{box.url}/shopify/demo", credentials=credentials)
    clock = Clock(f"{box.url}/_control/clock")
    yield box, ShopifyClient(shop, tokens=tokens, clock=clock, http=http, sleep=lambda seconds: None)
    http.close()


def shipments(box):
    return [effect for effect in box.receipts()["shopify"] if effect["kind"] == "shipment"]


KINDS = [(None, {}), ("timeout_after_write", {}), ("http_502_html", {}), ("hang", {}), ("throttle", {"worked": True})]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_shipment_reaches_the_platform_exactly_once(live, kind, options):
    box, client = live
    (number,) = box.orders("shopify-us", state="paid")
    if kind:
        box.fault("shopify", kind, times=1, match="FulfilmentCreate", **options)
    receipt = client.confirm_shipment(number, *DHL)
    (shipment,) = shipments(box)
    assert (shipment["key"], shipment["tracking"], shipment["company"]) == (number, DHL[1], DHL[0])
    assert shipment["notified"] is True and shipment["requests"] == 1
    assert receipt["already_shipped"] is (kind in ("timeout_after_write", "throttle"))
    assert box.truth("shopify-us")[0]["status"] == "shipped"
    assert client.confirm_shipment(number, *DHL)["already_shipped"] is True
    assert shipments(box)[0]["requests"] == 1


def test_an_order_leaves_in_two_parcels(live):
    box, client = live
    (number,) = box.orders("shopify-us", state="paid", skus=["TEE-RED-M", "CUP-500-BL"])
    second = box.truth("shopify-us")[0]["lines"][1]["platform_line_id"]
    client.confirm_shipment(number, "DHL Express", "A1", lines=[second])
    client.confirm_shipment(number, "DHL Express", "A2")
    assert [effect["key"] for effect in shipments(box)] == [f"{number}:{second}", number]
    assert box.truth("shopify-us")[0]["status"] == "shipped"
    assert client.confirm_shipment(number, "DHL Express", "A1", lines=[second])["already_shipped"] is True


@pytest.mark.parametrize("state", ["closed", "forbid_consign"])
def test_a_cancelled_or_held_order_is_refused(live, state):
    box, client = live
    (number,) = box.orders("shopify-us", state="paid")
    box.advance(number, state)
    with pytest.raises(Refused, match="nothing of it can be shipped"):
        client.confirm_shipment(number, *DHL)
    assert shipments(box) == []
