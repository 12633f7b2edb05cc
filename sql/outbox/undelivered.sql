-- What operators must hear of after a dispatch. Instructions that were refused for good, or given up on: one alert each.
-- Listings and shipments that a platform has not confirmed after five attempts, which go on: one alert a day for a shop.
-- A receiver that is out of order: one alert a day.
-- grain: one row per alert · key: key · inputs: work.claimed, work.results, work.dispatching, work.halted
with results as (
    select c.kind, c.target, c.instruction_id, c.order_id, c.params, r.status, r.attempt, r.too_late, r.error, r.outcome
    from work.claimed c
    join work.results r using (instruction_id)
),

named as (
    select
        *,
        case kind
            when 'pick_order' then '拣货单' when 'waybill' then '面单' when 'cancel_pick_order' then '拦截：取消拣货单'
            when 'cancel_waybill' then '拦截：取消面单' when 'subscribe_tracking' then '物流订阅' when 'return_order' then '退货入库单'
            when 'ship_confirmation' then '平台发货回传' else kind
        end as kind_zh
    from results
)

select
    'undelivered:' || instruction_id as key,
    case
        when kind = 'suspend_listing' then concat('商品下架被平台拒绝，仍可能超卖，需人工处理。店铺 ', params->>'shop_id', ' 商品 ',
            params->>'platform_product_id', '（', params->>'sku', '）：', error)
        when kind = 'resume_listing' then concat('商品重新上架被平台拒绝，需人工处理。店铺 ', params->>'shop_id', ' 商品 ',
            params->>'platform_product_id', '（', params->>'sku', '）：', error)
        when kind = 'cancel_pick_order' and too_late
            then concat('包裹 ', params->>'parcel_id', ' 已拣货，仓库无法取消，正在取消面单；请仓库勿交运并退回库位。订单 ', order_id)
        when kind = 'cancel_waybill' and too_late
            then concat('包裹 ', params->>'parcel_id', ' 的面单已无法取消（快件可能已揽收），请客服联系买家或快递拦截。订单 ', order_id)
        else concat(kind_zh, '未送达，需人工处理（orderpipe outbox requeue ', instruction_id, '）。订单 ', order_id, '：', error)
    end as text
from named
where status in ('rejected', 'dead') and target <> 'dingtalk'
union all
select
    concat_ws(':', 'unconfirmed', params->>'shop_id', strftime(any_value(d.now) at time zone 'Asia/Shanghai', '%Y-%m-%d')),
    concat('店铺 ', params->>'shop_id', ' 有 ', count(*), ' 条上下架或发货回传连续 5 次未得到平台确认，仍在重试，期间可能超卖或超时：',
        min(error))
from named
cross join work.dispatching d
where target = 'platforms' and status = 'pending' and attempt = 5 and outcome = 'retry'
group by params->>'shop_id'
union all
select
    concat_ws(':', 'receiver', h.receiver, strftime(d.now at time zone 'Asia/Shanghai', '%Y-%m-%d')),
    concat(case h.receiver when 'wms' then '仓库' when 'courier' then '快递平台' else h.receiver end,
        '暂时无法发送，指令已保留，恢复后自动补发：', h.error)
from work.halted h
cross join work.dispatching d
where h.receiver <> 'dingtalk'
