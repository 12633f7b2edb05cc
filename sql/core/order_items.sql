-- Lines of the orders whose newest document is in the batch.
-- grain: one row per order line · key: (order_id, line_no) · inputs: work.orders, staging.order_items, ref.goods
select
    i.order_id, i.line_no, i.platform_line_id, i.sku, i.product_name, i.quantity, i.shipped_quantity,
    i.ship_quantity, i.unit_price,
    i.discount_amount, i.line_amount, i.currency, i.is_gift, g.fragile, g.glass, g.weight_kg, g.cost_cny,
    i.refund_status, i.platform_refund_status, i.platform_product_id, i.platform_sku_id, i.source_seq
from staging.order_items i
semi join work.orders o on o.order_id = i.order_id and o.source_seq = i.source_seq
left join ref.goods g using (sku)
