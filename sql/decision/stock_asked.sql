-- Goods whose stock the warehouses are asked for: those of the goods master, and what orders of the last 120 days that
-- may still ship want besides.
-- grain: one row per sku · key: sku · inputs: ref.goods, core.orders, core.order_items
-- order_id sorts by time (sql/functions.sql): its bound lets old files be skipped.
with waiting as (
    select order_id
    from core.orders
    where status = 'paid'
        and order_id >= ((epoch((select started_at from work.run))::bigint - 1104537600 - 120 * 86400) << 32)
)

select distinct sku
from (
    select sku from ref.goods
    union all
    select i.sku
    from core.order_items i
    where i.order_id in (select order_id from waiting) and i.ship_quantity > 0
)
where trim(sku) <> ''
order by sku
