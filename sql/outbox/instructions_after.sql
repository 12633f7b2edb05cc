-- Instructions that were sent, with what came back.
-- grain: one row per instruction · key: instruction_id · inputs: work.claimed, work.results
select c.* replace (
    r.status as status, coalesce(r.due_at, c.due_at) as due_at, r.error as last_error,
    if(r.outcome = 'acknowledged', r.sent_at, null) as acked_at,
    coalesce(r.receipt::json, c.receipt) as receipt, r.body_hash as body_hash
)
from work.claimed c
join work.results r using (instruction_id)
