"""Recalls: a parcel whose order changed after a receiver heard of it is stopped, or it is told why it could not be."""

import xml.etree.ElementTree as ET
from datetime import timedelta
from decimal import Decimal

import pytest

from orderpipe import flow

MERGING = (("rules/routing.yaml", "merge_window_minutes: 0", "merge_window_minutes: 60"),)
NO_GIFTS = (
    ("rules/gifts.yaml", "{is_first_order: {eq: true}}", "{is_test: {eq: true}}"),
    ("rules/gifts.yaml", "{segment: {eq: vip}}", "{is_test: {eq: true}}"),
)
PICKED, LEFT = 45 * 60, 3 * 3600  # seconds after which the sandbox's warehouse has picked, and handed over


class Later:
    """The pool's clock, so many minutes on."""

    def __init__(self, pool):
        self.pool, self.minutes = pool, 0

    def now(self):
        return self.pool.run.started_at + timedelta(minutes=self.minutes)


def settle(pool, rounds=4):
    """Send and decide until nothing moves any more."""
    pool.run.clock = clock = getattr(pool, "later", None) or Later(pool)
    pool.later = clock
    for _ in range(rounds):
        clock.minutes += 1
        for receiver in ("wms", "courier"):
            report = flow.dispatch(pool.run, receiver)
            assert not (report.rejected or report.dead or report.error), pool.rows(
                "SELECT kind, last_error FROM outbox.instructions"
            )
        pool.decide()


def held(pool):
    """What the warehouse will ship: parcel → goods; and the labels the courier would carry."""
    receipts = pool.world.receipts()
    orders = {e["key"]: e for e in receipts["qimen"] if e["kind"] == "delivery_order"}
    live = {key: told(e["body"]) for key, e in orders.items() if not e.get("cancelled_at")}
    labels = {e["key"]: e for e in receipts["kuaidi100"] if e["kind"] == "waybill"}
    carried = {key for key, e in labels.items() if set(e["numbers"]) - set(e.get("cancelled", ()))}
    assert not [e for e in receipts["qimen"] + receipts["kuaidi100"] if e["duplicates"]]
    return live, carried


def told(body):
    root = ET.fromstring(body)
    lines = {
        line.findtext("sourceOrderCode"): int(line.findtext("planQty"))
        for line in root.iterfind("orderLines/orderLine")
    }
    return root.findtext("deliveryOrder/receiverInfo/detailAddress"), lines


def recalls(pool):
    return pool.rows("SELECT parcel_id, reason, state FROM decision.recalls ORDER BY parcel_id")


def id_of(pool, number):
    return pool.order(number)["order_id"]


def test_a_refund_after_sending_stops_the_parcel_and_its_end_sends_another(hub, write, state, refund):
    pool = hub(*NO_GIFTS)
    pool.take(write("taobao", state("1001", 1)))
    settle(pool)
    first = f"{id_of(pool, '1001')}"
    assert {*held(pool)[0]} == held(pool)[1] == {f"OP{first}"}
    pool.take(refund("91001", "1001", 5, "requested"))
    assert recalls(pool) == [{"parcel_id": first, "reason": "refund", "state": "open"}]
    settle(pool)
    assert held(pool) == ({}, set())
    assert recalls(pool) == [{"parcel_id": first, "reason": "refund", "state": "stopped"}]
    assert pool.rows("FROM decision.parcels") == [], "nothing is packed for it any more"
    pool.take(refund("91001", "1001", 9, "closed"))
    settle(pool)
    assert {*held(pool)[0]} == held(pool)[1] == {f"OP{first}-R2"}
    kinds = pool.rows(
        "SELECT kind, count(*)::INTEGER AS n FROM outbox.instructions WHERE target <> 'dingtalk' GROUP BY kind"
    )
    assert {row["kind"]: row["n"] for row in kinds} == {
        "pick_order": 2, "waybill": 2, "cancel_pick_order": 1, "cancel_waybill": 1,
    }  # fmt: skip
    flow.build_marts(pool.run)
    (case,) = pool.rows("FROM mart.interceptions")
    assert (case["outcome"], case["stage"], case["reason"]) == ("stopped", "instructed", "refund")
    assert case["amount"] == Decimal("89.00"), "a cup"
    assert case["stopped_at"] is not None and case["left_at"] is None


def test_who_moves_gets_another_parcel_and_not_two(hub, write, state):
    pool = hub(*NO_GIFTS)
    pool.take(write("taobao", state("1001", 1)))
    settle(pool)
    first = f"OP{id_of(pool, '1001')}"
    (before, _) = held(pool)[0][first]
    pool.take(write("taobao", state("1001", 6, receiver=1)))
    settle(pool)
    live, carried = held(pool)
    assert {*live} == carried == {f"{first}-R2"}
    assert live[f"{first}-R2"][0] != before
    pool.take(write("taobao", state("1001", 7, receiver=1)))
    settle(pool)
    assert held(pool) == (live, carried), "the same address again is no change"


