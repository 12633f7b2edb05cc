-- Listings that orders of the batch name, with the goods code they were sold under last.
-- grain: one row per listing to write · key: listing_id · inputs: staging.orders, staging.order_items, work.accepted, core.sold_listings
-- For shops whose platform lists no products it is all that is known of their listings. Newest by the time of the order,
-- which no later document of it moves, then of the document.
with sold as (
    select
        o.platform, o.shop_id, i.platform_product_id, coalesce(i.platform_sku_id, '') as platform_sku_id, i.sku,
        o.ordered_at as sold_at, o.order_id, o.updated_at, i.source_seq
    from staging.order_items i
    join staging.orders o using (source_seq)
    semi join work.accepted a on a.source_seq = i.source_seq
    where i.platform_product_id <> '' and trim(i.sku) <> ''
),

named as (
    select md5(json_array(shop_id, platform_product_id, platform_sku_id)::varchar) as listing_id, * from sold
),

current_rows as (
    select * from core.sold_listings where listing_id in (select listing_id from named)
)

select *
from (select * from named union all by name select * from current_rows)
qualify row_number() over (partition by listing_id order by sold_at desc, order_id desc, updated_at desc, source_seq desc, sku) = 1
except
select * from current_rows
