-- Parcels that were stopped, or were not: how far each was, how long it took, how much money it was about.
-- grain: one row per case · key: case_id
-- inputs: decision.recalls, outbox.instructions, decision.parcels, core.orders, ref.fx_rates, core.packages
-- A parcel that was stopped before any receiver heard of it is a case as well: its pick order stands intercepted.
with called_back as (
    select
        parcel_id as case_id, parcel_id, order_id, cause_order_id, reason, stage, state as outcome, happened_at, known_at,
        decided_at, settled_at, pieces, amount
    from decision.recalls
),

never_sent as (
    select
        i.instruction_id as case_id, i.params->>'parcel_id' as parcel_id, i.order_id, i.order_id as cause_order_id,
        case
            when o.status = 'closed' then 'closed'
            when o.hold_status is not null then 'hold'
            when o.status in ('shipped', 'completed') then 'shipped_elsewhere'
            when o.status = 'after_sale' or o.payment_status in ('refunded', 'partially_refunded') then 'refund'
            else 'regrouped'
        end as reason,
        'not_sent' as stage, 'stopped' as outcome, o.updated_at as happened_at, o.updated_at as known_at,
        i.created_at as decided_at, i.due_at as settled_at, p.pieces, p.amount
    from outbox.instructions i
    join core.orders o using (order_id)
    left join (
        select parcel_id, sum(quantity)::bigint as pieces, sum(line_amount)::decimal(18, 2) as amount
        from decision.parcels
        group by parcel_id
    ) p on p.parcel_id = (i.params->>'parcel_id')
    where i.kind = 'pick_order' and i.status = 'intercepted' and i.attempts = 0
),

cases as (
    select * from called_back
    union all by name
    select n.* from never_sent n anti join decision.recalls r using (parcel_id)
),

rated as (
    select c.*, o.platform, o.shop_id, o.platform_order_no, o.currency, f.rate_cny, (o.ordered_at at time zone 'Asia/Shanghai')::date as ordered_on
    from cases c
    join core.orders o on o.order_id = c.cause_order_id
    asof left join ref.fx_rates f
        on f.currency = o.currency and (o.ordered_at at time zone 'Asia/Shanghai')::date >= f.valid_from
),

asked as (  -- when the receivers were asked to stop it, and answered
    select
        params->>'parcel_id' as parcel_id, min(created_at) as asked_at,
        max(acked_at) filter (kind = 'cancel_pick_order') as warehouse_stopped_at,
        max(acked_at) filter (kind = 'cancel_waybill') as label_cancelled_at
    from outbox.instructions
    where kind in ('cancel_pick_order', 'cancel_waybill')
    group by params->>'parcel_id'
),

gone as (
    select parcel_id, min(shipped_at) as left_at, min(tracking_no) as tracking_no from core.packages group by parcel_id
)

select
    r.case_id, r.parcel_id, r.order_id, r.cause_order_id, r.platform, r.shop_id, r.platform_order_no, r.reason, r.stage,
    r.outcome, r.happened_at, r.known_at, r.decided_at,
    coalesce(least(a.warehouse_stopped_at, a.label_cancelled_at), if(r.outcome = 'stopped', r.settled_at, null)) as stopped_at,
    g.left_at, g.tracking_no,
    greatest(epoch(r.known_at) - epoch(r.happened_at), 0)::bigint as seconds_until_known,
    greatest(epoch(coalesce(least(a.warehouse_stopped_at, a.label_cancelled_at), r.settled_at)) - epoch(r.known_at), 0)::bigint
        as seconds_until_answered,
    r.pieces, r.amount, r.currency, (r.amount::decimal(28, 2) * r.rate_cny)::decimal(18, 2) as amount_cny,
    in_shanghai(r.decided_at)::date as business_date
from rated r
left join asked a using (parcel_id)
left join gone g using (parcel_id)
