-- Listings to take off sale and to put on again, and instructions that have become void, as rows for the outbox.
-- grain: one row per instruction to write · key: instruction_id · inputs: work.listings, work.guard_now, work.run, outbox.instructions
-- The key names the effect: one suspension of one listing in one episode of its goods, and its end. Every platform takes
-- whole products off: a product comes back when none of its goods is suspended any more.
with ours as (
    select
        *, params->>'shop_id' as shop_id, params->>'platform_product_id' as platform_product_id,
        params->>'platform_sku_id' as platform_sku_id, params->>'sku' as sku,
        regexp_extract(idempotency_key, '(\d+)$')::bigint as episode,
        -- Sent, whether or not anybody knows what came of it; refused for good is not.
        status = 'acknowledged' or (attempts > 0 and status <> 'rejected') as went
    from outbox.instructions
    where order_id is null and kind in ('suspend_listing', 'resume_listing')
),

-- A listing that is off by another hand is not ours to take off, and not ours to put on again; one that sold out is.
last_word as (
    select shop_id, platform_product_id, arg_max(kind, acked_at) as kind, max(acked_at) as acked_at
    from ours
    where status = 'acknowledged'
    group by shop_id, platform_product_id
),

to_suspend as (
    select l.shop_id, l.platform_product_id, l.platform_sku_id, l.sku, l.episode
    from work.listings l
    left join last_word w using (shop_id, platform_product_id)
    where l.state = 'suspended'
        and not coalesce(
            l.status = 'suspended' and (w.kind is null or (w.kind = 'resume_listing' and l.updated_at > w.acked_at)), false)
),

off_products as (
    select distinct shop_id, platform_product_id from work.listings where state = 'suspended'
),

-- The newest suspension of every listing that reached the platform, of goods that are sold again. A later one that was
-- stopped before it was sent leaves the earlier one to be ended.
to_resume as (
    select o.shop_id, o.platform_product_id, o.platform_sku_id, o.sku, o.episode
    from ours o
    join work.guard_now g using (sku)
    anti join off_products using (shop_id, platform_product_id)
    where o.kind = 'suspend_listing' and o.went and g.state = 'selling'
    qualify row_number() over (
        partition by o.shop_id, o.platform_product_id, o.platform_sku_id, o.sku order by o.episode desc) = 1
),

wanted as (
    select 'suspend_listing' as kind, * from to_suspend
    union all
    select 'resume_listing', * from to_resume
),

named as (
    select *, concat_ws(':', kind, shop_id, platform_product_id, platform_sku_id, episode) as key from wanted
),

fresh as (
    select
        md5(n.key) as instruction_id, n.key as idempotency_key, n.kind, null::bigint as order_id, 'platforms' as target,
        json_object('shop_id', n.shop_id, 'platform_product_id', n.platform_product_id,
            'platform_sku_id', n.platform_sku_id, 'sku', n.sku) as params,
        null::varchar as body_hash, 'pending' as status, r.started_at as created_at, r.started_at as due_at,
        coalesce(o.attempts, 0) as attempts, null::varchar as last_error, null::timestamptz as acked_at,
        null::json as receipt, r.id as run_id
    from named n
    cross join work.run r
    left join ours o on o.idempotency_key = n.key
    where o.instruction_id is null or o.status = 'intercepted'
),

-- Not sent yet, and no longer true. One that is being sent at this moment is overtaken by its opposite when it comes back.
void as (
    select o.*
    from ours o
    join work.guard_now g using (sku)
    left join off_products f using (shop_id, platform_product_id)
    where o.status = 'pending'
        and if(o.kind = 'suspend_listing', g.state <> 'suspended' or g.episode <> o.episode, f.shop_id is not null)
)

select * from fresh
union all by name
select
    instruction_id, idempotency_key, kind, order_id, target, params, body_hash, 'intercepted' as status, created_at, due_at,
    attempts, '商品的上下架状态已改变，无需再发送' as last_error, acked_at, receipt, run_id
from void
