-- What every after-sale case of the candidate orders is to the goods, and what is to come back beside the cases: exchanges
-- that people granted, parcels that left although they were called back.
-- grain: one row per return, resends left out · key: return_id
-- inputs: work.returning, work.return_goods, work.return_requests, work.recalls, core.refunds, core.refund_versions
-- A case that was paid back before we first heard of it, about goods that we did not send, is history: nothing is done.
with cases as (
    select * from core.refunds where order_id in (select order_id from work.returning)
),

heard as (  -- what the case was before
    select
        refund_id, bool_or(status = 'returning') as was_returning, bool_or(status <> 'refunded') as was_open
    from core.refund_versions
    where refund_id in (select refund_id from cases)
    group by refund_id
),

goods_of_cases as (
    select
        r.refund_id, r.created_at, g.*,
        r.platform_line_id is null or g.platform_line_id = r.platform_line_id as is_named
    from cases r
    join work.return_goods g using (order_id)
),

goods as (  -- of a case about a line that the order does not have, all lines
    select * from goods_of_cases
    qualify is_named or not bool_or(is_named) over (partition by refund_id)
),

lost as (
    select parcel_id, order_id, orders, warehouse_id, refund_id, decided_at, settled_at
    from work.recalls
    where state = 'too_late' and not regexp_matches(parcel_id, '-[BX][0-9]+$')
),

of_cases as (
    select
        g.refund_id,
        sum(g.left_pieces)::bigint as left_pieces,
        bool_or(g.is_told or g.wms_status is not null) as is_ours,
        bool_or(g.is_told and g.left_pieces = 0
            and coalesce(g.wms_status not in ('cancelled', 'closed', 'rejected'), true)) as in_flight,
        coalesce(min(g.parcel_id) filter (g.left_pieces > 0), min(g.parcel_id)) as parcel_id,
        -- Of a parcel that left although the refund was there before.
        bool_or(l.parcel_id is not null
            and (l.refund_id = g.refund_id or g.created_at < coalesce(g.shipped_at, l.settled_at))) as is_lost,
        min(l.parcel_id) filter (l.refund_id is null) as covered_by
    from goods g
    left join lost l using (parcel_id)
    group by g.refund_id
),

places as (
    select refund_id, parcel_id, any_value(warehouse_id) as warehouse_id from goods group by all
),

grants as (
    select * from work.return_requests where action = 'exchange'
),

classified as (
    select
        r.refund_id::varchar as return_id, r.refund_id, r.order_id, r.status, r.reason, r.created_at as opened_at,
        case
            when coalesce(c.covered_by is not null or c.is_lost, false)
                and (r.kind = 'refund' or (r.kind = 'other' and not coalesce(h.was_returning, false)))
                then 'recalled'
            when r.kind = 'exchange' or g.review_id is not null then 'exchange'
            when r.kind = 'return' or (r.kind = 'other' and h.was_returning) then 'return'
            else 'refund_only'
        end as kind,
        coalesce(c.left_pieces, 0) as left_pieces, coalesce(c.is_ours, false) as is_ours,
        coalesce(c.in_flight, false) as in_flight,
        coalesce(h.was_returning, false) or r.status in ('returning', 'refunded') or g.review_id is not null as is_agreed,
        coalesce(h.was_open, false) or r.status <> 'refunded' as was_open,
        c.parcel_id, p.warehouse_id, g.review_id as request_id, null::integer as number,
        c.covered_by
    from cases r
    left join heard h using (refund_id)
    left join of_cases c using (refund_id)
    left join places p on p.refund_id = r.refund_id and p.parcel_id is not distinct from c.parcel_id
    left join grants g on g.refund_id = r.refund_id and g.order_id = r.order_id
),

by_hand as (
    select
        q.return_id, null::bigint as refund_id, q.order_id, null::varchar as status, null::varchar as reason,
        q.decided_at as opened_at, 'exchange' as kind, sum(g.left_pieces)::bigint as left_pieces,
        bool_or(g.is_told or g.wms_status is not null) as is_ours, false as in_flight, true as is_agreed, true as was_open,
        min(g.parcel_id) as parcel_id,
        coalesce(arg_min(g.warehouse_id, g.parcel_id), min(g.warehouse_id)) as warehouse_id,
        q.review_id as request_id, q.number, null::varchar as covered_by
    from grants q
    join work.return_goods g using (order_id)
    where q.refund_id is null and list_contains(list_transform(q.lines, lambda l: l.line_no), g.line_no)
    group by all
),

recalled as (
    select
        l.parcel_id as return_id, l.refund_id, l.order_id, null::varchar as status, null::varchar as reason,
        l.decided_at as opened_at, 'recalled' as kind, null::bigint as left_pieces, true as is_ours, false as in_flight,
        true as is_agreed, true as was_open, l.parcel_id, l.warehouse_id, null::varchar as request_id,
        null::integer as number, null::varchar as covered_by
    from lost l
    where l.refund_id is null
)

select * from classified
union all by name
select * from by_hand
union all by name
select * from recalled
