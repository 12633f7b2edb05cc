-- The candidate orders with what decisions put on them: the warehouse, and why an order must not ship.
-- grain: one row per candidate order · key: order_id · inputs: work.candidates, work.routes, work.order_facts, work.review_state, core.orders, core.order_versions
with versions as (  -- the platform's own hold stands on the version
    select order_id, source_seq, hold_status as platform_hold
    from core.order_versions
    where order_id in (select order_id from work.candidates)
)

select
    o.* replace (
        -- Whoever let an order leave the country said from where.
        if(r.warehouse_id = 'cross_border_review', coalesce(s.warehouse_id, r.warehouse_id), r.warehouse_id) as warehouse_id,
        case
            when v.platform_hold is not null then v.platform_hold
            when o.is_test then 'test_order'
            when o.status = 'unknown' then 'unknown_status'
            when o.paid_at is null and o.payment_status <> 'cod' then null
            when s.state = 'rejected' then 'rejected'
            when r.warehouse_id is null then 'unrouted'
            when r.warehouse_id = 'cross_border_review' and s.warehouse_id is null then 'cross_border_review'
            when len(o.missing_fields) > 0 then 'missing_fields'
            when f.unknown_goods then 'unknown_goods'
            when s.state = 'open' then 'review'
            -- Part of it has gone already, by another hand: shipping all of it would send that part twice.
            when o.status = 'paid' and o.shipped_at is not null then 'partly_shipped'
        end as hold_status
    )
from core.orders o
join versions v using (order_id, source_seq)
left join work.routes r using (order_id)
left join work.order_facts f using (order_id)
left join work.review_state s using (order_id)
where o.order_id in (select order_id from work.candidates)
