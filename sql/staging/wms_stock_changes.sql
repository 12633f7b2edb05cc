-- Changes of stock that a Qimen warehouse reported (stockchange.report, inventory.report); pieces more (+) or fewer (−).
-- grain: one row per payload, order code, goods and kind of stock · key: (source_seq, change_id) · inputs: staging.wms_callbacks, ref.warehouses
-- Lots of one kind are one change. The same outBizCode is the same change, however often it is told.
with items as (
    select
        source_seq, out_biz_code, check_code, warehouse_code, payload_hash, "at" as reported_at, known_at, run_id,
        unnest(items) as i
    from staging.wms_callbacks
    where method = 'stock' and problem is null
),

typed as (
    select
        c.source_seq, w.warehouse_id, trim(c.i.itemCode) as sku,
        coalesce(nullif(upper(trim(c.i.inventoryType)), ''), 'ZP') as inventory_type,
        coalesce(nullif(trim(c.i.orderCode), ''), c.check_code) as order_code,
        coalesce(nullif(trim(c.i.outBizCode), ''), c.out_biz_code) as out_biz_code,
        whole(c.i.quantity) as quantity,
        coalesce(china_time(c.i.changeTime), c.reported_at) as changed_at,
        c.payload_hash, c.known_at, c.run_id
    from items c
    join ref.warehouses w on w.wms_code = coalesce(nullif(trim(c.i.warehouseCode), ''), c.warehouse_code)
)

select
    md5(json_array(warehouse_id, sku, inventory_type, order_code, coalesce(out_biz_code, payload_hash))::varchar) as change_id,
    md5(json_array(warehouse_id, sku)::varchar) as stock_id,
    warehouse_id, sku, inventory_type, sum(quantity)::bigint as quantity, order_code, any_value(out_biz_code) as out_biz_code,
    max(if(changed_at > known_at + interval 1 day, known_at, changed_at)) as "at",
    source_seq, any_value(known_at) as known_at, any_value(run_id) as run_id
from typed
group by all
