-- Listing instructions that a newer one of the same product takes back: of what was being sent when the guard changed
-- its mind, the last word counts.
-- grain: one row per instruction · key: instruction_id · inputs: work.sending, outbox.instructions
with writes as (
    select instruction_id, kind, created_at, params->>'shop_id' as shop_id, params->>'platform_product_id' as product_id
    from work.sending
    where target = 'platforms'
),

known as (
    select kind, created_at, params->>'shop_id' as shop_id, params->>'platform_product_id' as product_id
    from outbox.instructions
    where order_id is null and target = 'platforms' and status <> 'intercepted' and exists (from writes)
)

select distinct w.instruction_id
from writes w
join known k using (shop_id, product_id)
where k.kind <> w.kind and k.created_at > w.created_at
