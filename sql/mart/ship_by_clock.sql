-- How long every order that must still ship has left, and when it is likely to be handed over.
-- grain: one row per order that is paid (or on delivery) and not shipped · key: order_id
-- inputs: decision.ship_by, core.orders, decision.parcels, outbox.instructions, ref.warehouses, ref.calendar, work.run
-- The forecast is the warehouse's first cut-off after it acknowledged the order, or after now as long as it has not. The
-- times are absolute, so that a row changes only when something happens or a cut-off or deadline goes by.
with open_orders as (
    select
        o.order_id, o.platform, o.shop_id, o.warehouse_id, o.hold_status, o.ordered_at, o.paid_at, s.promised_at, s.warn_at,
        s.source
    from core.orders o
    join decision.ship_by s using (order_id)
    where o.status = 'paid' and not o.is_test
),

picks as (
    select distinct order_id, lead_order_id, 'pick_order:' || parcel_id as idempotency_key
    from decision.parcels
    where order_id in (select order_id from open_orders)
),

acknowledged as (  -- every parcel of the order, and when the last of them was
    select p.order_id, if(count(i.acked_at) = count(*), max(i.acked_at), null) as acked_at
    from picks p
    left join outbox.instructions i
        on i.order_id = p.lead_order_id and i.idempotency_key = p.idempotency_key and i.status = 'acknowledged'
    group by p.order_id
),

waiting as (
    select o.*, coalesce(a.acked_at, r.started_at) as from_at, r.started_at as now
    from open_orders o
    cross join work.run r
    left join acknowledged a using (order_id)
),

days as (
    select unnest(generate_series(
        min(from_at at time zone 'Asia/Shanghai')::date,
        any_value(now at time zone 'Asia/Shanghai')::date + 10 + (select count(*) from ref.calendar)::integer,
        interval 1 day))::date as day
    from waiting
),

handovers as (
    select w.warehouse_id, (d.day + to_minutes(w.cutoff_minutes)) at time zone 'Asia/Shanghai' as handover_at
    from days d
    cross join ref.warehouses w
    left join ref.calendar c on c.day = d.day
    where c.kind is distinct from 'holiday' and (w.weekends or isodow(d.day) < 6 or c.kind is not distinct from 'workday')
),

forecast as (
    select w.*, if(w.hold_status is null, h.handover_at, null) as expected_handover_at
    from waiting w
    asof left join handovers h on w.warehouse_id = h.warehouse_id and w.from_at < h.handover_at
)

select
    order_id, platform, shop_id, warehouse_id, paid_at, promised_at, warn_at, source, expected_handover_at,
    case
        when promised_at <= now then 'breached'
        when warn_at <= now then 'warned'
        when expected_handover_at > promised_at then 'at_risk'
        else 'on_time'
    end as state,
    hold_status,
    in_shanghai(coalesce(sane(paid_at), ordered_at))::date as business_date
from forecast
