-- Orders that operators must hear of now: past their warn_at or deadline, not told at that level yet.
-- grain: one row per order · key: order_id
-- inputs: decision.ship_by, core.orders, flow.ship_by_told, outbox.instructions, work.run
-- An order that is late already when it comes is told as breached only. A shop that was told of within this hour waits.
with late as (
    select
        o.order_id, o.shop_id, o.platform_order_no, o.hold_status, s.promised_at,
        if(s.promised_at <= r.started_at, 'breached', 'warn') as level,
        r.started_at
    from decision.ship_by s
    join core.orders o using (order_id)
    cross join work.run r
    where s.warn_at <= r.started_at and o.status = 'paid' and not o.is_test
),

alerts as (  -- a note whose message was never written down counts for nothing
    select idempotency_key from outbox.instructions
    where order_id is null and starts_with(idempotency_key, 'alert:ship_by:')
),

told as (
    select t.order_id, t.level from flow.ship_by_told t join alerts a on a.idempotency_key = 'alert:' || t.alert_key
)

select
    * exclude (started_at),
    concat_ws(':', 'ship_by', level, shop_id, strftime(started_at at time zone 'Asia/Shanghai', '%Y-%m-%dT%H')) as alert_key
from late
anti join told using (order_id, level)
where 'alert:' || alert_key not in (select idempotency_key from alerts)
