-- Where the review of candidate orders stands: those that rules hold for a person, and those a person has judged.
-- grain: one row per such order · key: order_id
-- inputs: work.candidates, work.risk_flags, work.routes, decision.reviews, core.orders
-- A rejection stands until a later approval. An approval covers the flags it was taken on, by rule and facts: a new flag,
-- or the same with other facts, opens the order again, and so does another address than the reviewer saw or gave. An order
-- that leaves the country is let go by an approval that names a warehouse.
with flags as (
    select order_id, rule_id, facts_hash, reason, decided_at from work.risk_flags where action = 'review'
    union all
    select order_id, 'cross_border_review', md5('cross_border_review' || facts::varchar), '跨境订单，待关务审核', decided_at
    from work.routes
    where warehouse_id = 'cross_border_review'
),

reviews as (
    select r.*, max(if(r.action = 'reject', (r.decided_at, r.review_id), null)) over (partition by r.order_id) as rejection
    from decision.reviews r
    where r.order_id in (select order_id from work.candidates) and r.action in ('approve', 'reject', 'readdress')
),

in_force as (  -- what was approved before a rejection is not approved any more
    select r.*
    from reviews r
    left join core.orders o using (order_id)
    where r.action <> 'reject'
        and ((r.decided_at, r.review_id) > r.rejection or r.rejection is null)
        and (r.address_key is null or r.address_key = o.address_key)
),

verdicts as (
    select
        order_id,
        max(decided_at) as decided_at,
        arg_max(action, (decided_at, review_id)) filter (action in ('approve', 'reject')) = 'reject' as rejected
    from reviews
    group by order_id
),

covered as (
    select
        order_id, c.rule_id, c.facts_hash,
        arg_max(warehouse_id, (decided_at, review_id)) filter (warehouse_id is not null) as warehouse_id
    from (
        select *, unnest(from_json(covers, '[{"rule_id": "VARCHAR", "facts_hash": "VARCHAR"}]')) as c from in_force
    )
    group by all
),

judged as (
    select
        f.*,
        c.warehouse_id,
        c.order_id is not null and (f.rule_id <> 'cross_border_review' or c.warehouse_id is not null) as is_covered
    from flags f
    left join covered c using (order_id, rule_id, facts_hash)
),

asked as (
    select
        order_id,
        coalesce(list(rule_id order by rule_id) filter (not is_covered), []) as rules,
        coalesce(list(reason order by rule_id) filter (not is_covered), []) as reasons,
        min(decided_at) filter (not is_covered) as since,
        md5(string_agg(rule_id || facts_hash, ',' order by rule_id) filter (not is_covered)) as flags_hash,
        max(warehouse_id) filter (rule_id = 'cross_border_review') as warehouse_id
    from judged
    group by order_id
)

select
    coalesce(a.order_id, v.order_id) as order_id,
    case when v.rejected then 'rejected' when len(a.rules) > 0 then 'open' else 'approved' end as state,
    coalesce(a.rules, []) as rules,
    coalesce(a.reasons, []) as reasons,
    coalesce(if(v.rejected, v.decided_at, a.since), v.decided_at, null) as since,
    a.flags_hash,
    a.warehouse_id
from asked a
full join verdicts v on v.order_id = a.order_id
