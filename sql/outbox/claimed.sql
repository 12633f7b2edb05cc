-- The due instructions after the check at the moment of sending: what may still go is being sent, the rest is stopped.
-- grain: one row per instruction · key: instruction_id · inputs: work.sending, work.shippable
select s.* replace (
    if(s.order_id is null or h.order_id is not null, 'sending', 'intercepted') as status,
    s.attempts + (s.order_id is null or h.order_id is not null)::integer as attempts,
    if(s.order_id is null or h.order_id is not null, s.last_error,
        '发送前复核：订单已不满足发货条件（退款、暂停、改址或平台锁定）') as last_error
)
from work.sending s
left join work.shippable h using (order_id)
