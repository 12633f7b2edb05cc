-- What must be asked of the receivers to stop parcels: the warehouse first. A waybill whose parcel the warehouse never
-- heard of is given back at once, others when the warehouse has answered (outbox/consequences).
-- grain: one row per instruction to write · key: instruction_id · inputs: work.recalls, work.run, outbox.instructions
with open as (
    select * from work.recalls where state = 'open'
),

told as (
    select order_id, kind, status, attempts, params->>'parcel_id' as parcel_id
    from outbox.instructions
    where order_id in (select order_id from open)
),

wanted as (
    select 'cancel_pick_order' as kind, 'wms' as target, o.*
    from open o
    semi join (select parcel_id from told where kind = 'pick_order' and attempts > 0 and status <> 'rejected') t using (parcel_id)
    union all
    select 'cancel_waybill', 'courier', o.*
    from open o
    semi join (select parcel_id from told where kind = 'waybill' and attempts > 0 and status <> 'rejected') t using (parcel_id)
    anti join (select parcel_id from told where kind = 'pick_order' and attempts > 0 and status <> 'rejected') p using (parcel_id)
)

select
    md5(w.kind || ':' || w.parcel_id) as instruction_id, w.kind || ':' || w.parcel_id as idempotency_key, w.kind, w.order_id,
    w.target,
    json_object('parcel_id', w.parcel_id, 'warehouse_id', w.warehouse_id, 'orders', w.orders, 'reason', w.reason) as params,
    'pending' as status, r.started_at as created_at, r.started_at as due_at, 0 as attempts, r.id as run_id
from wanted w
cross join work.run r
anti join told t on t.kind = w.kind and t.parcel_id = w.parcel_id
