-- Shopify products with their variants (GraphQL Admin, ProductsPage) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Prices are decimal text in shop currency, times are ISO 8601 UTC. Variants beyond the first page stand in _moreVariants.
-- Source: Shopify Admin API schema 2026-10.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "id": "VARCHAR", "title": "VARCHAR", "status": "VARCHAR", "updatedAt": "VARCHAR",
            "priceRangeV2": {"minVariantPrice": {"currencyCode": "VARCHAR"}},
            "variants": {"nodes": [{"id": "VARCHAR", "sku": "VARCHAR", "title": "VARCHAR", "price": "VARCHAR",
                "inventoryQuantity": "VARCHAR", "inventoryItem": {"tracked": "BOOLEAN"}}]},
            "_moreVariants": [{"id": "VARCHAR", "sku": "VARCHAR", "title": "VARCHAR", "price": "VARCHAR",
                "inventoryQuantity": "VARCHAR", "inventoryItem": {"tracked": "BOOLEAN"}}]
        }') as p
    from staging.payloads
    where platform = 'shopify' and kind = 'product'
)

select
    seq as source_seq,
    platform,
    shop_id,
    nullif(regexp_extract(p.id, '[0-9]+$'), '') as platform_product_id,
    p.title,
    -- UNLISTED is on sale to whoever has the link.
    case
        when p.status in ('ACTIVE', 'UNLISTED') then 'listed'
        when p.status in ('DRAFT', 'ARCHIVED') then 'suspended'
        else 'unknown'
    end as status,
    p.status as platform_status,
    p.priceRangeV2.minVariantPrice.currencyCode as currency,
    list_transform(list_concat(coalesce(p.variants.nodes, []), coalesce(p._moreVariants, [])), lambda v: {
        platform_sku_id: nullif(regexp_extract(v.id, '[0-9]+$'), ''),
        sku: nullif(v.sku, ''),
        name: nullif(v.title, 'Default Title'),
        price: money(v.price),
        -- Stock that is not tracked never runs out: there is no number.
        stock: if(coalesce(v.inventoryItem.tracked, true), try_cast(v.inventoryQuantity as bigint), null),
        status: 'listed'
    }) as skus,
    try_cast(p.updatedAt as timestamptz) as updated_at,
    fetched_at as known_at,
    run_id
from parsed
