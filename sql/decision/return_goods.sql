-- What of the orders with after-sale cases, requests or lost recalls has left the house, line by line.
-- grain: one row per order line and parcel it is in; one row for a line that is in none · key: (order_id, line_no, parcel_id)
-- inputs: work.returning, work.orders_now, work.parcels_now, core.order_items, core.fulfilments, core.fulfilment_lines,
--         outbox.instructions
-- The warehouse's word on a parcel counts, and the platform's where the warehouse has said nothing of it.
with orders as (
    select
        order_id, warehouse_id,
        status in ('shipped', 'completed') or (shipped_at is not null and status <> 'paid') as has_left
    from work.orders_now
    where order_id in (select order_id from work.returning)
),

tried as (
    select distinct params->>'parcel_id' as parcel_id
    from outbox.instructions
    where order_id in (
            select lead_order_id from work.parcels_now where order_id in (select order_id from work.returning)
        )
        and kind in ('pick_order', 'waybill') and attempts > 0
),

packed as (
    select
        p.order_id, p.line_no, p.parcel_id, p.warehouse_id, p.quantity, t.parcel_id is not null as is_told,
        f.status as wms_status, f.shipped_at
    from work.parcels_now p
    left join tried t using (parcel_id)
    left join core.fulfilments f using (parcel_id)
    where p.order_id in (select order_id from work.returning)
),

shipped as (
    select parcel_id, order_id, platform_line_id, sku, sum(shipped)::bigint as pieces
    from core.fulfilment_lines
    where order_id in (select order_id from work.returning) and parcel_id in (select parcel_id from packed)
    group by all
)

select
    i.order_id, i.line_no, i.platform_line_id, i.sku, i.product_name, i.quantity, i.line_amount, i.weight_kg,
    p.parcel_id, coalesce(p.warehouse_id, o.warehouse_id) as warehouse_id, coalesce(p.is_told, false) as is_told,
    p.wms_status,
    p.shipped_at,
    case
        when p.wms_status in ('shipped', 'partly_shipped')
            then coalesce(least(s.pieces, p.quantity), if(p.wms_status = 'shipped', p.quantity, 0))
        when i.shipped_quantity > 0 then i.shipped_quantity
        when i.shipped_quantity is null and o.has_left then i.quantity
        else 0
    end::bigint as left_pieces
from core.order_items i
join orders o using (order_id)
left join packed p using (order_id, line_no)
left join shipped s
    on s.parcel_id = p.parcel_id and s.order_id = i.order_id and s.sku = i.sku
    and (s.platform_line_id = i.platform_line_id or s.platform_line_id is null or i.platform_line_id is null)
qualify row_number() over (partition by i.order_id, i.line_no, p.parcel_id order by s.platform_line_id nulls last) = 1
