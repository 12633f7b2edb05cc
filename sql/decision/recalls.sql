-- Parcels a receiver has heard of and that must not arrive as they are, with how far stopping them has come.
-- grain: one row per parcel of the candidates that is called back · key: parcel_id
-- inputs: work.candidates, work.orders_now, work.shippable, work.run, decision.parcels, decision.recalls, decision.reshipments,
--         work.reship_stops, core.order_items, core.refunds, core.refund_versions, core.order_versions, core.fulfilments, outbox.instructions
-- A parcel that has left is not called back; one that left although its refund had landed before is kept as too late.
with packed as (
    select parcel_id, lead_order_id, order_id, line_no, platform_line_id, warehouse_id, quantity, line_amount
    from decision.parcels
    where order_id in (select order_id from work.candidates)
    union all
    select parcel_id, order_id, order_id, line_no, platform_line_id, warehouse_id, quantity, 0
    from decision.reshipments
    where order_id in (select order_id from work.candidates) and state = 'planned'
),

resent as (  -- sent again: what stops them stands in work.reship_stops
    select distinct parcel_id from decision.reshipments where order_id in (select order_id from work.candidates)
),

told as (
    select i.kind, i.status, i.attempts, i.receiver_key, i.params->>'parcel_id' as parcel_id
    from outbox.instructions i
    where i.order_id in (select lead_order_id from packed)
        and i.kind in ('pick_order', 'waybill', 'cancel_pick_order', 'cancel_waybill')
),

steps as (  -- what was asked of the receivers about a parcel, and what they said
    select
        parcel_id,
        bool_or(kind = 'pick_order' and attempts > 0 and status <> 'rejected') as picked,
        bool_or(kind = 'waybill' and attempts > 0 and status <> 'rejected') as labelled,
        bool_or(kind in ('pick_order', 'waybill') and attempts > 0 and status = 'intercepted') as unsure,
        max(receiver_key) as receiver_key,
        max(status) filter (kind = 'cancel_pick_order') as pick_cancel,
        max(status) filter (kind = 'cancel_waybill') as label_cancel
    from told
    group by parcel_id
),

parcels as (
    select
        p.*, s.* exclude (parcel_id), f.status as wms_status, f.shipped_at as left_at,
        coalesce(f.status in ('shipped', 'partly_shipped'), false) as has_left,
        coalesce(f.status in ('cancelled', 'closed', 'rejected'), false) as stays
    from packed p
    join steps s using (parcel_id)
    left join core.fulfilments f using (parcel_id)
    where s.picked or s.labelled
),

confirmed as (  -- orders whose shipment the platform knows from us
    select distinct order_id
    from outbox.instructions
    where order_id in (select order_id from packed) and kind = 'ship_confirmation' and attempts > 0
),

cases as (  -- refunds of what is in the parcel
    select p.parcel_id, p.order_id, p.left_at, r.refund_id, r.created_at, v.known_at
    from parcels p
    join core.refunds r
        on r.order_id = p.order_id and (r.platform_line_id is null or r.platform_line_id = p.platform_line_id)
    left join (
        select refund_id, min(known_at) as known_at
        from core.refund_versions
        where refund_id in (select refund_id from core.refunds where order_id in (select order_id from packed))
        group by refund_id
    ) v using (refund_id)
    where r.status in ('requested', 'returning', 'unknown', 'refunded')
),

refunded as (
    select parcel_id, order_id, 'refund' as reason, refund_id, created_at as happened_at, known_at, left_at is null or created_at < left_at as in_time
    from cases
    union all
    -- Some platforms take the pieces off the order itself.
    select p.parcel_id, p.order_id, 'refund', null, o.updated_at, null, not p.has_left
    from parcels p
    join work.orders_now o using (order_id)
    join core.order_items i using (order_id, line_no)
    where p.quantity > i.ship_quantity or i.refund_status in ('requested', 'returning', 'unknown')
),

