-- Douyin shop after-sale cases (afterSale.List) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Money is whole fen, refund_amount with its postage; times are unix seconds with 0 for none. A case of the whole shop
-- order relates to several child orders and has no line.
-- Source: Doudian documentation of after-sale fields and statuses.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "aftersale_info": {"aftersale_id": "VARCHAR", "aftersale_type": "VARCHAR", "aftersale_status": "VARCHAR",
                "apply_time": "VARCHAR", "create_time": "VARCHAR", "update_time": "VARCHAR", "refund_amount": "VARCHAR"},
            "order_info": {"shop_order_id": "VARCHAR",
                "related_order_info": [{"sku_order_id": "VARCHAR", "order_status": "VARCHAR"}]},
            "text_part": {"reason_text": "VARCHAR"}}') as r
    from staging.payloads
    where platform = 'douyin' and kind = 'refund'
),

moments as (
    select
        seq,
        list_transform(
            [coalesce(nullif(r.aftersale_info.create_time, '0'), r.aftersale_info.apply_time), r.aftersale_info.update_time],
            lambda s: case when try_cast(s as bigint) between 1 and 253402300799 then to_timestamp(try_cast(s as bigint)) end) as at
    from parsed
)

select
    p.seq as source_seq,
    p.platform,
    p.shop_id,
    r.aftersale_info.aftersale_id as platform_refund_no,
    r.order_info.shop_order_id as platform_order_no,
    if(len(r.order_info.related_order_info) = 1, r.order_info.related_order_info[1].sku_order_id, null) as platform_line_id,
    case
        when r.aftersale_info.aftersale_status = '6' then 'requested'
        when r.aftersale_info.aftersale_status in ('7', '8', '11', '13') then 'returning'
        -- An exchange, a reship and a repair end well without money going back.
        when r.aftersale_info.aftersale_status = '12' and r.aftersale_info.aftersale_type in ('3', '7', '8') then 'closed'
        when r.aftersale_info.aftersale_status = '12' then 'refunded'
        when r.aftersale_info.aftersale_status in ('14', '28') then 'closed'
        when r.aftersale_info.aftersale_status in ('27', '29') then 'refused'
        else 'unknown'
    end as status,
    r.aftersale_info.aftersale_status as platform_status,
    case
        when r.aftersale_info.aftersale_type = '0' then 'return'
        when r.aftersale_info.aftersale_type in ('1', '2', '6') then 'refund'
        when r.aftersale_info.aftersale_type = '3' then 'exchange'
        else 'other'
    end as kind,
    case
        when r.aftersale_info.aftersale_type = '2' then 'before_completion'
        when r.order_info.related_order_info[1].order_status in ('2', '3') then 'before_completion'
        when r.order_info.related_order_info[1].order_status in ('5', '255') then 'after_completion'
        else 'unknown'
    end as phase,
    (money(r.aftersale_info.refund_amount || '.00') * 0.01)::decimal(18, 2) as amount,
    'CNY' as currency,
    r.text_part.reason_text as reason,
    m.at[1] as created_at,
    m.at[2] as updated_at,
    p.fetched_at as known_at,
    p.run_id
from parsed p
join moments m using (seq)
