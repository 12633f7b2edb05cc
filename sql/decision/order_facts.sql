-- What routing rules may ask about an order: the fields of orderpipe/rules/fields.py, no personal data.
-- grain: one row per candidate order · key: order_id
-- inputs: work.candidates(order_id), core.orders, core.order_items, ref.regions(province, region)
-- Unknown stays unknown: an order with goods that are not in the goods master has any_glass null unless another of
-- its lines is known to be glass, because a rule "no glass" must not match what nobody knows. No lines, no knowledge.
with candidates as (
    select distinct order_id from work.candidates
),

-- 浙江省 and 浙江, 内蒙古自治区 and 内蒙古, 上海市 and 上海 are one: compare without the kind of the unit.
regions as (
    select regexp_replace(trim(province), '(省|市|特别行政区|(壮族|回族|维吾尔)?自治区)$', '') as short_name, min(region) as region
    from ref.regions
    group by 1
),

lines as (
    select
        i.order_id,
        count(*) as line_count,
        if(count(i.ship_quantity) = count(*), sum(i.ship_quantity), null) as quantity,
        -- True when one line is, false when every line is known not to be, else null.
        case when bool_or(i.fragile) then true when count(i.fragile) = count(*) then false end as any_fragile,
        case when bool_or(i.glass) then true when count(i.glass) = count(*) then false end as any_glass,
        case when not bool_and(i.is_gift) then false when count(i.is_gift) = count(*) then true end as all_gift,
        bool_or(i.sku is null or i.fragile is null or i.glass is null) as unknown_goods,
        list(distinct i.sku order by i.sku) as skus,
        -- Widened before multiplying: in 18 digits one absurd quantity would overflow and stop every order.
        if(
            count(i.weight_kg) = count(*) and count(i.ship_quantity) = count(*),
            sum(i.weight_kg::decimal(28, 3) * i.ship_quantity),
            null
        ) as weight_kg
    from core.order_items i
    semi join candidates using (order_id)
    -- A line whose quantity is unknown may still ship: it counts.
    where coalesce(i.ship_quantity > 0, true) and i.refund_status is distinct from 'refunded'
    group by i.order_id
)

select
    o.order_id,
    o.platform,
    o.shop_id,
    o.country,
    o.province,
    r.region,
    o.city,
    o.district,
    o.currency,
    o.goods_amount,
    o.paid_amount,
    o.paid_amount_cny,
    o.payment_status,
    o.is_cod,
    o.is_presale,
    o.is_test,
    coalesce(l.line_count, 0)::bigint as line_count,
    coalesce(l.quantity, if(l.order_id is null, 0, null))::bigint as quantity,
    l.any_fragile,
    l.any_glass,
    coalesce(l.unknown_goods, false) as unknown_goods,
    l.all_gift,
    coalesce(l.skus, []) as skus,
    try_cast(l.weight_kg as decimal(18, 3)) as weight_kg
from core.orders o
semi join candidates using (order_id)
left join lines l using (order_id)
left join regions r on r.short_name = regexp_replace(trim(o.province), '(省|市|特别行政区|(壮族|回族|维吾尔)?自治区)$', '')
