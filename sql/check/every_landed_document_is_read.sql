-- The pool has read everything that has landed.
-- grain: one row · columns: ok, detail · inputs: vault.raw.payloads, flow.cursors
with landed as (
    select coalesce(max(seq), 0) as seq from vault.raw.payloads
),

pooled as (
    select coalesce(max(seq), 0) as seq from flow.cursors where stage = 'pool'
)

select landed.seq = pooled.seq as ok, concat('落地到 ', landed.seq, '，入池到 ', pooled.seq) as detail
from landed
cross join pooled
