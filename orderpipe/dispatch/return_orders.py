"""Reverse orders: what the warehouse is told of goods that come back, built from the vault at the moment of sending.

Source of field names: platform documentation of Qimen, returnorder.create.
"""

from collections.abc import Mapping
from typing import Any

from orderpipe.config import Receiver, Settings
from orderpipe.dispatch.bodies import SOURCE_PLATFORM, goods_line, person, reference, warehouse_of
from orderpipe.lake import models

# Couriers by the names that platforms write; any other is OTHER, with its name.
_COURIERS = {
    "顺丰": "SF", "中通": "ZTO", "圆通": "YTO", "申通": "STO", "韵达": "YUNDA", "EMS": "EMS", "邮政": "POSTB",
    "京东": "JD", "百世": "HTKY", "宅急送": "ZJS",
}  # fmt: skip


def code(return_id: str) -> str:
    """Our code for a return at the WMS: it names the effect, not the attempt."""
    return f"RO{return_id}"


def prepare_check(con) -> None:
    """Fill work.reshippable and work.returns_stopped, which `outbox/claimed` asks: parcels of resends and exchanges
    that may go, reverse orders that need not. Needs work.sending, work.members, work.orders_now."""
    (again,) = con.execute(
        """SELECT EXISTS (FROM decision.reshipments WHERE order_id IN (SELECT order_id FROM work.members)
                          AND parcel_id IN (SELECT parcel_id FROM work.members))"""
    ).fetchone()
    if again:
        models.build(con, "outbox/reship_asked", "work.reship_asked")
        models.build(con, "decision/reshippable", "work.reshippable")
    else:
        con.execute("CREATE OR REPLACE TABLE work.reshippable (parcel_id VARCHAR)")
    (back,) = con.execute("SELECT EXISTS (FROM work.sending WHERE kind = 'return_order')").fetchone()
    if back:
        models.build(con, "outbox/returns_stopped", "work.returns_stopped")
    else:
        con.execute("CREATE OR REPLACE TABLE work.returns_stopped (instruction_id VARCHAR)")


def return_orders(run, receiver: Receiver) -> dict[str, dict[str, Any]]:
    """The bodies of the reverse orders that are being claimed (work.claimed), by instruction. One whose buyer or goods
    are not known is missing."""
    con = run.lake
    models.build(con, "outbox/return_orders", "work.return_orders")
    table = con.execute("FROM work.return_orders").to_arrow_table()
    con.execute("DROP TABLE work.return_orders")  # it holds people in clear
    return {row["instruction_id"]: return_order(row, run.settings) for row in table.to_pylist()}


def return_order(row: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Qimen's returnorder.create for one return. Raises ConfigError when its warehouse is not configured."""
    warehouse = warehouse_of(settings, row["warehouse_id"])
    shop = settings.shops.get(row["shop_id"])
    return {
        "return_order": {
            "returnOrderCode": code(row["return_id"]),
            "warehouseCode": warehouse.wms_code,
            "orderType": row["order_type"],
            # Of goods that another hand shipped the warehouse knows no code of ours.
            "preDeliveryOrderCode": reference(row["parcel_id"]) if row["parcel_id"] else row["platform_order_no"],
            "logisticsCode": _courier(row["courier_name"]),
            "logisticsName": row["courier_name"],
            "expressCode": row["tracking_no"],
            "returnReason": row["reason"],
            "sourcePlatformCode": SOURCE_PLATFORM.get(row["platform"], "OTHERS"),
            "shopNick": shop.name if shop else row["shop_id"],
            "senderInfo": person(row),
        },
        "lines": [goods_line(line, warehouse) for line in row["lines"]],
    }


def _courier(name: str | None) -> str:
    return next((found for known, found in _COURIERS.items() if known in (name or "")), "OTHER")
