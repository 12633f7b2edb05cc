-- What a pick order and a waybill are made of: the parcel, its orders' money, its lines, and its receiver in clear.
-- grain: one row per parcel · key: parcel_id
-- inputs: work.members, decision.parcels, decision.reshipments, core.orders, core.order_items, vault.pii.contacts
-- Read at the moment of sending, so that the newest address is used. Personal data: never stored outside the vault.
-- Money adds up: the parts of a split order carry the price of their goods, the main part everything else; orders that
-- leave together are added.
with again as (  -- resends and exchanges: paid for already
    select
        order_id, line_no, parcel_id, order_id as lead_order_id, false as is_main, warehouse_id, platform_line_id, sku,
        product_name, quantity, 0::decimal(18, 2) as line_amount, weight_kg, false as is_gift, order_type, origin_parcel_id
    from decision.reshipments
    where order_id in (select order_id from work.members)
),

parcels as (
    select p.*, sum(line_amount) over (partition by order_id, parcel_id) as part_amount
    from (
        select *, 'JYCK' as order_type, null as origin_parcel_id from decision.parcels
        union all by name
        select * from again
    ) p
    where order_id in (select order_id from work.members) and parcel_id in (select parcel_id from work.members)
),

elsewhere as (  -- what other parcels of the same orders carry
    select order_id, sum(line_amount) as amount
    from decision.parcels
    where order_id in (select order_id from work.members) and not is_main
    group by order_id
),

money as (
    select
        p.parcel_id,
        sum(if(p.is_main, o.goods_amount - coalesce(e.amount, 0), p.part_amount)) as goods_amount,
        sum(if(p.is_main, o.discount_amount, 0)) as discount_amount,
        sum(if(p.is_main, o.shipping_fee + o.tax_amount, 0)) as freight,
        sum(if(p.is_main, o.payable_amount - coalesce(e.amount, 0), p.part_amount)) as payable_amount,
        sum(if(p.is_main, o.paid_amount - coalesce(e.amount, 0), p.part_amount)) as paid_amount,
        sum(if(p.is_main and o.is_cod, o.balance_due, 0)) as to_collect
    from (select distinct parcel_id, order_id, is_main, part_amount from parcels) p
    join core.orders o using (order_id)
    left join elsewhere e using (order_id)
    group by p.parcel_id
),

numbered as (
    select p.*, row_number() over (partition by parcel_id order by p.order_id, p.line_no) as place from parcels p
),

lines as (
    select
        p.parcel_id, any_value(p.lead_order_id) as lead_order_id, any_value(p.order_type) as order_type,
        min(p.origin_parcel_id) as origin_parcel_id, any_value(p.warehouse_id) as warehouse_id,
        list({
            line_no: p.place, platform_order_no: o.platform_order_no, platform_line_id: p.platform_line_id, sku: p.sku,
            product_name: p.product_name, quantity: p.quantity, line_amount: p.line_amount::varchar,
            pieces: coalesce(i.quantity, p.quantity), is_gift: p.is_gift
        } order by p.place) as lines,
        sum(coalesce(p.weight_kg, 0.5) * p.quantity)::decimal(18, 3)::varchar as weight_kg,
        sum(p.quantity) as pieces
    from numbered p
    join core.orders o using (order_id)
    left join core.order_items i on i.order_id = p.order_id and i.line_no = p.line_no
    group by p.parcel_id
)

select
    l.parcel_id, o.order_id, o.platform, o.shop_id, o.platform_order_no, l.warehouse_id, o.buyer_id,
    strftime(in_shanghai(o.ordered_at), '%Y-%m-%d %H:%M:%S') as ordered_at,
    strftime(in_shanghai(o.paid_at), '%Y-%m-%d %H:%M:%S') as paid_at,
    m.goods_amount::decimal(18, 2)::varchar as goods_amount, m.discount_amount::decimal(18, 2)::varchar as discount_amount,
    m.freight::decimal(18, 2)::varchar as freight, m.payable_amount::decimal(18, 2)::varchar as payable_amount,
    m.paid_amount::decimal(18, 2)::varchar as paid_amount, m.to_collect::decimal(18, 2)::varchar as to_collect,
    o.is_cod and l.order_type = 'JYCK' as is_cod, l.order_type, l.origin_parcel_id,
    -- Some platforms show nothing of a receiver but its token, which WMS and courier resolve: they want a text all the same.
    coalesce(c.name, if(c.oaid is not null, '***', null)) as name,
    coalesce(c.phone, if(c.oaid is not null, '***', null)) as phone, c.province, c.city, c.district, c.town,
    coalesce(c.address, if(c.oaid is not null, '***', null)) as address, c.zip, c.oaid, c.tokens, c.buyer_message, c.seller_memo,
    l.lines, l.weight_kg, l.pieces
from lines l
join money m using (parcel_id)
join core.orders o on o.order_id = l.lead_order_id
join vault.pii.contacts c on c.order_id = l.lead_order_id
