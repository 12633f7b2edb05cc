"""What warehouses and couriers report comes back: parcels, packages, tracking, returns, stock and the timeline.

Nothing depends on the order in which reports arrive, on repeats, or on the pieces a pool works in.
"""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderpipe.dispatch import inbound
from orderpipe.flow.callbacks import land_documents, row_of
from orderpipe.flow.replay import replay
from orderpipe.lookup import order_timeline

START = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
CUP, WINE = "CUP-500-BL", "GLS-WINE-2"
PRIVATE = "王小明 13812345678"


def clock(minutes):
    return (START + timedelta(minutes=minutes)).astimezone(ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%d %H:%M:%S")


class Loop:
    """Reports about two orders of a pool: what is asked is asked of the first, unless the other is named."""

    def __init__(self, pool, one, other):
        self.pool, self.one, self.other = pool, one, other
        self.ids = {number: pool.order(number)["order_id"] for number in (one, other)}
        self.code = f"OP{self.ids[one]}"

    def box(self, name):
        """A tracking number of this order's own."""
        return f"{name}-{self.one}"

    def process(self, status, minutes):
        """orderprocess.report."""
        step = {"processStatus": status, "operateTime": clock(minutes), "operateInfo": PRIVATE}
        request = {"order": {"orderCode": self.code, "warehouseCode": "WH-HZ"}, "process": step}
        return inbound.warehouse_document("orderprocess.report", request)

    def confirm(self, kind, minutes, packages, out=None, status=None, lines=None):
        """deliveryorder.confirm; kind 0 final, 1 not. packages: {tracking number: {sku: pieces}}. lines: (number,
        order, goods, planned, sent); those of the order with nothing sent when not given."""
        lines = lines or [(1, self.one, CUP, 2, 0), (2, self.one, WINE, 1, 0)]
        request = {
            "deliveryOrder": {
                "deliveryOrderCode": self.code, "deliveryOrderId": "WMS-1", "warehouseCode": "WH-HZ",
                "status": status or ("DELIVERED" if kind == 0 else "PARTDELIVERED"), "confirmType": str(kind),
                "outBizCode": out or f"{kind}-{minutes}", "orderConfirmTime": clock(minutes),
            },
            "packages": [
                {"logisticsCode": "SF", "expressCode": self.box(box), "weight": "0.8",
                 "items": [{"itemCode": sku, "quantity": str(pieces)} for sku, pieces in items.items()]}
                for box, items in packages.items()
            ],
            "orderLines": [
                {"orderLineNo": str(no), "orderSourceCode": of, "subSourceCode": f"{of}{no:02}", "itemCode": sku,
                 "planQty": str(planned), "actualQty": str(actual), "snList": [f"SN-{no}"]}
                for no, of, sku, planned, actual in lines
            ],
        }  # fmt: skip
        return inbound.warehouse_document("deliveryorder.confirm", request)

    def push(self, state, minutes, number="SF1", collected=100, status="polling"):
        """A push of Kuaidi100, with the whole history up to then."""
        scans = [(minutes, "", ""), (collected, "揽收", "1")] if minutes > collected else [(minutes, "揽收", "1")]
        data = [
            {"time": clock(at), "ftime": clock(at), "context": f"{PRIVATE} 签收", "status": said, "statusCode": code}
            for at, said, code in scans
        ]
        result = {"state": state, "com": "shunfeng", "nu": self.box(number), "data": data}
        return inbound.courier_document({"status": status, "comOld": "", "comNew": "", "lastResult": result})

    def land(self, *documents):
        """Land documents in this order; how many are new."""
        at = START + timedelta(days=2)
        self.pool.run.started_at = at
        rows = [(n, *row_of(document, at)[1:]) for n, document in enumerate(documents)]
        return land_documents(self.pool.run, rows, "test")

    def take(self, *documents, bite=1000):
        """Land and pool; the report."""
        self.land(*documents)
        report = self.pool.pool(bite)
        assert self.pool.failed_checks() == []
        return report

    def progress(self, number=None):
        """The order's fulfilment_status, decided now."""
        self.pool.decide()
        return self.pool.order(number or self.one)["fulfilment_status"]

    def parcel(self):
        (row,) = self.pool.rows("FROM core.fulfilments WHERE order_id = $id", id=self.ids[self.one])
        return row

    def sent(self, number=None):
        """Pieces that left, by line number."""
        query = "FROM core.fulfilment_lines WHERE order_id = $id ORDER BY line_no"
        return {row["line_no"]: row["shipped"] for row in self.pool.rows(query, id=self.ids[number or self.one])}

    def events(self, number=None):
        found = order_timeline(self.pool.settings, str(self.ids[number or self.one]))["events"]
        return [event["kind"] for event in found if event["actor"] in ("wms", "courier")]


def filled(pool, write, state, line, pairs):
    """Fill a pool with orders, two for every test that comes; gives their numbers in pairs."""
    numbers = [(str(10**18 + 2 * n), str(10**18 + 2 * n + 1)) for n in range(1, pairs + 1)]
    lines = (line(CUP, 2), line(WINE, 1))
    pool.take(*(write("taobao", state(number, lines=lines)) for pair in numbers for number in pair))
    return numbers


@pytest.fixture(scope="module")
def shared(new_pool, write, state, line):
    pool = new_pool()
    yield pool, iter(filled(pool, write, state, line, 32))
    pool.close()


@pytest.fixture
def loop(shared):
    """Two orders of the test's own, in a pool that the tests share."""
    pool, numbers = shared
    return Loop(pool, *next(numbers))


def test_a_parcel_is_followed_from_the_warehouse_to_the_door(loop):
    loop.take(loop.process("ACCEPT", 10), loop.process("PICK", 20), loop.process("PACKAGE", 30))
    assert loop.parcel()["status"] == "packed"
    loop.take(loop.confirm(1, 60, {"SF1": {CUP: 2}}))
    row = loop.parcel()
    assert (row["status"], row["is_final"], row["planned"], row["shipped"]) == ("partly_shipped", False, 3, 2)
    assert loop.progress() == "partly_shipped"
    loop.take(loop.confirm(0, 90, {"SF2": {WINE: 1}}))
    row = loop.parcel()
    assert (row["status"], row["is_final"], row["shipped"], row["is_short"]) == ("shipped", True, 3, False)
    assert row["shipped_at"] == START + timedelta(minutes=60) and row["warehouse_id"] == "HZ"
    assert loop.sent() == {1: 2, 2: 1} and loop.progress() == "shipped"
    loop.take(loop.push("5", 200), loop.push("301", 300), loop.push("0", 250, "SF2"))
    loop.take(loop.push("3", 400, "SF2", status="shutdown"))
    assert loop.progress() == "delivered"
    query = "FROM core.tracking WHERE tracking_no LIKE '%' || $one ORDER BY tracking_no"
    tracked = loop.pool.rows(query, one=loop.one)
    assert [(t["state"], t["collected_at"], t["delivered_at"], t["is_closed"]) for t in tracked] == [
        ("delivered", START + timedelta(minutes=100), START + timedelta(minutes=delivered), True)
        for delivered in (300, 400)
    ]
    assert loop.events() == [
        *("wms_accepted", "wms_picking", "wms_packed", "wms_shipped", "wms_shipped"),
        *("collected", "collected", "delivered", "delivered"),
    ]
    assert loop.progress(loop.other) is None and loop.events(loop.other) == []
    assert loop.pool.order(loop.one)["status"] == "paid", "the platform's word stays the platform's"


def test_a_report_that_comes_twice_counts_once_and_a_late_one_takes_nothing_back(loop):
    final = loop.confirm(0, 90, {"SF1": {CUP: 2}, "SF2": {WINE: 1}}, out="C-2")
    again = inbound.warehouse_document("deliveryorder.confirm", {**json.loads(final.text)["request"], "seen": "2"})
    report = loop.take(final, loop.confirm(1, 60, {"SF1": {CUP: 2}}, out="C-1"), again, loop.process("PICK", 95))
    assert (report.pooled, report.superseded) == (3, 1)
    assert loop.sent() == {1: 2, 2: 1} and loop.parcel()["status"] == "shipped" and loop.parcel()["is_final"]
    query = "FROM core.packages WHERE parcel_id = $parcel"
    assert len(loop.pool.rows(query, parcel=loop.parcel()["parcel_id"])) == 2
    loop.take(loop.process("CANCELED", 120), loop.confirm(0, 130, {}, status="CLOSED"))
    assert loop.parcel()["status"] == "shipped" and loop.parcel()["shipped"] == 3


def test_what_a_warehouse_could_not_send_is_short(loop):
    lack = {
        "deliveryOrderCode": loop.code, "warehouseCode": "WH-HZ", "outBizCode": "L1", "createTime": clock(40),
        "items": [{"itemCode": WINE, "planQty": "1", "lackQty": "1", "reason": PRIVATE}],
    }  # fmt: skip
    loop.take(inbound.warehouse_document("itemlack.report", lack), loop.confirm(0, 90, {"SF1": {CUP: 2}}))
    row = loop.parcel()
    assert (row["status"], row["is_short"], row["planned"], row["shipped"]) == ("shipped", True, 3, 2)
    assert loop.progress() == "partly_shipped"
    assert loop.events() == ["wms_short", "wms_shipped", "wms_short"]


def test_lines_tell_their_pieces_where_packages_do_not(loop):
    def lines(cups, wine):
        return [(1, loop.one, CUP, 2, cups), (2, loop.one, WINE, 1, wine)]

    loop.take(loop.confirm(1, 60, {"SF1": {}}, lines=lines(1, 0)), loop.confirm(0, 90, {"SF2": {}}, lines=lines(1, 1)))
    assert loop.sent() == {1: 2, 2: 1} and loop.parcel()["shipped"] == 3


def test_orders_that_leave_together_each_get_their_part_and_their_events(loop):
    lines = [(1, loop.one, CUP, 2, 2), (2, loop.other, CUP, 2, 1), (3, loop.other, WINE, 1, 1)]
    loop.take(loop.process("PICK", 20), loop.confirm(0, 90, {"SF1": {CUP: 3, WINE: 1}}, lines=lines))
    assert loop.sent() == {1: 2} and loop.sent(loop.other) == {2: 1, 3: 1} and loop.parcel()["is_short"]
    assert loop.events(loop.other) == loop.events() == ["wms_picking", "wms_shipped", "wms_short"]


def test_a_parcel_that_stays_is_final(shared):
    pool, numbers = shared
    loops = {status: Loop(pool, *next(numbers)) for status in ("CANCELED", "CLOSED", "REJECT")}
    for status, loop in loops.items():
        loop.land(loop.process("PICK", 20), loop.process(status, 30), loop.process("PACKAGE", 40))
    pool.pool()
    rows = [loop.parcel() for loop in loops.values()]
    assert [row["status"] for row in rows] == ["cancelled", "closed", "rejected"]
    assert [(row["is_final"], row["shipped"]) for row in rows] == [(True, 0)] * 3


def test_a_status_nobody_knows_is_kept_and_told(loop):
    report = loop.take(loop.process("PICK", 20), loop.process("TELEPORTED", 30), loop.push("99", 100))
    assert loop.parcel()["status"] == "unknown" and report.quarantined == 0
    assert sorted(report.unknown) == ["HZ: 仓库状态 TELEPORTED", "shunfeng: 物流状态 99"]
    loop.take(loop.confirm(0, 90, {"SF1": {CUP: 2, WINE: 1}}))
    assert loop.parcel()["status"] == "shipped"


def test_what_is_not_ours_or_cannot_be_counted_is_set_aside_with_the_reason(loop):
    def of(code):
        return inbound.warehouse_document(
            "orderprocess.report",
            {"order": {"orderCode": code}, "process": {"processStatus": "PICK", "operateTime": clock(20)}},
        )

    stranger = f"OP{loop.ids[loop.one] - (1 << 32)}"  # well formed, and of no order
    report = loop.take(
        of("DO2026"), of(stranger), of(""),
        loop.confirm(0, 90, {"SF1": {CUP: "two"}}),
        loop.confirm(0, 91, {"SF1": {CUP: -1}}),
        inbound.warehouse_document("deliveryorder.confirm", {"deliveryOrder": {"deliveryOrderCode": loop.code}}),
        inbound.warehouse_document("some.report", {"order": {"orderCode": loop.code}}),
        inbound.courier_document({"status": "polling", "lastResult": {"state": "3", "com": "shunfeng"}}),
    )  # fmt: skip
    assert {rule: len(seqs) for rule, seqs in report.quarantine.items()} == {
        "unknown_parcel": 3, "wms_quantity": 2, "wms_content": 1, "wms_method": 1, "courier_number": 1,
    }  # fmt: skip
    assert loop.sent() == {} and loop.events() == []


def test_returned_goods_add_up_by_kind_and_stand_on_the_timeline(loop, refund):
    loop.pool.take(refund("901", loop.one, 30, "requested"))
    (case,) = loop.pool.rows("FROM core.refunds WHERE order_id = $id", id=loop.ids[loop.one])

    def received(out, kind, good, defective):
        lines = [
            {"orderLineNo": "1", "itemCode": CUP, "planQty": "2", "actualQty": str(good), "inventoryType": "ZP"},
            {"orderLineNo": "1", "itemCode": CUP, "planQty": "2", "actualQty": str(defective), "inventoryType": "CC"},
        ]
        head = {"returnOrderCode": f"RO{case['refund_id']}", "warehouseCode": "WH-HZ", "outBizCode": out,
                "confirmType": str(kind), "orderConfirmTime": clock(300 if kind else 360)}  # fmt: skip
        return inbound.warehouse_document("returnorder.confirm", {"returnOrder": head, "orderLines": lines})

    loop.take(received("R1", 1, 1, 0))
    (row,) = loop.pool.rows("FROM core.goods_returns")
    assert (row["received_good"], row["received_defective"], row["is_final"]) == (1, 0, False)
    loop.take(received("R2", 0, 0, 1), received("R1", 1, 1, 0))
    (row,) = loop.pool.rows("FROM core.goods_returns")
    assert (row["planned"], row["received_good"], row["received_defective"], row["is_final"]) == (2, 1, 1, True)
    assert row["order_id"] == loop.ids[loop.one] and loop.events() == ["goods_received"]


def test_stock_is_the_newest_answer_and_what_changed_since(loop):
    def answer(minutes, pieces):
        items = [{"itemCode": CUP, "inventoryType": "ZP", "quantity": str(pieces), "lockQuantity": "1"}]
        text = json.dumps({"warehouseCode": "WH-HZ", "itemCode": CUP, "items": items})
        return inbound.Document("wms", "HZ", "stock", CUP, START + timedelta(minutes=minutes), text)

    def change(out, minutes, pieces, kind="ZP"):
        item = {
            "warehouseCode": "WH-HZ", "ownerCode": "OWNER01", "itemCode": CUP, "orderCode": "X", "outBizCode": out,
            "inventoryType": kind, "quantity": str(pieces), "changeTime": clock(minutes),
        }  # fmt: skip
        return inbound.warehouse_document("stockchange.report", {"items": [item]})

    def held():
        return [
            (row["on_hand"], row["available"], row["locked"], row["defective"])
            for row in loop.pool.rows("FROM core.stock")
        ]

    loop.take(change("S0", 5, -4))
    assert held() == [], "nobody has said yet how many there are"
    loop.take(answer(10, 20), change("S1", 20, -3), change("S1", 20, -3), change("S2", 30, 2, "CC"))
    assert held() == [(18, 17, 1, 2)]
    loop.take(answer(40, 15), change("S3", 35, -1), change("S4", 50, 5))
    assert held() == [(21, 20, 1, 0)]


def test_names_and_phones_of_reports_stay_in_the_vault(loop):
    loop.take(loop.process("PICK", 20), loop.confirm(0, 90, {"SF1": {CUP: 2, WINE: 1}}), loop.push("3", 200))
    for table, column in (("core.wms_reports", "r"), ("core.tracking_reports", "r"), ("core.order_events", "r")):
        found = loop.pool.rows(f"SELECT {column}::VARCHAR AS text FROM {table} {column}")
        assert found
        for row in found:
            assert "13812345678" not in row["text"] and "王小明" not in row["text"]


def test_a_timeline_of_the_past_does_not_know_what_was_reported_later(loop):
    loop.take(loop.process("PICK", 20), loop.confirm(0, 90, {"SF1": {CUP: 2, WINE: 1}}))
    known = START + timedelta(days=2)
    then, now = (
        [e["kind"] for e in order_timeline(loop.pool.settings, loop.one, at)["events"]]
        for at in (known - timedelta(seconds=1), known)
    )
    assert "wms_shipped" in now and not {"wms_picking", "wms_shipped"} & set(then) and "instructed" in then


BOXES = {"SF1": {CUP: 1}, "SF2": {CUP: 1}, "SF3": {WINE: 1}}
REPORTS = st.lists(
    st.one_of(
        st.tuples(st.just("process"), st.sampled_from(["ACCEPT", "PICK", "PACKAGE", "EXCEPTION", "DELIVERED"])),
        st.tuples(st.just("confirm"), st.sets(st.sampled_from(sorted(BOXES)), min_size=1)),
        st.tuples(st.just("push"), st.tuples(st.sampled_from(sorted(BOXES)), st.sampled_from("0123456"))),
    ),
    min_size=4,
    max_size=8,
)
# What tables say of an order's parcel, without the numbers that are its own.
CONTENT = {
    "core.fulfilments": "* EXCLUDE (parcel_id, order_id, source_seq) FROM core.fulfilments WHERE order_id = $id",
    "core.fulfilment_lines": "* EXCLUDE (parcel_id, order_id, platform_line_id) FROM core.fulfilment_lines "
    "WHERE order_id = $id",
    "core.packages": """left(tracking_no, 3), courier, weight_kg, shipped_at FROM core.packages
        WHERE parcel_id = $id::VARCHAR""",
    "core.package_items": """left(tracking_no, 3), sku, quantity
        FROM core.package_items JOIN core.packages USING (package_id) WHERE parcel_id = $id::VARCHAR""",
    "core.tracking": """left(tracking_no, 3), t.* EXCLUDE (tracking_id, tracking_no, source_seq) FROM core.tracking t
        WHERE tracking_no LIKE '%-' || (SELECT platform_order_no FROM core.orders WHERE order_id = $id)""",
    "core.order_events": """kind, "at", actor, left(detail->>'tracking_no', 3), detail->>'status', detail->>'state'
        FROM core.order_events WHERE order_id = $id""",
    "core.wms_reports": "method, state, is_final, \"at\" FROM core.wms_reports WHERE order_id = $id",
}  # fmt: skip


@hypothesis_settings(
    max_examples=2,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # an example takes seconds: no shrinking
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(reports=REPORTS, final=st.booleans(), shuffle=st.randoms(use_true_random=False), bite=st.sampled_from([3, 4]))
def test_neither_arrival_nor_pieces_show_and_packages_count_once(shared, reports, final, shuffle, bite):
    pool, numbers = shared
    straight, shuffled = (Loop(pool, *next(numbers)) for _ in range(2))

    def told_by(loop):
        made, sent = [], set()
        for n, (kind, told) in enumerate(reports):
            minutes = 10 + 7 * n  # every report has a time of its own
            if kind == "process":
                made.append(loop.process(told, minutes))
            elif kind == "push":
                made.append(loop.push(told[1], 200 + minutes, told[0]))
            else:
                sent |= told
                made.append(loop.confirm(1, minutes, {box: BOXES[box] for box in sorted(told)}))
        if final:  # says everything again
            sent |= {"SF1"}
            made.append(loop.confirm(0, 99, {box: BOXES[box] for box in sorted(sent)}))
        return made, sent

    made, sent = told_by(straight)
    straight.take(*made)
    order, _ = told_by(shuffled)
    order += order[:2]
    shuffle.shuffle(order)
    middle = len(order) // 2
    shuffled.take(*order[:middle], bite=bite)
    shuffled.take(*order[middle:], bite=bite)
    for table, query in CONTENT.items():
        ours, theirs = (
            Counter(map(str, pool.rows(f"SELECT {query}", id=one.ids[one.one]))) for one in (straight, shuffled)
        )
        assert ours == theirs, table
    assert straight.progress() == shuffled.progress()
    pieces = Counter()
    for box in sent:
        pieces.update(BOXES[box])
    if sent:
        assert straight.sent() == {1: pieces[CUP], 2: pieces[WINE]}
        assert straight.parcel()["is_final"] == final


def test_a_replay_gives_the_same(loop, tmp_path):
    """Of everything the tests before it have told, and of something in any case."""
    loop.take(loop.confirm(1, 60, {"SF1": {CUP: 2}}), loop.push("5", 200), loop.process("PICK", 20))
    loop.pool.decide()
    tables = {table.table: table for table in replay(loop.pool.settings, tmp_path / "home")}
    assert [name for name, table in tables.items() if not table.same] == []
    assert tables["core.wms_reports"].rows and tables["core.tracking"].rows and tables["core.packages"].rows
