-- Instructions that were sent, with what came back. One that never left is as it was before.
-- grain: one row per instruction · key: instruction_id · inputs: work.claimed, work.results
select c.* replace (
    r.status as status, coalesce(r.due_at, c.due_at) as due_at, r.error as last_error,
    c.attempts - (r.outcome = 'unsent')::integer as attempts,
    if(r.outcome = 'unsent' and c.attempts = 1, null, c.receiver_key) as receiver_key,
    if(r.outcome = 'acknowledged', r.sent_at, null) as acked_at,
    coalesce(r.receipt::json, c.receipt) as receipt,
    if(r.outcome = 'unsent', c.body_hash, r.body_hash) as body_hash
)
from work.claimed c
join work.results r using (instruction_id)
