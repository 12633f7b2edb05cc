"""After the sale: what comes back, once; what is sent again, once; and whether the money may go out."""

import xml.etree.ElementTree as ET
from collections import Counter
from datetime import timedelta

import pytest

from orderpipe import flow
from orderpipe.errors import OrderpipeError
from orderpipe.flow import after_sale, review
from orderpipe.flow.after_sale import Line
from tests.flow.after_sale_reports import AGREED, START, case_of, goods_in, land, moment, shipped

WHO = {"actor": "周敏", "reason": "买家来电，已核实"}
NO_GIFTS = (
    ("rules/gifts.yaml", "{is_first_order: {eq: true}}", "{is_test: {eq: true}}"),
    ("rules/gifts.yaml", "{segment: {eq: vip}}", "{is_test: {eq: true}}"),
)


class Later:
    """The pool's clock, so many minutes on."""

    def __init__(self, pool):
        self.pool, self.minutes = pool, 0

    def now(self):
        return self.pool.run.started_at + timedelta(minutes=self.minutes)


@pytest.fixture
def house(hub):
    """A pool whose warehouse and courier are a sandbox's, and that gives no gifts."""
    pool = hub(*NO_GIFTS)
    pool.run.clock = Later(pool)
    return pool


@pytest.fixture(scope="session")
def case(refund):
    """case(number, of, minutes, status, kind, line, fee): an after-sale case of a kind."""
    return case_of(refund)


def hear(pool, *documents):
    """Land what receivers or people say, pool, decide."""
    land(pool, *documents)
    pool.pool()
    return pool.decide()


def send(pool):
    pool.run.clock.minutes += 1
    return [flow.dispatch(pool.run, receiver) for receiver in ("wms", "courier")]


def returns(pool, **wanted):
    rows = pool.rows("FROM decision.returns ORDER BY return_id")
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def gates(pool):
    """The state of every refund gate, by the order's number."""
    rows = pool.rows("SELECT platform_order_no, g.state FROM decision.refund_gates g JOIN core.orders USING (order_id)")
    return {row["platform_order_no"]: row["state"] for row in rows}


def stood(pool):
    """Kind and state of the return of every order that has one."""
    rows = pool.rows("SELECT o.platform_order_no, r.* FROM decision.returns r JOIN core.orders o USING (order_id)")
    return {row["platform_order_no"]: (row["kind"], row["state"]) for row in rows}


def ids_of(pool):
    """The return_id of every order that has one."""
    rows = pool.rows("SELECT o.platform_order_no, r.* FROM decision.returns r JOIN core.orders o USING (order_id)")
    return {row["platform_order_no"]: row["return_id"] for row in rows}


def instructed(pool, kind):
    """What stands in the outbox of a kind: effect and state."""
    rows = pool.rows("SELECT idempotency_key, status FROM outbox.instructions WHERE kind = $kind", kind=kind)
    return {row["idempotency_key"].partition(":")[2]: row["status"] for row in rows}


def effects(pool, kind="delivery_order"):
    """What the warehouse holds, by our code: the request as an element tree."""
    receipts = pool.world.receipts()["qimen"]
    assert not [effect for effect in receipts if effect["duplicates"]]
    return {effect["key"]: ET.fromstring(effect["body"]) for effect in receipts if effect["kind"] == kind}


def alerts(pool):
    rows = pool.rows("SELECT params->>'text' AS text FROM outbox.instructions WHERE kind = 'alert'")
    return [row["text"] for row in rows]


def sent_out(pool, write, state, *orders):
    """Orders that were sent through the warehouse and that the platform shows as shipped: (number, lines)."""
    pool.take(*(write("taobao", state(number, 1, lines=lines)) for number, lines in orders))
    assert [report.acknowledged for report in send(pool)] == [len(orders)] * 2
    confirmed = []
    for number, lines in orders:
        rows = [(number, f"{number}{n:02}", x.sku, x.quantity, x.quantity) for n, x in enumerate(lines, 1)]
        confirmed.append(shipped(pool, pool.order(number)["order_id"], *rows))
    land(pool, *confirmed)
    pool.take(*(write("taobao", state(number, 125, status="shipped", lines=lines)) for number, lines in orders))


