-- The attempts just made.
-- grain: one row per attempt · key: (instruction_id, attempt) · inputs: work.results, work.dispatching
select
    instruction_id, attempt, sent_at, outcome as status, request_id, http_status, latency_ms, body_masked, error,
    d.run_id
from work.results
cross join work.dispatching d
where outcome <> 'unsent'
