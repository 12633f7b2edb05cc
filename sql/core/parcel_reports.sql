-- Every report about the parcels that the batch reports on, those from before included.
-- grain: one row per report · key: report_id · inputs: work.wms_reports, core.wms_reports
select * from core.wms_reports where parcel_id in (select parcel_id from work.wms_reports where parcel_id is not null)
union all by name
select * from work.wms_reports where parcel_id is not null