def test_the_gate_follows_platform_and_goods(house, write, state, line, case):
    cup, two = line("CUP-500-BL", 2), (line("CUP-500-BL"), line("GLS-WINE-2"))
    sent_out(house, write, state, ("1", (cup,)), ("2", (cup,)), ("3", two), ("4", (cup,)), ("5", two))
    house.take(write("taobao", state("6", 1)))
    house.take(
        case("91", "1", 200, "requested", fee="178.00"),
        case("92", "2", 200, "refunded", fee="89.00"),  # one of two pieces, and paid back before it is in
        case("93", "3", 200, AGREED, fee="128.00", line=2),
        case("94", "4", 200, "refunded", "refund"),
        case("95", "5", 200, AGREED, line=None, fee="217.00"),
        case("96", "6", 200, "refunded", "refund"),
    )  # fmt: skip
    assert stood(house) == {
        "1": ("return", "requested"), "2": ("return", "expected"), "3": ("return", "expected"),
        "4": ("refund_only", "goods_stay"), "5": ("return", "expected"), "6": ("refund_only", "nothing_left"),
    }  # fmt: skip
    assert gates(house) == {
        "1": "waiting_goods", "2": "paid_before_goods", "3": "waiting_goods", "4": "not_needed", "5": "waiting_goods",
        "6": "not_needed",
    }  # fmt: skip
    ids = ids_of(house)
    assert instructed(house, "return_order") == {ids[n]: "pending" for n in ("2", "3", "5")}
    lines = house.rows("SELECT return_id, line_no, expected FROM decision.return_lines ORDER BY return_id, line_no")
    assert sorted((row["return_id"], row["line_no"], row["expected"]) for row in lines) == sorted(
        [(ids["1"], 1, 2), (ids["2"], 1, 1), (ids["3"], 2, 1), (ids["5"], 1, 1), (ids["5"], 2, 1)]
    )
    assert len([text for text in alerts(house) if "平台已退款，但商品尚未入库" in text]) == 1

    land(
        house,
        goods_in(house, ids["2"], ("CUP-500-BL", 1, 1, 0)),
        goods_in(house, ids["3"], ("GLS-WINE-2", 1, 0, 1)),
        goods_in(house, ids["5"], ("CUP-500-BL", 1, 1, 0), ("GLS-WINE-2", 1, 0, 0), final=False),
    )
    house.take(case("91", "1", 210, "closed", fee="178.00"))
    assert gates(house) == {
        "1": "not_needed", "2": "passed", "3": "defective", "4": "not_needed", "5": "waiting_goods", "6": "not_needed",
    }  # fmt: skip
    land(house, goods_in(house, ids["5"], ("CUP-500-BL", 1, 0, 0), ("GLS-WINE-2", 1, 0, 0), minutes=95))
    review.submit(house.run, [after_sale.inspect(house.run, "93", "passed", **WHO)])
    assert (gates(house)["3"], gates(house)["5"], stood(house)["5"]) == ("passed", "short", ("return", "short"))
    assert sorted(text.partition("：")[0] for text in alerts(house)) == [
        "平台已退款，但商品尚未入库", "退货入库数量不足", "退货含残次品或质检不通过",
    ]  # fmt: skip
    assert len(instructed(house, "return_order")) == 3 and house.failed_checks() == []
    told = str(house.rows("SELECT params, idempotency_key FROM outbox.instructions"))
    assert "王小明" not in told and "13812345678" not in told


