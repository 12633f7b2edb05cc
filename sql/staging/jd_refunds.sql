-- JD after-sale cases in the common typed form: applications before shipping (jingdong.pop.afs.soa.refundapply) and
-- services after it (jingdong.asc.query.list).
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Times are GMT+8 without a zone. applyRefundSum is fen, unless the client marked the document as yuan (the platform's
-- documentation leaves the unit open). A service does not say what is paid back: its amount is what was paid for it.
-- Source: platform documentation of JD, refund application and after-sale service fields.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "id": "VARCHAR", "orderId": "VARCHAR", "applyTime": "VARCHAR", "applyRefundSum": "VARCHAR", "status": "VARCHAR",
            "reason": "VARCHAR", "checkTime": "VARCHAR", "_applyRefundSumUnit": "VARCHAR",
            "serviceId": "VARCHAR", "applyId": "VARCHAR", "skuId": "VARCHAR", "serviceStatus": "VARCHAR",
            "serviceStatusName": "VARCHAR", "customerExpect": "VARCHAR", "updateDate": "VARCHAR", "actualPayPrice": "VARCHAR"
        }') as r
    from staging.payloads
    where platform = 'jd' and kind = 'refund'
),

cases as (
    select
        seq, r,
        coalesce(nullif(r.serviceId, ''), nullif(r.applyId, '')) as service_no,
        list_transform([r.applyTime, r.checkTime, r.updateDate],
            lambda x: case when x >= '1971' then try_cast(x || '+08:00' as timestamptz) end) as moments
    from parsed
)

select
    p.seq as source_seq,
    p.platform,
    p.shop_id,
    coalesce(service_no, c.r.id) as platform_refund_no,
    c.r.orderId as platform_order_no,
    nullif(c.r.skuId, '') as platform_line_id,
    case
        when service_no is not null then case
            when c.r.serviceStatusName like '%不通过%' or c.r.serviceStatusName like '%拒绝%' then 'refused'
            when c.r.serviceStatusName like '%取消%' or c.r.serviceStatusName like '%关闭%' then 'closed'
            -- An exchange or a repair that is done moved no money.
            when c.r.serviceStatusName like '%完成%' then if(c.r.customerExpect in ('20', '30'), 'closed', 'refunded')
            when c.r.serviceStatusName like '%审核%' or c.r.serviceStatusName like '%申请%' then 'requested'
            when c.r.serviceStatusName like '%收货%' or c.r.serviceStatusName like '%处理%'
                or c.r.serviceStatusName like '%用户确认%' then 'returning'
            else 'unknown'
        end
        -- Not reviewed, approved, with a person, followed up by logistics; the courier could not stop it.
        when c.r.status in ('0', '1', '5', '8', '10') then 'requested'
        when c.r.status in ('6', '7') then 'returning'  -- the parcel is being stopped, or was
        when c.r.status in ('2', '4') then 'refused'
        when c.r.status = '3' then 'refunded'
        when c.r.status = '9' then 'closed'
        else 'unknown'
    end as status,
    if(service_no is not null, concat_ws(' ', c.r.serviceStatus, c.r.serviceStatusName), c.r.status) as platform_status,
    case
        when service_no is null then 'refund'
        when c.r.customerExpect = '10' then 'return'
        when c.r.customerExpect = '11' then 'refund'
        when c.r.customerExpect = '20' then 'exchange'
        else 'other'
    end as kind,
    if(service_no is null, 'before_completion', 'unknown') as phase,
    case
        when service_no is not null then money(c.r.actualPayPrice)
        when c.r._applyRefundSumUnit = 'yuan' then money(c.r.applyRefundSum)
        else try_cast(money(c.r.applyRefundSum) * 0.01 as decimal(18, 2))
    end as amount,
    'CNY' as currency,
    c.r.reason,
    moments[1] as created_at,
    greatest(moments[1], moments[2], moments[3]) as updated_at,
    p.fetched_at as known_at,
    p.run_id
from parsed p
join cases c using (seq)
