-- Stock of the batch, by warehouse and goods.
-- grain: one row per stock payload · key: source_seq · inputs: staging.typed_stock
select
    case when warehouse_id is not null and sku is not null then md5(json_array(warehouse_id, sku)::varchar) end as stock_id,
    warehouse_id, sku, available + locked as on_hand, available, locked, defective, updated_at, source_seq, known_at, run_id
from staging.typed_stock
