-- Packages of the parcels that the batch reports on.
-- grain: one row per package · key: package_id · inputs: work.parcel_reports (of core.wms_reports)
-- A package counts once, by its tracking number, in however many reports it stands; the newest of them describes it.
with boxes as (
    select
        parcel_id, "at", source_seq,
        unnest(from_json(packages, '[{"courier": "VARCHAR", "tracking_no": "VARCHAR", "weight_kg": "DECIMAL(12,3)"}]')) as p
    from work.parcel_reports
    where method in ('confirm', 'query')
)

select
    md5(parcel_id || '|' || p.tracking_no) as package_id,
    parcel_id,
    arg_max(p.courier, ("at", source_seq)) filter (p.courier is not null) as courier,
    p.tracking_no as tracking_no,
    arg_max(p.weight_kg, ("at", source_seq)) filter (p.weight_kg is not null) as weight_kg,
    min("at") as shipped_at,
    min(source_seq) as source_seq
from boxes
group by parcel_id, p.tracking_no
