-- The gifts that go with the orders that leave together, as far as the warehouse that sends them has any.
-- grain: one row per group, rule · key: (order_id, rule_id); order_id is the lead order
-- inputs: work.gifts_earned (gifts rules over work.group_facts), work.groups, work.routes, work.free_stock
-- Earlier orders are served first. A warehouse whose stock of a gift is not known is taken to have it.
with earned as (
    select e.*, g.warehouse_id
    from work.gifts_earned e
    join work.groups g using (order_id)
    where g.order_id = g.lead_order_id
),

counted as (
    select
        e.*, f.free,
        sum(e.quantity) over (partition by e.warehouse_id, e.gift order by e.order_id, e.rule_id rows unbounded preceding)
            as wanted
    from earned e
    left join work.free_stock f on f.warehouse_id = e.warehouse_id and f.sku = e.gift
)

select
    c.order_id, c.rule_id, c.gift as sku, c.quantity, coalesce(c.wanted <= c.free, true) as granted,
    if(coalesce(c.wanted <= c.free, true), null, '赠品库存不足') as reason, c.tier, c.warehouse_id, c.rule_version, c.facts,
    r.decided_at
from counted c
join work.routes r using (order_id)
