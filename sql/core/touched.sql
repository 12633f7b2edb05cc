-- Orders whose timeline the batch may change: those with a new document, and those of new
-- after-sale documents, reviews, and reports of warehouses and couriers.
-- grain: one row per order · key: order_id · inputs: work.order_versions, work.refund_versions, work.reviews, work.reported_orders, core.orders
select order_id, platform, shop_id, platform_order_no from work.order_versions
union
select o.order_id, o.platform, o.shop_id, o.platform_order_no
from core.orders o
semi join work.refund_versions r using (platform, shop_id, platform_order_no)
union
select o.order_id, o.platform, o.shop_id, o.platform_order_no from core.orders o semi join work.reviews using (order_id)
union
select o.order_id, o.platform, o.shop_id, o.platform_order_no from core.orders o semi join work.reported_orders using (order_id)
