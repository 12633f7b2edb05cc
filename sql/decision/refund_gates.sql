-- May the money of a case go out? What the goods say to it.
-- grain: one row per case of the candidate orders · key: refund_id
-- inputs: work.returns, work.run, core.refunds, decision.refund_gates
with judged as (
    select
        r.refund_id, t.return_id, r.order_id, r.status as case_status, t.kind, t.state as goods,
        case
            when r.status in ('closed', 'refused') then 'not_needed'
            when t.kind = 'exchange' and r.status <> 'refunded' then 'not_needed'
            when t.state = 'short' then 'short'
            when t.state = 'defective' then 'defective'
            when t.state = 'received' then 'passed'
            when t.state in ('nothing_left', 'goods_stay', 'settled', 'closed') then 'not_needed'
            when t.state in ('requested', 'stopping') or r.status <> 'refunded' then 'waiting_goods'
            else 'paid_before_goods'
        end as state,
        case
            when r.status in ('closed', 'refused') then '售后已关闭或已拒绝，不退款'
            when t.kind = 'exchange' and r.status <> 'refunded' then '换货，不退款'
            when t.state = 'short' then '退货入库数量不足'
            when t.state = 'defective' then '退货含残次品或质检不通过'
            when t.state = 'received' then '退货已入库，质检通过'
            when t.state = 'nothing_left' then '商品未出库'
            when t.state = 'goods_stay' then '仅退款，商品留给买家'
            when t.state = 'settled' then '得知时已退款，且商品不由本系统发出'
            when t.state = 'requested' then '平台尚未同意，商品未退回'
            when t.state = 'stopping' then '包裹正在拦截，等仓库答复'
            when r.status = 'refunded' and t.kind = 'exchange' then '平台显示换货已完成或已退款，但商品尚未入库'
            when r.status = 'refunded' then '平台已退款，但商品尚未入库'
            else '等待退货入库'
        end as reason,
        t.expected, t.received_good, t.received_defective, r.amount, r.currency
    from work.returns t
    join core.refunds r on r.refund_id = t.refund_id and r.order_id = t.order_id
    where t.return_id = r.refund_id::varchar
)

select
    j.refund_id, j.return_id, j.order_id, j.state, j.reason, j.expected, j.received_good, j.received_defective, j.amount,
    j.currency, if(b.state = j.state, b.since, n.started_at) as since
from judged j
cross join work.run n
left join (
    select refund_id, state, since from decision.refund_gates where refund_id in (select refund_id from judged)
) b using (refund_id)
