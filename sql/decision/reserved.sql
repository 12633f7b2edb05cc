-- Pieces that open candidate orders keep reserved: paid or on delivery and not shipped, held ones included; and those of
-- parcels that are sent again.
-- grain: one row per order, sku and warehouse · key: (order_id, sku, warehouse_id)
-- inputs: work.orders_now, work.parcels_now (the parcels of the candidates), work.candidates, work.reshipping, core.order_items
with open as (
    select order_id, warehouse_id
    from work.orders_now
    where status = 'paid' and (paid_at is not null or payment_status = 'cod') and not is_test
),

in_parcels as (
    select p.order_id, p.sku, p.warehouse_id, p.quantity from work.parcels_now p semi join open using (order_id)
),

waiting as (
    select o.order_id, i.sku, coalesce(o.warehouse_id, '') as warehouse_id, i.ship_quantity as quantity
    from open o
    join core.order_items i using (order_id)
    anti join in_parcels p using (order_id)
    where i.ship_quantity > 0
)

select order_id, sku, warehouse_id, sum(quantity)::bigint as quantity
from (
    select * from in_parcels
    union all
    select * from waiting
    union all
    select order_id, sku, warehouse_id, quantity from work.reshipping
)
where sku is not null
group by order_id, sku, warehouse_id
