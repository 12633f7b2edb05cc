-- Orders to decide on anew, because a receiver has answered about a parcel that is called back, or a return.
-- grain: one row per order · key: order_id · inputs: work.instructions_after, work.dispatching
select distinct unnest(from_json(a.params->'orders', '["BIGINT"]')) as order_id, d.run_id
from work.instructions_after a
cross join work.dispatching d
where (a.kind in ('cancel_pick_order', 'cancel_waybill') and a.status in ('acknowledged', 'rejected'))
    or (a.kind = 'return_order' and a.status in ('acknowledged', 'rejected', 'dead'))
