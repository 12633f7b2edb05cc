-- Listings of the batch, every platform: a row for every sku of a product document, one for a product without skus.
-- grain: one row per product payload and sku · key: (source_seq, platform_sku_id) · inputs: staging.typed_products
with entries as (
    select
        source_seq, platform, shop_id, platform_product_id, title, status, platform_status, currency, updated_at, known_at, run_id,
        unnest(if(coalesce(len(skus), 0) > 0, skus, [{
            platform_sku_id: '', sku: null::varchar, name: null::varchar, price: null::decimal(18, 2), stock: null::bigint,
            status: null::varchar}])) as s
    from staging.typed_products
)

select
    case when shop_id is not null and platform_product_id is not null and s.platform_sku_id is not null
        then md5(json_array(shop_id, platform_product_id, s.platform_sku_id)::varchar) end as listing_id,
    platform, shop_id, platform_product_id, s.platform_sku_id, s.sku, title, s.name as sku_name, s.price, currency, s.stock,
    -- The worse of the product's state and the sku's.
    case
        when status = 'deleted' or s.status = 'deleted' then 'deleted'
        when status = 'suspended' or s.status = 'suspended' then 'suspended'
        when status = 'listed' and coalesce(s.status, 'listed') = 'listed' then 'listed'
        else 'unknown'
    end as status,
    platform_status, updated_at, source_seq, known_at, run_id
from entries
