-- Discounts of the orders whose newest document is in the batch.
-- grain: one row per order and discount · key: (order_id, discount_no) · inputs: work.orders, staging.order_discounts
select d.order_id, d.discount_no, d.line_no, d.kind, d.name, d.amount, d.currency, d.source_seq
from staging.order_discounts d
semi join work.orders o on o.order_id = d.order_id and o.source_seq = d.source_seq
