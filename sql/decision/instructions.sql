-- What must be done in the world for the candidate orders, that is not in the outbox yet.
-- grain: one row per instruction to write · key: instruction_id · inputs: work.candidates, work.shippable, work.run, outbox.instructions
-- The idempotency key names the effect: one pick order and one waybill per order, whatever happens. An instruction that
-- was stopped before it was ever sent comes back when the order may ship again.
with wanted as (
    select s.order_id, 'pick_order' as kind, 'wms' as target, s.warehouse_id from work.shippable s
    union all
    select s.order_id, 'waybill', 'courier', s.warehouse_id from work.shippable s
),

known as (
    select * from outbox.instructions where order_id in (select order_id from work.candidates)
)

select
    md5(w.kind || ':' || w.order_id) as instruction_id,
    w.kind || ':' || w.order_id as idempotency_key,
    w.kind, w.order_id, w.target,
    json_object('warehouse_id', w.warehouse_id) as params,
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
left join known k on k.order_id = w.order_id and k.kind = w.kind
where k.instruction_id is null or (k.status = 'intercepted' and k.attempts = 0)
