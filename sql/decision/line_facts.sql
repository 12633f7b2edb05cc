-- The facts of single lines of orders whose rule says that each line is judged by itself: as if it were the whole order.
-- grain: one row per line that still ships · key: (order_id, line_no)
-- inputs: work.routed, work.order_facts, core.order_items, ref.goods
with split as (
    select r.order_id from work.routed r join work.order_facts f using (order_id) where r.split and not f.is_cod
)

select
    i.order_id,
    i.line_no,
    f.* exclude (order_id) replace (
        1 as line_count,
        i.ship_quantity::bigint as quantity,
        i.fragile as any_fragile,
        i.glass as any_glass,
        i.is_gift as all_gift,
        (i.sku is null or i.fragile is null or i.glass is null) as unknown_goods,
        [i.sku] as skus,
        list_filter([g.hs_code], lambda code: code is not null) as hs_codes,
        list_filter([g.material], lambda material: material is not null) as materials,
        (i.weight_kg::decimal(28, 3) * i.ship_quantity)::decimal(18, 3) as weight_kg
    )
from core.order_items i
semi join split using (order_id)
join work.order_facts f using (order_id)
left join ref.goods g using (sku)
where coalesce(i.ship_quantity > 0, true) and i.refund_status is distinct from 'refunded'
