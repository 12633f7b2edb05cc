-- Listings of goods that stand in the guard: those the platforms list, and those that orders named besides.
-- grain: one row per shop, platform product and platform sku · key: (shop_id, platform_product_id, platform_sku_id)
-- inputs: core.products, core.sold_listings, work.guard_now, work.shops(shop_id)
-- Some platforms list no products; where they do, one that changes all the time may not have been listed yet, and just
-- that one sells. status and updated_at are null where nobody can tell; status is sold_out where a platform took the
-- product off because none was left. A shop that is no longer configured cannot be called.
with listed as (
    select
        listing_id, shop_id, platform_product_id, platform_sku_id, sku,
        if(status = 'suspended' and sum(stock) over (partition by shop_id, platform_product_id) <= 0, 'sold_out', status) as status,
        updated_at
    from core.products
),

sold as (
    select
        listing_id, shop_id, platform_product_id, platform_sku_id, sku, null::varchar as status, null::timestamptz as updated_at
    from core.sold_listings
    anti join core.products using (listing_id)
)

select
    l.shop_id, l.platform_product_id, l.platform_sku_id, l.sku, l.status, l.updated_at, g.state, g.episode
from (from listed union all from sold) l
join work.guard_now g using (sku)
semi join work.shops s using (shop_id)
where l.status is distinct from 'deleted'
