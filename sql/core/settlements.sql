-- Lines of statements that the batch changes; lines that waited for their order find it here.
-- grain: one row per line to write · key: settlement_id · inputs: staging.settlements, work.accepted, work.order_versions, core.settlements, core.orders
-- A line that a later file tells otherwise is what the later file says.
with documents as (
    select null::bigint as order_id, * exclude (problem)
    from staging.settlements
    semi join work.accepted using (source_seq)
),

current_rows as (
    select * from core.settlements where settlement_id in (select settlement_id from documents)
    union
    select s.*
    from core.settlements s
    semi join work.order_versions v using (platform, shop_id, platform_order_no)
    where s.order_id is null
),

newest as (
    select *
    from (select * from documents union all by name select * from current_rows)
    qualify row_number() over (partition by settlement_id order by source_seq desc) = 1
),

order_ids as (
    select platform, shop_id, platform_order_no, order_id from work.order_versions
    union
    select o.platform, o.shop_id, o.platform_order_no, o.order_id
    from core.orders o
    semi join newest n using (platform, shop_id, platform_order_no)
),

in_order as (
    select n.* replace (i.order_id as order_id)
    from newest n
    left join order_ids i using (platform, shop_id, platform_order_no)
)

-- By name: a column that the table gained later stands at its end.
select * from in_order
except
((select * from in_order limit 0) union all by name select * from current_rows)
