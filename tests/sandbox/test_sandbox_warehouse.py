"""The warehouse and the courier at work: parcels leave under live labels only, and everybody is told, signed."""

import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.sandbox.parcels import delivery_order, label, tag

PICKED, LEFT = 45 * 60, 2 * 3600 + 60  # seconds after which it is picked, and handed over
STOCK = (
    "<request><criteriaList><criteria><warehouseCode>WH-HZ</warehouseCode><itemCode>TEE-RED-M</itemCode></criteria>"
    "</criteriaList></request>"
)


class Listener:
    """Takes what is posted and answers as both senders expect; the first `deaf` requests it does not understand."""

    def __init__(self, deaf: int = 0):
        heard = self.heard = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard.append((self.path, body))
                taken = len(heard) > deaf
                xml = f"<response><flag>{'success' if taken else 'failure'}</flag></response>"
                reply = json.dumps({"result": taken, "returnCode": "200"}) if "kuaidi100" in self.path else xml
                self.send_response(200)
                self.end_headers()
                self.wfile.write(reply.encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def reports(self) -> list[tuple[str, str, dict[str, str]]]:
        """What the warehouse told: method, body, query."""
        found = [(dict(parse_qsl(urlsplit(path).query)), body) for path, body in self.heard if "/qimen" in path]
        return [(query["method"], body.decode(), query) for query, body in found]

    def pushes(self) -> list[dict[str, str]]:
        """The courier's forms."""
        return [dict(parse_qsl(body.decode())) for path, body in self.heard if "/kuaidi100" in path]


@pytest.fixture
def listen():
    """listen(deaf): a listener; closed at the end."""
    made = []

    def start(deaf: int = 0) -> Listener:
        made.append(Listener(deaf))
        return made[-1]

    yield start
    for one in made:
        one.server.shutdown()
        one.server.server_close()


@pytest.fixture
def house(sandbox, caller, listen):
    """house(deaf): a world whose warehouse reports to a listener: (world, talk, listener)."""

    def make(deaf: int = 0):
        listener = listen(deaf)
        world = sandbox(callback_url=listener.url)
        return world, caller(world), listener

    return make


def settled(world):
    """Wait until the postman has nothing left; what he says of his letters."""
    for _ in range(600):
        found = world.control("GET", "callbacks")
        if not found["pending"]:
            return found
        time.sleep(0.05)
    raise AssertionError(f"letters are still under way: {found}")


def steps(listener):
    return [tag(body, "processStatus") for method, body, _ in listener.reports() if method == "orderprocess.report"]


def confirmations(listener):
    return [body for method, body, _ in listener.reports() if method == "deliveryorder.confirm"]


def shelf(talk):
    answer = talk.qimen("inventory.query", STOCK)
    return int(tag(answer, "quantity")), int(tag(answer, "lockQuantity"))


def test_a_parcel_leaves_under_its_label_and_every_step_is_told_and_signed(house):
    world, talk, listener = house()
    [order] = world.orders("taobao-hz", state="paid")
    talk.qimen("deliveryorder.create", delivery_order(talk, "DO1", source=order, line="1", pieces="2"))
    number = talk.kuaidi100("order", label("DO1", False))["data"]["kuaidinum"]
    world.step(LEFT)
    assert settled(world)["undelivered"] == []
    assert steps(listener) == ["ACCEPT", "PICK", "PACKAGE", "DELIVERED"]
    (told,) = confirmations(listener)
    assert (tag(told, "expressCode"), tag(told, "confirmType"), tag(told, "actualQty")) == (number, "0", "2")
    secret = world.credentials["WMS_SECRET"]
    for (_, body, query), (_, raw) in zip(listener.reports(), listener.heard, strict=True):
        joined = "".join(name + query[name] for name in sorted(query) if name != "sign")
        expected = hashlib.md5(secret.encode() + joined.encode() + raw + secret.encode()).hexdigest().upper()
        assert query["sign"] == expected and body.startswith("<?xml")
    (handed,) = world.control("GET", "handovers")
    assert (handed["code"], handed["tracking"], handed["refunds_before"]) == ("DO1", [number], {})


def test_what_a_warehouse_was_told_to_send_its_seller_ships_by_hand_no_more(house):
    world, talk, _ = house()
    numbers = world.orders("taobao-hz", n=8, ages=True)
    world.step(2 * 3600)

    def phases():
        truth = world.control("GET", "truth/orders")
        return {row["platform_order_no"]: row["status"] for row in truth if row["platform_order_no"] in numbers}

    paid = [number for number, status in phases().items() if status == "paid"]
    assert len(paid) >= 2
    told, others = paid[::2], paid[1::2]
    for number in told:
        talk.qimen("deliveryorder.create", delivery_order(talk, f"DO-{number}", source=number, line="1"))
    world.step(40 * 3600)
    found = phases()
    assert "shipped" not in {found[number] for number in told}
    assert "shipped" in {found[number] for number in others}


def test_without_a_label_it_waits_and_when_its_labels_are_cancelled_it_puts_the_goods_back(house):
    world, talk, listener = house()
    before = shelf(talk)
    for code in ("WAITS", "BACK"):
        talk.qimen("deliveryorder.create", delivery_order(talk, code))
    bought = talk.kuaidi100("order", label("BACK", False))["data"]
    world.step(PICKED)
    cancel = {"kuaidicom": "shunfeng", "kuaidinum": bought["kuaidinum"], "orderId": bought["kdComOrderNum"]}
    assert talk.kuaidi100("cancel", cancel)["code"] == 200
    world.step(LEFT)
    settled(world)
    assert shelf(talk) == (before[0] - 2, 2), "the one that waits keeps its goods"
    assert world.control("GET", "handovers") == [] and confirmations(listener) == []
    assert "EXCEPTION" in steps(listener) and steps(listener)[-1] == "CANCELED"
    talk.kuaidi100("order", label("WAITS", False))
    world.step(3600)
    assert [one["code"] for one in world.control("GET", "handovers")] == ["WAITS"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("two_packages", [("1", "2"), ("0", "2")]),
        ("short_pick", [("0", "3")]),
        ("duplicate_confirm", [("0", "4"), ("0", "4")]),
        ("callback_lost", []),
    ],
)
def test_what_leaves_otherwise_is_told_as_it_left(house, fault, told):
    world, talk, listener = house()
    before = shelf(talk)
    world.fault("qimen", fault, times=10 if fault == "callback_lost" else 1, match="DO1")
    talk.qimen("deliveryorder.create", delivery_order(talk, "DO1", pieces="4"))
    talk.kuaidi100("order", label("DO1", False))
    world.step(LEFT)
    world.step(3600)
    settled(world)
    bodies = confirmations(listener)
    assert [(tag(body, "confirmType"), tag(body, "actualQty")) for body in bodies] == told
    assert len({tag(body, "expressCode") for body in bodies}) == (2 if fault == "two_packages" else bool(told))
    assert shelf(talk) == (before[0] - 4, 0), "nothing stays locked, and a piece that is missing is not on the shelf"
    assert len(world.control("GET", "handovers")) == 1


