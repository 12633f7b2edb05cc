-- What rules may ask about an order: the fields of orderpipe/rules/fields.py, no personal data.
-- grain: one row per candidate order · key: order_id
-- inputs: work.candidates(order_id), work.histories, core.orders, core.order_items, core.customers, ref.regions, ref.goods, ref.blacklist
-- Unknown stays unknown: an order with goods that are not in the goods master has any_glass null unless another of
-- its lines is known to be glass, because a rule "no glass" must not match what nobody knows. No lines, no knowledge.
with candidates as (
    select distinct order_id from work.candidates
),

regions as (
    select short_province(province) as short_name, min(region) as region from ref.regions group by 1
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
        list(distinct g.hs_code order by g.hs_code) filter (g.hs_code is not null) as hs_codes,
        list(distinct g.material order by g.material) filter (g.material is not null) as materials,
        -- Widened before multiplying: in 18 digits one absurd quantity would overflow and stop every order.
        if(
            count(i.weight_kg) = count(*) and count(i.ship_quantity) = count(*),
            sum(i.weight_kg::decimal(28, 3) * i.ship_quantity),
            null
        ) as weight_kg
    from core.order_items i
    semi join candidates using (order_id)
    left join ref.goods g using (sku)
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
    in_shanghai(o.ordered_at)::date as ordered_on,
    isodow(in_shanghai(o.ordered_at)) as weekday,
    hour(in_shanghai(o.paid_at)) as paid_hour,
    coalesce(l.line_count, 0)::bigint as line_count,
    coalesce(l.quantity, if(l.order_id is null, 0, null))::bigint as quantity,
    l.any_fragile,
    l.any_glass,
    coalesce(l.unknown_goods, false) as unknown_goods,
    l.all_gift,
    coalesce(l.skus, []) as skus,
    coalesce(l.hs_codes, []) as hs_codes,
    coalesce(l.materials, []) as materials,
    try_cast(l.weight_kg as decimal(18, 3)) as weight_kg,
    o.missing_fields,
    o.address_score::bigint as address_score,
    o.address_problems,
    o.buyer_ip_province,
    if(o.country = 'CN', short_province(o.buyer_ip_province) <> short_province(o.province), null) as ip_province_differs,
    coalesce(o.phone_key in (select key from ref.blacklist where kind = 'phone'), false)
        or coalesce(o.id_key in (select key from ref.blacklist where kind = 'id'), false)
        or coalesce(o.address_key in (select key from ref.blacklist where kind = 'address'), false)
        or coalesce(o.buyer_id in (select key from ref.blacklist where kind = 'buyer'), false) as blacklisted,
    case
        when coalesce(h.buyer_orders_365d, 0) = 0 then 'new'
        when h.buyer_paid_cny_365d >= 2000 then 'vip'
        else 'regular'
    end as segment,
    coalesce(o.ordered_at <= c.first_paid_order_at, true) as is_first_order,
    coalesce(h.buyer_orders_365d, 0)::bigint as buyer_orders_365d,
    coalesce(h.buyer_paid_cny_365d, 0)::decimal(18, 2) as buyer_paid_cny_365d,
    coalesce(h.buyer_refunds_90d, 0)::bigint as buyer_refunds_90d,
    h.id_orders_1d, h.id_orders_7d, h.id_orders_30d, h.id_orders_90d,
    h.phone_orders_1d, h.phone_orders_7d, h.phone_orders_30d, h.phone_orders_90d,
    h.address_orders_1d, h.address_orders_7d, h.address_orders_30d, h.address_orders_90d,
    h.phone_buyers_90d, h.address_buyers_90d
from core.orders o
semi join candidates using (order_id)
left join lines l using (order_id)
left join work.histories h using (order_id)
left join core.customers c using (customer_id)
left join regions r on r.short_name = short_province(o.province)
