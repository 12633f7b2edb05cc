-- What must be done in the world for the candidate orders, that is not in the outbox yet or stands there otherwise.
-- grain: one row per instruction to write · key: instruction_id · inputs: work.candidates, work.parcels, work.run, outbox.instructions
-- The idempotency key names the effect: one pick order and one waybill per parcel, whatever happens. An instruction that
-- was stopped before it was ever sent comes back when its parcel may leave again.
with parcels as (
    select
        parcel_id, lead_order_id as order_id,
        json_object(
            'warehouse_id', any_value(warehouse_id), 'parcel_id', parcel_id,
            'orders', list(distinct order_id::varchar order by order_id::varchar)
        ) as params
    from work.parcels
    group by parcel_id, lead_order_id
),

wanted as (
    select *, 'pick_order' as kind, 'wms' as target from parcels
    union all
    select *, 'waybill', 'courier' from parcels
),

known as (
    select * from outbox.instructions where order_id in (select order_id from work.candidates)
)

select
    md5(w.kind || ':' || w.parcel_id) as instruction_id,
    w.kind || ':' || w.parcel_id as idempotency_key,
    w.kind, w.order_id, w.target,
    w.params,
    null::varchar as body_hash,
    'pending' as status,
    coalesce(k.created_at, r.started_at) as created_at,
    r.started_at as due_at,
    0 as attempts,
    null::varchar as last_error,
    null::timestamptz as acked_at,
    null::json as receipt,
    r.id as run_id
from wanted w
cross join work.run r
left join known k on k.idempotency_key = w.kind || ':' || w.parcel_id
where k.instruction_id is null
    or (k.attempts = 0 and (k.status = 'intercepted' or (k.status = 'pending' and k.params::varchar <> w.params::varchar)))
