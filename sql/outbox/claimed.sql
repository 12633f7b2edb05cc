-- The due instructions after the check at the moment of sending: what may still go is being sent, the rest is stopped.
-- grain: one row per instruction · key: instruction_id · inputs: work.sending, work.members, work.shippable, work.superseded, decision.parcels
-- A parcel may go while every order in it may ship, and while it is still what was decided last: an order may have
-- joined another parcel since.
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
),

checked as (
    select
        s.*,
        case
            when s.order_id is not null and ((s.params->>'parcel_id') in (select parcel_id from complete)) is not true
                then '发送前复核：订单已不满足发货条件（退款、暂停、改址、平台锁定或已并入其他包裹）'
            when s.instruction_id in (select instruction_id from work.superseded) then '商品的上下架状态已改变，无需再发送'
        end as stopped
    from work.sending s
)

select * exclude (stopped) replace (
    if(stopped is null, 'sending', 'intercepted') as status,
    attempts + (stopped is null)::integer as attempts,
    coalesce(stopped, last_error) as last_error
)
from checked
