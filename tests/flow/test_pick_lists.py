"""Pick orders on paper: what lies to be picked, every piece of it, and nobody's address."""

import re

import pytest

from orderpipe import flow
from orderpipe.dispatch.pick_lists import as_html, pick_orders
from orderpipe.errors import OrderpipeError


def pieces(page, sku):
    """The counts that stand beside a goods code on a page, in order."""
    return [int(found) for found in re.findall(rf"<td>{sku}</td><td>[^<]*</td><td class=\"count\">(\d+)</td>", page)]


def test_paper_holds_what_is_to_be_picked_and_nobodys_address(hub, write, state, line, refund, people):
    pool = hub()
    pool.take(
        write("taobao", state("1001", 1, lines=(line("CUP-500-BL", 2), line("GIFT-CARD", 1)), buyer="B1",
                              message="<script>alert(1)</script> 轻放，电话 13812345678")),
        write("taobao", state("1002", 1, lines=(line("CUP-500-BL", 3),), buyer="B2", receiver=1)),
        write("taobao", state("1003", 1, buyer="B3")),
    )  # fmt: skip
    con, now = pool.run.lake, pool.run.clock.now()
    assert pick_orders(con) == [], "nothing is picked before the warehouse took it"
    for receiver in ("wms", "courier"):
        flow.dispatch(pool.run, receiver)
    found = pick_orders(con)
    assert {order.parcel_id: order.pieces for order in found} == dict(
        con.execute("SELECT parcel_id, sum(quantity)::INTEGER FROM decision.parcels GROUP BY ALL").fetchall()
    )
    page = as_html(found, now=now)
    first, *rest = pieces(page, "CUP-500-BL")
    assert sorted(rest) == [1, 2, 3] and first == 6, "the wave first, then parcel by parcel"
    for order in found:
        assert order.tracking_no and page.count(order.tracking_no) == 1 and page.count(order.code) == 1
    assert "<script>" not in page and "轻放" in page
    for name, phone, *_, address, _ in people[:2]:
        assert name not in page and phone not in page and address not in page

    pool.take(refund("91003", "1003", 20, "requested"))  # called back: it disappears from the shelf's paper at once
    left = pick_orders(con)
    assert len(left) == 2
    gone = ({order.parcel_id for order in found} - {order.parcel_id for order in left}).pop()
    with pytest.raises(OrderpipeError, match="called back"):
        pick_orders(con, parcels=[gone])
    assert [order.parcel_id for order in pick_orders(con, parcels=[left[0].parcel_id])] == [left[0].parcel_id]
    assert pick_orders(con, warehouse="nowhere") == []
