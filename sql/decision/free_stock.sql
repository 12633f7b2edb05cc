-- Pieces a warehouse has that no other order waits for.
-- grain: one row per warehouse and sku with known stock · key: (warehouse_id, sku) · inputs: core.stock, decision.reserved, work.candidates, work.handed
with taken as (
    select warehouse_id, sku, sum(quantity) as quantity
    from decision.reserved
    where order_id not in (select order_id from work.candidates) or order_id in (select order_id from work.handed)
    group by warehouse_id, sku
)

select s.warehouse_id, s.sku, s.on_hand - coalesce(t.quantity, 0) as free
from core.stock s
left join taken t using (warehouse_id, sku)
