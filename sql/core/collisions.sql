-- Documents whose order_id belongs to another order (two order numbers of one second with one hash), and documents of an
-- order that is known under another order_id (its order time differs). Never merged, never a second row.
-- grain: one row per document · key: seq · inputs: staging.orders, core.orders
with ids as (
    select order_id, platform, shop_id, platform_order_no, source_seq as seq from staging.orders where order_id is not null
),

known as (
    select order_id, platform, shop_id, platform_order_no, 0 as seq
    from core.orders
    where order_id in (select order_id from ids)
    union all
    select * from ids
),

numbers as (
    select platform, shop_id, platform_order_no, arg_min(order_id, seq) as order_id
    from (
        select order_id, platform, shop_id, platform_order_no, 0 as seq
        from core.orders
        semi join ids using (platform, shop_id, platform_order_no)
        union all
        select * from ids
    )
    group by all
),

owners as (
    select order_id, arg_min((platform, shop_id, platform_order_no), seq) as owner from known group by order_id
)

select i.seq, 'core' as stage, 'order_id_collision' as rule, '两个订单号得到同一 order_id，已隔离，请联系数据团队' as reason
from ids i
join owners o using (order_id)
where (i.platform, i.shop_id, i.platform_order_no) <> o.owner
union all
select i.seq, 'core', 'order_time_differs', '同一订单号的下单时间与已入池的不一致，已隔离，请核对来源（文件或平台）'
from ids i
join numbers n using (platform, shop_id, platform_order_no)
where i.order_id <> n.order_id
