-- Orders that may be shipped now: paid, routed to a warehouse, not held, no open or granted refund on what would go.
-- grain: one row per order · key: order_id · inputs: work.orders_now, core.order_items, core.refunds
-- Asked twice: when instructions are decided, and again at the moment of sending.
with lines as (
    select order_id
    from core.order_items
    where order_id in (select order_id from work.orders_now) and ship_quantity > 0
    group by order_id
    having count(*) filter (refund_status in ('requested', 'returning', 'unknown')) = 0
),

refunds as (  -- a case for the whole order, or one that is open: a line that was refunded for good no longer counts
    select order_id
    from core.refunds
    where order_id in (select order_id from work.orders_now)
        and (status in ('requested', 'returning', 'unknown') or (status = 'refunded' and platform_line_id is null and platform <> 'shopify'))
)

select o.order_id, o.warehouse_id
from work.orders_now o
semi join lines using (order_id)
anti join refunds using (order_id)
where o.status = 'paid'
    and o.payment_status in ('paid', 'partially_refunded')
    and o.hold_status is null
    and o.warehouse_id is not null
