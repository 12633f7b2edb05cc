-- What goes into which parcel: every piece of the shippable orders no receiver has heard of, and their gifts.
-- grain: one row per order line or gift · key: (order_id, line_no)
-- inputs: work.groups, work.route_lines, work.routes, work.gifts, work.free_stock, core.order_items, ref.goods
-- A parcel is named by its lead order, and by its warehouse as well where the goods of an order go different ways.
with goods as (
    select
        g.lead_order_id, g.order_id, i.line_no, i.platform_line_id, i.sku, i.product_name, i.ship_quantity as quantity,
        i.line_amount, i.weight_kg, coalesce(i.is_gift, false) as is_gift, null::varchar as gift_rule_id,
        g.warehouse_id as main_warehouse_id, coalesce(l.warehouse_id, g.warehouse_id) as routed_to, g.fallback_id
    from work.groups g
    join core.order_items i using (order_id)
    left join work.route_lines l on l.order_id = g.order_id and l.line_no = i.line_no
    where i.ship_quantity > 0
),

gifts as (
    select
        w.order_id as lead_order_id, w.order_id,
        (1000 + row_number() over (partition by w.order_id order by w.rule_id))::integer as line_no,
        null::varchar as platform_line_id, w.sku, g.name as product_name, w.quantity::integer as quantity,
        0::decimal(18, 2) as line_amount, g.weight_kg, true as is_gift, w.rule_id as gift_rule_id,
        w.warehouse_id as main_warehouse_id, w.warehouse_id as routed_to, h.fallback_id
    from work.gifts w
    join work.groups h using (order_id)
    left join ref.goods g using (sku)
    where w.granted
),

lines as (
    select * from goods union all by name select * from gifts
),

-- Of an order whose goods go different ways the part that leaves its own warehouse is named plainly, or the first one.
mains as (
    select
        lead_order_id,
        coalesce(min(routed_to) filter (routed_to = main_warehouse_id), min_by(routed_to, line_no)) as main_warehouse_id
    from lines
    group by lead_order_id
),

named as (
    select
        l.* exclude (main_warehouse_id),
        l.lead_order_id || if(l.routed_to = m.main_warehouse_id, '', '-' || l.routed_to) as parcel_id,
        l.routed_to = m.main_warehouse_id as is_main
    from lines l
    join mains m using (lead_order_id)
),

demands as (
    select parcel_id, lead_order_id, routed_to, any_value(fallback_id) as fallback_id, sku, sum(quantity) as quantity
    from named
    group by parcel_id, lead_order_id, routed_to, sku
),

-- Earlier orders are served first; stock that is not known is taken to be there.
short as (
    select d.parcel_id, d.fallback_id
    from (
        select *, sum(quantity) over (partition by routed_to, sku order by lead_order_id, parcel_id) as wanted
        from demands
    ) d
    join work.free_stock f on f.warehouse_id = d.routed_to and f.sku = d.sku
    where d.wanted > f.free and d.fallback_id is not null and d.fallback_id <> d.routed_to
    group by all
),

native as (
    select routed_to as warehouse_id, sku, sum(quantity) as quantity
    from demands
    anti join short using (parcel_id)
    group by all
),

elsewhere as (
    select
        d.parcel_id,
        bool_and(coalesce(f.free - coalesce(n.quantity, 0) >= d.wanted, false)) as fits
    from (
        select
            x.*, s.fallback_id as there,
            sum(x.quantity) over (partition by s.fallback_id, x.sku order by x.lead_order_id, x.parcel_id) as wanted
        from demands x
        join short s using (parcel_id)
    ) d
    left join work.free_stock f on f.warehouse_id = d.there and f.sku = d.sku
    left join native n on n.warehouse_id = d.there and n.sku = d.sku
    group by d.parcel_id
)

select
    n.order_id, n.line_no, n.parcel_id, n.lead_order_id, n.is_main, if(e.fits, n.fallback_id, n.routed_to) as warehouse_id,
    n.routed_to as routed_warehouse_id, n.platform_line_id, n.sku, n.product_name, n.quantity, n.line_amount, n.weight_kg,
    n.is_gift, n.gift_rule_id
from named n
left join elsewhere e using (parcel_id)
