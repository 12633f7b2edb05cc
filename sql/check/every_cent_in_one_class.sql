-- What a buyer owes is cancelled, open, held by the platform, refunded, settled or written off, and what of it was paid
-- and refunded is what orders and cases say.
-- grain: one row · columns: ok, detail · inputs: core.orders, core.refunds, core.order_balances
with orders as (
    select
        order_id, currency, platform,
        if(status = 'closed' and coalesce(paid_amount, 0) = 0, 0, coalesce(payable_amount, 0)) as payable,
        coalesce(paid_amount, 0) as received
    from core.orders
    where not is_test
),

refunds as (
    select o.order_id, coalesce(r.currency, o.currency) as currency, sum(coalesce(r.amount, 0)) as refunded
    from core.refunds r
    join orders o using (order_id)
    where r.status = 'refunded'
    group by all
),

told as (
    select
        coalesce(o.order_id, r.order_id) as order_id, coalesce(o.currency, r.currency) as currency,
        o.platform, coalesce(o.payable, 0) as payable, coalesce(o.received, 0) as received, coalesce(r.refunded, 0) as refunded
    from orders o
    full join refunds r using (order_id, currency)
),

compared as (
    select
        (coalesce(b.payable, 0), coalesce(b.received, 0)) = (coalesce(t.payable, 0), coalesce(t.received, 0))
        -- Of Shopee's orders, lines that were cancelled before they shipped went back without a case.
        and (coalesce(b.refunded, 0) = coalesce(t.refunded, 0) or (t.platform = 'shopee' and b.refunded > t.refunded))
        and coalesce(b.payable = b.cancelled + b.open + b.held + b.refunded + b.settled + b.written_off, true) as ok
    from told t
    full join core.order_balances b using (order_id, currency)
)

select
    count(*) filter (not ok) = 0 as ok,
    concat('应收 ', count(*), ' 个订单，与订单、退款不符或去向不明 ', count(*) filter (not ok), ' 个') as detail
from compared
