-- Changes of stock that the batch adds; a change that is told again is left out.
-- grain: one row per change to append · key: change_id · inputs: staging.wms_stock_changes, work.accepted, core.stock_changes
with documents as (
    select * from staging.wms_stock_changes semi join work.accepted using (source_seq)
)

select *
from documents
where change_id not in (select change_id from core.stock_changes where stock_id in (select stock_id from documents))
qualify row_number() over (partition by change_id order by source_seq) = 1
