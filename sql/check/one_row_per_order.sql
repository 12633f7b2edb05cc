-- One row per platform order, and no order_id twice: the lake has no unique constraint, this is it.
-- grain: one row · columns: ok, detail · inputs: core.orders
select
    count(*) = count(distinct order_id) and count(*) = count(distinct (platform, shop_id, platform_order_no)) as ok,
    concat('订单 ', count(*), ' 行，不同 order_id ', count(distinct order_id)) as detail
from core.orders
