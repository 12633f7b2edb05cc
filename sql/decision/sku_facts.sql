-- What stock rules may ask about goods: the fields of SKU_FIELDS in orderpipe/rules/fields.py.
-- grain: one row per goods whose stock is known in every warehouse · key: sku · inputs: core.stock, ref.goods, ref.warehouses
-- A warehouse that never answered may hold many of it: such goods are left alone. What the goods master does not know of
-- them is null.
with known as (
    select sku
    from core.stock
    semi join ref.warehouses using (warehouse_id)
    group by sku
    having count(*) = (select count(*) from ref.warehouses)
)

select k.sku, g.name, g.material, g.hs_code, g.price_cny, g.cost_cny, g.weight_kg, g.fragile, g.glass
from known k
left join ref.goods g using (sku)
