-- The goods that are to come back with a return.
-- grain: one row per return, order and line · key: (return_id, order_id, line_no)
-- inputs: work.return_cases, work.return_goods, work.reship_asked, core.refunds, core.order_items, decision.parcels,
--         decision.return_lines, outbox.instructions
-- No platform's case tells us pieces: those of a line are taken from the money, to the nearest piece. What the warehouse
-- has heard of stays as it was told.
with told as (
    select return_id
    from work.return_cases c
    join outbox.instructions i on i.order_id = c.order_id and i.idempotency_key = 'return_order:' || c.return_id
    where i.attempts > 0
),

due as (
    select c.*, r.platform_line_id as case_line_id, r.amount
    from work.return_cases c
    left join core.refunds r on r.refund_id = c.refund_id and r.order_id = c.order_id
    where c.kind <> 'refund_only' and c.covered_by is null
),

goods as (
    select
        order_id, line_no, any_value(platform_line_id) as platform_line_id, any_value(sku) as sku,
        any_value(product_name) as product_name, any_value(quantity) as quantity, any_value(line_amount) as line_amount,
        least(sum(left_pieces), any_value(quantity))::bigint as left_pieces
    from work.return_goods
    group by all
),

of_cases as (
    select
        d.return_id, d.kind, d.request_id, g.*,
        d.case_line_id is null or g.platform_line_id = d.case_line_id as is_named,
        if(
            d.case_line_id = g.platform_line_id and d.amount > 0 and g.line_amount > 0 and g.quantity > 0,
            greatest(1, ((d.amount * 100)::hugeint * g.quantity * 2 + (g.line_amount * 100)::hugeint)
                // ((g.line_amount * 100)::hugeint * 2))::bigint,
            null
        ) as by_money
    from due d
    join goods g using (order_id)
    where d.refund_id is not null and d.return_id = d.refund_id::varchar
    qualify is_named or not bool_or(is_named) over (partition by d.return_id)
),

by_hand as (
    select d.return_id, g.*, a.asked
    from due d
    join work.reship_asked a on a.parcel_id = d.return_id
    join goods g on g.order_id = a.order_id and g.line_no = a.line_no
    where d.kind = 'exchange' and d.refund_id is null
),

of_parcels as (
    select
        d.return_id, p.order_id, p.line_no, p.platform_line_id, p.sku, p.product_name,
        coalesce(s.shipped, p.quantity)::bigint as expected
    from due d
    join decision.parcels p on p.parcel_id = d.return_id
    left join (
        select parcel_id, order_id, platform_line_id, sku, sum(shipped) as shipped
        from core.fulfilment_lines
        where parcel_id in (select return_id from due)
        group by all
    ) s on s.parcel_id = p.parcel_id and s.order_id = p.order_id and s.sku = p.sku
        and s.platform_line_id is not distinct from p.platform_line_id
    where d.kind = 'recalled' and d.return_id = d.parcel_id
        and p.order_id in (select unnest(orders)::bigint from work.recalls where parcel_id = d.return_id)
),

fresh as (
    select
        return_id, order_id, line_no, platform_line_id, sku, product_name,
        least(coalesce(by_money, left_pieces), left_pieces) as expected
    from of_cases
    union all
    select return_id, order_id, line_no, platform_line_id, sku, product_name, least(asked, left_pieces) from by_hand
    union all
    select * from of_parcels
)

select * from fresh where expected > 0 and return_id not in (select return_id from told)
union all by name
select * from decision.return_lines where return_id in (select return_id from told)
