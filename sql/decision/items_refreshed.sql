-- Lines of orders with goods that the goods master describes otherwise now.
-- grain: one row per order line, whole orders · key: (order_id, line_no) · inputs: core.order_items, ref.goods
with outdated as (
    select distinct i.order_id
    from core.order_items i
    left join ref.goods g using (sku)
    where (i.fragile, i.glass, i.weight_kg, i.cost_cny) is distinct from (g.fragile, g.glass, g.weight_kg, g.cost_cny)
)

select i.* replace (g.fragile as fragile, g.glass as glass, g.weight_kg as weight_kg, g.cost_cny as cost_cny)
from core.order_items i
left join ref.goods g using (sku)
where i.order_id in (from outdated)
