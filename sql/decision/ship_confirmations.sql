-- Parcels that left and that their platform has not been told of: one confirmation per order and tracking number.
-- grain: one row per instruction to write · key: instruction_id
-- inputs: work.candidates, work.orders_now, work.reshipments, work.run, core.fulfilment_lines, core.packages, core.package_items,
--         core.order_items, outbox.instructions
-- Pinduoduo, JD and Shopee know no lines: they are told when all of the order has left, under its first package's number
-- (told earlier, the order would count as shipped, and what is still to be sent would be stopped). Elsewhere a line goes
-- with the first package that holds any of it, and a package that holds all that is left is told as the whole order.
with orders as (
    select order_id, platform, shop_id, platform_order_no, platform in ('taobao', 'douyin', 'shopify', 'lazada') as by_line
    from work.orders_now
    where status in ('paid', 'after_sale', 'unknown') and not is_test
),

left_lines as (  -- of the platform: what we put in besides is no business of its
    select l.parcel_id, l.order_id, l.platform_line_id, l.sku, sum(l.shipped) as pieces
    from core.fulfilment_lines l
    semi join orders o using (order_id)
    semi join core.order_items i on i.order_id = l.order_id and i.platform_line_id = l.platform_line_id
    where l.order_id in (select order_id from work.candidates) and l.shipped > 0
        -- What is sent again the platform takes no second time.
        and l.parcel_id not in (select parcel_id from work.reshipments)
    group by all
),

packages as (
    select * from core.packages where parcel_id in (select parcel_id from left_lines) and tracking_no <> ''
),

placed as (
    select l.*, p.tracking_no, p.courier, p.shipped_at
    from left_lines l
    join packages p using (parcel_id)
    left join core.package_items i on i.package_id = p.package_id and i.sku = l.sku
    qualify row_number() over (
        partition by l.parcel_id, l.order_id, l.platform_line_id, l.sku
        order by i.sku is null, p.shipped_at, p.tracking_no) = 1
),

told as (
    select order_id, params->>'tracking_no' as tracking_no
    from outbox.instructions
    where order_id in (select order_id from orders) and kind = 'ship_confirmation'
),

waiting as (  -- platform lines that must still ship
    select i.order_id, i.platform_line_id
    from core.order_items i
    where i.order_id in (select order_id from orders) and i.ship_quantity > 0 and i.platform_line_id is not null
),

-- A gift of ours is no line of the platform: a package of nothing else is not told.
confirmations as (
    select
        o.order_id, any_value(o.platform) as platform, any_value(o.shop_id) as shop_id,
        any_value(o.platform_order_no) as platform_order_no, any_value(o.by_line) as by_line, p.tracking_no,
        any_value(p.courier) as courier, any_value(p.parcel_id) as parcel_id, min(p.shipped_at) as shipped_at,
        map_from_entries(list((p.platform_line_id, p.pieces::bigint) order by p.platform_line_id)) as lines,
        count(distinct p.platform_line_id) = (select count(distinct w.platform_line_id) from waiting w where w.order_id = o.order_id)
            as is_whole
    from placed p
    join orders o using (order_id)
    group by o.order_id, p.tracking_no
),

in_part as (  -- orders of which a line has not left in any package
    select distinct w.order_id from waiting w anti join placed p using (order_id, platform_line_id)
),

due as (
    select *
    from confirmations
    where by_line or order_id not in (select order_id from in_part)
    qualify by_line or row_number() over (partition by order_id order by shipped_at, tracking_no) = 1
)

select
    md5(concat_ws(':', 'ship_confirmation', d.order_id, d.tracking_no)) as instruction_id,
    concat_ws(':', 'ship_confirmation', d.order_id, d.tracking_no) as idempotency_key, 'ship_confirmation' as kind, d.order_id,
    'platforms' as target,
    json_object('shop_id', d.shop_id, 'platform', d.platform, 'order_no', d.platform_order_no, 'parcel_id', d.parcel_id,
        'tracking_no', d.tracking_no, 'courier', d.courier,
        'lines', if(d.by_line and not d.is_whole, d.lines::json, null)) as params,
    'pending' as status, r.started_at as created_at, r.started_at as due_at, 0 as attempts, r.id as run_id
from due d
cross join work.run r
anti join told t on t.order_id = d.order_id and (t.tracking_no = d.tracking_no or not d.by_line)
