-- What the ledger says stands in the world: every pick order and waybill that was ever sent, every shipment that was told.
-- grain: one row per effect · key: (receiver, effect)
-- inputs: work.verifying(since), outbox.instructions, decision.recalls, core.orders, core.shipments, vault.raw.pull_windows
-- Of platforms: what their own documents show, for shops whose pulls have reached beyond the moment we told them.
with told as (
    select
        i.*, i.params->>'parcel_id' as parcel_id, coalesce(i.params->>'warehouse_id', '') as warehouse_id
    from outbox.instructions i, work.verifying v
    where i.created_at >= v.since and i.attempts > 0 and i.kind in ('pick_order', 'waybill', 'ship_confirmation')
),

cancelled as (
    select params->>'parcel_id' as parcel_id, kind, status
    from outbox.instructions
    where kind in ('cancel_pick_order', 'cancel_waybill')
),

at_receivers as (
    select
        t.target as receiver, t.idempotency_key as effect, t.order_id, t.parcel_id, t.warehouse_id, t.receipt->>'kuaidinum' as number,
        case
            when c.status = 'acknowledged' then 'absent'
            when t.status in ('pending', 'sending') or c.status in ('pending', 'sending') then 'open'
            -- It was too late to take it back, whatever became of our own sending.
            when t.status = 'acknowledged' or c.status = 'rejected' then 'held'
            else 'absent'  -- refused, stopped, given up: if the receiver has it all the same, somebody must know
        end as ledger,
        null::varchar as found
    from told t
    left join cancelled c
        on c.parcel_id = t.parcel_id and c.kind = if(t.kind = 'pick_order', 'cancel_pick_order', 'cancel_waybill')
    where t.kind in ('pick_order', 'waybill')
),

-- A parcel whose label was given back is put back by the warehouse, though it refused to cancel the order.
put_back as (
    select parcel_id from core.fulfilments where status in ('cancelled', 'closed', 'rejected')
),

reached as (
    select shop_id, max(window_to) as reached
    from vault.raw.pull_windows
    where kind = 'order' and status = 'closed'
    group by shop_id
),

shown as (
    select
        'platforms' as receiver, t.idempotency_key as effect, t.order_id, t.parcel_id, t.warehouse_id, t.params->>'tracking_no' as number,
        'held' as ledger,
        if(
            o.status in ('shipped', 'completed', 'after_sale', 'closed')
                or t.order_id in (select order_id from core.shipments where order_id in (select order_id from told)),
            'held', 'absent') as found
    from told t
    join core.orders o using (order_id)
    join reached r on r.shop_id = o.shop_id
    where t.kind = 'ship_confirmation' and t.status = 'acknowledged' and r.reached > t.acked_at + interval 5 minute
)

select
    * exclude (ledger),
    if(receiver = 'wms' and ledger = 'held' and parcel_id in (select parcel_id from put_back), 'absent', ledger) as ledger
from at_receivers
union all by name
select * from shown
