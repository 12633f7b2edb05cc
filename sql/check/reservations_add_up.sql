-- What open orders keep reserved is what the ledger of reservations adds up to, order by order and sku by sku.
-- grain: one row · columns: ok, detail · inputs: decision.reservations, decision.reserved
with ledger as (
    select order_id, sku, warehouse_id, sum(change) as quantity from decision.reservations group by all
)

select count(*) = 0 as ok, concat(count(*), ' 处占用与台账不符') as detail
from (select * from ledger where quantity <> 0) l
full join decision.reserved r using (order_id, sku, warehouse_id)
where l.quantity is distinct from r.quantity
