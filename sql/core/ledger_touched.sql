-- Orders whose entries in the ledger the batch may change.
-- grain: one row per order · key: order_id · inputs: work.orders, work.refunds, work.refund_versions, work.settlements, work.reviews, core.refunds, core.settlements
select order_id from work.orders
union
select order_id from work.refunds where order_id is not null
union
-- An older state of a case that comes late may tell an earlier day of the refund.
select order_id from core.refunds where order_id is not null and refund_id in (select refund_id from work.refund_versions)
union
select order_id from work.settlements where order_id is not null
union
-- A corrected line may name another order than it did.
select order_id from core.settlements where order_id is not null and settlement_id in (select settlement_id from work.settlements)
union
select order_id from work.reviews where action = 'write_off'
