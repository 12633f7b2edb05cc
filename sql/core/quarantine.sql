-- Documents of the batch that something refused, with the reason.
-- grain: one row per document and rule · key: (seq, rule) · inputs: work.refused, staging.payloads, work.bite
select
    r.seq, r.stage, r.rule, r.reason, p.payload_hash, p.fetched_at as first_seen_at, null::timestamptz as resolved_at,
    b.code_version
from work.refused r
join staging.payloads p using (seq)
cross join work.bite b
