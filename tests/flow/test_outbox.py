"""The outbox under fire: receivers that fail, refuse, stall or are gone for an hour; and the chain of receipts."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest

from orderpipe import flow
from orderpipe.dispatch import operator
from orderpipe.dispatch.qimen import QimenClient
from orderpipe.dispatch.receipts import chains
from orderpipe.errors import OrderpipeError
from orderpipe.flow.run import Run
from orderpipe.flow.verify_dispatch import verify_dispatch
from orderpipe.lake import lease

HOURS = 60
COUNTS = "SELECT status, count(*)::INTEGER AS n FROM outbox.instructions WHERE kind = $kind GROUP BY status"


@pytest.fixture
def at(hub):
    """at(minutes): the pool of a world, its clock so many minutes on."""
    pool = hub()

    class Clock:
        minutes = 0

        def now(self):
            return pool.run.started_at + timedelta(minutes=self.minutes)

    pool.run.clock = clock = Clock()

    def make(minutes):
        clock.minutes = minutes
        return pool

    return make


def orders(write, state, count):
    return [write("taobao", state(str(1000 + n), 1, buyer=f"B{n}")) for n in range(count)]


def counts(pool, kind):
    return {row["status"]: row["n"] for row in pool.rows(COUNTS, kind=kind)}


def requests(pool, where):
    found = pool.world.receipts()["counts"][where]
    return found["requests"] + found["refused"]


@pytest.mark.parametrize("fault", ["http_502_html", "http_429"])
def test_an_hour_of_silence_costs_nothing_and_holds_up_nobody_else(at, write, state, fault):
    pool = at(1)
    pool.take(*orders(write, state, 40))
    pool.world.fault("qimen", fault, times=100_000)
    for minutes in (2, 3, 5, 9, 20, 40, 60):
        report = flow.dispatch(at(minutes).run, "wms")
        assert report.error and not report.dead and not report.rejected
        assert report.sent <= 3 * 8, "the breaker opens after eight calls, give or take those on their way"
    assert flow.dispatch(pool.run, "courier").acknowledged == 40
    assert pool.rows("SELECT count(*)::INTEGER AS n FROM outbox.instructions WHERE kind = 'alert'") == [{"n": 1}]
    pool.world.control("DELETE", "faults")
    at(200)
    while flow.dispatch(pool.run, "wms").sent:
        pass
    assert counts(pool, "pick_order") == {"acknowledged": 40}
    made = [effect for effect in pool.world.receipts()["qimen"] if effect["kind"] == "delivery_order"]
    assert len(made) == 40 and not any(effect["duplicates"] for effect in made)


def test_a_slow_receiver_is_waited_for_and_holds_up_nobody_else(at, write, state):
    pool = at(1)
    pool.take(*orders(write, state, 8))
    pool.world.fault("qimen", "hang", times=100_000, seconds=3)
    other = Run(pool.settings, "run-of-its-own", pool.run.clock, pool.run.started_at)
    with closing(other), ThreadPoolExecutor(1) as beside:
        slow = beside.submit(flow.dispatch, other, "wms")
        assert flow.dispatch(pool.run, "courier").acknowledged == 8
        assert not slow.done(), "the courier had its instructions first"
        assert (slow.result().acknowledged, slow.result().retry) == (8, 0)
    made = [effect for effect in pool.world.receipts()["qimen"] if effect["kind"] == "delivery_order"]
    assert len(made) == 8 and not any(effect["duplicates"] for effect in made)


def test_what_never_left_counts_as_no_attempt(at, write, state):
    pool = at(1)
    pool.take(*orders(write, state, 40))
    pool.world.fault("qimen", "http_502_html", times=100_000)
    report = flow.dispatch(pool.run, "wms")
    (made,) = pool.rows("SELECT count(*)::INTEGER AS n FROM outbox.attempts")
    (known,) = pool.rows("SELECT sum(attempts)::INTEGER AS n FROM outbox.instructions WHERE kind = 'pick_order'")
    assert made["n"] == known["n"] == report.sent < 40
    assert counts(pool, "pick_order") == {"pending": 40}
    unsent = "SELECT count(*)::INTEGER AS n FROM outbox.instructions WHERE attempts = 0 AND receiver_key IS NOT NULL"
    assert pool.rows(unsent) == [{"n": 0}], "nobody was told an address"


@pytest.mark.parametrize(
    ("receiver", "kind", "hint"), [("wms", "pick_order", "WMS_SECRET"), ("courier", "waybill", "KUAIDI100_SECRET")]
)
def test_a_wrong_key_keeps_everything_until_it_is_mended(at, write, state, receiver, kind, hint):
    pool = at(1)
    pool.take(*orders(write, state, 20))
    right = pool.settings.receivers[receiver]
    wrong = {"credentials": {**right.credentials, "secret": "wrong"}}
    pool.settings.receivers[receiver] = right.model_copy(update=wrong)
    report = flow.dispatch(pool.run, receiver)
    assert hint in report.error and not report.rejected
    assert counts(pool, kind) == {"pending": 20}
    pool.settings.receivers[receiver] = right
    assert flow.dispatch(at(10).run, receiver).acknowledged == 20


def test_what_was_given_up_is_told_of_and_sent_again_by_hand(at, write, state):
    pool = at(0)
    pool.take(*orders(write, state, 1))
    pool.world.fault("kuaidi100", "timeout_after_write", times=100_000)
    for hour in range(1, 9):
        report = flow.dispatch(at(hour * 2 * HOURS).run, "courier")
        assert report.dead == 0, "eight attempts are not enough"
    assert flow.dispatch(at(30 * HOURS).run, "courier").dead == 1
    (stuck,) = operator.instructions(pool.run.lake)
    assert (stuck["kind"], stuck["status"], stuck["attempts"]) == ("waybill", "dead", 9)
    (alert,) = pool.rows(
        """SELECT params->>'text' AS text FROM outbox.instructions
           WHERE idempotency_key LIKE 'alert:undelivered%'"""
    )
    assert f"orderpipe outbox requeue {stuck['instruction_id']}" in alert["text"]

    with pytest.raises(OrderpipeError, match="--by"):
        operator.requeue(pool.run, [stuck["instruction_id"]], actor="", reason="")
    with pytest.raises(OrderpipeError, match="no instruction"):
        operator.requeue(pool.run, ["nonsense"], actor="李雷", reason="试试")
    assert operator.requeue(pool.run, [stuck["instruction_id"]], actor="李雷", reason="快递恢复", dry_run=True) == 1
    assert operator.instructions(pool.run.lake), "a dry run changes nothing"
    pool.world.control("DELETE", "faults")
    operator.requeue(pool.run, [stuck["instruction_id"]], actor="李雷", reason="快递恢复，电话 13800001111")
    assert flow.dispatch(at(31 * HOURS).run, "courier").acknowledged == 1
    (label,) = [e for e in pool.world.receipts()["kuaidi100"] if e["kind"] == "waybill"]
    assert label["duplicates"] == 0 and len(label["numbers"]) == 1
    (act,) = pool.rows("SELECT actor, reason, status_before FROM outbox.interventions")
    assert (act["actor"], act["status_before"]) == ("李雷", "dead") and "13800001111" not in act["reason"]
    with pytest.raises(OrderpipeError, match="acknowledged"):
        operator.requeue(pool.run, [stuck["instruction_id"]], actor="李雷", reason="再来一次")


def test_a_receipt_that_is_changed_or_taken_out_breaks_its_chain(at, write, state):
    pool = at(1)
    pool.take(*orders(write, state, 7))
    for receiver in ("wms", "courier"):
        flow.dispatch(pool.run, receiver)
    con = pool.run.lake
    whole = {chain.receiver: chain for chain in chains(con)}
    assert {name: (chain.length, chain.broken_at) for name, chain in whole.items()} == {
        "wms": (7, None),
        "courier": (7, None),
    }
    assert whole["wms"].head != whole["courier"].head

    def tamper(statement):
        with pool.run.writing("tamper"), pool.run.transaction("lake", "tamper"):
            con.execute(statement)
        return {chain.receiver: chain.broken_at for chain in chains(con)}

    assert tamper("DELETE FROM outbox.receipts WHERE receiver = 'wms' AND number = 3") == {"wms": 4, "courier": None}
    changed = "UPDATE outbox.receipts SET receipt = '{\"kuaidinum\":\"SF1\"}' WHERE receiver = 'courier' AND number = 5"
    assert tamper(changed) == {"wms": 4, "courier": 5}


def test_two_dispatchers_never_take_the_same_row(at, write, state):
    pool = at(1)
    pool.take(*orders(write, state, 3))
    with lease(pool.settings.home.lock("dispatch-wms"), "another dispatcher", timeout=0):
        report = flow.dispatch(pool.run, "wms")
    assert (report.sent, report.pending_left) == (0, 3) and "another dispatcher" in report.error


def test_verify_names_what_receivers_hold_otherwise(at, write, state):
    pool = at(1)
    pool.take(*orders(write, state, 3))
    for receiver in ("wms", "courier"):
        flow.dispatch(pool.run, receiver)
    since = pool.run.started_at - timedelta(days=1)
    found = verify_dispatch(pool.run, since)
    assert found.ok, list(found.differences)
    assert found.compared == {"wms": 3, "courier": 3, "platforms": 0}
    # A pick order that is cancelled behind our back, and one we have forgotten the answer of.
    keys = [effect["key"] for effect in pool.world.receipts()["qimen"]]
    client = QimenClient(pool.settings.receivers["wms"], pool.run.clock)
    body = {"warehouseCode": "WH-HZ", "ownerCode": "OWNER01", "orderCode": keys[0], "orderType": "JYCK"}
    assert client.cancel_order(body).status == "acknowledged"
    client.close()
    with pool.run.writing("forget"), pool.run.transaction("lake", "forget"):
        pool.run.lake.execute(
            "UPDATE outbox.instructions SET status = 'dead' WHERE kind = 'waybill' AND (params->>'parcel_id') = $1",
            [keys[1].removeprefix("OP")],
        )
    found = verify_dispatch(pool.run, since)
    assert {(d.receiver, d.effect, d.ledger, d.found) for d in found.differences} == {
        ("wms", f"pick_order:{keys[0].removeprefix('OP')}", "held", "absent"),
        ("courier", f"waybill:{keys[1].removeprefix('OP')}", "absent", "held"),
    }
    assert not found.ok