changed as (
    select
        p.parcel_id, p.order_id,
        case
            when o.status = 'closed' then 'closed'
            when (o.status in ('shipped', 'completed') or o.shipped_at is not null) and c.order_id is null then 'shipped_elsewhere'
            when o.status = 'paid' and p.receiver_key <> l.address_key then 'address_changed'
            when o.status = 'paid' and o.hold_status in ('platform_hold', 'rejected', 'review', 'test_order') then 'hold'
            -- Stopped with an attempt behind it whose answer was lost.
            when p.unsure and s.order_id is null then 'hold'
        end as reason,
        null::bigint as refund_id, o.updated_at as happened_at, null::timestamptz as known_at, not p.has_left as in_time
    from parcels p
    join work.orders_now o using (order_id)
    left join work.orders_now l on l.order_id = p.lead_order_id
    left join confirmed c on c.order_id = p.order_id
    left join work.shippable s on s.order_id = p.order_id
),

reasons as (
    select * from refunded where in_time and parcel_id not in (select parcel_id from resent)
    union all by name
    select * from changed where reason is not null and in_time and parcel_id not in (select parcel_id from resent)
    union all by name
    select * from work.reship_stops where in_time
),

first_reasons as (
    select *
    from reasons
    qualify row_number() over (partition by parcel_id order by reason <> 'refund', happened_at, order_id, refund_id) = 1
),

fresh as (
    select
        f.parcel_id, f.order_id as cause_order_id, f.reason, f.refund_id, f.happened_at,
        coalesce(f.known_at, v.known_at, r.started_at) as known_at, r.started_at as decided_at,
        -- How far the parcel was when we decided to stop it.
        coalesce(p.wms_status, case when p.picked and p.labelled then 'instructed' when p.picked then 'pick_order_sent' else 'waybill_bought' end) as stage
    from first_reasons f
    join (select distinct parcel_id, wms_status, picked, labelled from parcels) p using (parcel_id)
    join work.orders_now o on o.order_id = f.order_id
    left join core.order_versions v on v.order_id = o.order_id and v.source_seq = o.source_seq
    cross join work.run r
    anti join (select parcel_id from decision.recalls where parcel_id in (select parcel_id from packed)) known using (parcel_id)
),

contents as (
    select
        parcel_id, any_value(lead_order_id) as order_id, any_value(warehouse_id) as warehouse_id,
        sum(quantity)::bigint as pieces, sum(line_amount)::decimal(18, 2) as amount,
        list(distinct order_id::varchar order by order_id::varchar) as orders
    from (
        select parcel_id, lead_order_id, order_id, warehouse_id, quantity, line_amount from decision.parcels
        union all
        select parcel_id, order_id, order_id, warehouse_id, quantity, 0 from decision.reshipments
    )
    where parcel_id in (select parcel_id from packed) and order_id in (select unnest([order_id, lead_order_id]) from packed)
    group by parcel_id
),

all_recalls as (
    select
        f.parcel_id, c.order_id, c.orders, c.warehouse_id, f.cause_order_id, f.reason, f.refund_id, f.happened_at, f.known_at,
        f.decided_at, f.stage, c.pieces, c.amount, o.currency, 'open' as state, null::timestamptz as settled_at
    from fresh f
    join contents c using (parcel_id)
    join core.orders o on o.order_id = c.order_id
    union all by name
    select * from decision.recalls where parcel_id in (select parcel_id from packed) and state <> 'stopped'
),

judged as (
    select
        a.* exclude (state),
        a.state as old_state,
        case
            when f.status in ('cancelled', 'closed', 'rejected') then 'stopped'
            when f.status in ('shipped', 'partly_shipped') then 'too_late'
            when not s.picked and (not s.labelled or s.label_cancel in ('acknowledged', 'rejected')) then 'stopped'
            when s.pick_cancel = 'acknowledged' then 'stopped'
            -- No courier carries it, but the warehouse has it in its hands: nothing else is sent before it says otherwise.
            when s.pick_cancel = 'rejected' and (not s.labelled or s.label_cancel = 'acknowledged') then 'held_back'
            when s.pick_cancel = 'rejected' and s.label_cancel = 'rejected' then 'too_late'
            else 'open'
        end as state
    from all_recalls a
    join steps s using (parcel_id)
    left join core.fulfilments f using (parcel_id)
)

select
    j.* exclude (old_state, settled_at),
    if(j.state in ('open', 'held_back'), null, if(j.state = j.old_state, j.settled_at, r.started_at)) as settled_at
from judged j
cross join work.run r
