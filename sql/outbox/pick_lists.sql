-- What still lies in a warehouse to be picked: parcels it took, that have not left and nobody called back.
-- grain: one row per parcel and line · key: parcel_id, line_no
-- inputs: outbox.instructions, decision.parcels, decision.reshipments, core.orders, core.fulfilments,
--   decision.recalls
-- For paper: no personal data, messages masked. The waybill has the address.
with told as (
    select params->>'parcel_id' as parcel_id, acked_at
    from outbox.instructions
    where kind = 'pick_order' and status = 'acknowledged'
),

waybills as (
    select params->>'parcel_id' as parcel_id, max(receipt->>'kuaidinum') as tracking_no
    from outbox.instructions
    where kind = 'waybill' and status = 'acknowledged'
    group by parcel_id
),

goods as (
    select parcel_id, order_id, line_no, warehouse_id, sku, product_name, quantity, is_gift, 'JYCK' as order_type
    from decision.parcels
    union all by name
    select parcel_id, order_id, line_no, warehouse_id, sku, product_name, quantity, false as is_gift, order_type
    from decision.reshipments
    where state = 'planned'
)

select
    t.parcel_id, g.warehouse_id, g.order_type, t.acked_at, w.tracking_no, o.platform,
    o.shop_id, o.platform_order_no, o.buyer_message, o.seller_memo, g.order_id, g.line_no, g.sku, g.product_name,
    g.quantity, g.is_gift
from told t
join goods g using (parcel_id)
join core.orders o using (order_id)
left join waybills w using (parcel_id)
left join core.fulfilments f using (parcel_id)
left join decision.recalls r using (parcel_id)
where r.parcel_id is null and not coalesce(f.is_final or f.status in ('shipped', 'partly_shipped'), false)
order by t.acked_at, t.parcel_id, g.order_id, g.line_no
