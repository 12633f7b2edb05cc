-- Where the money is that buyers owe: by shop, currency, month of the order and its state, with the age of what is open.
-- grain: one row per shop, currency, month and status · key: (shop_id, currency, month, status)
-- inputs: core.orders, core.order_balances, work.run
-- receivable = cancelled + open + held + refunded + settled + written_off, to the cent, in every row.
with today as (
    select (started_at at time zone 'Asia/Shanghai')::date as today from work.run
),

orders as (
    select
        o.shop_id, o.platform, b.currency, o.status, (in_shanghai(o.ordered_at))::date as ordered_on, b.* exclude (order_id, currency, source_seq)
    from core.order_balances b
    join core.orders o using (order_id)
)

select
    o.shop_id, any_value(o.platform) as platform, o.currency, strftime(o.ordered_on, '%Y-%m') as month, o.status,
    count(*) as orders,
    sum(o.payable)::decimal(18, 2) as receivable,
    sum(o.received)::decimal(18, 2) as received,
    sum(o.cancelled)::decimal(18, 2) as cancelled,
    sum(o.open)::decimal(18, 2) as open,
    sum(o.held)::decimal(18, 2) as held,
    sum(o.refunded)::decimal(18, 2) as refunded,
    sum(o.settled)::decimal(18, 2) as settled,
    sum(o.written_off)::decimal(18, 2) as written_off,
    sum(o.fees)::decimal(18, 2) as fees,
    coalesce(sum(o.open + o.held) filter (t.today - o.ordered_on <= 30), 0)::decimal(18, 2) as age_30,
    coalesce(sum(o.open + o.held) filter (t.today - o.ordered_on between 31 and 60), 0)::decimal(18, 2) as age_60,
    coalesce(sum(o.open + o.held) filter (t.today - o.ordered_on between 61 and 90), 0)::decimal(18, 2) as age_90,
    coalesce(sum(o.open + o.held) filter (t.today - o.ordered_on > 90), 0)::decimal(18, 2) as age_older
from orders o
cross join today t
group by o.shop_id, o.currency, strftime(o.ordered_on, '%Y-%m'), o.status
