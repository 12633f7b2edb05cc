-- Taobao/Tmall items with their skus (taobao.items.seller.list.get) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Money is yuan text, times are GMT+8 without a zone, ids are numbers read as text.
-- Source: TOP documentation of item and sku fields.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "num_iid": "VARCHAR", "title": "VARCHAR", "outer_id": "VARCHAR", "price": "VARCHAR", "num": "VARCHAR",
            "approve_status": "VARCHAR", "modified": "VARCHAR",
            "skus": {"sku": [{
                "sku_id": "VARCHAR", "outer_id": "VARCHAR", "properties_name": "VARCHAR", "price": "VARCHAR",
                "quantity": "VARCHAR", "status": "VARCHAR"}]}
        }') as i
    from staging.payloads
    where platform = 'taobao' and kind = 'product'
)

select
    seq as source_seq,
    platform,
    shop_id,
    i.num_iid as platform_product_id,
    i.title,
    -- Not on sale is instock, whether the seller took it down, it sold out or the platform took it down.
    case i.approve_status when 'onsale' then 'listed' when 'instock' then 'suspended' else 'unknown' end as status,
    i.approve_status as platform_status,
    'CNY' as currency,
    if(
        coalesce(len(i.skus.sku), 0) > 0,
        list_transform(i.skus.sku, lambda s: {
            platform_sku_id: s.sku_id,
            sku: coalesce(nullif(s.outer_id, ''), nullif(i.outer_id, '')),
            -- 1627207:28341:颜色分类:黑色;… without the numbers.
            name: regexp_replace(s.properties_name, '(^|;)[0-9-]+:[0-9-]+:', '\1', 'g'),
            price: money(s.price),
            stock: try_cast(s.quantity as bigint),
            status: case coalesce(s.status, 'normal') when 'normal' then 'listed' when 'delete' then 'deleted' else 'unknown' end
        }),
        -- An item without skus is sold as it is.
        [{
            platform_sku_id: '', sku: nullif(i.outer_id, ''), name: null::varchar, price: money(i.price),
            stock: try_cast(i.num as bigint), status: 'listed'
        }]
    ) as skus,
    try_cast(i.modified || '+08:00' as timestamptz) as updated_at,
    fetched_at as known_at,
    run_id
from parsed
