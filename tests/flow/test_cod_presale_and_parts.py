"""Cash on delivery, presale and orders shipped in parts, as Taobao and Shopify write them."""

import json
from decimal import Decimal

import pytest

PAYING = "status, payment_status, is_cod, is_presale, paid_amount, paid_at"


def paying(pool, number):
    (row,) = pool.rows(f"SELECT {PAYING} FROM core.orders WHERE platform_order_no = $number", number=number)
    return tuple(row.values())[:4], row["paid_amount"], row["paid_at"] is not None


def pieces(pool, number):
    """(quantity, still to ship, shipped) of every line."""
    rows = pool.rows(
        """SELECT quantity, ship_quantity, shipped_quantity FROM core.order_items JOIN core.orders USING (order_id)
           WHERE platform_order_no = $number ORDER BY line_no""",
        number=number,
    )
    return [tuple(row.values()) for row in rows]


def lines_of(document, *changes):
    """The lines of a Taobao document with other values."""
    lines = json.loads(document.text)["orders"]["order"]
    return {"order": [{**line, **change} for line, change in zip(lines, changes, strict=True)]}


TAOBAO_COD = [
    ("paid", ("paid", "cod", True, False), 0, False),
    ("part_shipped", ("paid", "cod", True, False), 0, False),
    ("shipped", ("shipped", "cod", True, False), 0, False),
    ("completed", ("completed", "paid", True, False), 92, True),
    ("closed", ("closed", "unpaid", True, False), 0, False),
]


def test_taobao_trades_paid_on_delivery(pool, write, state):
    for number, (status, *_) in enumerate(TAOBAO_COD, 1):
        pool.land(write("taobao", state(str(number), status=status)).changed(type="cod", pay_time=None))
    pool.pool()
    for number, (_, facts, amount, paid) in enumerate(TAOBAO_COD, 1):
        assert paying(pool, str(number)) == (facts, Decimal(amount), paid)
    assert pool.failed_checks() == []


def test_taobao_trades_in_two_steps(pool, write, state):
    deposit = {"type": "step", "step_trade_status": "FRONT_PAID_FINAL_NOPAID", "step_paid_fee": "20.00"}
    balance = {"type": "step", "step_trade_status": "FRONT_PAID_FINAL_PAID"}
    pool.land(
        write("taobao", state("1", status="unpaid")).changed(**deposit),
        write("taobao", state("2")).changed(**balance),
        write("taobao", state("3")).changed(step_trade_status="FRONT_PAID_FINAL_PAID"),
        write("taobao", state("4")).changed(type="fixed", step_trade_status=""),
    )
    pool.pool()
    assert paying(pool, "1") == (("pending_payment", "deposit_paid", False, True), Decimal(20), False)
    assert paying(pool, "2") == paying(pool, "3") == (("paid", "paid", False, True), Decimal(92), True)
    assert paying(pool, "4")[0] == ("paid", "paid", False, False)


def test_taobao_lines_know_what_of_them_has_left(pool, write, state, line):
    two = (line(quantity=2), line("GLS-WINE-2"))
    part = write("taobao", state("1", status="part_shipped", lines=two))
    by_state = lines_of(part, {"status": "WAIT_BUYER_CONFIRM_GOODS"}, {"status": "WAIT_SELLER_SEND_GOODS"})
    by_time = lines_of(part, {"status": "TRADE_CLOSED", "consign_time": "2026-11-09 12:00:00"}, {"status": "ODD"})
    closed = write("taobao", state("4", status="closed", lines=two))
    pool.land(
        part.changed(orders=by_state),
        write("taobao", state("2", status="part_shipped", lines=two)).changed(orders=by_time),
        write("taobao", state("3", status="part_shipped", lines=two)),
        closed.changed(orders=lines_of(closed, {"status": "TRADE_CLOSED"}, {"status": "TRADE_CLOSED"})),
        *(write("taobao", state(str(n), status=s, lines=two)) for n, s in ((5, "paid"), (6, "shipped"), (7, "odd"))),
    )
    pool.pool()
    shipped = {number: [line[2] for line in pieces(pool, str(number))] for number in range(1, 8)}
    assert shipped == {
        1: [2, 0], 2: [2, None], 3: [None, None], 4: [0, 0], 5: [0, 0], 6: [2, 1], 7: [None, None],
    }  # fmt: skip


