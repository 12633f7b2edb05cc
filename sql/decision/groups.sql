-- Orders that leave together: shippable orders of one buyer to one address from one warehouse, paid one soon after another.
-- grain: one row per shippable order no receiver has heard of · key: order_id
-- inputs: work.shippable, work.handed, work.routes, work.route_lines, work.merging(minutes), core.orders
-- An order that is paid on delivery, sold in advance or split stands alone. Where the address is hidden, the platform's
-- address token stands for it in address_key.
with free as (
    select s.order_id, s.warehouse_id, r.fallback_id
    from work.shippable s
    join work.routes r using (order_id)
    anti join work.handed h using (order_id)
),

orders as (
    select
        f.*, o.paid_at,
        if(
            (select minutes from work.merging) = 0 or o.is_cod or o.is_presale or o.address_key is null
                or o.order_id in (select order_id from work.route_lines),
            o.order_id::varchar,
            concat_ws('|', o.platform, o.shop_id, o.customer_id, o.address_key, o.phone_key, o.currency, f.warehouse_id,
                f.fallback_id)
        ) as together
    from free f
    join core.orders o using (order_id)
),

steps as (
    select
        *,
        coalesce(
            epoch(paid_at) - epoch(lag(paid_at) over (partition by together order by paid_at, order_id))
                > (select minutes from work.merging) * 60,
            true
        ) as begins
    from orders
),

numbered as (
    select *, sum(begins::integer) over (partition by together order by paid_at, order_id) as part from steps
)

select
    order_id, warehouse_id, fallback_id,
    min(order_id) over (partition by together, part) as lead_order_id
from numbered
