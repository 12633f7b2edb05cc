-- Parcels of resends and exchanges that may go now: the order may be served, and no case has come about their lines since
-- they were granted; of an exchange its own case is still open and still an exchange.
-- grain: one row per parcel · key: parcel_id
-- inputs: work.reship_asked(parcel_id, order_id, platform_line_id, refund_id, granted_at), work.orders_now, core.refunds,
--         decision.reviews
-- Asked twice: when instructions are decided, and again at the moment of sending. That the order is shipped, completed or
-- in after-sale is no obstacle: that is when goods are sent again.
with cases as (
    select * from core.refunds where order_id in (select order_id from work.reship_asked)
),

inspections as (
    select
        order_id, request->>'return_id' as return_id, arg_max(request->>'verdict', (decided_at, review_id)) as verdict
    from decision.reviews
    where order_id in (select order_id from work.reship_asked) and action = 'inspect'
    group by all
),

objections as (
    select a.parcel_id
    from work.reship_asked a
    join cases r using (order_id)
    where r.refund_id is distinct from a.refund_id
        and (r.platform_line_id is null or r.platform_line_id = a.platform_line_id)
        and r.status in ('requested', 'returning', 'unknown', 'refunded')
        and greatest(r.created_at, r.updated_at) > a.granted_at
    union all
    select a.parcel_id
    from work.reship_asked a
    left join cases r on r.refund_id = a.refund_id and r.order_id = a.order_id
    where a.refund_id is not null
        and coalesce(r.status in ('requested', 'returning') and r.kind in ('exchange', 'other'), false) = false
    union all
    select a.parcel_id  -- what came back was found wanting since
    from work.reship_asked a
    join inspections i on i.order_id = a.order_id and i.return_id = coalesce(a.refund_id::varchar, a.parcel_id)
    where i.verdict = 'failed'
)

select a.parcel_id
from work.reship_asked a
join work.orders_now o using (order_id)
anti join objections b using (parcel_id)
group by a.parcel_id
having bool_and(
    o.status in ('paid', 'shipped', 'completed', 'after_sale')
    and not o.is_test
    and coalesce(o.hold_status, 'partly_shipped') = 'partly_shipped'
)
