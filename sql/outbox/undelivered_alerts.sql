-- One alert to the operators for every instruction that was refused for good, or given up on.
-- grain: one row per alert · key: instruction_id · inputs: work.claimed, work.results, work.dispatching
with undelivered as (
    select
        'alert:undelivered:' || c.instruction_id as key,
        concat(case c.kind when 'pick_order' then '拣货单' when 'waybill' then '面单' else c.kind end,
            '未送达，需人工处理。订单 ', c.order_id, '：', r.error) as text
    from work.claimed c
    join work.results r using (instruction_id)
    where r.status in ('rejected', 'dead')
)

select
    md5(key) as instruction_id, key as idempotency_key, 'alert' as kind, null::bigint as order_id, 'dingtalk' as target,
    json_object('text', text) as params, null::varchar as body_hash, 'pending' as status, d.now as created_at,
    d.now as due_at, 0 as attempts, null::varchar as last_error, null::timestamptz as acked_at, null::json as receipt, d.run_id
from undelivered
cross join work.dispatching d
