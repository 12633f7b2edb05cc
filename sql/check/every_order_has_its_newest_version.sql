-- core.orders shows the newest of every order's versions, and no order is without one.
-- grain: one row · columns: ok, detail · inputs: core.orders, core.order_versions
with newest as (
    select order_id, max((updated_at, source_seq)) as version from core.order_versions group by order_id
)

select count(*) = 0 as ok, concat(count(*), ' 个订单不是最新版本') as detail
from core.orders o
full join newest n using (order_id)
where (o.updated_at, o.source_seq) is distinct from n.version