def test_a_listener_that_does_not_understand_is_told_again_and_one_report_may_bear_a_wrong_signature(house):
    world, talk, listener = house(deaf=2)
    world.fault("qimen", "callback_wrong_sign", match="DO1", after=1)
    talk.qimen("deliveryorder.create", delivery_order(talk, "DO1"))
    world.step(PICKED)
    found = settled(world)
    assert found["undelivered"] == [] and found["counts"]["orderprocess.report"] == {"delivered": 2}
    assert steps(listener) == ["ACCEPT", "ACCEPT", "ACCEPT", "PICK"], "twice in vain, then the next in its order"
    secret = world.credentials["WMS_SECRET"]
    right = []
    for _, body, query in listener.reports():
        joined = "".join(name + query[name] for name in sorted(query) if name != "sign")
        right.append(query["sign"] == hashlib.md5(f"{secret}{joined}{body}{secret}".encode()).hexdigest().upper())
    assert right == [True, True, True, False]


def test_a_refund_before_the_handover_is_on_the_list_of_handovers(house):
    world, talk, _ = house()
    [order] = world.orders("taobao-hz", state="paid")
    [line] = [one["lines"][0] for one in world.truth("taobao-hz") if one["platform_order_no"] == order]
    body = delivery_order(talk, "DO1", source=order, line=str(line["platform_line_id"]))
    talk.qimen("deliveryorder.create", body)
    talk.kuaidi100("order", label("DO1", False))
    world.step(PICKED)
    world.advance(order, "refund_requested")
    world.step(LEFT)
    (handed,) = world.control("GET", "handovers")
    assert set(handed["refunds_before"]) == {order}


def test_a_subscriber_hears_of_every_step_with_his_salt(house):
    world, talk, listener = house()
    talk.qimen("deliveryorder.create", delivery_order(talk, "DO1"))
    number = talk.kuaidi100("order", label("DO1", False))["data"]["kuaidinum"]
    asked = {
        "company": "shunfeng", "number": number, "key": talk.env["KUAIDI100_KEY"],
        "parameters": {"callbackurl": f"{listener.url}/kuaidi100", "salt": "pinch"},
    }  # fmt: skip

    def subscribe(**changes):
        form = {"schema": "json", "param": json.dumps({**asked, **changes})}
        return talk.http.post(f"{world.url}/kuaidi100/poll", data=form).json()["returnCode"]

    assert [subscribe(key="nobody"), subscribe(company="pigeon"), subscribe(), subscribe()] == [
        "600", "700", "200", "501"
    ]  # fmt: skip
    for _ in range(4):
        world.step(12 * 3600)
    settled(world)
    states = []
    for push in listener.pushes():
        assert push["sign"] == hashlib.md5(f"{push['param']}pinch".encode()).hexdigest().upper()
        told = json.loads(push["param"])
        assert told["lastResult"]["nu"] == number
        states.append((told["lastResult"]["state"], told["status"]))
    assert states == [("1", "polling"), ("0", "polling"), ("5", "polling"), ("3", "shutdown")]


def test_a_number_is_told_to_who_knows_the_phone_and_locked_when_asked_too_often(house):
    world, talk, _ = house()
    talk.qimen("deliveryorder.create", delivery_order(talk, "DO1"))
    number = talk.kuaidi100("order", label("DO1", False))["data"]["kuaidinum"]
    key, customer = talk.env["KUAIDI100_KEY"], talk.env["KUAIDI100_CUSTOMER"]

    def query(phone="13800000000", wait=1801, sign=None):
        world.step(wait)
        param = json.dumps({"com": "shunfeng", "num": number, "phone": phone})
        given = sign or hashlib.md5(f"{param}{key}{customer}".encode()).hexdigest().upper()
        form = {"customer": customer, "param": param, "sign": given}
        return talk.http.post(f"{world.url}/kuaidi100/poll/query.do", data=form).json()

    assert query()["returnCode"] == "500", "nothing has moved yet"
    world.step(LEFT)
    assert query(phone="0001")["returnCode"] == "408"
    told = query(phone="0000")
    assert (told["nu"], told["state"]) == (number, "1") and re.match(r"\d{4}-", told["data"][0]["time"])
    assert query(wait=60)["returnCode"] == "502"
    assert query(sign="0" * 32)["returnCode"] == "503"
