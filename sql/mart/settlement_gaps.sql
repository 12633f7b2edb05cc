-- Where statements and the ledger differ: one row per difference, with what to do.
-- grain: one row per difference · key: gap_id
-- inputs: core.orders, core.order_balances, core.settlements, ref.settlement_fees, work.run
-- An order is to be settled within 15 days of its end, a refund within 15 days of it. What a platform pays out less
-- what it takes back may come as one amount. What a person wrote off is expected no more.
with today as (
    select started_at as now, (started_at at time zone 'Asia/Shanghai')::date as today, 15 as days_allowed from work.run
),

lines as (
    select
        order_id, currency,
        count(*) filter (type = 'order') as paid_out_lines,
        coalesce(sum(amount) filter (type = 'order'), 0) as paid_out,
        list(amount order by amount) filter (type = 'order') as amounts,
        -coalesce(sum(amount) filter (type = 'refund'), 0) as taken_back,
        coalesce(sum(amount) filter (type = 'commission'), 0) as commission,
        count(*) filter (type = 'commission') as commission_lines,
        coalesce(sum(amount) filter (type = 'freight_insurance'), 0) as insurance,
        count(*) filter (type = 'freight_insurance') as insurance_lines,
        min(settled_at) filter (type = 'order') as first_paid_out_at,
        arg_min(statement_no, settled_at) as statement_no
    from core.settlements
    where order_id is not null
    group by order_id, currency
),

-- Orders of which anything is expected or told, in the currency of the order.
orders as (
    select
        o.order_id, o.platform, o.shop_id, o.platform_order_no, o.currency,
        coalesce(b.received, 0) - coalesce(b.held_written_off, 0) as expected,
        coalesce(b.refunded, 0) as refunded, b.refunded_on,
        coalesce(o.completed_at, if(o.status in ('completed', 'closed'), o.updated_at, null)) as ended_at,
        l.paid_out_lines, l.amounts, l.first_paid_out_at, l.statement_no,
        coalesce(l.paid_out, 0) as paid_out, coalesce(l.taken_back, 0) as taken_back,
        coalesce(l.commission, 0) as commission, coalesce(l.commission_lines, 0) as commission_lines,
        coalesce(l.insurance, 0) as insurance, coalesce(l.insurance_lines, 0) as insurance_lines,
        o.order_id in (
            select s.order_id from core.settlements s join core.orders c using (order_id)
            where s.currency <> c.currency and s.type in ('order', 'refund')) as told_otherwise
    from core.orders o
    left join core.order_balances b using (order_id, currency)
    left join lines l using (order_id, currency)
    where not o.is_test and (b.received <> 0 or b.refunded <> 0 or l.order_id is not null)
),

judged as (
    select
        o.*,
        t.now > o.ended_at + to_days(t.days_allowed) as is_due,
        t.today > o.refunded_on + t.days_allowed and coalesce(t.now > o.ended_at + to_days(t.days_allowed), false) as refund_is_due,
        coalesce(o.paid_out_lines, 0) as told_lines,
        o.paid_out - o.taken_back = o.expected - o.refunded and coalesce(o.paid_out_lines, 0) <= 1 as net_fits,
        f.rate_percent, i.up_to, t.days_allowed
    from orders o
    cross join today t
    left join ref.settlement_fees f on f.platform = o.platform and f.type = 'commission'
    left join ref.settlement_fees i on i.platform = o.platform and i.type = 'freight_insurance'
),

