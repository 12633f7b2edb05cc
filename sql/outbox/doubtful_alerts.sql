-- One alert for every instruction that was stopped after an attempt whose answer was lost: it may be at the receiver.
-- grain: one row per alert · key: instruction_id · inputs: work.claimed, work.dispatching
with doubtful as (
    select
        'alert:doubtful:' || instruction_id as key,
        concat('已停止重发，但之前的发送结果未知，请到', if(target = 'wms', '仓库系统', '快递平台'), '核对并按需取消。订单 ', order_id) as text
    from work.claimed
    where status = 'intercepted' and attempts > 0
)

select
    md5(key) as instruction_id, key as idempotency_key, 'alert' as kind, null::bigint as order_id, 'dingtalk' as target,
    json_object('text', text) as params, null::varchar as body_hash, 'pending' as status, d.now as created_at,
    d.now as due_at, 0 as attempts, null::varchar as last_error, null::timestamptz as acked_at, null::json as receipt, d.run_id
from doubtful
cross join work.dispatching d
