-- Entries that take the reservation ledger from what candidate orders kept reserved to what they keep now.
-- grain: one row per order, sku and warehouse whose quantity changes · key: entry_id
-- inputs: work.candidates, work.reserved, decision.reserved, work.run
with before as (
    select * from decision.reserved where order_id in (select order_id from work.candidates)
)

select
    md5(concat_ws('|', r.id, order_id, sku, warehouse_id)) as entry_id, order_id, sku, warehouse_id,
    coalesce(n.quantity, 0) - coalesce(b.quantity, 0) as change,
    case when b.quantity is null then 'reserved' when n.quantity is null then 'released' else 'changed' end as reason,
    r.started_at as at, r.id as run_id
from work.reserved n
full join before b using (order_id, sku, warehouse_id)
cross join work.run r
where n.quantity is distinct from b.quantity
