-- Returned goods that the batch's reports tell of, line by line; pieces of all reports add up.
-- grain: one row per return and line · key: (return_code, line_no)
-- inputs: work.wms_reports, core.wms_reports, work.order_numbers, work.refund_versions, core.refunds, work.order_versions, core.orders
-- Our code for a return is RO and the after-sale case, or the parcel, that it belongs to.
with reports as (
    select * from core.wms_reports where return_code in (select return_code from work.wms_reports)
    union all by name
    select * from work.wms_reports where return_code is not null
),

lines as (
    select
        return_code, is_final, "at", source_seq,
        unnest(from_json(lines, '[{"line_no": "INTEGER", "order_no": "VARCHAR", "sku": "VARCHAR", "planned": "BIGINT",
            "good": "BIGINT", "defective": "BIGINT"}]')) as l
    from reports
),

folded as (
    select
        return_code, l.line_no as line_no,
        arg_max(l.order_no, ("at", source_seq)) filter (l.order_no is not null) as order_no,
        arg_max(l.sku, ("at", source_seq)) as sku,
        max(l.planned) as planned, sum(l.good)::bigint as received_good, sum(l.defective)::bigint as received_defective,
        max("at") as received_at
    from lines
    group by return_code, l.line_no
),

heads as (
    select return_code, bool_or(is_final) as is_final, max(source_seq) as source_seq,
        try_cast(regexp_extract(return_code, '^RO([0-9]+)', 1) as bigint) as number
    from reports
    group by return_code
),

cases as (
    select refund_id, platform, shop_id, platform_order_no from work.refund_versions
    union
    select refund_id, platform, shop_id, platform_order_no
    from core.refunds
    where refund_id in (select number from heads)
),

of_cases as (
    select h.return_code, o.order_id
    from heads h
    join cases c on c.refund_id = h.number
    join (
        select order_id, platform, shop_id, platform_order_no from work.order_versions
        union
        select o.order_id, o.platform, o.shop_id, o.platform_order_no
        from core.orders o
        semi join cases using (platform, shop_id, platform_order_no)
    ) o using (platform, shop_id, platform_order_no)
    group by all
),

of_leads as (
    select h.return_code, o.order_id
    from heads h
    join (
        select order_id from work.order_versions
        union
        select order_id from core.orders where order_id in (select number from heads)
    ) o on o.order_id = h.number
),

of_numbers as (  -- a number that only one order of all shops has
    select platform_order_no, any_value(order_id) as order_id
    from work.order_numbers
    group by platform_order_no
    having count(*) = 1
)

select
    f.return_code, f.line_no, coalesce(c.order_id, l.order_id, n.order_id) as order_id, f.sku, f.planned, f.received_good,
    f.received_defective, f.received_at, h.is_final, h.source_seq
from folded f
join heads h using (return_code)
left join of_cases c using (return_code)
left join of_leads l using (return_code)
left join of_numbers n on n.platform_order_no = f.order_no
