"""Instruction bodies, built from the vault at the moment of sending. They live in memory only.

Source of field names: platform documentation of Qimen (deliveryorder.create) and Kuaidi100 (label order).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from orderpipe.config import Receiver, Settings, Warehouse
from orderpipe.errors import ConfigError
from orderpipe.lake import models

_SHANGHAI = ZoneInfo("Asia/Shanghai")
# Whose waybills carry a platform's encrypted receivers, by Kuaidi100's words.
_NETS = {"taobao": "taobao", "pinduoduo": "pinduoduoWx", "jd": "jdalpha", "douyin": "douyin"}
_REASONS = {
    "refund": "买家退款",
    "address_changed": "买家改址",
    "closed": "订单关闭",
    "shipped_elsewhere": "已由他处发货",
}
SOURCE_PLATFORM = {"taobao": "TB", "jd": "JD", "douyin": "DYXD", "pinduoduo": "PDD"}


def pick_order_rows(con) -> dict[str, dict[str, Any]]:
    """The parcels of work.members with lines and receiver, by parcel_id."""
    models.build(con, "outbox/pick_orders", "work.pick_orders")
    table = con.execute("FROM work.pick_orders").to_arrow_table()
    con.execute("DROP TABLE work.pick_orders")
    return {row["parcel_id"]: row for row in table.to_pylist()}


def reference(parcel_id: str) -> str:
    """Our code for a parcel, at the WMS and at the courier: it names the effect, not the attempt."""
    return f"OP{parcel_id}"


def _order_type(parcel_id: str) -> str:
    """JYCK sale; HHCK exchange and BFCK resend, which their names tell (sql/decision/return_requests.sql)."""
    found = re.search(r"-([XB])\d+$", parcel_id)
    return {"X": "HHCK", "B": "BFCK"}[found[1]] if found else "JYCK"


def delivery_order(row: Mapping[str, Any], settings: Settings, receiver: Receiver, now: datetime) -> dict[str, Any]:
    """Qimen's deliveryorder.create for one order. now: aware UTC, the time of the operation."""
    warehouse = warehouse_of(settings, row["warehouse_id"])
    shop = settings.shops.get(row["shop_id"])
    at = now.astimezone(_SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    sender = warehouse.sender
    return {
        "delivery_order": {
            "deliveryOrderCode": reference(row["parcel_id"]),
            "preDeliveryOrderCode": reference(row["origin_parcel_id"]) if row["origin_parcel_id"] else None,
            "orderType": row["order_type"],
            "orderFlag": "COD" if row["is_cod"] else None,
            "warehouseCode": warehouse.wms_code,
            "sourcePlatformCode": SOURCE_PLATFORM.get(row["platform"], "OTHERS"),
            "createTime": at,
            "placeOrderTime": row["ordered_at"],
            "payTime": row["paid_at"],
            "operateTime": at,
            "shopNick": shop.name if shop else row["shop_id"],
            "totalAmount": row["payable_amount"],
            "itemAmount": row["goods_amount"],
            "discountAmount": row["discount_amount"],
            "freight": row["freight"],
            "arAmount": row["to_collect"],
            "gotAmount": row["paid_amount"],
            "logisticsCode": str(receiver.settings.get("logistics_code", "SF")),
            "senderInfo": {
                "name": sender["name"],
                "mobile": sender["mobile"],
                "province": sender["province"],
                "city": sender["city"],
                "area": sender["area"],
                "detailAddress": sender["address"],
            },
            "receiverInfo": {
                **person(row),
                # Ciphertexts without a field of their own; the warehouse hands them to the platform as they are.
                "extendProps": {"receiverTokens": row["tokens"]} if row["tokens"] else None,
            },
            "oaidOrderSourceCode": row["platform_order_no"] if row["oaid"] else None,
            "buyerMessage": row["buyer_message"],
            "sellerMessage": row["seller_memo"],
        },
        "lines": [{**goods_line(line, warehouse), "actualPrice": line["line_amount"]} for line in row["lines"]],
    }


def person(row: Mapping[str, Any]) -> dict[str, Any]:
    """A buyer with address in Qimen's words: who receives goods, or sends them back."""
    return {
        "name": row["name"],
        "mobile": row["phone"],
        "province": row["province"],
        "city": row["city"],
        "area": row["district"],
        "town": row["town"],
        "detailAddress": row["address"],
        "zipCode": row["zip"],
        "oaid": row["oaid"],
    }


def goods_line(line: Mapping[str, Any], warehouse: Warehouse) -> dict[str, Any]:
    """An orderLine of Qimen, of goods that leave and of goods that come back."""
    return {
        "orderLineNo": str(line["line_no"]),
        "sourceOrderCode": line["platform_order_no"],
        "subSourceOrderCode": line["platform_line_id"],
        "ownerCode": warehouse.owner_code,
        "itemCode": line["sku"],
        "itemName": line["product_name"],
        "inventoryType": "ZP",
        "planQty": str(line["quantity"]),
    }


def label_order(row: Mapping[str, Any], settings: Settings, receiver: Receiver) -> dict[str, Any]:
    """Kuaidi100's label order for one order; weight in kg."""
    sender = warehouse_of(settings, row["warehouse_id"]).sender
    region = "".join(row[part] or "" for part in ("province", "city", "district", "town"))
    param = {
        "printType": "NON",
        "kuaidicom": str(receiver.settings.get("courier_code", "shunfeng")),
        "partnerId": str(receiver.settings.get("partner_id", "")),
        "payType": str(receiver.settings.get("pay_type", "MONTHLY")),
        "expType": str(receiver.settings.get("express_type", "标准快递")),
        "recMan": {"name": row["name"], "mobile": row["phone"], "printAddr": region + (row["address"] or "")},
        "sendMan": {
            "name": sender["name"],
            "mobile": sender["mobile"],
            "printAddr": sender["province"] + sender["city"] + sender["area"] + sender["address"],
        },
        "cargo": str(receiver.settings.get("cargo", "日用品")),
        "count": 1,
        "weight": row["weight_kg"],
        "orderId": reference(row["parcel_id"]),
        "reorder": False,
    }
    if row["is_cod"]:
        param["collection"] = row["to_collect"]  # yuan
    if row["oaid"]:  # the courier resolves the platform's encrypted receiver itself
        param |= {"oaid": row["oaid"], "thirdOrderId": row["platform_order_no"]}
        if net := {**_NETS, **(receiver.settings.get("nets") or {})}.get(row["platform"]):
            param["net"] = str(net)
    return param


def order_cancel(params: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Qimen's order.cancel for the pick order of a parcel."""
    warehouse = warehouse_of(settings, params["warehouse_id"])
    return {
        "warehouseCode": warehouse.wms_code,
        "ownerCode": warehouse.owner_code,
        "orderCode": reference(params["parcel_id"]),
        "orderType": _order_type(params["parcel_id"]),
        "cancelReason": _REASONS.get(params.get("reason"), "订单变更"),
    }


def label_cancels(con, receiver: Receiver, due: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Kuaidi100's label cancel for parcels, by instruction, with the numbers that came when it was ordered; where
    that answer was lost only our reference is known."""
    ids = [row.instruction_id for row in due]
    rows = con.execute(
        """SELECT c.instruction_id, c.params->>'parcel_id', w.receipt->>'kuaidinum', w.receipt->>'kdComOrderNum'
           FROM work.claimed c
           JOIN outbox.instructions w
             ON w.order_id = c.order_id AND w.idempotency_key = 'waybill:' || (c.params->>'parcel_id')
           WHERE list_contains($ids::VARCHAR[], c.instruction_id)""",
        {"ids": ids},
    ).fetchall()
    partner = {"partnerId": str(receiver.settings.get("partner_id", ""))}
    return {
        instruction_id: {
            **partner,
            "kuaidicom": str(receiver.settings.get("courier_code", "shunfeng")),
            "expType": str(receiver.settings.get("express_type", "标准快递")),
            "reference": reference(parcel_id),
            "kuaidinum": number,
            "orderId": courier_order,
            "reason": "订单变更",
        }
        for instruction_id, parcel_id, number, courier_order in rows
    }


def warehouse_of(settings: Settings, warehouse_id: str) -> Warehouse:
    """A configured warehouse. Raises ConfigError when there is none of that id."""
    try:
        return settings.warehouses[warehouse_id]
    except KeyError:
        raise ConfigError(
            f"no warehouse {warehouse_id}",
            where="warehouses.yaml",
            remedy="add it, or change the routing rule that names it",
        ) from None


def subscriptions(con, due: Sequence[Any]) -> dict[str, dict[str, str | None]]:
    """What tracking is asked to watch, by instruction: courier, number, and the receiver's phone for couriers that tell
    nothing without."""
    phones = dict(
        con.execute(
            "SELECT order_id, phone FROM vault.pii.contacts WHERE list_contains($ids::BIGINT[], order_id)",
            {"ids": [row.order_id for row in due]},
        ).fetchall()
    )
    return {
        row.instruction_id: {
            "courier": row.params["courier"],
            "number": row.params["tracking_no"],
            "phone": phones.get(row.order_id),
        }
        for row in due
    }
