-- Reports of the warehouses that the batch adds: what is told twice counts once.
-- grain: one row per report to append · key: report_id · inputs: staging.wms_callbacks, work.accepted, core.wms_reports
-- A report is named by the warehouse's outBizCode, without one by its content. An answer to a question is named by what
-- it says: asking twice is no second report.
with documents as (
    select
        md5(json_array(
            method, coalesce(parcel_id, return_code),
            case
                when method = 'query' then concat_ws('|', wms_status, confirm_type, packages, lines)
                else coalesce(out_biz_code, payload_hash)
            end
        )::varchar) as report_id,
        parcel_id, order_id, return_code, method, state, wms_status, confirm_type, is_final, out_biz_code, warehouse_id,
        wms_order_id, "at", packages, lines, source_seq, known_at, run_id
    from staging.wms_callbacks
    semi join work.accepted using (source_seq)
    where method in ('confirm', 'query', 'process', 'lack', 'exception', 'return')
)

select *
from documents
where report_id not in (
    select report_id from core.wms_reports
    where parcel_id in (select parcel_id from documents) or return_code in (select return_code from documents))
qualify row_number() over (partition by report_id order by source_seq) = 1
