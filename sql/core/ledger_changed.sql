-- Orders whose entries are not what they were: only these are written anew.
-- grain: one row per order · key: order_id · inputs: work.ledger_now, work.ledger_touched, core.ledger_entries
with current_rows as (
    select * from core.ledger_entries where order_id in (select order_id from work.ledger_touched)
)

select order_id from (select * from work.ledger_now except select * from current_rows)
union
select order_id from (select * from current_rows except select * from work.ledger_now)
