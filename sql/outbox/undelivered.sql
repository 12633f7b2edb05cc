-- Instructions that were refused for good, or given up on: one alert each. Listings that a platform has not confirmed
-- after five attempts, which go on: one alert a day for a shop.
-- grain: one row per alert · key: key · inputs: work.claimed, work.results, work.dispatching
select
    'undelivered:' || c.instruction_id as key,
    case c.kind
        when 'suspend_listing' then concat('商品下架被平台拒绝，仍可能超卖，需人工处理。店铺 ', c.params->>'shop_id', ' 商品 ',
            c.params->>'platform_product_id', '（', c.params->>'sku', '）：', r.error)
        when 'resume_listing' then concat('商品重新上架被平台拒绝，需人工处理。店铺 ', c.params->>'shop_id', ' 商品 ',
            c.params->>'platform_product_id', '（', c.params->>'sku', '）：', r.error)
        else concat(case c.kind when 'pick_order' then '拣货单' when 'waybill' then '面单' else c.kind end,
            '未送达，需人工处理。订单 ', c.order_id, '：', r.error)
    end as text
from work.claimed c
join work.results r using (instruction_id)
where r.status in ('rejected', 'dead') and c.target <> 'dingtalk'
union all
select
    concat_ws(':', 'unconfirmed', c.params->>'shop_id', strftime(any_value(d.now) at time zone 'Asia/Shanghai', '%Y-%m-%d')),
    concat('店铺 ', c.params->>'shop_id', ' 有 ', count(*), ' 个商品的上下架连续 5 次未得到平台确认，仍在重试，期间可能超卖：',
        min(r.error))
from work.claimed c
join work.results r using (instruction_id)
cross join work.dispatching d
where c.target = 'platforms' and r.status = 'pending' and r.attempt = 5
group by c.params->>'shop_id'
