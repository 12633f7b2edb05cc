-- Where everything after the sale stands: cases, exchanges, resends, and parcels that left although they were called back.
-- grain: one row per return · key: return_id
-- inputs: work.return_cases, work.return_lines, work.return_requests, work.run, core.goods_returns, decision.returns,
--         outbox.instructions
with told as (
    select order_id, idempotency_key, status, attempts
    from outbox.instructions
    where order_id in (select order_id from work.return_cases) and kind = 'return_order'
),

expected as (
    select return_id, sum(expected)::bigint as expected from work.return_lines group by return_id
),

received as (
    select
        substr(return_code, 3) as return_id, sum(received_good)::bigint as good,
        sum(received_defective)::bigint as defective, bool_or(is_final) as is_final
    from core.goods_returns
    where return_code in (select 'RO' || coalesce(covered_by, return_id) from work.return_cases)
    group by return_code
),

inspected as (
    select return_id, verdict from work.return_requests where action = 'inspect'
),

judged as (
    select
        c.*, coalesce(e.expected, 0) as expected, coalesce(g.good, 0) as received_good,
        coalesce(g.defective, 0) as received_defective,
        case
            when i.verdict = 'passed' then 'received'
            when i.verdict = 'failed' then 'defective'
            when g.is_final and g.good + g.defective < coalesce(e.expected, 0) then 'short'
            when g.is_final and g.defective > 0 then 'defective'
            when g.is_final then 'received'
            when c.status in ('closed', 'refused') then 'closed'
            when c.kind = 'refund_only' or (c.left_pieces = 0 and c.kind <> 'recalled')
                then case when c.left_pieces > 0 then 'goods_stay' when c.in_flight then 'stopping' else 'nothing_left' end
            when not c.is_ours and not c.was_open then 'settled'
            when not c.is_agreed and c.kind <> 'recalled' then 'requested'
            when c.covered_by is not null then 'covered'
            when coalesce(e.expected, 0) = 0 then if(c.in_flight, 'stopping', 'nothing_left')
            when t.status = 'acknowledged' then 'announced'
            when t.status in ('rejected', 'dead') then 'refused'
            else 'expected'
        end as state
    from work.return_cases c
    left join expected e using (return_id)
    left join received g on g.return_id = coalesce(c.covered_by, c.return_id)
    left join inspected i on i.return_id = c.return_id
    left join told t on t.order_id = c.order_id and t.idempotency_key = 'return_order:' || c.return_id
),

all_returns as (
    select
        return_id, refund_id, order_id, parcel_id, warehouse_id, kind, state,
        if(kind = 'exchange', 'HHRK', 'THRK') as order_type, expected, received_good, received_defective, request_id, number, covered_by, reason, opened_at
    from judged
    union all by name
    select
        return_id, order_id, 'resend' as kind, 'granted' as state, 0 as expected, 0 as received_good,
        0 as received_defective, review_id as request_id, number, decided_at as opened_at
    from work.return_requests
    where action = 'resend'
)

select
    a.return_id, a.refund_id, a.order_id, a.parcel_id, a.warehouse_id, a.kind, a.state, a.order_type,
    a.expected::bigint as expected, a.received_good::bigint as received_good,
    a.received_defective::bigint as received_defective, a.request_id, a.number, a.covered_by, a.reason, a.opened_at,
    if(b.state = a.state, b.since, r.started_at) as since
from all_returns a
cross join work.run r
left join (
    select return_id, state, since from decision.returns where order_id in (select order_id from all_returns)
) b using (return_id)
