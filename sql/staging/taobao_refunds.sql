-- Taobao/Tmall after-sale cases (taobao.refunds.receive.get) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Source: TOP documentation of refund fields and statuses.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "refund_id": "VARCHAR", "tid": "VARCHAR", "oid": "VARCHAR", "status": "VARCHAR", "refund_fee": "VARCHAR",
            "reason": "VARCHAR", "created": "VARCHAR", "modified": "VARCHAR", "refund_phase": "VARCHAR",
            "dispute_type": "VARCHAR", "has_good_return": "VARCHAR"}') as r
    from staging.payloads
    where platform = 'taobao' and kind = 'refund'
)

select
    seq as source_seq,
    platform,
    shop_id,
    r.refund_id as platform_refund_no,
    r.tid as platform_order_no,
    r.oid as platform_line_id,
    case r.status
        when 'WAIT_SELLER_AGREE' then 'requested'
        when 'WAIT_BUYER_RETURN_GOODS' then 'returning'
        when 'WAIT_SELLER_CONFIRM_GOODS' then 'returning'
        when 'WAIT_SELLER_CONSIGN_GOODS' then 'returning'
        when 'WAIT_BUYER_CONFIRM_EXCHANGE_SELLER_SEND_GOODS' then 'returning'
        when 'EXCHANGE_TRANSFORM_TO_REFUND' then 'requested'
        when 'SELLER_REFUSE_BUYER' then 'refused'
        when 'CLOSED' then 'closed'
        when 'SUCCESS' then 'refunded'
        else 'unknown'
    end as status,
    r.status as platform_status,
    case r.dispute_type
        when 'REFUND' then 'refund'
        when 'REFUND_AND_RETURN' then 'return'
        when 'TMALL_EXCHANGE' then 'exchange'
        when 'TAOBAO_EXCHANGE' then 'exchange'
        else 'other'
    end as kind,
    case r.refund_phase when 'onsale' then 'before_completion' when 'aftersale' then 'after_completion' else 'unknown' end as phase,
    money(r.refund_fee) as amount,
    'CNY' as currency,
    r.reason,
    try_cast(r.created || '+08:00' as timestamptz) as created_at,
    try_cast(r.modified || '+08:00' as timestamptz) as updated_at,
    fetched_at as known_at,
    run_id
from parsed
