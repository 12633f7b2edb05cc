"""The loop against the sandbox: what the warehouse and the courier report by themselves comes back, and what they fail
to report is asked for."""

HOUR = 3600


def test_a_parcel_comes_back_step_by_step(loop):
    loop = loop()
    number = loop.sandbox.orders("taobao-hz", state="paid", skus=["TEE-RED-M"])[0]
    loop.sandbox.step(600)
    loop.tick()
    loop.tick()  # the subscription follows from the waybill
    loop.sandbox.step(3 * HOUR)
    assert loop.reported()["undelivered"] == []
    loop.tick()
    order = loop.rows(f"FROM core.orders WHERE platform_order_no = '{number}'")[0]
    assert order["fulfilment_status"] == "shipped"
    parcel = loop.rows("FROM core.fulfilments")[0]
    assert (parcel["status"], parcel["is_final"], parcel["is_short"]) == ("shipped", True, False)
    assert parcel["shipped"] == parcel["planned"] == loop.value("SELECT sum(quantity) FROM decision.parcels")
    label = loop.value("SELECT receipt->>'kuaidinum' FROM outbox.instructions WHERE kind = 'waybill'")
    assert [box["tracking_no"] for box in loop.rows("FROM core.packages")] == [label]
    loop.sandbox.step(40 * HOUR)
    assert loop.reported()["undelivered"] == []
    loop.tick()
    assert loop.value("SELECT state FROM core.tracking") == "delivered"
    order = loop.rows(f"FROM core.orders WHERE platform_order_no = '{number}'")[0]
    assert order["fulfilment_status"] == "delivered"
    told = loop.command("timeline", number)
    assert told.returncode == 0, told.stderr
    for event in ("wms_accepted", "wms_picking", "wms_shipped", "collected", "delivered", "instructed", "kuaidinum"):
        assert event in told.stdout
    assert "13800138000" not in told.stdout  # a scan names the man at the door


def test_what_was_never_reported_is_asked_for(loop):
    loop = loop()
    loop.sandbox.orders("taobao-hz", state="paid", skus=["TEE-RED-M"])
    loop.sandbox.step(600)
    loop.sandbox.fault("qimen", "callback_lost", times=50)
    loop.sandbox.fault("kuaidi100", "push_lost", times=50)
    loop.tick()
    loop.tick()
    loop.sandbox.step(5 * HOUR)
    assert loop.tick().polled.parcels == 0, "not silent for long enough"
    loop.sandbox.step(2 * HOUR)
    loop.reported()
    report = loop.tick()
    assert (report.callbacks.received, report.polled.parcels, report.polled.landed) == (0, 1, 1)
    parcel = loop.rows("FROM core.fulfilments")[0]
    assert (parcel["status"], parcel["is_final"]) == ("shipped", True)
    assert loop.tick().polled.parcels == 0
    loop.sandbox.step(60 * HOUR)
    report = loop.tick()
    assert (report.polled.numbers, report.polled.landed) == (1, 1) and not report.polled.problems
    assert loop.value("SELECT state FROM core.tracking") == "delivered"
    assert loop.tick().polled.numbers == 0
