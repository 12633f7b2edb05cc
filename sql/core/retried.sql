-- Documents in quarantine that another code version refused: they are tried again, a bounded number at a time.
-- grain: one row per document · key: source_seq · inputs: vault.raw.quarantine, work.bite
select distinct q.seq as source_seq
from vault.raw.quarantine q
cross join work.bite b
-- Those behind the cursor only: what a killed run refused before it could move the cursor comes anyway.
where q.resolved_at is null and q.code_version <> b.code_version and b.retry and q.seq <= b.done
order by source_seq
limit 10000
