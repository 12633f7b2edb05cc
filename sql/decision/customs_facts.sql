-- What customs rules may ask about goods that leave the country: the fields CUSTOMS_FIELDS of orderpipe/rules/fields.py.
-- grain: one row per line that still ships of candidate orders routed to cross_border_review · key: (order_id, line_no)
-- inputs: work.routes, core.orders, core.order_items, core.refunds, ref.goods, ref.regions
-- Values come from the goods master and the order, never from a guess: what is not known is null, and so is what follows
-- from it. Source of the rules about values: the price paid after discounts, without postage.
with abroad as (
    select o.*
    from core.orders o
    semi join (select order_id from work.routes where warehouse_id = 'cross_border_review') r using (order_id)
),

territories as (  -- 港澳台 are customs territories of their own, whatever country the platform writes
    select short_province(province) as short_name, min(code) as code from ref.regions where region = '港澳台' group by 1
),

lines as (
    select
        i.*,
        row_number() over (partition by i.order_id order by i.line_no) = 1 as first_line,
        count(distinct i.currency) over (partition by i.order_id) as currencies
    from core.order_items i
    semi join abroad using (order_id)
    where coalesce(i.ship_quantity > 0, true)
),

amounts as (  -- of all lines, shipping or not: that is what the payment was for
    select i.order_id, if(count(i.line_amount) = count(*), sum(i.line_amount), null) as goods_paid
    from core.order_items i
    semi join abroad using (order_id)
    group by i.order_id
),

cases as (
    select distinct order_id from core.refunds
    where order_id in (select order_id from abroad) and status in ('requested', 'returning', 'unknown')
),

described as (
    select
        *,
        regexp_extract_all(lower(name_en), '[a-z]+') as words
    from ref.goods
)

select
    l.order_id,
    l.line_no,
    l.first_line,
    o.platform,
    coalesce(t.code, o.country) as dest_country,
    l.sku,
    g.sku is not null as known_goods,
    g.hs_code,
    if(regexp_full_match(g.hs_code, '[0-9]+'), length(g.hs_code), null)::bigint as hs_digits,
    g.name_en,
    length(regexp_replace(g.name_en, '[^A-Za-z]', '', 'g'))::bigint as name_en_letters,
    len(list_filter(g.words, lambda w: w not in (
        'gift', 'gifts', 'sample', 'samples', 'goods', 'part', 'parts', 'accessory', 'accessories', 'product', 'products',
        'other', 'others', 'item', 'items', 'free', 'new', 'set', 'pcs', 'a', 'of', 'the', 'for'))) = 0 as name_en_vague,
    g.name as name_zh,
    regexp_full_match(g.name, '(?:礼品|配件|样品|赠品|商品|货物|其他)+') as name_zh_vague,
    -- Whole cents, halves up, in integers: a division of decimals would become a float.
    if(
        l.quantity > 0,
        (((l.line_amount * 100)::hugeint * 2 + l.quantity) // (2 * l.quantity) * 0.01::decimal(18, 2))::decimal(18, 2),
        null
    ) as unit_value,
    l.currency,
    (l.currencies + (l.currency is distinct from o.currency)::integer)::bigint as currency_count,
    if(
        o.paid_amount - o.shipping_fee - o.tax_amount > 0,
        (a.goods_paid * 100)::hugeint * 100 // ((o.paid_amount - o.shipping_fee - o.tax_amount) * 100)::hugeint,
        null
    )::bigint as line_paid_ratio,
    g.weight_kg as net_weight,
    g.origin,
    regexp_full_match(g.origin, '[A-Z]{2}') as origin_iso2,
    l.ship_quantity::bigint as quantity,
    g.unit,
    g.material,
    g."use",
    g.brand,
    g.restricted,
    len(list_filter(o.missing_fields, lambda f: f in ('name', 'phone', 'address'))) > 0 as receiver_masked,
    o.id_key is not null as tax_id_present,
    o.status in ('closed', 'after_sale')
        or coalesce(l.refund_status in ('requested', 'returning', 'unknown'), false)
        or c.order_id is not null as refund_open
from lines l
join abroad o using (order_id)
left join described g using (sku)
left join amounts a using (order_id)
left join cases c using (order_id)
left join territories t on o.country = 'CN' and t.short_name = short_province(o.province)
