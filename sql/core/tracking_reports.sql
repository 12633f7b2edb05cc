-- What the courier told of tracking numbers that the batch adds: a push that says nothing new is left out.
-- grain: one row per report to append · key: report_id · inputs: staging.courier_callbacks, work.accepted, core.tracking_reports
with documents as (
    select
        md5(json_array(tracking_id, state, epoch_us("at"), epoch_us(collected_at), is_closed)::varchar) as report_id,
        tracking_id, courier, tracking_no, state, courier_state, "at", collected_at, is_closed, source_seq, known_at, run_id
    from staging.courier_callbacks
    semi join work.accepted using (source_seq)
)

select *
from documents
where report_id not in (
    select report_id from core.tracking_reports where tracking_id in (select tracking_id from documents))
qualify row_number() over (partition by report_id order by source_seq) = 1
