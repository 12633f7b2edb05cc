-- How far the parcels are that the batch reports on.
-- grain: one row per parcel · key: parcel_id
-- inputs: work.parcel_reports (of core.wms_reports), work.fulfilment_lines, work.packages, work.package_items
-- What has left has left: no later report of picking or cancelling takes it back. Cancelled, closed and refused are ends
-- as well. Among the steps before, the newest counts, and of one moment the furthest.
with reports as (
    select
        *,
        state in ('shipped', 'partly_shipped') or json_array_length(packages) > 0 as has_left,
        coalesce(list_position(['accepted', 'picking', 'packed', 'unknown', 'exception'], state), 0) as step
    from work.parcel_reports
),

folded as (
    select
        parcel_id, any_value(order_id) as order_id,
        arg_max(warehouse_id, ("at", source_seq)) filter (warehouse_id is not null) as warehouse_id,
        arg_max(wms_order_id, ("at", source_seq)) filter (wms_order_id is not null) as wms_order_id,
        case
            when bool_or(state = 'shipped') then 'shipped'
            when bool_or(has_left) then 'partly_shipped'
            else coalesce(
                arg_max(state, ("at", state)) filter (state in ('cancelled', 'closed', 'rejected')),
                arg_max(state, ("at", step)) filter (step > 0),
                'accepted')
        end as status,
        bool_or(is_final) as is_final,
        min("at") filter (has_left) as left_at,
        max("at") as updated_at,
        max(source_seq) as source_seq
    from reports
    group by parcel_id
),

lines as (
    select
        parcel_id, if(count(planned) = count(*), sum(planned), null)::bigint as planned, sum(shipped)::bigint as shipped
    from work.fulfilment_lines
    group by parcel_id
),

boxes as (
    select p.parcel_id, min(p.shipped_at) as shipped_at, sum(i.quantity)::bigint as quantity
    from work.packages p
    left join work.package_items i using (package_id)
    group by p.parcel_id
)

select
    f.parcel_id, f.order_id, f.warehouse_id, f.wms_order_id, f.status, f.is_final, l.planned,
    coalesce(l.shipped, b.quantity, if(f.left_at is null, 0, null))::bigint as shipped,
    coalesce(f.is_final and f.status in ('shipped', 'partly_shipped', 'exception') and l.shipped < l.planned, false) as is_short,
    coalesce(b.shipped_at, f.left_at) as shipped_at,
    f.updated_at, f.source_seq
from folded f
left join lines l using (parcel_id)
left join boxes b using (parcel_id)
