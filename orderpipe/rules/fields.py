"""What rules may ask: the catalogues of facts about orders, goods and declaration lines.

work.order_facts has exactly the fields of ORDER_FIELDS beside order_id; a decision stores those its rules ask. No
field may hold personal data. `python -m orderpipe.rules.pages` writes docs/rules_catalogue.md.
"""

from dataclasses import dataclass

CROSS_BORDER_REVIEW = "cross_border_review"
REGIONS = ("华东", "华南", "华中", "华北", "西南", "西北", "东北", "港澳台")
SEGMENTS = ("new", "regular", "vip")
HISTORY_DAYS = (1, 7, 30, 90)


@dataclass(frozen=True)
class Field:
    """A fact. type: text, number (exact decimal), integer, boolean, date (local business day), text_list. label: for
    operators."""

    name: str
    type: str
    label: str
    example: str
    note: str = ""
    choices: tuple[str, ...] = ()  # where given, the only texts that can occur


def catalogue(*fields: Field) -> dict[str, Field]:
    """Fields by name, in their order."""
    return {field.name: field for field in fields}


_KNOWN_GOODS = "Unknown (null) when a line's goods are not in the goods master and no other line settles it."
_SAME = "Orders paid (or cash on delivery) in the days up to this one, this one included; null without one to compare."


def _history(prefix: str, label: str) -> list[Field]:
    return [
        Field(f"{prefix}_orders_{days}d", "integer", f"{days} 天内{label}订单数", "2", _SAME) for days in HISTORY_DAYS
    ]


ORDER_FIELDS = catalogue(
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
    Field("ordered_on", "date", "下单日期", "2026-11-11", "Day of the order, Asia/Shanghai."),
    Field("weekday", "integer", "下单星期", "7", "1 Monday … 7 Sunday, Asia/Shanghai."),
    Field("paid_hour", "integer", "付款小时", "16", "Hour of the payment, 0 … 23, Asia/Shanghai: warehouse cut-offs."),
    Field("line_count", "integer", "待发明细数", "2", "Lines that still ship."),
    Field("quantity", "integer", "待发件数", "3", "Pieces that still ship."),
    Field("any_fragile", "boolean", "含易碎品", "true", _KNOWN_GOODS),
    Field("any_glass", "boolean", "含玻璃制品", "false", _KNOWN_GOODS),
    Field("unknown_goods", "boolean", "含未知商品", "false", "A line's goods are not in the goods master."),
    Field("all_gift", "boolean", "全部为赠品", "false", "No line that still ships costs the buyer anything."),
    Field("skus", "text_list", "商品编码", "[CUP-01, BOWL-02]", "Of the lines that still ship, sorted, each once."),
    Field("hs_codes", "text_list", "海关编码", '["9617009000"]', "By the goods master, sorted, each once."),
    Field("materials", "text_list", "材质", "[陶瓷]", "By the goods master, sorted, each once."),
    Field("weight_kg", "number", "重量（千克）", "1.250", "By the goods master; null when one piece's is unknown."),
    Field("missing_fields", "text_list", "缺失信息", "[phone]", "What is missing before the order can ship."),
    Field("address_score", "integer", "地址模糊度", "70", "0 exact … 100 useless; null where the address is hidden."),
    Field("address_problems", "text_list", "地址问题", "[only_landmark]", "Codes, see docs/rules.md."),
    Field("buyer_ip_province", "text", "付款 IP 省份", "广东省", "From config/ip_ranges.csv; null when unknown."),
    Field("ip_province_differs", "boolean", "付款 IP 与收货省份不同", "true", "Null when one of them is unknown."),
    Field("blacklisted", "boolean", "黑名单", "false", "Phone, id number, address or buyer in config/blacklist.csv."),
    Field("segment", "text", "会员等级", "vip", "By paid orders of the 365 days before: new none, vip 2,000 yuan or "
          "more, else regular.", SEGMENTS),
    Field("is_first_order", "boolean", "首单", "true", "The buyer never paid an order before this one."),
    Field("buyer_orders_365d", "integer", "365 天内买家已付订单数", "3", "Before this one."),
    Field("buyer_paid_cny_365d", "number", "365 天内买家已付金额（人民币）", "899.00", "Before this one."),
    Field("buyer_refunds_90d", "integer", "90 天内买家售后数", "1", "Cases opened before this order was placed."),
    *_history("id", "同一证件号"),
    *_history("phone", "同一手机号"),
    *_history("address", "同一地址"),
    Field("phone_buyers_90d", "integer", "90 天内同一手机号的买家数", "2", "Buyers by their platform identity."),
    Field("address_buyers_90d", "integer", "90 天内同一地址的买家数", "4", "Buyers by their platform identity."),
)  # fmt: skip

