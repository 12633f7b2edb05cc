-- Instructions that were stopped after an attempt whose answer was lost: the receiver may have them. One alert each.
-- grain: one row per alert · key: key · inputs: work.claimed
select
    'doubtful:' || instruction_id as key,
    concat('已停止重发，但之前的发送结果未知，请到', if(target = 'wms', '仓库系统', '快递平台'), '核对并按需取消。订单 ', order_id) as text
from work.claimed
-- Of listings the newer word is sent, whatever became of the older one.
where status = 'intercepted' and attempts > 0 and target <> 'platforms'
