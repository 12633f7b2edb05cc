-- Entries of the orders that are written anew.
-- grain: one row per order, line, account and cause · key: entry_id
-- inputs: work.ledger_now (core.orders, core.order_items, core.refunds, core.refund_versions, core.settlements,
--     decision.reviews), work.ledger_changed
select * from work.ledger_now where order_id in (select order_id from work.ledger_changed)
