-- Documents whose order_id belongs to another order: two order numbers of one second with one hash. Never merged.
-- grain: one row per document · key: seq · inputs: staging.orders, core.orders
with ids as (
    select order_id, platform, platform_order_no, source_seq as seq from staging.orders where order_id is not null
),

known as (
    select order_id, platform, platform_order_no, 0 as seq from core.orders where order_id in (select order_id from ids)
    union all
    select * from ids
),

owners as (
    select order_id, arg_min((platform, platform_order_no), seq) as owner from known group by order_id
)

select i.seq, 'core' as stage, 'order_id_collision' as rule, '两个订单号得到同一 order_id，已隔离，请联系数据团队' as reason
from ids i
join owners o using (order_id)
where (i.platform, i.platform_order_no) <> o.owner
