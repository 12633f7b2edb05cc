-- Orders the decision must look at after the batch.
-- grain: one row per order · key: order_id · inputs: work.touched, work.bite, work.orders, core.orders
-- An order that gets another phone, id number, address or buyer was part of the history of orders that share the old
-- one; nobody can tell which these are once core shows the new one.
with left_behind as (
    select c.id_key, c.phone_key, c.address_key, c.customer_id
    from core.orders c
    join work.orders n using (order_id)
    where (c.id_key, c.phone_key, c.address_key, c.customer_id)
        is distinct from (n.id_key, n.phone_key, n.address_key, n.customer_id)
),

concerned as (
    select order_id from work.touched
    union
    select order_id from core.orders where id_key in (select id_key from left_behind where id_key is not null)
    union
    select order_id from core.orders where phone_key in (select phone_key from left_behind where phone_key is not null)
    union
    select order_id from core.orders where address_key in (select address_key from left_behind where address_key is not null)
    union
    select order_id from core.orders where customer_id in (select customer_id from left_behind where customer_id is not null)
)

select c.order_id, b.run_id from concerned c cross join work.bite b
