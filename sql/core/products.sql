-- Listings that the batch changes, in their newest state.
-- grain: one row per listing to write · key: listing_id · inputs: staging.products, work.accepted, core.products
-- A listing is what the newest document (by updated_at, source_seq) that names its sku says of it. It is deleted when
-- its product's newest document does not name the sku any more; it keeps the rest of what was last known of it.
with documents as (
    select
        listing_id, platform, shop_id, platform_product_id, platform_sku_id, sku, title, sku_name, price, currency, stock,
        status, platform_status, updated_at, source_seq
    from staging.products
    semi join work.accepted using (source_seq)
),

current_rows as (
    select *
    from core.products
    where (shop_id, platform_product_id) in (select (shop_id, platform_product_id) from documents)
),

versions as (
    select * from documents union all by name select * from current_rows
),

newest as (
    select *, max((updated_at, source_seq)) over (partition by shop_id, platform_product_id) as product_version
    from versions
    qualify row_number() over (partition by listing_id order by updated_at desc, source_seq desc) = 1
)

select
    listing_id, platform, shop_id, platform_product_id, platform_sku_id, sku, title, sku_name, price, currency, stock,
    if((updated_at, source_seq) < product_version, 'deleted', status) as status, platform_status, updated_at, source_seq
from newest
except
select * from current_rows
