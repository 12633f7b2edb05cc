-- Resends and exchanges that a receiver has heard of and that may not go any more: what `recalls` is told of them.
-- grain: one row per parcel · key: parcel_id
-- inputs: work.candidates, work.reshippable, work.orders_now, decision.reshipments, core.refunds, core.fulfilments,
--         outbox.instructions
with standing as (
    select parcel_id, order_id, platform_line_id, refund_id as own_refund_id, granted_at
    from decision.reshipments
    where order_id in (select order_id from work.candidates) and state = 'planned'
),

doubtful as (  -- stopped with an attempt behind it whose answer was lost
    select distinct params->>'parcel_id' as parcel_id
    from outbox.instructions
    where order_id in (select order_id from standing) and kind in ('pick_order', 'waybill')
        and status = 'intercepted' and attempts > 0
),

stopped as (
    select *
    from standing
    where parcel_id not in (select parcel_id from work.reshippable) or parcel_id in (select parcel_id from doubtful)
),

cases as (
    select
        s.parcel_id,
        arg_min(r.refund_id, (r.updated_at, r.refund_id)) as refund_id, min(r.updated_at) as happened_at
    from stopped s
    join core.refunds r
        on r.order_id = s.order_id
        and (r.refund_id = s.own_refund_id
            or (r.platform_line_id is null or r.platform_line_id = s.platform_line_id) and r.updated_at > s.granted_at)
    group by s.parcel_id
)

select
    s.parcel_id, s.order_id,
    case
        when c.refund_id is not null then 'refund' when any_value(o.status) = 'closed' then 'closed' else 'hold'
    end as reason,
    c.refund_id, coalesce(c.happened_at, any_value(o.updated_at)) as happened_at, null::timestamptz as known_at,
    coalesce(any_value(f.status) not in ('shipped', 'partly_shipped'), true) as in_time
from stopped s
join work.orders_now o using (order_id)
left join cases c using (parcel_id)
left join core.fulfilments f using (parcel_id)
group by s.parcel_id, s.order_id, c.refund_id, c.happened_at
