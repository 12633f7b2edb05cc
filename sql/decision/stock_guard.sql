-- Whether goods are sold or suspended, by what can still be sold of them.
-- grain: one row per goods with known stock · key: sku
-- inputs: work.stock_judged (stock rules over work.sku_facts), core.stock, ref.warehouses, decision.reserved, decision.stock_guard, work.run
-- At suspend_at sellable pieces or fewer they are suspended, at resume_at or more they are sold; in between they stay as
-- they were, so that a listing does not flicker. Goods that no rule names are sold. episode counts suspensions.
with on_hand as (
    select sku, sum(on_hand)::bigint as on_hand from core.stock semi join ref.warehouses using (warehouse_id) group by sku
),

reserved as (
    select sku, sum(quantity)::bigint as reserved from decision.reserved group by sku
),

counted as (
    select
        j.sku, h.on_hand, coalesce(r.reserved, 0) as reserved, h.on_hand - coalesce(r.reserved, 0) as sellable,
        j.suspend_at::integer as suspend_at, j.resume_at::integer as resume_at, j.rule_id, j.rule_version, j.facts
    from work.stock_judged j
    join on_hand h using (sku)
    left join reserved r using (sku)
),

judged as (
    select
        c.*, b.state as state_before, b.since as since_before, coalesce(b.episode, 0) as episode_before,
        case
            when c.sellable <= c.suspend_at then 'suspended'
            when c.sellable >= c.resume_at or c.suspend_at is null then 'selling'
            else coalesce(b.state, 'selling')
        end as state
    from counted c
    left join decision.stock_guard b using (sku)
)

select
    j.sku, j.on_hand, j.reserved, j.sellable, j.suspend_at, j.resume_at, j.state,
    if(j.state is distinct from j.state_before, r.started_at, j.since_before) as since,
    j.episode_before + (j.state = 'suspended' and j.state_before is distinct from 'suspended')::bigint as episode,
    j.rule_id, j.rule_version, j.facts, r.started_at as decided_at
from judged j
cross join work.run r
