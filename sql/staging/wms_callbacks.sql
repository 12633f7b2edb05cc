-- What a Qimen warehouse reported, or answered when it was asked, in one form; `problem` says why it cannot be taken.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads, ref.warehouses
-- Names of people (operateInfo, operatorName) and free texts are left out: they stay in raw.
-- A moment more than a day ahead would win over every later report: the time it landed counts instead.
-- Source: platform documentation of Qimen, WMS → ERP.
with parsed as (
    select
        seq, source_updated_at, payload_hash, run_id, fetched_at,
        from_json(payload, '{
            "method": "VARCHAR",
            "request": {
                "deliveryOrder": {"deliveryOrderCode": "VARCHAR", "deliveryOrderId": "VARCHAR", "warehouseCode": "VARCHAR",
                    "status": "VARCHAR", "outBizCode": "VARCHAR", "confirmType": "VARCHAR", "orderConfirmTime": "VARCHAR",
                    "operateTime": "VARCHAR"},
                "returnOrder": {"returnOrderCode": "VARCHAR", "returnOrderId": "VARCHAR", "warehouseCode": "VARCHAR",
                    "outBizCode": "VARCHAR", "confirmType": "VARCHAR", "orderConfirmTime": "VARCHAR", "operateTime": "VARCHAR"},
                "order": {"orderCode": "VARCHAR", "orderId": "VARCHAR", "warehouseCode": "VARCHAR", "outBizCode": "VARCHAR"},
                "process": {"processStatus": "VARCHAR", "operateTime": "VARCHAR", "outBizCode": "VARCHAR"},
                "packages": [{"logisticsCode": "VARCHAR", "expressCode": "VARCHAR", "weight": "VARCHAR",
                    "items": [{"itemCode": "VARCHAR", "quantity": "VARCHAR"}]}],
                "orderLines": [{"orderLineNo": "VARCHAR", "orderSourceCode": "VARCHAR", "sourceOrderCode": "VARCHAR",
                    "subSourceCode": "VARCHAR", "subSourceOrderCode": "VARCHAR", "itemCode": "VARCHAR",
                    "inventoryType": "VARCHAR", "planQty": "VARCHAR", "actualQty": "VARCHAR",
                    "batchs": [{"inventoryType": "VARCHAR", "actualQty": "VARCHAR"}], "snList": ["VARCHAR"]}],
                "items": [{"warehouseCode": "VARCHAR", "orderCode": "VARCHAR", "outBizCode": "VARCHAR", "itemCode": "VARCHAR",
                    "inventoryType": "VARCHAR", "quantity": "VARCHAR", "changeTime": "VARCHAR", "planQty": "VARCHAR",
                    "lackQty": "VARCHAR"}],
                "deliveryOrderCode": "VARCHAR", "deliveryOrderId": "VARCHAR", "orderCode": "VARCHAR", "orderId": "VARCHAR",
                "checkOrderCode": "VARCHAR", "warehouseCode": "VARCHAR", "outBizCode": "VARCHAR", "createTime": "VARCHAR",
                "operateTime": "VARCHAR", "checkTime": "VARCHAR"
            }
        }') as t
    from staging.payloads
    where kind = 'wms_callback' and payload is not null
),

named as (
    select
        *,
        t.request as r,
        case t.method
            when 'deliveryorder.confirm' then 'confirm'
            when 'deliveryorder.query' then 'query'
            when 'orderprocess.report' then 'process'
            when 'itemlack.report' then 'lack'
            when 'orderexception.report' then 'exception'
            when 'returnorder.confirm' then 'return'
            when 'stockchange.report' then 'stock'
            when 'inventory.report' then 'stock'
            -- Goods that come in from suppliers: the next question for stock shows them.
            when 'entryorder.confirm' then 'other'
        end as method
    from parsed
),

