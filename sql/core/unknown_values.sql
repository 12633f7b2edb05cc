-- Values of the batch that no map knows: kept as they are, shown as unknown, to be looked at.
-- grain: one row per value · key: text · inputs: work.orders, work.refunds, work.products, work.wms_reports, work.tracking_reports, work.settlements
with found as (
    select shop_id, '订单状态' as what, platform_status as value from work.orders where status = 'unknown'
    union all
    select shop_id, '退款状态', platform_status from work.refunds where status = 'unknown'
    union all
    select shop_id, '商品状态', platform_status from work.products where status = 'unknown'
    union all
    select coalesce(warehouse_id, 'wms'), '仓库状态', wms_status from work.wms_reports where state = 'unknown'
    union all
    select courier, '物流状态', courier_state from work.tracking_reports where state = 'unknown'
    union all
    select shop_id, '结算费用类型', platform_type from work.settlements where type = 'unknown'
)

select distinct concat(shop_id, ': ', what, ' ', value) as text from found order by text
