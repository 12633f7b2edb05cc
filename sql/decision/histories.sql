-- What happened before: how many orders share a candidate's id number, phone, address or buyer in the days up to it.
-- grain: one row per candidate order that was paid or is paid on delivery · key: order_id
-- inputs: work.candidates, core.orders, core.refunds, variable history_from (an order_id no history reaches behind)
-- Counted by when orders were placed, not by when we heard of them: the same whatever came first. Times are whole
-- seconds, because ranges of integers are ten times faster than ranges of times.
with recent as (
    select
        order_id, epoch(ordered_at)::bigint as second, id_key, phone_key, address_key, customer_id, paid_amount_cny,
        coalesce(buyer_id, customer_id) as buyer
    from core.orders
    where order_id >= getvariable('history_from')
        and not is_test and ordered_at is not null and (paid_at is not null or payment_status = 'cod')
),

asking as (
    select * from recent semi join work.candidates using (order_id)
),

same_id as (
    select
        order_id,
        count(*) over (partition by id_key order by second range between 86400 preceding and current row) as days_1,
        count(*) over (partition by id_key order by second range between 604800 preceding and current row) as days_7,
        count(*) over (partition by id_key order by second range between 2592000 preceding and current row) as days_30,
        count(*) over (partition by id_key order by second range between 7776000 preceding and current row) as days_90
    from recent
    where id_key in (select id_key from asking where id_key is not null)
),

same_phone as (
    select
        order_id,
        count(*) over (partition by phone_key order by second range between 86400 preceding and current row) as days_1,
        count(*) over (partition by phone_key order by second range between 604800 preceding and current row) as days_7,
        count(*) over (partition by phone_key order by second range between 2592000 preceding and current row) as days_30,
        count(*) over (partition by phone_key order by second range between 7776000 preceding and current row) as days_90,
        count(distinct buyer) over (
            partition by phone_key order by second range between 7776000 preceding and current row) as buyers
    from recent
    where phone_key in (select phone_key from asking where phone_key is not null)
),

same_address as (
    select
        order_id,
        count(*) over (partition by address_key order by second range between 86400 preceding and current row) as days_1,
        count(*) over (partition by address_key order by second range between 604800 preceding and current row) as days_7,
        count(*) over (partition by address_key order by second range between 2592000 preceding and current row) as days_30,
        count(*) over (partition by address_key order by second range between 7776000 preceding and current row) as days_90,
        count(distinct buyer) over (
            partition by address_key order by second range between 7776000 preceding and current row) as buyers
    from recent
    where address_key in (select address_key from asking where address_key is not null)
),

same_buyer as (
    select
        order_id,
        count(*) over (partition by customer_id order by second range between 31536000 preceding and 1 preceding) as orders,
        sum(paid_amount_cny) over (
            partition by customer_id order by second range between 31536000 preceding and 1 preceding) as paid_cny
    from recent
    where customer_id in (select customer_id from asking)
),

refunds as (
    select a.order_id, count(*) as refunds
    from asking a
    join core.orders o on o.customer_id = a.customer_id and o.order_id >= getvariable('history_from')
    join core.refunds r on r.order_id = o.order_id
    where epoch(r.created_at)::bigint between a.second - 7776000 and a.second
    group by a.order_id
)

select
    a.order_id,
    i.days_1 as id_orders_1d, i.days_7 as id_orders_7d, i.days_30 as id_orders_30d, i.days_90 as id_orders_90d,
    p.days_1 as phone_orders_1d, p.days_7 as phone_orders_7d, p.days_30 as phone_orders_30d, p.days_90 as phone_orders_90d,
    d.days_1 as address_orders_1d, d.days_7 as address_orders_7d, d.days_30 as address_orders_30d,
    d.days_90 as address_orders_90d,
    p.buyers as phone_buyers_90d, d.buyers as address_buyers_90d,
    b.orders as buyer_orders_365d, b.paid_cny as buyer_paid_cny_365d, r.refunds as buyer_refunds_90d
from asking a
left join same_id i using (order_id)
left join same_phone p using (order_id)
left join same_address d using (order_id)
left join same_buyer b using (order_id)
left join refunds r using (order_id)
