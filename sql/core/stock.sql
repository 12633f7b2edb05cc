-- Stock that the batch changes, as the newest answer of the warehouse says.
-- grain: one row per warehouse and goods to write · key: stock_id · inputs: staging.stock, work.accepted, core.stock
with documents as (
    select stock_id, warehouse_id, sku, on_hand, available, locked, defective, updated_at, source_seq
    from staging.stock
    semi join work.accepted using (source_seq)
),

current_rows as (
    select * from core.stock where stock_id in (select stock_id from documents)
)

select *
from (select * from documents union all by name select * from current_rows)
qualify row_number() over (partition by stock_id order by updated_at desc, source_seq desc) = 1
except
select * from current_rows
