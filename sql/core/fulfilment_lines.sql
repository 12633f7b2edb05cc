-- Lines of the parcels that the batch reports on, with the pieces that have left.
-- grain: one row per parcel and line · key: (parcel_id, line_no)
-- inputs: work.parcel_reports (of core.wms_reports), work.packages, work.package_items, work.order_numbers
-- Pieces are those of the packages, each of which counts once. How they fall on lines of one goods the last final report
-- tells if it adds up to them; else earlier lines are filled first. Where packages list nothing, the lines' own pieces of
-- all confirmations add up, never to more than was planned.
with told as (
    select
        parcel_id, order_id, method, is_final, "at", source_seq,
        unnest(from_json(lines, '[{"line_no": "INTEGER", "order_no": "VARCHAR", "line_id": "VARCHAR", "sku": "VARCHAR",
            "planned": "BIGINT", "good": "BIGINT", "defective": "BIGINT", "serials": ["VARCHAR"]}]')) as l
    from work.parcel_reports
    where method in ('confirm', 'query')
),

sums as (  -- a report may give a line twice, by kind of stock
    select
        parcel_id, l.line_no as line_no, method, is_final, "at", source_seq, any_value(order_id) as lead_order_id,
        any_value(l.order_no) as order_no, any_value(l.line_id) as line_id, any_value(l.sku) as sku,
        max(l.planned) as planned, sum(l.good + l.defective)::bigint as actual, flatten(list(l.serials)) as serials
    from told
    group by all
),

lines as (
    select
        parcel_id, line_no, any_value(lead_order_id) as lead_order_id,
        arg_max(sku, ("at", source_seq)) as sku,
        arg_max(order_no, ("at", source_seq)) filter (order_no is not null) as order_no,
        arg_max(line_id, ("at", source_seq)) filter (line_id is not null) as line_id,
        arg_max(planned, ("at", source_seq)) filter (planned is not null) as planned,
        arg_max(actual, ("at", source_seq)) filter (is_final) as final_actual,
        coalesce(sum(actual) filter (method = 'confirm'), max(actual) filter (method = 'query'), 0)::bigint as told_actual,
        list_sort(list_distinct(flatten(list(serials)))) as serials
    from sums
    group by parcel_id, line_no
),

packed as (
    select p.parcel_id, i.sku, sum(i.quantity) as quantity
    from work.package_items i
    join work.packages p using (package_id)
    group by p.parcel_id, i.sku
),

placed as (
    select
        l.*,
        p.quantity as packed,
        l.parcel_id in (select parcel_id from packed) as has_items,
        sum(l.final_actual) over same_goods as final_total,
        coalesce(sum(l.planned) over earlier, 0) as planned_before,
        row_number() over (partition by l.parcel_id, l.sku order by l.line_no desc) = 1 as is_last
    from lines l
    left join packed p using (parcel_id, sku)
    window
        same_goods as (partition by l.parcel_id, l.sku),
        earlier as (partition by l.parcel_id, l.sku order by l.line_no rows between unbounded preceding and 1 preceding)
)

select
    p.parcel_id, p.line_no,
    coalesce(n.order_id, p.lead_order_id) as order_id,
    p.line_id as platform_line_id,
    p.sku, p.planned,
    case
        when not p.has_items then least(coalesce(p.planned, p.told_actual), p.told_actual)
        when p.final_total = p.packed then coalesce(p.final_actual, 0)
        when p.is_last or p.planned is null then greatest(coalesce(p.packed, 0) - p.planned_before, 0)
        else greatest(least(coalesce(p.packed, 0) - p.planned_before, p.planned), 0)
    end::bigint as shipped,
    p.serials
from placed p
left join work.order_numbers lead on lead.order_id = p.lead_order_id
left join work.order_numbers n
    on n.platform_order_no = p.order_no and n.platform = lead.platform and n.shop_id = lead.shop_id
