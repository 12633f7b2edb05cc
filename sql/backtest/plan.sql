-- What one version of the routing rules makes of the orders: where each leaves, in how many parcels, at what freight.
-- grain: one row per order · key: order_id
-- inputs: work.order_facts, work.routed, work.lines_routed, work.line_facts, ref.freight
-- Freight is by config/freight.csv: the first kilogram and every further one begun. Half a kilogram a piece where a weight
-- is not known, as on the waybill. Null when no price is known, and for orders that wait for a review.
with parts as (
    select
        l.order_id,
        if(l.warehouse is null or l.warehouse = 'cross_border_review', r.warehouse, l.warehouse) as warehouse,
        sum(coalesce(f.weight_kg, 0.5 * f.quantity)) as weight_kg
    from work.lines_routed l
    join work.line_facts f using (order_id, line_no)
    join work.routed r using (order_id)
    where r.warehouse is distinct from 'cross_border_review'
    group by all
),

split as (
    select order_id from parts group by order_id having count(*) > 1
),

parcels as (
    select p.order_id, p.warehouse, p.weight_kg from parts p semi join split using (order_id)
    union all
    select r.order_id, r.warehouse, coalesce(f.weight_kg, 0.5 * f.quantity)
    from work.routed r
    join work.order_facts f using (order_id)
    anti join split using (order_id)
)

select
    p.order_id, any_value(r.rule_id) as rule_id,
    coalesce(string_agg(p.warehouse, '+' order by p.warehouse), 'unrouted') as warehouse,
    count(*) as parcels,
    if(
        bool_and(t.first_kg_cny is not null),
        sum(t.first_kg_cny + greatest(ceil(p.weight_kg) - 1, 0)::integer * t.next_kg_cny),
        null
    )::decimal(18, 2) as freight_cny
from parcels p
join work.routed r using (order_id)
join work.order_facts f using (order_id)
left join ref.freight t on t.warehouse = p.warehouse and t.region = f.region
group by p.order_id
