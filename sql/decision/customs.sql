-- Whether the customs data of candidate orders that leave the country are complete; no row for any other: not applicable.
-- grain: one row per order routed to cross_border_review · key: order_id · inputs: work.routes, work.customs_facts, work.customs_checks
with lines as (
    select order_id, count(*)::integer as lines from work.customs_facts group by order_id
),

found as (
    select
        order_id,
        count(*) filter (level = 'block')::integer as blocking,
        count(*) filter (level = 'warn')::integer as warnings
    from work.customs_checks
    group by order_id
)

select
    r.order_id,
    -- Nothing to declare is nothing complete.
    if(coalesce(f.blocking, 0) = 0 and coalesce(l.lines, 0) > 0, 'complete', 'incomplete') as status,
    coalesce(f.blocking, 0) as blocking,
    coalesce(f.warnings, 0) as warnings,
    coalesce(l.lines, 0) as lines,
    r.decided_at,
    r.source_seq
from work.routes r
left join lines l using (order_id)
left join found f using (order_id)
where r.warehouse_id = 'cross_border_review'