def test_of_a_merged_parcel_the_other_order_leaves_again(hub, write, state, refund):
    pool = hub(*MERGING, *NO_GIFTS)
    pool.take(write("taobao", state("1001", 1)), write("taobao", state("1002", 1)))
    settle(pool)
    assert [lines for _, lines in held(pool)[0].values()] == [{"1001": 1, "1002": 1}]
    pool.take(refund("91001", "1001", 5, "requested"))
    settle(pool)
    live, carried = held(pool)
    assert [lines for _, lines in live.values()] == [{"1002": 1}] and {*live} == carried
    (recall,) = recalls(pool)
    assert recall["state"] == "stopped"


def test_what_the_warehouse_has_picked_is_held_back_by_its_label(hub, write, state, refund):
    pool = hub(*NO_GIFTS)
    pool.take(write("taobao", state("1001", 1)))
    settle(pool)
    pool.world.step(PICKED)
    pool.take(refund("91001", "1001", 5, "requested"))
    settle(pool)
    assert held(pool)[1] == set(), "no label, no carrier"
    assert [row["state"] for row in recalls(pool)] == ["held_back"]
    alerts = pool.rows("SELECT params->>'text' AS text FROM outbox.instructions WHERE kind = 'alert'")
    assert any("已拣货" in row["text"] for row in alerts), "the warehouse must put it back"


def test_what_was_picked_behind_a_lost_answer_and_has_no_label_is_waited_for(hub, write, state, refund):
    pool = hub(*NO_GIFTS)
    pool.take(write("taobao", state("1001", 1)))
    first = str(id_of(pool, "1001"))
    pool.world.fault("qimen", "timeout_after_write", times=1)
    pool.run.clock = pool.later = Later(pool)
    assert flow.dispatch(pool.run, "wms").retry == 1, "the warehouse has it, and we do not know"
    pool.world.step(PICKED)
    pool.take(refund("91001", "1001", 5, "requested"))
    settle(pool)
    assert recalls(pool) == [{"parcel_id": first, "reason": "refund", "state": "held_back"}]
    pool.take(refund("91001", "1001", 9, "closed"))
    settle(pool)
    assert {*held(pool)[0]} == {f"OP{first}"}, "the warehouse has it in its hands: no second parcel"
    pool.world.step(LEFT)  # it puts the goods back; nobody tells us
    assert flow.poll_silent(pool.run).landed == 1
    pool.pool()
    pool.decide()
    assert [row["state"] for row in recalls(pool)] == ["stopped"]
    settle(pool)
    assert {*held(pool)[0]} == held(pool)[1] == {f"OP{first}-R2"}
    assert pool.rows("SELECT kind FROM outbox.instructions WHERE kind = 'return_order'") == []


def test_what_has_left_is_told_and_not_sent_again(hub, write, state, refund):
    pool = hub(*NO_GIFTS)
    pool.take(write("taobao", state("1001", 1)))
    settle(pool)
    pool.world.step(LEFT)
    pool.take(refund("91001", "1001", 5, "requested"))
    settle(pool)
    (recall,) = recalls(pool)
    assert recall["state"] == "too_late"
    pool.take(refund("91001", "1001", 9, "closed"))
    settle(pool)
    assert len(held(pool)[0]) == 1, "it is on its way: no second parcel"


@pytest.mark.parametrize("lost", ["timeout_after_write", "http_502_html"])
def test_a_parcel_nobody_knows_whether_it_was_ordered_is_cleared_up(hub, write, state, refund, lost):
    pool = hub(*NO_GIFTS)
    pool.take(write("taobao", state("1001", 1)))
    for where in ("qimen", "kuaidi100"):
        pool.world.fault(where, lost, times=1)
    pool.run.clock = pool.later = Later(pool)
    for receiver in ("wms", "courier"):
        assert flow.dispatch(pool.run, receiver).retry == 1
    pool.take(refund("91001", "1001", 5, "requested"))
    settle(pool)
    assert held(pool) == ({}, set())
    assert [row["state"] for row in recalls(pool)] == ["stopped"]
    pool.take(refund("91001", "1001", 9, "closed"))
    settle(pool)
    assert len(held(pool)[0]) == len(held(pool)[1]) == 1


def test_a_parcel_that_was_shipped_by_another_hand_is_not_sent_as_well(hub, write, state):
    pool = hub(*NO_GIFTS)
    pool.take(write("taobao", state("1001", 1)))
    settle(pool)
    pool.take(write("taobao", state("1001", 6, status="shipped")))
    settle(pool)
    assert held(pool) == ({}, set())
    assert [(row["reason"], row["state"]) for row in recalls(pool)] == [("shipped_elsewhere", "stopped")]
