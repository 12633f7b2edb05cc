"""A return against the sandbox: goods leave, money goes back, the goods are announced once and open the gate."""

import pytest


def on(here, hours):
    """So much later, once the warehouse's reports have come, a tick."""
    here.sandbox.step(hours * 3600)
    here.reported()
    return here.tick()


@pytest.mark.slow
def test_goods_that_come_back_are_announced_once_and_open_the_gate(loop):
    here = loop()
    (number,) = here.sandbox.orders("taobao-hz", state="paid", skus=["CUP-500-BL"])
    on(here, 0.3)
    on(here, 3)
    parcel = here.rows("FROM core.fulfilments")[0]
    assert parcel["status"] == "shipped"
    on(here, 0.3)
    here.sandbox.advance(number, "refunded")
    # The warehouse books the reverse order, and its answer is lost: the same code goes again.
    here.sandbox.fault("qimen", "business_busy", worked=True, match="returnorder.create")
    on(here, 0.3)
    assert here.value("SELECT state FROM decision.refund_gates") == "paid_before_goods"
    told = here.value("SELECT count(*) FROM outbox.instructions WHERE params->>'text' LIKE '平台已退款%'")
    assert told == 1
    on(here, 0.3)
    on(here, 0.3)
    (back,) = [effect for effect in here.sandbox.receipts()["qimen"] if effect["kind"] == "return_order"]
    assert back["key"] == "RO" + here.value("SELECT return_id FROM decision.returns")
    assert back["of"] == f"OP{parcel['parcel_id']}"
    sent = here.rows("SELECT status, attempts FROM outbox.instructions WHERE kind = 'return_order'")
    assert sent == [{"status": "acknowledged", "attempts": 2}]
    assert here.value("SELECT state FROM decision.returns") == "announced"
    on(here, 25)
    assert here.value("SELECT state FROM decision.refund_gates") == "passed"
    shown = here.command("returns", "show", number)
    assert shown.returncode == 0 and "received" in shown.stdout and "passed" in shown.stdout, shown.stderr
    personal = [text for texts in here.sandbox.personal().values() for text in texts if len(text) > 3]
    assert not [text for text in personal if text in shown.stdout]
    kept = str(here.rows("SELECT body_masked FROM outbox.attempts")) + str(here.rows("FROM outbox.instructions"))
    assert not [text for text in personal if text in kept]
