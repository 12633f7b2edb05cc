-- Quarantine rows of documents that passed now: core has them, the case is closed.
-- grain: one row per document and rule · key: (seq, rule) · inputs: vault.raw.quarantine, work.accepted, work.already, work.bite
select q.* replace (b.now as resolved_at)
from vault.raw.quarantine q
semi join (from work.accepted union all from work.already) a on a.source_seq = q.seq
cross join work.bite b
where q.resolved_at is null