of_orders as (
    select
        'missing_in_statement' as kind, *, expected as ought, 0 as told, ended_at + to_days(days_allowed) as since,
        '订单已结束但结算单未列，请核对结算单是否导全，再向平台查询' as advice
    from judged
    where told_lines = 0 and not told_otherwise and is_due and not net_fits and expected <> 0 and taken_back = 0
    union all
    select
        'settled_twice', *, expected, paid_out, first_paid_out_at, '同一订单结算了不止一次，请向平台核实，勿作收入'
    from judged
    where told_lines > 1 and paid_out > expected and list_contains(amounts, paid_out - expected)
    union all
    select
        'amount_differs', *, expected, paid_out, first_paid_out_at, '结算金额与实付不符，请核对优惠、改价或分批结算'
    from judged
    where told_lines > 0 and not net_fits and paid_out <> expected
        and not (told_lines > 1 and paid_out > expected and list_contains(amounts, paid_out - expected))
        and (paid_out > expected or coalesce(is_due, false))
        -- What is left out or too much of refunds is said below.
        and not (told_otherwise and paid_out < expected)
    union all
    select
        'refund_not_settled', *, -refunded, -taken_back, refunded_on::timestamptz, '已退款但结算单未扣，下期可能补扣，请预留'
    from judged
    where (told_lines > 0 or taken_back > 0) and not net_fits and taken_back < refunded and coalesce(refund_is_due, false)
        and not told_otherwise
    union all
    select
        'refund_unknown', *, -refunded, -taken_back, first_paid_out_at, '结算单扣了退款，但系统没有这笔售后，请向平台核实'
    from judged
    where taken_back > refunded and not net_fits
    union all
    select
        'late', *, expected, paid_out, first_paid_out_at, '结算晚于约定账期，请留意平台账期'
    from judged
    where told_lines > 0 and first_paid_out_at > ended_at + to_days(days_allowed)
    union all
    -- The commission is due on what is left after refunds; before those are settled, on the whole.
    select
        'fee_unexpected', *, (-expected * rate_percent / 100)::decimal(18, 2), commission, first_paid_out_at,
        '佣金与约定费率不符（config/settlement_fees.csv），请核对费率或向平台申诉'
    from judged
    where commission_lines > 0 and rate_percent is not null
        and not (-commission between
            least(expected - refunded, expected) * rate_percent / 100 - commission_lines * 0.01
            and greatest(expected - refunded, expected) * rate_percent / 100 + commission_lines * 0.01)
    union all
    select
        'fee_unexpected', *, -insurance_lines * up_to, insurance, first_paid_out_at,
        '运费险高于约定（config/settlement_fees.csv），请向平台核实'
    from judged
    where insurance_lines > 0 and up_to is not null and -insurance > insurance_lines * up_to
),

of_lines as (
    select
        case
            when s.order_id is null and s.platform_order_no is not null then 'unknown_order'
            when s.type in ('order', 'refund') then 'currency_differs'
            else 'fee_unexpected'
        end as kind,
        s.*, o.currency as currency_of_order
    from core.settlements s
    left join core.orders o using (order_id)
    where (s.order_id is null and s.platform_order_no is not null)
        or s.type in ('penalty', 'adjustment', 'unknown')
        or (s.currency <> o.currency and s.type in ('order', 'refund'))
)

select
    md5(json_array(kind, shop_id, order_id, told, advice)::varchar) as gap_id, kind, platform, shop_id, order_id, platform_order_no,
    currency, ought::decimal(18, 2) as expected, told::decimal(18, 2) as found, (told - ought)::decimal(18, 2) as difference,
    statement_no, null::varchar as settlement_id, strftime(in_shanghai(coalesce(first_paid_out_at, ended_at, since)), '%Y-%m') as month,
    since, advice
from of_orders
union all
select
    md5(json_array(kind, settlement_id)::varchar), kind, platform, shop_id, order_id, platform_order_no, currency,
    0::decimal(18, 2), amount, amount, statement_no, settlement_id, strftime(in_shanghai(settled_at), '%Y-%m'), settled_at,
    case kind
        when 'unknown_order' then '结算单里的订单不在订单池，请核对店铺，或用 orderpipe verify 查漏单'
        when 'currency_differs' then concat('结算币种与订单币种 ', currency_of_order, ' 不同，请按平台汇率核对')
        else concat('结算单里的“', platform_type, '”没有约定，请核对原因')
    end
from of_lines
