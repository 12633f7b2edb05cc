-- What goes into which parcel: every piece of the shippable orders that is in no receiver's hands, and their gifts.
-- grain: one row per order line or gift · key: (order_id, line_no)
-- inputs: work.groups, work.handed, work.recalls, work.route_lines, work.routes, work.gifts, work.free_stock,
--         core.order_items, decision.parcels, decision.recalls, ref.goods
-- A parcel is named by its lead order, and by its warehouse as well where the goods of an order go different ways. After
-- one of the name was stopped comes -R2, -R3: no receiver takes a name twice.
with goods as (
    select
        g.lead_order_id, g.order_id, i.line_no, i.platform_line_id, i.sku, i.product_name, i.ship_quantity as quantity,
        i.line_amount, i.weight_kg, coalesce(i.is_gift, false) as is_gift, null::varchar as gift_rule_id,
        g.warehouse_id as main_warehouse_id, coalesce(l.warehouse_id, g.warehouse_id) as routed_to, g.fallback_id
    from work.groups g
    join core.order_items i using (order_id)
    left join work.route_lines l on l.order_id = g.order_id and l.line_no = i.line_no
    anti join work.handed h on h.order_id = i.order_id and h.line_no = i.line_no
    where i.ship_quantity > 0
),

earned as (
    select
        w.order_id as lead_order_id, w.order_id,
        (1000 + row_number() over (partition by w.order_id order by w.rule_id))::integer as line_no,
        null::varchar as platform_line_id, w.sku, g.name as product_name, w.quantity::integer as quantity,
        0::decimal(18, 2) as line_amount, g.weight_kg, true as is_gift, w.rule_id as gift_rule_id,
        w.warehouse_id as main_warehouse_id, w.warehouse_id as routed_to, h.fallback_id
    from work.gifts w
    join work.groups h using (order_id)
    left join ref.goods g using (sku)
    where w.granted and w.order_id not in (select order_id from work.handed)
),

-- Of an order that is gone in part the gifts are what they were: those of the stopped part leave again.
restored as (
    select
        g.lead_order_id, p.order_id, p.line_no, p.platform_line_id, p.sku, p.product_name, p.quantity, p.line_amount,
        p.weight_kg, p.is_gift, p.gift_rule_id, g.warehouse_id as main_warehouse_id, p.routed_warehouse_id as routed_to,
        g.fallback_id
    from decision.parcels p
    join work.groups g using (order_id)
    semi join work.handed h on h.order_id = p.order_id
    anti join work.handed k on k.order_id = p.order_id and k.line_no = p.line_no
    where p.gift_rule_id is not null and p.order_id in (select order_id from work.groups)
),

lines as (
    select * from goods union all by name select * from earned union all by name select * from restored
),

gone as (  -- orders whose main part is in a receiver's hands
    select distinct p.order_id
    from decision.parcels p
    join work.handed h using (order_id, line_no)
    where p.is_main and p.order_id in (select order_id from work.groups)
),

stopped as (
    select regexp_replace(parcel_id, '-R\d+$', '') as base_id, count(*) as times
    from (
        select parcel_id from decision.recalls
        where state = 'stopped' and order_id in (select lead_order_id from work.groups)
        union
        select parcel_id from work.recalls where state = 'stopped'
    )
    group by base_id
),

-- Of an order whose goods go different ways the part that leaves its own warehouse is named plainly, or the first one.
mains as (
    select
        lead_order_id,
        coalesce(min(routed_to) filter (routed_to = main_warehouse_id), min_by(routed_to, line_no)) as main_warehouse_id
    from lines
    group by lead_order_id
),

parts as (
    select l.* exclude (main_warehouse_id), l.routed_to = m.main_warehouse_id and g.order_id is null as is_main
    from lines l
    join mains m using (lead_order_id)
    left join gone g on g.order_id = l.lead_order_id
),

named as (
    select
        p.*,
        p.lead_order_id || if(p.is_main, '', '-' || p.routed_to) || coalesce('-R' || (s.times + 1), '') as parcel_id
    from parts p
    left join stopped s on s.base_id = p.lead_order_id || if(p.is_main, '', '-' || p.routed_to)
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
