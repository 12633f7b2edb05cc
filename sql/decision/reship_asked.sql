-- Lines that people want sent again, or exchanged, with what `reshippable` must know of them.
-- grain: one row per parcel and line · key: (parcel_id, line_no)
-- inputs: work.return_requests, core.order_items, core.refunds
-- An exchange that names no lines is for those of its case.
with named as (
    select review_id, parcel_id, order_id, action, refund_id, number, decided_at as granted_at, unnest(lines) as l
    from work.return_requests
    where action in ('resend', 'exchange') and len(lines) > 0
),

whole as (
    select q.review_id, q.parcel_id, q.order_id, q.action, q.refund_id, q.number, q.decided_at as granted_at, i.line_no
    from work.return_requests q
    join core.refunds r using (refund_id)
    join core.order_items i
        on i.order_id = q.order_id and (r.platform_line_id is null or i.platform_line_id = r.platform_line_id)
    where q.action = 'exchange' and coalesce(len(q.lines), 0) = 0 and r.order_id = q.order_id
),

lines as (
    select
        parcel_id, order_id, l.line_no as line_no, any_value(review_id) as review_id, any_value(action) as action,
        any_value(refund_id) as refund_id, any_value(granted_at) as granted_at, any_value(number) as number,
        sum(l.quantity)::bigint as asked, any_value(nullif(l.sku, '')) as other_sku
    from named
    group by all
    union all
    select parcel_id, order_id, line_no, review_id, action, refund_id, granted_at, number, null, null from whole
)

select
    l.parcel_id, l.order_id, l.line_no, l.review_id, if(l.action = 'resend', 'resend', 'exchange') as kind, l.refund_id,
    l.granted_at, l.number, l.asked, i.platform_line_id, i.sku as ordered_sku, coalesce(l.other_sku, i.sku) as sku,
    i.product_name, i.quantity as ordered, i.weight_kg
from lines l
join core.order_items i using (order_id, line_no)