SHOPIFY_COD = [
    ("paid", {}, ("paid", "cod", True, False)),
    ("held", {}, ("paid", "cod", True, False)),
    ("part_shipped", {}, ("paid", "cod", True, False)),
    ("shipped", {}, ("shipped", "cod", True, False)),
    ("completed", {}, ("shipped", "cod", True, False)),  # delivered, but nobody has noted the money yet
    ("completed", {"displayFinancialStatus": "PAID"}, ("completed", "paid", True, False)),
    ("paid", {"cancelledAt": "2026-11-09T03:00:00Z"}, ("closed", "unpaid", True, False)),
    ("paid", {"paymentGatewayNames": ["manual"]}, ("pending_payment", "unpaid", False, False)),
    ("paid", {"displayFulfillmentStatus": "NEW"}, ("unknown", "cod", True, False)),
]


def test_shopify_orders_paid_on_delivery(pool, write, state):
    gateway = {"paymentGatewayNames": ["Cash on Delivery (COD)"], "displayFinancialStatus": "PENDING"}
    for number, (status, changes, _) in enumerate(SHOPIFY_COD, 1):
        outstanding = {"totalOutstandingSet": {"shopMoney": {"amount": "29.00", "currencyCode": "USD"}}}
        if changes.get("displayFinancialStatus") == "PAID":
            outstanding = {}
        pool.land(write("shopify", state(str(number), status=status)).changed(**gateway | outstanding | changes))
    pool.pool()
    for number, (_, changes, facts) in enumerate(SHOPIFY_COD, 1):
        amount = Decimal(29) if facts[1] == "paid" else Decimal(0)
        assert paying(pool, str(number)) == (facts, amount, facts[1] == "paid"), changes
    assert pool.failed_checks() == []


@pytest.mark.parametrize("tag", ["presale", "Pre-Order"])
def test_shopify_orders_tagged_as_sold_in_advance(pool, write, state, tag):
    pool.land(
        write("shopify", state("1")).changed(tags=["vip", tag]), write("shopify", state("2")).changed(tags=["vip"])
    )
    pool.pool()
    assert [paying(pool, number)[0][3] for number in ("1", "2")] == [True, False]


def test_shopify_fulfilments_say_what_of_a_line_has_left(pool, write, state, line):
    def parcel(number, *rows, more=False, status="SUCCESS"):
        nodes = [{"quantity": n, "lineItem": {"id": f"gid://shopify/LineItem/{number}{at:02}"}} for at, n in rows]
        items = {"pageInfo": {"hasNextPage": more}, "nodes": nodes}
        return {"id": "gid://shopify/Fulfillment/1", "status": status, "createdAt": "2026-11-09T04:00:00Z",
                "deliveredAt": None, "trackingInfo": [], "fulfillmentLineItems": items}  # fmt: skip

    two = (line(quantity=3), line("GLS-WINE-2"))
    parcels = {
        "1": [parcel(1, (1, 1)), parcel(1, (1, 1))],
        "2": [parcel(2, (1, 3), (2, 1)), parcel(2, (1, 3), status="CANCELLED")],
        "3": [parcel(3, (1, 3), more=True)],
        "4": [],
        "5": [{"id": "gid://shopify/Fulfillment/1", "status": "SUCCESS", "createdAt": "2026-11-09T04:00:00Z"}],
    }
    for number, sent in parcels.items():
        pool.land(write("shopify", state(number, status="part_shipped", lines=two)).changed(fulfillments=sent))
    pool.pool()
    shipped = {number: [line[2] for line in pieces(pool, number)] for number in parcels}
    assert shipped == {"1": [2, 0], "2": [3, 1], "3": [None, None], "4": [0, 0], "5": [None, None]}
