-- What warehouses and couriers tell of the orders whose timeline the batch may change, from all their reports.
-- grain: one row per event · columns as work.order_events, without event_id
-- inputs: work.parcel_orders, work.wms_reports, core.wms_reports, work.fulfilments, core.fulfilments, work.packages,
--         core.packages, work.tracking_reports, core.tracking_reports, work.goods_returns, core.goods_returns, work.touched
-- A step that is told more than once happened when it was told to have happened first.
with reports as (
    select * from core.wms_reports where parcel_id in (select parcel_id from work.parcel_orders)
    union all by name
    select * from work.wms_reports where parcel_id in (select parcel_id from work.parcel_orders)
),

steps as (
    select
        parcel_id,
        case state
            when 'accepted' then 'wms_accepted' when 'picking' then 'wms_picking' when 'packed' then 'wms_packed'
            when 'exception' then 'wms_exception' when 'cancelled' then 'wms_cancelled' when 'closed' then 'wms_cancelled'
            when 'rejected' then 'wms_cancelled'
        end as kind,
        "at", wms_status, source_seq, run_id
    from reports
    where state in ('accepted', 'picking', 'packed', 'exception', 'cancelled', 'closed', 'rejected')
    qualify row_number() over (partition by parcel_id, kind order by "at", source_seq) = 1
),

all_packages as (
    select * from work.packages
    union all by name
    select * from core.packages
    where parcel_id in (select parcel_id from work.parcel_orders) and parcel_id not in (select parcel_id from work.fulfilments)
),

boxes as (
    select parcel_id, courier, tracking_no, shipped_at, source_seq
    from all_packages
    where parcel_id in (select parcel_id from work.parcel_orders)
),

shipped as (  -- a parcel whose packages are not told yet is told as a whole
    select b.parcel_id, b.shipped_at as "at", b.courier, b.tracking_no, b.source_seq, r.run_id
    from boxes b
    join reports r on r.parcel_id = b.parcel_id and r.source_seq = b.source_seq
    union all
    select parcel_id, "at", null, null, source_seq, run_id
    from reports
    where state in ('shipped', 'partly_shipped') and parcel_id not in (select parcel_id from boxes)
    qualify row_number() over (partition by parcel_id order by "at", source_seq) = 1
),

ends as (
    select f.parcel_id, f.planned, f.shipped
    from (
        select * from work.fulfilments
        union all by name
        select * from core.fulfilments where parcel_id not in (select parcel_id from work.fulfilments)
    ) f
    where f.is_short and f.parcel_id in (select parcel_id from work.parcel_orders)
),

short as (
    select r.parcel_id, r."at", json_object('planned', e.planned, 'shipped', e.shipped) as told, r.source_seq, r.run_id
    from reports r
    join ends e using (parcel_id)
    where r.is_final
    qualify row_number() over (partition by r.parcel_id order by r."at", r.source_seq) = 1
    union all
    select parcel_id, "at", json_object('lack', from_json(lines, '[{"sku": "VARCHAR", "planned": "BIGINT", "lack": "BIGINT"}]')), source_seq, run_id
    from reports
    where method = 'lack'
),

tracked as (
    select b.parcel_id, b.tracking_no, t.state, t."at", t.collected_at, t.source_seq, t.run_id
    from (select distinct parcel_id, tracking_no from boxes) b
    join (
        select * from core.tracking_reports where tracking_no in (select tracking_no from boxes)
        union all by name
        select * from work.tracking_reports where tracking_no in (select tracking_no from boxes)
    ) t using (tracking_no)
),

scans as (
    select parcel_id, tracking_no, 'collected' as kind, collected_at as "at", null::varchar as state, source_seq, run_id
    from tracked
    where collected_at is not null
    union all
    select
        parcel_id, tracking_no, if(state in ('problem', 'refused'), 'courier_problem', state), "at", state, source_seq, run_id
    from tracked
    where state in ('delivered', 'problem', 'refused', 'returning', 'returned')
),

first_scans as (  -- the same trouble is told anew with every push; trouble of another kind is another event
    select * from scans
    qualify row_number() over (partition by parcel_id, tracking_no, kind, state order by "at", source_seq) = 1
),

of_parcels as (
    select parcel_id, kind, 'wms' as actor, "at", json_object('parcel', parcel_id, 'status', wms_status) as detail, source_seq, run_id
    from steps
    union all
    select parcel_id, 'wms_shipped', 'wms', "at",
        json_object('parcel', parcel_id, 'courier', courier, 'tracking_no', tracking_no), source_seq, run_id
    from shipped
    union all
    select parcel_id, 'wms_short', 'wms', "at", json_merge_patch(json_object('parcel', parcel_id), told), source_seq, run_id
    from short
    union all
    select parcel_id, kind, 'courier', "at",
        json_object('parcel', parcel_id, 'tracking_no', tracking_no, 'state', state), source_seq, run_id
    from first_scans
),

received as (
    select
        g.order_id, 'goods_received' as kind, 'wms' as actor, g.received_at as "at",
        json_object('return', g.return_code, 'sku', g.sku, 'planned', g.planned, 'good', g.received_good,
            'defective', g.received_defective) as detail,
        g.source_seq, r.run_id
    from (
        select * from work.goods_returns
        union all by name
        select * from core.goods_returns
        where order_id in (select order_id from work.touched)
            and return_code not in (select return_code from work.goods_returns)
    ) g
    join (
        select return_code, source_seq, run_id from work.wms_reports where return_code is not null
        union
        select return_code, source_seq, run_id
        from core.wms_reports
        where return_code in (
            select return_code from core.goods_returns where order_id in (select order_id from work.touched)
            union
            select return_code from work.goods_returns)
    ) r on r.return_code = g.return_code and r.source_seq = g.source_seq
    where g.order_id in (select order_id from work.touched)
)

select o.order_id, p.kind, p.actor, p."at", p.detail, p.source_seq, p.run_id
from of_parcels p
join work.parcel_orders o using (parcel_id)
union all by name
select * from received