SKU_FIELDS = catalogue(
    Field("sku", "text", "商品编码", "CUP-500-BL"),
    Field("name", "text", "商品名称", "双层保温杯"),
    Field("material", "text", "材质", "不锈钢"),
    Field("hs_code", "text", "海关编码", "9617009000"),
    Field("price_cny", "number", "售价（元）", "89.00"),
    Field("cost_cny", "number", "成本（元）", "31.50"),
    Field("weight_kg", "number", "重量（千克）", "0.420"),
    Field("fragile", "boolean", "易碎", "false"),
    Field("glass", "boolean", "玻璃", "false"),
)

_MASTER = "From the goods master; null when it has none."
CUSTOMS_FIELDS = catalogue(
    Field("platform", "text", "平台", "shopify", "See the vocabulary."),
    Field("dest_country", "text", "目的国家", "US", "ISO 3166 code; HK, MO and TW are territories of their own."),
    Field("first_line", "boolean", "订单首行", "true", "Asked by rules about the whole order, so that they tell once."),
    Field("sku", "text", "商品编码", "CUP-500-BL"),
    Field("known_goods", "boolean", "商品档案存在", "true", "The sku is in the goods master."),
    Field("hs_code", "text", "海关编码", "9617009000", _MASTER),
    Field("hs_digits", "integer", "海关编码位数", "10", "Null without a code, or when it holds other than digits."),
    Field("name_en", "text", "英文品名", "Insulated cup 500 ml", _MASTER),
    Field("name_en_letters", "integer", "英文品名字母数", "13"),
    Field("name_en_vague", "boolean", "英文品名笼统", "false", "Nothing but words like gift, sample, goods, parts."),
    Field("name_zh", "text", "中文品名", "双层保温杯", _MASTER),
    Field("name_zh_vague", "boolean", "中文品名笼统", "false", "Nothing but 礼品, 配件, 样品, 赠品, 商品, 货物, 其他."),
    Field("unit_value", "number", "申报单价", "24.00", "Paid for a piece after discounts, in the order's currency."),
    Field("currency", "text", "币种", "USD", "ISO 4217 code of unit_value."),
    Field("currency_count", "integer", "订单币种数", "1", "Different currencies in the order."),
    Field("line_paid_ratio", "integer", "申报总值占实付百分比", "100", "All line amounts in percent of what the buyer "
          "paid without postage and tax; null when nothing was paid yet."),
    Field("net_weight", "number", "净重（千克）", "0.420", "Of a piece. " + _MASTER),
    Field("origin", "text", "原产国", "CN", _MASTER),
    Field("origin_iso2", "boolean", "原产国为两位代码", "true", "Null when there is none."),
    Field("quantity", "integer", "待发件数", "2", "Ordered less cancelled; null when unknown."),
    Field("unit", "text", "计量单位", "件", _MASTER),
    Field("material", "text", "材质", "不锈钢", _MASTER),
    Field("use", "text", "用途", "饮用", _MASTER),
    Field("brand", "text", "品牌", "无品牌", "No brand must be said: 无品牌. " + _MASTER),
    Field("restricted", "text", "限制属性", "battery", _MASTER, ("battery", "liquid", "food", "none")),
    Field("receiver_masked", "boolean", "收件信息不全", "false", "Name, phone or address hidden or missing, and no "
          "platform token in their place."),
    Field("tax_id_present", "boolean", "有收件人税号", "true", "The order names an identity or tax number."),
    Field("refund_open", "boolean", "有售后", "false", "Closed, in after-sale, or with an open case on order or line."),
)  # fmt: skip
