-- Orders to decide on again when rules or reference files have changed: those that may still ship.
-- grain: one row per order · key: order_id · inputs: core.orders, work.run
select o.order_id, r.id as run_id from core.orders o cross join work.run r where o.status = 'paid'
