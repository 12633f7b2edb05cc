-- Orders the decision must look at after the batch.
-- grain: one row per order · key: order_id · inputs: work.touched, work.bite
select t.order_id, b.run_id from work.touched t cross join work.bite b
