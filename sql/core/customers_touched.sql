-- Customers whose orders the batch changes, those that lose an order to another customer included.
-- grain: one row per customer · key: customer_id · inputs: work.orders, core.orders
select customer_id from work.orders
union
select customer_id from core.orders where order_id in (select order_id from work.orders)
