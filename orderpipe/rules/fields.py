"""What rules may ask and what they may decide: the catalogue of facts, and the outcomes of each kind of rule.

work.order_facts has exactly the fields of ORDER_FIELDS beside order_id, and decisions store exactly them. No field
may hold personal data.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CROSS_BORDER_REVIEW = "cross_border_review"
REGIONS = ("华东", "华南", "华中", "华北", "西南", "西北", "东北", "港澳台")


@dataclass(frozen=True)
class Field:
    """A fact about an order. type: text, number (exact decimal), integer, boolean, text_list. label: for operators."""

    name: str
    type: str
    label: str
    example: str
    note: str = ""
    choices: tuple[str, ...] = ()  # where given, the only texts that can occur


@dataclass(frozen=True)
class Purpose:
    """A kind of rule file: which facts it may ask, and which values each key of `then` may have (None: any text)."""

    name: str
    fields: Mapping[str, Field]
    outcomes: Mapping[str, frozenset[str] | None]


_KNOWN_GOODS = "Unknown (null) when a line's goods are not in the goods master and no other line settles it."

ORDER_FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field("platform", "text", "平台", "taobao", "See the vocabulary."),
        Field("shop_id", "text", "店铺", "taobao-hz", "id in shops.yaml."),
        Field("country", "text", "收货国家", "CN", "ISO 3166 code; quote NO, it means no in YAML."),
        Field("province", "text", "收货省份", "浙江省", "As the platform sent it; use region for groups of provinces."),
        Field("region", "text", "大区", "华东", "From config/regions.csv; null for an unknown province.", REGIONS),
        Field("city", "text", "收货城市", "杭州市"),
        Field("district", "text", "收货区县", "余杭区"),
        Field("currency", "text", "币种", "CNY", "ISO 4217 code of goods_amount and paid_amount."),
        Field("goods_amount", "number", "商品金额", "129.00", "Before discounts, in the order's currency."),
        Field("paid_amount", "number", "实付金额", "119.00", "In the order's currency."),
        Field("paid_amount_cny", "number", "实付金额（人民币）", "119.00", "At the rate of the day it was ordered."),
        Field("payment_status", "text", "付款状态", "paid"),
        Field("is_cod", "boolean", "货到付款", "false", "Cash on delivery."),
        Field("is_presale", "boolean", "预售", "false", "A deposit first, the balance later."),
        Field("is_test", "boolean", "测试订单", "false", "A test order of the platform; never shipped."),
        Field("line_count", "integer", "待发明细数", "2", "Lines that still ship."),
        Field("quantity", "integer", "待发件数", "3", "Pieces that still ship."),
        Field("any_fragile", "boolean", "含易碎品", "true", _KNOWN_GOODS),
        Field("any_glass", "boolean", "含玻璃制品", "false", _KNOWN_GOODS),
        Field("unknown_goods", "boolean", "含未知商品", "false", "A line's goods are not in the goods master."),
        Field("all_gift", "boolean", "全部为赠品", "false", "No line that still ships costs the buyer anything."),
        Field("skus", "text_list", "商品编码", "[CUP-01, BOWL-02]", "Of the lines that still ship, sorted, each once."),
        Field("weight_kg", "number", "重量（千克）", "1.250", "By the goods master; null when one piece's is unknown."),
    )
}


def routing(warehouses: Iterable[str]) -> Purpose:
    """Routing rules: then: {warehouse: …}, one of these warehouse ids or cross_border_review."""
    return Purpose("routing", ORDER_FIELDS, {"warehouse": frozenset((*warehouses, CROSS_BORDER_REVIEW))})
