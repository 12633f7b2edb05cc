-- Instructions that were refused for good, or given up on: one alert each.
-- grain: one row per alert · key: key · inputs: work.claimed, work.results
select
    'undelivered:' || c.instruction_id as key,
    concat(case c.kind when 'pick_order' then '拣货单' when 'waybill' then '面单' else c.kind end,
        '未送达，需人工处理。订单 ', c.order_id, '：', r.error) as text
from work.claimed c
join work.results r using (instruction_id)
where r.status in ('rejected', 'dead') and c.target <> 'dingtalk'
