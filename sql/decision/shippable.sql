-- Orders that may be shipped now: paid (or paid on delivery), routed to a warehouse, not held, no open or granted refund on what would go.
-- grain: one row per order · key: order_id · inputs: work.orders_now, core.order_items, core.refunds
-- Asked twice: when instructions are decided, and again at the moment of sending.
with lines as (
    select order_id
    from core.order_items
    where order_id in (select order_id from work.orders_now) and ship_quantity > 0
    group by order_id
    having count(*) filter (refund_status in ('requested', 'returning', 'unknown')) = 0
),

refunds as (  -- a case that is open, one for the whole order, or one granted for a line that would still go
    select r.order_id
    from core.refunds r
    left join core.order_items i
        on i.order_id = r.order_id and i.platform_line_id = r.platform_line_id and i.ship_quantity > 0
    where r.order_id in (select order_id from work.orders_now)
        and (
            r.status in ('requested', 'returning', 'unknown')
            -- Shopify's refunds stand in the order's own document, which takes the pieces off: they are never ahead of it.
            or (r.status = 'refunded' and r.platform <> 'shopify' and (r.platform_line_id is null or i.order_id is not null))
        )
)

select o.order_id, o.warehouse_id
from work.orders_now o
semi join lines using (order_id)
anti join refunds using (order_id)
where o.status = 'paid'
    and o.payment_status in ('paid', 'cod', 'partially_refunded')
    and o.hold_status is null
    and o.warehouse_id is not null
