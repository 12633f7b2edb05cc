"""Shipments: what the warehouse hands over is told to the platform under its real number, and to nobody before."""

HOUR = 3600
SHOPS = "taobao-hz,pinduoduo-hz,douyin-hz,jd-hz"


def told(hub):
    return hub.rows(
        """SELECT o.platform, o.platform_order_no, i.status, i.params->>'tracking_no' AS tracking_no,
                  i.params->'lines' AS lines, i.last_error
           FROM outbox.instructions i JOIN core.orders o USING (order_id)
           WHERE i.kind = 'ship_confirmation' ORDER BY ALL"""
    )


def test_every_platform_hears_of_a_parcel_once_it_has_left(loop):
    loop = loop(SHOPS)
    numbers = {shop: loop.sandbox.orders(shop, state="paid", skus=["TEE-RED-M"])[0] for shop in SHOPS.split(",")}
    loop.sandbox.step(600)
    assert loop.tick().problems == []
    assert told(loop) == [], "a waybill is no parcel on its way"
    loop.sandbox.step(3 * HOUR)
    loop.reported()
    assert loop.tick().problems == [], [row["last_error"] for row in told(loop)]
    labels = {
        row["platform_order_no"]: row["number"]
        for row in loop.rows(
            """SELECT o.platform_order_no, i.receipt->>'kuaidinum' AS number
               FROM outbox.instructions i JOIN core.orders o USING (order_id) WHERE i.kind = 'waybill'"""
        )
    }
    rows = told(loop)
    assert {row["platform_order_no"]: row["tracking_no"] for row in rows} == labels
    assert set(labels) == set(numbers.values())
    assert {row["status"] for row in rows} == {"acknowledged"}, rows
    loop.sandbox.step(600)
    assert loop.tick().problems == []
    truth = {order["platform_order_no"]: order for order in loop.sandbox.truth()}
    assert {truth[number]["status"] for number in numbers.values()} == {"shipped"}
    orders = loop.rows("SELECT status, fulfilment_status FROM core.orders")
    assert {(row["status"], row["fulfilment_status"]) for row in orders} == {("shipped", "shipped")}
    assert loop.rows("FROM decision.recalls") == [], "our own shipment is no other hand's"
    assert len(told(loop)) == len(rows), "told once"
    verified = loop.command("verify", "--dispatch", "--hours", "48")
    assert verified.returncode == 0, verified.stdout


def test_two_packages_are_told_line_by_line(loop):
    loop = loop("taobao-hz")
    [number] = loop.sandbox.orders("taobao-hz", state="paid", skus=["TEE-RED-M", "CUP-500-BL"])
    loop.sandbox.step(600)
    loop.sandbox.fault("qimen", "two_packages", times=1)
    loop.tick()
    loop.sandbox.step(2 * HOUR + 60)
    loop.reported()
    loop.tick()
    (first,) = told(loop)
    assert first["status"] == "acknowledged" and first["lines"], "a part of the order"
    order = loop.rows("SELECT fulfilment_status FROM core.orders")[0]
    assert order["fulfilment_status"] == "partly_shipped"
    loop.sandbox.step(HOUR)
    loop.reported()
    assert loop.tick().problems == []
    rows = told(loop)
    assert len({row["tracking_no"] for row in rows}) == 2 and {row["status"] for row in rows} == {"acknowledged"}
    loop.sandbox.step(600)
    loop.tick()
    assert loop.sandbox.truth()[0]["status"] == "shipped"
    shown = loop.rows("SELECT status, fulfilment_status, hold_status FROM core.orders")[0]
    assert (shown["status"], shown["fulfilment_status"], shown["hold_status"]) == ("shipped", "shipped", None)
    assert len(loop.rows("FROM outbox.instructions WHERE kind = 'pick_order'")) == 1, number
