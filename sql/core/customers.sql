-- Customers whose orders the batch changes, counted afresh from all their orders.
-- grain: one row per customer · key: customer_id · inputs: work.customers_touched, work.orders, core.orders
with their_orders as (
    select customer_id, platform, ordered_at, paid_at, payment_status, paid_amount_cny, is_test from work.orders
    union all
    select customer_id, platform, ordered_at, paid_at, payment_status, paid_amount_cny, is_test
    from core.orders
    where customer_id in (from work.customers_touched) and order_id not in (select order_id from work.orders)
)

select
    customer_id,
    min(platform) as platform,
    min(ordered_at) as first_order_at,
    max(ordered_at) as last_order_at,
    min(ordered_at) filter (not is_test and (paid_at is not null or payment_status = 'cod')) as first_paid_order_at,
    count(*) filter (not is_test) as order_count,
    count(*) filter (not is_test and paid_at is not null) as paid_order_count,
    coalesce(sum(paid_amount_cny) filter (not is_test), 0)::decimal(18, 2) as paid_amount_cny
from their_orders
group by customer_id
