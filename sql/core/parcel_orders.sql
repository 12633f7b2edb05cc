-- The parcels of the orders whose timeline the batch may change, as far as warehouses have reported on them.
-- grain: one row per order and parcel · key: (order_id, parcel_id)
-- inputs: work.touched, work.fulfilments, work.fulfilment_lines, core.fulfilments, core.fulfilment_lines
with pairs as (
    select order_id, parcel_id from work.fulfilment_lines
    union
    select order_id, parcel_id from work.fulfilments
    union
    select order_id, parcel_id
    from core.fulfilment_lines
    where order_id in (select order_id from work.touched) and parcel_id not in (select parcel_id from work.fulfilments)
    union
    select order_id, parcel_id from core.fulfilments where order_id in (select order_id from work.touched)
)

select * from pairs where order_id in (select order_id from work.touched)
