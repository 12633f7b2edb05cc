-- The candidate orders with what decisions put on them: the warehouse, why an order must not ship, and how far its parcels are.
-- grain: one row per candidate order · key: order_id
-- inputs: work.candidates, work.routes, work.order_facts, work.review_state, core.orders, core.order_versions,
--         core.order_items, core.fulfilments, core.fulfilment_lines, core.packages, core.tracking
with versions as (  -- the platform's own hold stands on the version
    select order_id, source_seq, hold_status as platform_hold
    from core.order_versions
    where order_id in (select order_id from work.candidates)
),

lines_sent as (
    select order_id, parcel_id, platform_line_id, shipped
    from core.fulfilment_lines
    where order_id in (select order_id from work.candidates)
),

parcels_sent as (
    select p.order_id, f.parcel_id, f.status, l.parcel_id is not null as lists_lines
    from (
        select order_id, parcel_id from lines_sent
        union
        select order_id, parcel_id from core.fulfilments where order_id in (select order_id from work.candidates)
    ) p
    join core.fulfilments f using (parcel_id)
    left join (select distinct parcel_id from lines_sent) l using (parcel_id)
    where f.status in ('shipped', 'partly_shipped')
),

unsent as (  -- orders of which a piece that is to go has not left
    select distinct i.order_id
    from core.order_items i
    left join (select order_id, platform_line_id, sum(shipped) as shipped from lines_sent group by all) l
        using (order_id, platform_line_id)
    where i.order_id in (select order_id from parcels_sent) and i.ship_quantity > coalesce(l.shipped, 0)
),

whereabouts as (
    select
        s.order_id, bool_and(coalesce(t.state = 'delivered', false)) as delivered, bool_and(coalesce(t.state = 'returned', false)) as returned
    from parcels_sent s
    join core.packages p using (parcel_id)
    left join (
        select tracking_no, arg_max(state, (updated_at, tracking_id)) as state from core.tracking group by tracking_no
    ) t using (tracking_no)
    group by s.order_id
),

progress as (
    select
        s.order_id,
        case
            when not bool_and(s.status = 'shipped') or bool_or(s.lists_lines) and any_value(u.order_id) is not null then 'partly_shipped'
            when any_value(w.returned) then 'returned'
            when any_value(w.delivered) then 'delivered'
            else 'shipped'
        end as fulfilment_status
    from parcels_sent s
    left join unsent u using (order_id)
    left join whereabouts w using (order_id)
    group by s.order_id
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
            when o.status = 'paid' and o.shipped_at is not null and p.fulfilment_status is null then 'partly_shipped'
        end as hold_status,
        p.fulfilment_status as fulfilment_status
    )
from core.orders o
join versions v using (order_id, source_seq)
left join work.routes r using (order_id)
left join work.order_facts f using (order_id)
left join work.review_state s using (order_id)
left join progress p using (order_id)
where o.order_id in (select order_id from work.candidates)
