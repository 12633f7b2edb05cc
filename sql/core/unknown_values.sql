-- Values of the batch that no map knows: kept as they are, shown as unknown, to be looked at.
-- grain: one row per value · key: text · inputs: work.orders, work.refunds, work.products
with found as (
    select shop_id, '订单状态' as what, platform_status as value from work.orders where status = 'unknown'
    union all
    select shop_id, '退款状态', platform_status from work.refunds where status = 'unknown'
    union all
    select shop_id, '商品状态', platform_status from work.products where status = 'unknown'
)

select distinct concat(shop_id, ': ', what, ' ', value) as text from found order by text