def test_exchange_and_resend_go_out_once_and_as_what_they_are(house, write, state, line, case):
    two = (line("CUP-500-BL", 2), line("GLS-WINE-2"))
    sent_out(house, write, state, ("1", two), ("2", two))
    first, second = (house.order(number)["order_id"] for number in ("1", "2"))
    house.take(case("91", "1", 200, AGREED, "exchange", line=2))
    (one,) = returns(house)
    assert (one["kind"], one["state"], one["order_type"]) == ("exchange", "expected", "HHRK")
    assert gates(house) == {"1": "not_needed"} and instructed(house, "return_order") == {one["return_id"]: "pending"}

    grants = [
        after_sale.exchange(house.run, "1", [Line(2, 1, "CUP-500-BL")], refund="91", **WHO),
        after_sale.resend(house.run, "2", [Line(1, 1)], **WHO),
    ]
    review.submit(house.run, grants)
    exchange, resend = f"{first}-X{one['refund_id']}", f"{second}-B1"
    waiting = {row["parcel_id"]: (row["state"], row["quantity"]) for row in house.rows("FROM decision.reshipments")}
    assert waiting == {exchange: ("waiting", 1), resend: ("planned", 1)}
    with pytest.raises(OrderpipeError, match="under way"):
        after_sale.resend(house.run, "2", [Line(1, 1)], **WHO)
    hear(house, goods_in(house, one["return_id"], ("GLS-WINE-2", 1, 1, 0)))
    send(house)
    send(house)
    bodies = effects(house)
    assert len(bodies) == 4 and {f"OP{exchange}", f"OP{resend}"} < bodies.keys()
    for parcel, kind, goods in ((exchange, "HHCK", "CUP-500-BL"), (resend, "BFCK", "CUP-500-BL")):
        body = bodies[f"OP{parcel}"]
        assert body.findtext("deliveryOrder/orderType") == kind
        assert body.findtext("deliveryOrder/preDeliveryOrderCode") == f"OP{parcel.split('-')[0]}"
        assert (body.findtext("deliveryOrder/totalAmount"), body.findtext("deliveryOrder/arAmount")) == ("0.00", "0.00")
        assert body.findtext("deliveryOrder/receiverInfo/name") == "王小明"
        lines = [(x.findtext("itemCode"), x.findtext("planQty")) for x in body.iterfind("orderLines/orderLine")]
        assert lines == [(goods, "1")]
    assert {effect["key"] for effect in house.world.receipts()["kuaidi100"]} >= {f"OP{exchange}", f"OP{resend}"}
    kept = house.rows("SELECT order_id, sku, quantity FROM decision.reserved ORDER BY order_id")
    assert {(row["order_id"], row["sku"], row["quantity"]) for row in kept} == {
        (first, "CUP-500-BL", 1), (second, "CUP-500-BL", 1),
    }  # fmt: skip

    hear(house, shipped(house, resend, ("2", "201", "CUP-500-BL", 1, 1), minutes=200))
    assert [row["order_id"] for row in house.rows("FROM decision.reserved")] == [first]
    assert instructed(house, "ship_confirmation") == {}, "the platform knows already"
    review.submit(house.run, [after_sale.resend(house.run, "2", [Line(1, 1)], **WHO)])
    assert f"{second}-B2" in instructed(house, "pick_order") and house.failed_checks() == []


def test_a_newer_case_stops_what_is_sent_again(house, write, state, line, case):
    sent_out(house, write, state, *((number, (line(),)) for number in ("1", "2", "3")))
    ids = {number: house.order(number)["order_id"] for number in ("1", "2", "3")}
    house.run.started_at = moment(house, 150)  # when they are granted
    review.submit(house.run, [after_sale.resend(house.run, number, [Line(1)], **WHO) for number in ids])
    house.land(case("91", "1", 200, "requested", "refund"))
    house.pool()  # not decided on yet: the check at the moment of sending must see it
    wms, _ = send(house)
    assert (wms.acknowledged, wms.intercepted) == (2, 1)
    assert instructed(house, "pick_order")[f"{ids['1']}-B1"] == "intercepted"
    house.decide()
    assert send(house)[0].sent == 0
    # Of another a case comes when it is in the warehouse's hands: it is called back, and given up there.
    house.take(case("92", "2", 205, "requested", "refund"))
    assert [row["parcel_id"] for row in house.rows("FROM decision.recalls")] == [f"{ids['2']}-B1"]
    send(house)
    house.decide()
    cancelled = {e["key"] for e in house.world.receipts()["qimen"] if e.get("cancelled_at")}
    assert cancelled == {f"OP{ids['2']}-B1"}
    states = {row["parcel_id"]: row["state"] for row in house.rows("FROM decision.reshipments")}
    assert states == {f"{ids['1']}-B1": "waiting", f"{ids['2']}-B1": "stopped", f"{ids['3']}-B1": "planned"}
    house.take(case("91", "1", 210, "closed", "refund"), case("92", "2", 210, "closed", "refund"))
    send(house)
    held = {e["key"] for e in house.world.receipts()["qimen"] if e["kind"] == "delivery_order"}
    assert held - cancelled == {f"OP{n}" for n in ids.values()} | {f"OP{ids['1']}-B1", f"OP{ids['3']}-B1"}


