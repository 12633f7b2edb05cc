-- What is in the packages of the parcels that the batch reports on, by the newest report that lists it.
-- grain: one row per package and goods · key: (package_id, sku) · inputs: work.parcel_reports (of core.wms_reports)
with boxes as (
    select
        parcel_id, "at", source_seq,
        unnest(from_json(packages, '[{"tracking_no": "VARCHAR", "items": [{"sku": "VARCHAR", "quantity": "BIGINT"}]}]')) as p
    from work.parcel_reports
    where method in ('confirm', 'query')
),

items as (
    select md5(parcel_id || '|' || p.tracking_no) as package_id, "at", source_seq, unnest(p.items) as i from boxes
),

newest as (
    select * from items qualify (("at", source_seq)) = max(("at", source_seq)) over (partition by package_id)
)

select package_id, i.sku as sku, sum(i.quantity)::bigint as quantity
from newest
group by package_id, i.sku