read as (
    select
        *,
        coalesce(r.deliveryOrder.deliveryOrderCode, r.deliveryOrderCode, r."order".orderCode, r.orderCode) as code,
        nullif(trim(r.returnOrder.returnOrderCode), '') as return_code,
        nullif(trim(coalesce(
            r.deliveryOrder.warehouseCode, r.returnOrder.warehouseCode, r."order".warehouseCode, r.warehouseCode)), ''
        ) as warehouse_code,
        nullif(trim(coalesce(
            r.deliveryOrder.deliveryOrderId, r.returnOrder.returnOrderId, r."order".orderId, r.deliveryOrderId, r.orderId)), ''
        ) as wms_order_id,
        nullif(upper(trim(coalesce(r.deliveryOrder.status, r.process.processStatus))), '') as wms_status,
        try_cast(coalesce(r.deliveryOrder.confirmType, r.returnOrder.confirmType) as integer) as confirm_type,
        nullif(trim(coalesce(
            r.deliveryOrder.outBizCode, r.returnOrder.outBizCode, r."order".outBizCode, r.process.outBizCode, r.outBizCode)), ''
        ) as out_biz_code,
        coalesce(
            china_time(r.deliveryOrder.orderConfirmTime), china_time(r.deliveryOrder.operateTime),
            china_time(r.returnOrder.orderConfirmTime), china_time(r.returnOrder.operateTime),
            china_time(r.process.operateTime), china_time(r.operateTime), china_time(r.checkTime), china_time(r.createTime),
            sane(source_updated_at), fetched_at
        ) as told_at,
        list_filter(coalesce(r.packages, []), lambda p: trim(p.expressCode) <> '') as boxes,
        list_filter(coalesce(r.orderLines, []), lambda l: trim(l.itemCode) <> '') as lines_told
    from named
),

typed as (
    select
        *,
        if(told_at > fetched_at + interval 1 day, fetched_at, told_at) as "at",
        case
            when wms_status in ('NEW', 'ACCEPT') then 'accepted'
            when wms_status in ('PRINT', 'PICK', 'CHECK') then 'picking'
            when wms_status in ('PACKAGE', 'WEIGH', 'READY') then 'packed'
            when wms_status = 'PARTDELIVERED' or wms_status = 'DELIVERED' and confirm_type = 1 then 'partly_shipped'
            -- The courier's own steps, which some warehouses pass on: the parcel has left.
            when wms_status in ('DELIVERED', 'SIGN', 'REFUSE') then 'shipped'
            when wms_status = 'CANCELED' then 'cancelled'
            when wms_status = 'CLOSED' then 'closed'
            when wms_status = 'REJECT' then 'rejected'
            when wms_status = 'EXCEPTION' or method = 'exception' then 'exception'
            -- A cancellation that failed leaves the parcel as it was.
            when wms_status in ('CANCELEDFAIL', 'TMSCANCELED', 'TMSCANCELFAILED', 'OTHER') then null
            when wms_status is not null and method in ('confirm', 'query', 'process') then 'unknown'
            when method = 'confirm' and len(boxes) > 0 then if(confirm_type = 1, 'partly_shipped', 'shipped')
        end as state,
        to_json(list_transform(boxes, lambda p: {
            courier: upper(trim(p.logisticsCode)), tracking_no: trim(p.expressCode), weight_kg: try_cast(p.weight as decimal(12, 3)),
            items: list_transform(
                list_filter(coalesce(p.items, []), lambda i: trim(i.itemCode) <> ''),
                lambda i: {sku: trim(i.itemCode), quantity: whole(i.quantity)})
        })) as packages,
        to_json(if(
            method = 'lack',
            list_transform(
                list_filter(coalesce(r.items, []), lambda i: trim(i.itemCode) <> ''),
                lambda i: {line_no: null::integer, order_no: null::varchar, line_id: null::varchar, sku: trim(i.itemCode),
                    planned: whole(i.planQty), good: 0::bigint, defective: 0::bigint, lack: whole(i.lackQty),
                    serials: []::varchar[]}),
            list_transform(lines_told, lambda l, n: {
                line_no: coalesce(try_cast(l.orderLineNo as integer), n::integer),
                order_no: nullif(trim(coalesce(l.orderSourceCode, l.sourceOrderCode)), ''),
                line_id: nullif(trim(coalesce(l.subSourceCode, l.subSourceOrderCode)), ''),
                sku: trim(l.itemCode),
                planned: whole(l.planQty),
                -- Where the lots name their own kind they tell good from defective; else the line does.
                good: if(
                    len(list_filter(coalesce(l.batchs, []), lambda b: b.inventoryType <> '')) > 0,
                    total(list_transform(
                        list_filter(l.batchs, lambda b: coalesce(nullif(b.inventoryType, ''), nullif(l.inventoryType, ''), 'ZP') = 'ZP'),
                        lambda b: whole(b.actualQty))),
                    if(coalesce(nullif(l.inventoryType, ''), 'ZP') = 'ZP', whole(coalesce(nullif(l.actualQty, ''), '0')), 0)),
                defective: if(
                    len(list_filter(coalesce(l.batchs, []), lambda b: b.inventoryType <> '')) > 0,
                    total(list_transform(
                        list_filter(l.batchs, lambda b: coalesce(nullif(b.inventoryType, ''), nullif(l.inventoryType, ''), 'ZP') <> 'ZP'),
                        lambda b: whole(b.actualQty))),
                    if(coalesce(nullif(l.inventoryType, ''), 'ZP') = 'ZP', 0, whole(coalesce(nullif(l.actualQty, ''), '0')))),
                lack: null::bigint,
                serials: coalesce(l.snList, [])
            })
        )) as lines
    from read
),

