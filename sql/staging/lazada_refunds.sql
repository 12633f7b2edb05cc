-- Lazada reverse orders (/reverse/getreverseordersforseller) in the common typed form.
-- grain: one row per payload and line · key: (source_seq, platform_refund_no) · inputs: staging.payloads
-- One reverse order holds a line for each unit that goes back, with a state and an amount of its own: the line is the
-- case. Amounts are in hundredths or in whole units, as `_refund_unit` says, times in milliseconds. A cancellation by
-- the seller or the system and a failed delivery make no reverse order: only the units of the order tell of them.
-- Source: platform documentation of Lazada, fields and statuses of reverse orders.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "reverse_order_id": "VARCHAR", "trade_order_id": "VARCHAR", "request_type": "VARCHAR",
            "_currency": "VARCHAR", "_refund_unit": "VARCHAR",
            "reverse_order_lines": [{
                "reverse_order_line_id": "VARCHAR", "trade_order_line_id": "VARCHAR", "reverse_status": "VARCHAR",
                "refund_amount": "VARCHAR", "reason_text": "VARCHAR", "return_order_line_gmt_create": "VARCHAR",
                "return_order_line_gmt_modified": "VARCHAR"}]
        }') as r
    from staging.payloads
    where platform = 'lazada' and kind = 'refund'
),

lines as (  -- a reverse order without lines stays visible as a case without a number
    select * exclude (r), r, unnest(if(coalesce(len(r.reverse_order_lines), 0) > 0, r.reverse_order_lines, [null])) as l
    from parsed
)

select
    seq as source_seq,
    platform,
    shop_id,
    l.reverse_order_line_id as platform_refund_no,
    r.trade_order_id as platform_order_no,
    l.trade_order_line_id as platform_line_id,
    case upper(l.reverse_status)
        when 'REQUEST_INITIATE' then 'requested'
        when 'CANCEL_INIT' then 'requested'
        when 'RTM_INIT' then 'requested'
        when 'RTW_INIT' then 'requested'
        when 'REFUND_INIT' then 'requested'
        when 'RTM_SHIPPING_BACK' then 'returning'
        when 'RTW_SHIPPING_BACK' then 'returning'
        when 'RTM_RECEIVE_ITEM' then 'returning'
        when 'RTW_REFUND_PENDING' then 'returning'
        when 'REFUND_PENDING' then 'returning'
        when 'REQUEST_REJECT' then 'refused'
        when 'RTW_REJECT' then 'refused'
        when 'REFUND_REJECTED' then 'refused'
        when 'REQUEST_CANCEL' then 'closed'
        when 'RTM_CANCELED' then 'closed'
        when 'RTW_CANCELED' then 'closed'
        when 'CANCEL_SUCCESS' then 'refunded'
        when 'CANCEL_REFUND_ISSUED' then 'refunded'
        when 'REFUND_SUCCESS' then 'refunded'
        else 'unknown'
    end as status,
    l.reverse_status as platform_status,
    -- The documentation writes "ONLY_ REFUND" in places.
    case replace(upper(r.request_type), ' ', '')
        when 'RETURN' then 'return'
        when 'ONLY_REFUND' then 'refund'
        when 'CANCEL' then 'refund'
        else 'other'
    end as kind,
    case replace(upper(r.request_type), ' ', '')
        when 'CANCEL' then 'before_completion'
        when 'RETURN' then 'after_completion'
        when 'ONLY_REFUND' then 'after_completion'
        else 'unknown'
    end as phase,
    case r._refund_unit
        when 'whole' then money(l.refund_amount)
        when 'cents' then (money(l.refund_amount) * 0.01)::decimal(18, 2)
    end as amount,
    r._currency as currency,
    l.reason_text as reason,
    make_timestamptz(try_cast(regexp_extract(l.return_order_line_gmt_create, '^\d{12,14}$') as bigint) * 1000) as created_at,
    make_timestamptz(try_cast(regexp_extract(l.return_order_line_gmt_modified, '^\d{12,14}$') as bigint) * 1000) as updated_at,
    fetched_at as known_at,
    run_id
from lines
