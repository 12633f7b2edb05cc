-- The facts gift rules see: those of the orders that leave together, as if they were one order.
-- grain: one row per group · key: order_id (the lead) · inputs: work.groups, work.order_facts
-- Amounts and pieces add up, goods are all of them, everything else is the lead order's.
with added as (
    select
        g.lead_order_id,
        sum(f.goods_amount)::decimal(18, 2) as goods_amount, sum(f.paid_amount)::decimal(18, 2) as paid_amount,
        sum(f.paid_amount_cny)::decimal(18, 2) as paid_amount_cny,
        sum(f.line_count)::bigint as line_count,
        if(count(f.quantity) = count(*), sum(f.quantity)::bigint, null) as quantity,
        bool_or(f.is_first_order) as is_first_order,
        list_sort(list_distinct(flatten(list(f.skus)))) as skus,
        if(count(f.weight_kg) = count(*), sum(f.weight_kg)::decimal(18, 3), null) as weight_kg
    from work.groups g
    join work.order_facts f using (order_id)
    group by g.lead_order_id
)

select
    f.* replace (
        a.goods_amount as goods_amount, a.paid_amount as paid_amount, a.paid_amount_cny as paid_amount_cny,
        a.line_count as line_count, a.quantity as quantity, a.is_first_order as is_first_order, a.skus as skus,
        a.weight_kg as weight_kg
    )
from added a
join work.order_facts f on f.order_id = a.lead_order_id
