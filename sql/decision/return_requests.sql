-- What people asked for after the sale, about candidate orders: pieces to send again, exchanges, results of an inspection.
-- grain: one row per request · key: review_id · inputs: work.candidates, decision.reviews, decision.returns
-- A resend, and an exchange that belongs to no case, are numbered within the order as they came; a number once given
-- stays, for a parcel may bear it. Of several exchanges of one case the newest counts.
with requests as (
    select
        review_id, order_id, action, decided_at, source_seq, actor,
        try_cast(request->>'refund_id' as bigint) as refund_id,
        request->>'return_id' as inspected_id,
        request->>'verdict' as verdict,
        from_json(request->'lines', '[{"line_no": "INTEGER", "quantity": "BIGINT", "sku": "VARCHAR"}]') as lines
    from decision.reviews
    where order_id in (select order_id from work.candidates) and action in ('resend', 'exchange', 'inspect')
),

known as (
    select request_id as review_id, order_id, kind, number
    from decision.returns
    where order_id in (select order_id from requests) and number is not null
),

numbered as (
    select
        r.*,
        coalesce(
            k.number,
            coalesce(max(k.number) over of_kind, 0)
                + count(*) filter (k.number is null) over (of_kind order by r.source_seq rows unbounded preceding)
        )::integer as number
    from requests r
    left join known k using (review_id)
    where r.action = 'resend' or (r.action = 'exchange' and r.refund_id is null)
    window of_kind as (partition by r.order_id, r.action)
)

select
    review_id, order_id, action, decided_at, source_seq, refund_id, null::varchar as verdict, lines, number,
    concat(order_id, if(action = 'resend', '-B', '-X'), number) as return_id,
    concat(order_id, if(action = 'resend', '-B', '-X'), number) as parcel_id
from numbered
union all
select
    review_id, order_id, action, decided_at, source_seq, refund_id, null, lines, null, refund_id::varchar,
    concat(order_id, '-X', refund_id)
from requests
where action = 'exchange' and refund_id is not null
qualify row_number() over (partition by refund_id order by decided_at desc, review_id desc) = 1
union all
select review_id, order_id, action, decided_at, source_seq, null, verdict, null, null, inspected_id, null
from requests
where action = 'inspect'
qualify row_number() over (partition by inspected_id order by decided_at desc, review_id desc) = 1
