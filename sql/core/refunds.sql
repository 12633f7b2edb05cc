-- After-sale cases that the batch changes, in their newest state; cases that waited for their order find it here.
-- grain: one row per case to write · key: refund_id · inputs: work.refund_versions, work.order_versions, core.refunds, core.orders
with waiting as (
    select r.*
    from core.refunds r
    semi join work.order_versions v using (platform, shop_id, platform_order_no)
    where r.order_id is null
),

current_rows as (
    select * from core.refunds where refund_id in (select refund_id from work.refund_versions)
    union
    select * from waiting
),

newest as (
    select * from (
        select null::bigint as order_id, * exclude (known_at, run_id) from work.refund_versions
        union all by name
        select * from current_rows
    )
    qualify row_number() over (partition by refund_id order by updated_at desc, source_seq desc) = 1
),

order_ids as (
    select platform, shop_id, platform_order_no, order_id from work.order_versions
    union
    select o.platform, o.shop_id, o.platform_order_no, o.order_id
    from core.orders o
    semi join newest n using (platform, shop_id, platform_order_no)
),

in_order as (
    select
        n.refund_id, i.order_id, n.platform, n.shop_id, n.platform_refund_no, n.platform_order_no, n.platform_line_id,
        n.status, n.platform_status, n.kind, n.phase, n.amount, n.currency, n.reason, n.created_at, n.updated_at, n.source_seq
    from newest n
    left join order_ids i using (platform, shop_id, platform_order_no)
)

-- By name: a column that the table gained later stands at its end.
select * from in_order
except
((select * from in_order limit 0) union all by name select * from current_rows)
