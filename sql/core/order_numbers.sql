-- The orders that reports of the batch name: the leads of their parcels, and the numbers on their lines.
-- grain: one row per order · key: order_id · inputs: work.parcel_reports, work.wms_reports, work.order_versions, core.orders
with numbers as (
    select distinct l.order_no as platform_order_no
    from (
        select unnest(from_json(lines, '[{"order_no": "VARCHAR"}]')) as l
        from (select lines from work.parcel_reports union all select lines from work.wms_reports where return_code is not null)
    )
    where l.order_no is not null
),

leads as (
    select distinct order_id from work.parcel_reports
),

known as (
    select order_id, platform, shop_id, platform_order_no from work.order_versions
    union
    select order_id, platform, shop_id, platform_order_no
    from core.orders
    where order_id in (select order_id from leads) or platform_order_no in (select platform_order_no from numbers)
)

select *
from known
where order_id in (select order_id from leads) or platform_order_no in (select platform_order_no from numbers)