def test_a_parcel_that_could_not_be_stopped_comes_back(house, write, state, line, case):
    house.take(write("taobao", state("1", 1)), write("taobao", state("2", 1, receiver=1)))
    send(house)
    house.world.step(45 * 60)  # picked: the warehouse cancels no more
    house.take(case("91", "1", 50, "refunded", "refund", opened=1), write("taobao", state("2", 50, receiver=2)))
    assert (stood(house)["1"], gates(house)["1"]) == (("refund_only", "stopping"), "waiting_goods")
    send(house)
    first, second = (house.order(number)["order_id"] for number in ("1", "2"))
    cup = ("CUP-500-BL", 1, 1)
    land(house, shipped(house, first, ("1", "101", *cup), minutes=120))
    land(house, shipped(house, second, ("2", "201", *cup), minutes=120))
    house.take(case("92", "2", 200, "requested", "refund"))
    one, lost, covered = sorted(returns(house), key=lambda row: (row["order_id"] != first, row["covered_by"] or ""))
    assert (one["kind"], one["state"], one["order_type"], one["expected"]) == ("recalled", "expected", "THRK", 1)
    assert (lost["return_id"], lost["kind"], lost["expected"]) == (str(second), "recalled", 1)
    assert (covered["kind"], covered["state"], covered["covered_by"]) == ("recalled", "covered", str(second))
    assert gates(house) == {"1": "paid_before_goods", "2": "waiting_goods"}
    assert instructed(house, "return_order").keys() == {one["return_id"], lost["return_id"]}
    ids = (one["return_id"], lost["return_id"])
    hear(house, *(goods_in(house, name, ("CUP-500-BL", 1, 1, 0), minutes=400) for name in ids))
    assert gates(house) == {"1": "passed", "2": "passed"}


def test_requests_that_say_too_little_are_refused(calm):
    pool, order = calm
    changes = [
        ({"request": {"lines": []}}, "review_lines"),
        ({"request": {"lines": [{"line_no": 1, "quantity": 0}]}}, "review_lines"),
        ({"action": "exchange", "request": {}}, "review_lines"),
        ({"action": "inspect", "request": {"return_id": "1", "verdict": "fine"}}, "review_inspection"),
        ({"action": "give"}, "review_action"),
    ]
    known = {"order_id": str(order["order_id"]), "platform_order_no": order["platform_order_no"], "actor": "周敏",
             "reason": "补发", "decided_at": START.isoformat()}  # fmt: skip
    asked = {"action": "resend", "request": {"lines": [{"line_no": 1, "quantity": 1}]}}
    documents = [{"review_id": f"r{n}", **known, **asked, **change} for n, (change, _) in enumerate(changes)]
    land(pool, *(("taobao", "taobao-hz", "review", d["review_id"], START, d) for d in documents))
    refused = pool.pool().quarantine
    assert {rule: len(seqs) for rule, seqs in refused.items()} == Counter(rule for _, rule in changes)


@pytest.fixture(scope="module")
def calm(new_pool, write, state):
    """A pool with an order that has not been sent, and the order."""
    pool = new_pool()
    pool.take(write("taobao", state("1", 1)))
    return pool, pool.order("1")


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda run: after_sale.resend(run, "1", [Line(1)], **WHO), "has not left the house"),
        (lambda run: after_sale.resend(run, "1", [Line(2)], **WHO), "no line 2"),
        (lambda run: after_sale.resend(run, "1", [Line(1, 2)], **WHO), "has not 2 pieces"),
        (lambda run: after_sale.resend(run, "1", [], **WHO), "no line is named"),
        (lambda run: after_sale.resend(run, "4711", [Line(1)], **WHO), "no order 4711"),
        (lambda run: after_sale.resend(run, "1", [Line(1)], actor=" ", reason="x"), "who and why"),
        (lambda run: after_sale.exchange(run, "1", [Line(1, 1, "NOTHING")], **WHO), "no goods NOTHING"),
        (lambda run: after_sale.exchange(run, "1", refund="99", **WHO), "no case 99"),
        (lambda run: after_sale.inspect(run, "99", "passed", **WHO), "no return 99"),
    ],
)
def test_a_grant_that_cannot_be_says_why(calm, ask, says):
    pool, _ = calm
    with pytest.raises(OrderpipeError, match=says):
        ask(pool.run)
