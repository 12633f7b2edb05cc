-- What a pick order and a waybill are made of: the order, its lines that still ship, and its receiver in clear.
-- grain: one row per order · key: order_id · inputs: work.sending, core.orders, core.order_items, vault.pii.contacts
-- Read at the moment of sending, so that the newest address is used. Personal data: never stored outside the vault.
with lines as (
    select
        order_id,
        list({
            line_no: line_no, platform_line_id: platform_line_id, sku: sku, product_name: product_name,
            quantity: ship_quantity, line_amount: line_amount::varchar, pieces: quantity
        } order by line_no) as lines,
        sum(coalesce(weight_kg, 0.5) * ship_quantity)::decimal(18, 3)::varchar as weight_kg,
        sum(ship_quantity) as pieces
    from core.order_items
    where order_id in (select order_id from work.sending) and ship_quantity > 0
    group by order_id
)

select
    o.order_id, o.platform, o.shop_id, o.platform_order_no, o.warehouse_id, o.buyer_id,
    strftime(o.ordered_at at time zone 'Asia/Shanghai', '%Y-%m-%d %H:%M:%S') as ordered_at,
    strftime(o.paid_at at time zone 'Asia/Shanghai', '%Y-%m-%d %H:%M:%S') as paid_at,
    o.goods_amount::varchar as goods_amount, o.discount_amount::varchar as discount_amount,
    (o.shipping_fee + o.tax_amount)::decimal(18, 2)::varchar as freight, o.payable_amount::varchar as payable_amount,
    o.paid_amount::varchar as paid_amount, if(o.is_cod, o.balance_due, 0)::decimal(18, 2)::varchar as to_collect, o.is_cod,
    -- Some platforms show nothing of a receiver but its token, which WMS and courier resolve: they want a text all the same.
    coalesce(c.name, if(c.oaid is not null, '***', null)) as name,
    coalesce(c.phone, if(c.oaid is not null, '***', null)) as phone, c.province, c.city, c.district, c.town,
    coalesce(c.address, if(c.oaid is not null, '***', null)) as address, c.zip, c.oaid, c.tokens, c.buyer_message, c.seller_memo,
    l.lines, l.weight_kg, l.pieces
from core.orders o
join vault.pii.contacts c using (order_id)
join lines l using (order_id)
where o.order_id in (select order_id from work.sending)
