-- Orders that leave together: shippable orders of one buyer to one address from one warehouse, paid one soon after another.
-- grain: one row per shippable order of which something is in no receiver's hands · key: order_id
-- inputs: work.shippable, work.handed, work.routes, work.route_lines, work.merging(minutes), core.orders, core.order_items
-- An order that is paid on delivery, sold in advance, split or gone in part stands alone. Where the address is hidden, the platform's
-- address token stands for it in address_key.
with free as (
    select s.order_id, s.warehouse_id, r.fallback_id
    from work.shippable s
    join work.routes r using (order_id)
    semi join (
        select i.order_id
        from core.order_items i
        anti join work.handed h using (order_id, line_no)
        where i.order_id in (select order_id from work.shippable) and i.ship_quantity > 0
    ) waiting using (order_id)
),

orders as (
    select
        f.*, o.paid_at,
        if(
            (select minutes from work.merging) = 0 or o.is_cod or o.is_presale or o.address_key is null
                or o.order_id in (select order_id from work.route_lines) or o.order_id in (select order_id from work.handed),
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
