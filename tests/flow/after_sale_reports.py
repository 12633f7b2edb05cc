"""What warehouses and people say of orders, as it lands: for the tests of what follows the sale."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

from orderpipe.lake.landing import forget_documents, insert_documents, stage_documents

START = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
DISPUTES = {"refund": "REFUND", "return": "REFUND_AND_RETURN", "exchange": "TMALL_EXCHANGE"}
AGREED = "WAIT_BUYER_RETURN_GOODS"


def case_of(refund):
    """Makes Taobao's after-sale cases of a kind from `refund`, opened so many minutes after their order was placed."""

    def make(number, of, minutes, status, kind="return", line=1, fee="89.00", opened=190, **fields):
        one = refund(number, of, minutes, status, line)
        created = clock(START + timedelta(minutes=opened))
        return one.changed(dispute_type=DISPUTES[kind], refund_fee=fee, created=created, **fields)

    return make


def land(pool, *documents):
    """Land (platform, shop, kind, source_id, time, content) as they are, in this order."""
    rows = []
    for number, (platform, shop, kind, source, at, content) in enumerate(documents):
        text = json.dumps(content, ensure_ascii=False, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        rows.append((number, platform, shop, kind, source, at, text, digest))
    with pool.run.writing("landing"):
        stage_documents(pool.run.lake, rows)
        try:
            with pool.run.transaction("vault", "landing"):
                insert_documents(pool.run.lake, run_id="run-1", now=pool.run.started_at)
        finally:
            forget_documents(pool.run.lake)


def told(pool, method, at, request):
    """What the warehouse says, as it lands."""
    name = hashlib.md5(json.dumps(request).encode()).hexdigest()
    return ("wms", "wms", "wms_callback", f"{method}:{name}", at, {"method": method, "request": request})


def moment(pool, minutes):
    return pool.run.started_at + timedelta(minutes=minutes)


def clock(at):
    return (at + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")


def shipped(pool, parcel_id, *lines, minutes=30):
    """The warehouse confirms a parcel: lines as (order number, line id, sku, planned, shipped)."""
    at = moment(pool, minutes)
    request = {
        "deliveryOrder": {"deliveryOrderCode": f"OP{parcel_id}", "status": "DELIVERED", "confirmType": "0",
                          "outBizCode": f"C-{parcel_id}", "orderConfirmTime": clock(at)},
        "packages": [{"logisticsCode": "SF", "expressCode": f"SF{parcel_id}",
                      "items": [{"itemCode": line[2], "quantity": str(line[4])} for line in lines if line[4]]}],
        "orderLines": [
            {"orderLineNo": str(n), "orderSourceCode": number, "subSourceCode": line_id, "itemCode": sku,
             "planQty": str(planned), "actualQty": str(actual)}
            for n, (number, line_id, sku, planned, actual) in enumerate(lines, 1)
        ],
    }  # fmt: skip
    return told(pool, "deliveryorder.confirm", at, request)


def goods_in(pool, return_id, *lines, minutes=90, final=True):
    """The warehouse confirms goods that came back: lines as (sku, planned, good, defective)."""
    at = moment(pool, minutes)
    rows = []
    for n, (sku, planned, good, defective) in enumerate(lines, 1):
        common = {"orderLineNo": str(n), "itemCode": sku, "planQty": str(planned)}
        rows += [{**common, "inventoryType": "ZP", "actualQty": str(good)}]
        rows += [{**common, "inventoryType": "CC", "actualQty": str(defective)}] if defective else []
    request = {
        "returnOrder": {"returnOrderCode": f"RO{return_id}", "outBizCode": f"R-{return_id}-{minutes}",
                        "confirmType": "0" if final else "1", "orderConfirmTime": clock(at)},
        "orderLines": rows,
    }  # fmt: skip
    return told(pool, "returnorder.confirm", at, request)
