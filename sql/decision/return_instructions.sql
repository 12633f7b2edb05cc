-- What must be done for returns that is not in the outbox yet, or stands there otherwise: a reverse order for goods that
-- are to come back, pick order and waybill of parcels that are sent again.
-- grain: one row per instruction to write · key: instruction_id
-- inputs: work.returns, work.reshipments, work.run, outbox.instructions
-- One reverse order per return and one parcel per grant, whatever happens. What was stopped before it was ever sent comes
-- back when it may go again.
with parcels as (
    select
        parcel_id, order_id,
        json_object(
            'warehouse_id', any_value(warehouse_id), 'parcel_id', parcel_id, 'orders', [order_id::varchar],
            'order_type', any_value(order_type), 'origin', min(origin_parcel_id)
        ) as params
    from work.reshipments
    where state = 'planned'
    group by parcel_id, order_id
),

wanted as (
    select
        'return_order' as kind, 'wms' as target, return_id as effect, order_id,
        json_object(
            'return_id', return_id, 'warehouse_id', warehouse_id, 'parcel_id', parcel_id, 'orders', [order_id::varchar],
            'order_type', order_type
        ) as params
    from work.returns
    where state = 'expected' and covered_by is null and warehouse_id <> 'cross_border_review'
    union all
    select 'pick_order', 'wms', parcel_id, order_id, params from parcels
    union all
    select 'waybill', 'courier', parcel_id, order_id, params from parcels
),

known as (
    select * from outbox.instructions where order_id in (select order_id from wanted)
)

select
    md5(w.kind || ':' || w.effect) as instruction_id, w.kind || ':' || w.effect as idempotency_key, w.kind, w.order_id,
    w.target, w.params, 'pending' as status, coalesce(k.created_at, r.started_at) as created_at, r.started_at as due_at,
    0 as attempts, r.id as run_id
from wanted w
cross join work.run r
left join known k on k.idempotency_key = w.kind || ':' || w.effect
where k.instruction_id is null
    or (k.attempts = 0 and (k.status = 'intercepted' or (k.status = 'pending' and k.params::varchar <> w.params::varchar)))
