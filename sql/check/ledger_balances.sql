-- In every order's entries debits are credits, and no entry stands twice.
-- grain: one row · columns: ok, detail · inputs: core.ledger_entries
with orders as (
    select order_id, currency, sum(debit) as debit, sum(credit) as credit, count(*) - count(distinct entry_id) as twice
    from core.ledger_entries
    group by order_id, currency
)

select
    count(*) filter (debit <> credit or twice > 0) = 0 as ok,
    concat('账本 ', count(*), ' 个订单，借贷不平或重复 ', count(*) filter (debit <> credit or twice > 0), ' 个') as detail
from orders
