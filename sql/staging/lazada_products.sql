-- Lazada listings (/products/get) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- The document names no currency: `_currency` is that of the shop. Prices are the list prices: a special price counts
-- for some dates only. Times are milliseconds.
-- Source: platform documentation of Lazada, fields and statuses of products.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "item_id": "VARCHAR", "updated_time": "VARCHAR", "status": "VARCHAR", "_currency": "VARCHAR",
            "attributes": {"name": "VARCHAR"},
            "skus": [{"SkuId": "VARCHAR", "SellerSku": "VARCHAR", "Status": "VARCHAR", "price": "VARCHAR",
                "quantity": "VARCHAR", "Available": "VARCHAR"}]
        }') as t
    from staging.payloads
    where platform = 'lazada' and kind = 'product'
)

select
    seq as source_seq,
    platform,
    shop_id,
    t.item_id as platform_product_id,
    t.attributes.name as title,
    case lower(t.status)
        when 'active' then 'listed'
        when 'inactive' then 'suspended'
        when 'suspended' then 'suspended'
        when 'pending qc' then 'suspended'
        when 'deleted' then 'deleted'
        else 'unknown'
    end as status,
    t.status as platform_status,
    t._currency as currency,
    list_transform(coalesce(t.skus, []), lambda s: {
        platform_sku_id: s.SkuId, sku: nullif(s.SellerSku, ''), name: t.attributes.name, price: money(s.price),
        stock: coalesce(try_cast(s.Available as bigint), try_cast(s.quantity as bigint)),
        status: case lower(s.Status) when 'active' then 'listed' when 'inactive' then 'suspended' else 'unknown' end
    }) as skus,
    make_timestamptz(try_cast(regexp_extract(t.updated_time, '^\d{12,14}$') as bigint) * 1000) as updated_at,
    fetched_at as known_at,
    run_id
from parsed
