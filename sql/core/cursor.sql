-- The pool's cursor after the batch.
-- grain: one row · key: stage · inputs: flow.cursors, work.bite, work.pooled, work.accepted, work.refused, work.retried, work.repairing
with before as (
    select
        coalesce(max(pooled), 0) as pooled, coalesce(max(superseded), 0) as superseded,
        coalesce(max(quarantined), 0) as quarantined
    from flow.cursors
    where stage = 'pool'
),

step as (
    select
        (select count(*) from work.pooled) as pooled,
        (select count(*) from work.accepted) as accepted,
        (select count(distinct seq) from work.refused where seq not in (from work.retried)) as refused,
        -- Documents that leave the quarantine.
        (select count(*) from work.repairing) as repaired
)

select
    'pool' as stage, b.upto as seq, before.pooled + step.pooled as pooled,
    before.superseded + step.accepted - step.pooled as superseded,
    before.quarantined + step.refused - step.repaired as quarantined, b.run_id, b.now as moved_at
from work.bite b
cross join before
cross join step
