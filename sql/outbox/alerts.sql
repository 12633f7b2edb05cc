-- Alerts as instructions to the DingTalk group; what was told once is not told again.
-- grain: one row per alert · key: instruction_id · inputs: work.raised(key, text), work.raiser(run_id, now), outbox.instructions
with fresh as (
    select 'alert:' || key as key, min(text) as text from work.raised group by key
)

select
    md5(f.key) as instruction_id, f.key as idempotency_key, 'alert' as kind, null::bigint as order_id, 'dingtalk' as target,
    json_object('text', f.text) as params, null::varchar as body_hash, 'pending' as status, r.now as created_at,
    r.now as due_at, 0 as attempts, null::varchar as last_error, null::timestamptz as acked_at, null::json as receipt,
    r.run_id
from fresh f
cross join work.raiser r
anti join outbox.instructions i on i.order_id is null and i.idempotency_key = f.key
