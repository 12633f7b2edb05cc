-- What follows from an answer at once: a parcel that is called back gives its waybill back when the warehouse has
-- answered, whatever it said; a waybill that was bought is watched.
-- grain: one row per instruction to write · key: instruction_id
-- inputs: work.instructions_after, work.results, work.dispatching, outbox.instructions, decision.recalls
with answered as (
    select a.*, a.params->>'parcel_id' as parcel_id
    from work.instructions_after a
    where a.status in ('acknowledged', 'rejected')
),

-- The warehouse is out of the way, so the label can go. A waybill that was bought while its parcel was called back goes too.
labels as (
    select a.order_id, a.parcel_id, a.params
    from answered a
    join outbox.instructions w on w.order_id = a.order_id and w.idempotency_key = 'waybill:' || a.parcel_id
    where a.kind = 'cancel_pick_order' and w.attempts > 0 and w.status <> 'rejected'
    union all
    select a.order_id, a.parcel_id, a.params
    from answered a
    semi join (select parcel_id from decision.recalls where parcel_id in (select parcel_id from answered)) r using (parcel_id)
    where a.kind = 'waybill' and a.status = 'acknowledged'
),

watched as (
    select order_id, parcel_id, json_object('parcel_id', parcel_id, 'courier', receipt->>'kuaidicom',
        'tracking_no', receipt->>'kuaidinum') as params
    from answered
    where kind = 'waybill' and status = 'acknowledged' and (receipt->>'kuaidicom') is not null
        and 'subscribe_tracking' in (select unnest(kinds) from work.dispatching)
),

wanted as (
    select 'cancel_waybill' as kind, 'cancel_waybill:' || parcel_id as key, order_id, params from labels
    union all
    select 'subscribe_tracking', 'subscribe_tracking:' || (params->>'tracking_no'), order_id, params from watched
)

select
    md5(w.key) as instruction_id, w.key as idempotency_key, w.kind, w.order_id, 'courier' as target, w.params,
    'pending' as status, d.now as created_at, d.now as due_at, 0 as attempts, d.run_id
from wanted w
cross join work.dispatching d
anti join (
    select instruction_id from outbox.instructions where order_id in (select order_id from wanted)
) known on known.instruction_id = md5(w.key)
qualify row_number() over (partition by w.key) = 1