counted as (
    select
        *,
        list_transform(
            from_json(packages, '[{"items": [{"quantity": "BIGINT"}]}]'),
            lambda p: list_count(list_filter(p.items, lambda i: coalesce(i.quantity, -1) < 0))) as odd_items,
        list_filter(
            from_json(lines, '[{"good": "BIGINT", "defective": "BIGINT"}]'),
            lambda l: coalesce(l.good, -1) < 0 or coalesce(l.defective, -1) < 0) as odd_lines
    from typed
)

select
    c.seq as source_seq, c.method,
    if(c.method in ('return', 'stock', 'other'), null, parcel_of(c.code)) as parcel_id,
    if(c.method in ('return', 'stock', 'other'), null, lead_of(parcel_of(c.code))) as order_id,
    if(c.method = 'return', c.return_code, null) as return_code,
    c.state, c.wms_status, c.confirm_type,
    coalesce(case
        when c.method in ('confirm', 'query') and c.state in ('cancelled', 'closed', 'rejected') then true
        when c.method = 'process' then c.state in ('cancelled', 'closed', 'rejected')
        when c.method in ('confirm', 'query') and c.state in ('shipped', 'partly_shipped', 'exception')
            then coalesce(c.confirm_type = 0, c.state = 'shipped')
        when c.method = 'return' then coalesce(c.confirm_type, 0) = 0
    end, false) as is_final,
    c.out_biz_code, w.warehouse_id, c.wms_order_id, c."at", c.packages, c.lines, c.r.items as items, c.r.checkOrderCode as check_code,
    c.warehouse_code, c.payload_hash, c.fetched_at as known_at, c.run_id,
    case
        when c.method is null then {rule: 'wms_method', reason: '仓库回传的接口没有映射（sql/staging/wms_callbacks.sql）'}
        when c.method in ('confirm', 'query', 'process', 'lack', 'exception') and parcel_of(c.code) is null
            then {rule: 'unknown_parcel', reason: '仓库回传的单号不是我们的包裹编号'}
        when c.method = 'return' and regexp_full_match(c.return_code, 'RO[A-Za-z0-9_-]{1,60}') is not true
            then {rule: 'unknown_return', reason: '仓库回传的退货单号不是我们的退货编号'}
        when c.method in ('confirm', 'query') and c.wms_status is null and len(c.boxes) = 0 and len(c.lines_told) = 0
            or c.method = 'process' and c.wms_status is null
            or c.method = 'return' and len(c.lines_told) = 0
            then {rule: 'wms_content', reason: '仓库回传没有状态、明细或包裹'}
        when list_sum(c.odd_items) > 0 or len(c.odd_lines) > 0
            then {rule: 'wms_quantity', reason: '仓库回传的数量缺失、为负或不是整数'}
        when c.method = 'stock' and len(list_filter(
            coalesce(c.r.items, []), lambda i: coalesce(trim(i.itemCode), '') = '' or whole(i.quantity) is null)) > 0
            then {rule: 'wms_quantity', reason: '库存变动缺少商品编码，或数量不是整数'}
    end as problem
from counted c
left join ref.warehouses w on w.wms_code = c.warehouse_code
