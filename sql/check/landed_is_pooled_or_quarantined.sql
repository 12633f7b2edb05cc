-- Landed = pooled + superseded + quarantined, and the quarantine holds what the cursor says it does.
-- grain: one row · columns: ok, detail · inputs: flow.cursors, vault.raw.quarantine
with cursor as (
    select
        coalesce(max(seq), 0) as landed, coalesce(max(pooled), 0) as pooled,
        coalesce(max(superseded), 0) as superseded, coalesce(max(quarantined), 0) as quarantined
    from flow.cursors
    where stage = 'pool'
),

held as (
    select count(distinct seq) as held
    from vault.raw.quarantine
    where resolved_at is null and seq <= (select landed from cursor)
)

select
    landed = pooled + superseded + quarantined and quarantined = held as ok,
    concat('落地 ', landed, ' = 入池 ', pooled, ' + 重复 ', superseded, ' + 隔离 ', quarantined, '（隔离区 ', held, '）') as detail
from cursor
cross join held
