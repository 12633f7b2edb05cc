-- Orders whose newest document came with the batch: their lines, discounts and parcels are written anew.
-- grain: one row per order · key: order_id · inputs: work.orders, work.order_versions
select order_id from work.orders semi join work.order_versions using (order_id, source_seq)
