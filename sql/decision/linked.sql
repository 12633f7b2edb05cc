-- Orders to decide on with those that changed: later ones whose history they are part of, and those that may share a parcel.
-- grain: one row per order · key: order_id · inputs: flow.touched, core.orders, variable linked_from (an order_id)
-- Without them a late order, or one that was cancelled, would leave the decision on its successors as it was.
with touched as (
    select o.order_id, o.ordered_at, o.id_key, o.phone_key, o.address_key, o.customer_id
    from core.orders o
    where o.order_id in (select order_id from flow.touched)
),

others as (
    select order_id, ordered_at, id_key, phone_key, address_key, customer_id
    from core.orders
    where order_id >= getvariable('linked_from')
)

select o.order_id from others o join touched t on o.id_key = t.id_key and o.ordered_at >= t.ordered_at
union
select o.order_id from others o join touched t on o.phone_key = t.phone_key and o.ordered_at >= t.ordered_at
union
-- A week back as well: orders wait for each other no longer than that.
select o.order_id from others o join touched t on o.address_key = t.address_key and o.ordered_at >= t.ordered_at - interval 7 day
union
select o.order_id from others o join touched t on o.customer_id = t.customer_id and o.ordered_at >= t.ordered_at
