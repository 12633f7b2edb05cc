-- Pinduoduo after-sale cases (pdd.refund.list.increment.get) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Amounts are yuan; times are unix seconds as text, in older answers GMT+8 without a zone.
-- Source: platform documentation of Pinduoduo, refund fields and after_sales_status.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "id": "VARCHAR", "order_sn": "VARCHAR", "after_sales_type": "VARCHAR", "after_sales_status": "VARCHAR",
            "after_sale_reason": "VARCHAR", "refund_amount": "VARCHAR", "sku_id": "VARCHAR",
            "created_time": "VARCHAR", "updated_time": "VARCHAR"}') as r
    from staging.payloads
    where platform = 'pinduoduo' and kind = 'refund'
),

times as (
    select
        seq,
        list_transform([r.created_time, r.updated_time], lambda x: case
            when try_cast(x as bigint) between 0 and 4102444800 then to_timestamp(try_cast(x as bigint))
            else try_cast(x || '+08:00' as timestamptz)
        end) as moments
    from parsed
)

select
    seq as source_seq,
    platform,
    shop_id,
    r.id as platform_refund_no,
    r.order_sn as platform_order_no,
    r.sku_id as platform_line_id,
    case
        -- Asked for, agreed and being paid, with the platform, or an exchange or repair that goes on.
        when r.after_sales_status in ('2', '3', '4', '5', '8', '14', '15', '18', '21', '31', '32', '33') then 'requested'
        when r.after_sales_status in ('7', '22', '27') then 'returning'
        when r.after_sales_status = '6' then 'refused'
        when r.after_sales_status = '10' then 'refunded'
        -- Refused for good, withdrawn, lapsed; an exchange or repair that is done moved no money.
        when r.after_sales_status in ('9', '11', '12', '13', '16', '17', '24', '25') then 'closed'
        else 'unknown'
    end as status,
    r.after_sales_status as platform_status,
    case r.after_sales_type when '2' then 'refund' when '3' then 'return' when '4' then 'exchange' else 'other' end as kind,
    'unknown' as phase,
    money(r.refund_amount) as amount,
    'CNY' as currency,
    r.after_sale_reason as reason,
    moments[1] as created_at,
    moments[2] as updated_at,
    fetched_at as known_at,
    run_id
from parsed
join times using (seq)
