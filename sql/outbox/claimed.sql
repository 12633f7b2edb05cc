-- The due instructions after the check at the moment of sending: what may still go is being sent, the rest is stopped.
-- grain: one row per instruction · key: instruction_id
-- inputs: work.sending, work.members, work.shippable, work.reshippable, work.superseded, work.returns_stopped, work.orders_now,
--         decision.parcels, decision.recalls
-- A parcel may go while every order in it may ship, while it is still what was decided last (an order may have joined
-- another parcel since), while nobody called it back, and while its buyer has not moved since a receiver was first told.
with packed as (
    select parcel_id, order_id
    from decision.parcels
    where order_id in (select order_id from work.members)
    group by parcel_id, order_id
),

complete as (
    select m.parcel_id
    from work.members m
    left join work.shippable s using (order_id)
    left join packed p on p.parcel_id = m.parcel_id and p.order_id = m.order_id
    group by m.parcel_id
    having bool_and(s.order_id is not null and p.order_id is not null)
    union all
    select parcel_id from work.reshippable  -- sent again: another question is asked of them
),

recalled as (
    select parcel_id from decision.recalls where parcel_id in (select parcel_id from work.members)
),

parcels as (
    select
        s.instruction_id, o.address_key,
        case
            when (s.params->>'parcel_id') in (select parcel_id from recalled) then '包裹已拦截'
            when (s.params->>'parcel_id') not in (select parcel_id from complete)
                then '发送前复核：订单已不满足发货条件（退款、暂停、改址、平台锁定或已并入其他包裹）'
            when s.receiver_key <> o.address_key then '买家已改址，原包裹需先拦截'
        end as stopped
    from work.sending s
    left join work.orders_now o using (order_id)
    where s.kind in ('pick_order', 'waybill')
),

checked as (
    select
        s.* exclude (receiver_key), coalesce(s.receiver_key, p.address_key) as receiver_key,
        case
            when p.instruction_id is not null then p.stopped
            when s.instruction_id in (select instruction_id from work.superseded) then '商品的上下架状态已改变，无需再发送'
            when s.instruction_id in (select instruction_id from work.returns_stopped) then '售后已撤销或被拒绝，无需退货入库单'
        end as stopped
    from work.sending s
    left join parcels p using (instruction_id)
)

select * exclude (stopped) replace (
    if(stopped is null, 'sending', 'intercepted') as status,
    attempts + (stopped is null)::integer as attempts,
    coalesce(stopped, last_error) as last_error,
    -- Who never heard of it was told no address.
    if(stopped is null or attempts > 0, receiver_key, null) as receiver_key
)
from checked
