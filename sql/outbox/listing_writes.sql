-- What a listing write is made of. quantity: what can be sold of the product's goods now, for platforms that ask.
-- grain: one row per instruction · key: instruction_id · inputs: work.claimed, core.products, core.sold_listings, decision.stock_guard
with claimed as (
    select
        instruction_id, kind, attempts, created_at, params->>'shop_id' as shop_id,
        params->>'platform_product_id' as product_id, params->>'sku' as sku
    from work.claimed
    where status = 'sending'
),

goods as (
    select instruction_id, sku from claimed
    union
    select c.instruction_id, p.sku
    from claimed c
    join core.products p on p.shop_id = c.shop_id and p.platform_product_id = c.product_id and p.status <> 'deleted'
    union
    select c.instruction_id, l.sku
    from claimed c
    join core.sold_listings l on l.shop_id = c.shop_id and l.platform_product_id = c.product_id
)

select
    c.instruction_id, c.kind, c.shop_id, c.product_id, greatest(coalesce(sum(greatest(g.sellable, 0)), 0), 1)::bigint as quantity
from claimed c
left join goods using (instruction_id)
left join decision.stock_guard g on g.sku = goods.sku
group by all
order by any_value(c.created_at), c.instruction_id
