"""Instruction bodies, built from the vault at the moment of sending. They live in memory only.

Source of field names: platform documentation of Qimen (deliveryorder.create) and Kuaidi100 (label order).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from orderpipe.config import Receiver, Settings
from orderpipe.errors import ConfigError
from orderpipe.lake import models

_SHANGHAI = ZoneInfo("Asia/Shanghai")
# Whose waybills carry a platform's encrypted receivers, by Kuaidi100's words.
_NETS = {"taobao": "taobao", "pinduoduo": "pinduoduoWx", "jd": "jdalpha", "douyin": "douyin"}
_SOURCE_PLATFORM = {"taobao": "TB", "jd": "JD", "douyin": "DYXD", "pinduoduo": "PDD"}


def pick_order_rows(con) -> dict[str, dict[str, Any]]:
    """The parcels of work.members with lines and receiver, by parcel_id."""
    models.build(con, "outbox/pick_orders", "work.pick_orders")
    table = con.execute("FROM work.pick_orders").to_arrow_table()
    con.execute("DROP TABLE work.pick_orders")
    return {row["parcel_id"]: row for row in table.to_pylist()}


def reference(parcel_id: str) -> str:
    """Our code for a parcel, at the WMS and at the courier: it names the effect, not the attempt."""
    return f"OP{parcel_id}"


def delivery_order(row: Mapping[str, Any], settings: Settings, receiver: Receiver, now: datetime) -> dict[str, Any]:
    """Qimen's deliveryorder.create for one order. now: aware UTC, the time of the operation."""
    warehouse = _warehouse(settings, row["warehouse_id"])
    shop = settings.shops.get(row["shop_id"])
    at = now.astimezone(_SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    sender = warehouse.sender
    return {
        "delivery_order": {
            "deliveryOrderCode": reference(row["parcel_id"]),
            "orderType": "JYCK",
            "orderFlag": "COD" if row["is_cod"] else None,
            "warehouseCode": warehouse.wms_code,
            "sourcePlatformCode": _SOURCE_PLATFORM.get(row["platform"], "OTHERS"),
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
                "name": row["name"],
                "mobile": row["phone"],
                "province": row["province"],
                "city": row["city"],
                "area": row["district"],
                "town": row["town"],
                "detailAddress": row["address"],
                "zipCode": row["zip"],
                "oaid": row["oaid"],
                # Ciphertexts without a field of their own; the warehouse hands them to the platform as they are.
                "extendProps": {"receiverTokens": row["tokens"]} if row["tokens"] else None,
            },
            "oaidOrderSourceCode": row["platform_order_no"] if row["oaid"] else None,
            "buyerMessage": row["buyer_message"],
            "sellerMessage": row["seller_memo"],
        },
        "lines": [
            {
                "orderLineNo": str(line["line_no"]),
                "sourceOrderCode": line["platform_order_no"],
                "subSourceOrderCode": line["platform_line_id"],
                "ownerCode": warehouse.owner_code,
                "itemCode": line["sku"],
                "itemName": line["product_name"],
                "inventoryType": "ZP",
                "planQty": str(line["quantity"]),
                "actualPrice": line["line_amount"],
            }
            for line in row["lines"]
        ],
    }


def label_order(row: Mapping[str, Any], settings: Settings, receiver: Receiver) -> dict[str, Any]:
    """Kuaidi100's label order for one order; weight in kg."""
    sender = _warehouse(settings, row["warehouse_id"]).sender
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


def _warehouse(settings: Settings, warehouse_id: str):
    try:
        return settings.warehouses[warehouse_id]
    except KeyError:
        raise ConfigError(
            f"no warehouse {warehouse_id}",
            where="warehouses.yaml",
            remedy="add it, or change the routing rule that names it",
        ) from None
