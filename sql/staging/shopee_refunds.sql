-- Shopee returns (returns.get_return_list) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Cancellations before shipping make no return: only the order tells of them. A return names goods, not lines, and
-- `amount` of an item is its pieces. ACCEPTED: the money goes back; there is no later state that says it has.
-- Source: platform documentation of Shopee, return fields and data definitions.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "return_sn": "VARCHAR", "order_sn": "VARCHAR", "status": "VARCHAR", "refund_amount": "VARCHAR", "currency": "VARCHAR",
            "reason": "VARCHAR", "create_time": "VARCHAR", "update_time": "VARCHAR", "return_refund_type": "VARCHAR",
            "return_solution": "VARCHAR"}') as r
    from staging.payloads
    where platform = 'shopee' and kind = 'refund'
)

select
    seq as source_seq,
    platform,
    shop_id,
    r.return_sn as platform_refund_no,
    r.order_sn as platform_order_no,
    null::varchar as platform_line_id,
    case r.status
        when 'REQUESTED' then 'requested'
        when 'PROCESSING' then if(r.return_solution = '1', 'requested', 'returning')
        when 'JUDGING' then 'requested'
        when 'SELLER_DISPUTE' then 'refused'
        when 'ACCEPTED' then 'refunded'
        when 'CLOSED' then 'closed'
        when 'CANCELLED' then 'closed'
        else 'unknown'
    end as status,
    r.status as platform_status,
    case r.return_solution when '0' then 'return' when '1' then 'refund' else 'other' end as kind,
    case r.return_refund_type when 'RRBOC' then 'before_completion' when 'RRAOC' then 'after_completion' else 'unknown' end as phase,
    money(r.refund_amount) as amount,
    nullif(r.currency, '') as currency,
    r.reason,
    if(try_cast(r.create_time as bigint) between 1 and 253402300799, to_timestamp(try_cast(r.create_time as bigint)), null) as created_at,
    if(try_cast(r.update_time as bigint) between 1 and 253402300799, to_timestamp(try_cast(r.update_time as bigint)), null) as updated_at,
    fetched_at as known_at,
    run_id
from parsed
