-- The ledger of the touched orders as it ought to be: every cent an order is about, line by line, in double entry.
-- grain: one row per order, line, account and cause · key: entry_id
-- inputs: work.ledger_touched, work.orders, work.order_items, work.documents_merged, work.refunds, work.refund_versions,
--     work.settlements, work.reviews, core.orders, core.order_items, core.refunds, core.refund_versions, core.settlements, decision.reviews, ref.fx_rates
-- A cause moves amounts between accounts; of one cause they add up to nothing, and so do those of an order:
--   sale        receivable + · sales, shipping, tax, rounding −    what the buyer owes
--   payment     platform + · receivable −                          the platform has it
--   cancel      cancelled + · receivable −                         closed before it was paid in full
--   refund      refunds + · platform −                             the platform gave it back
--   write_off   written_off + · receivable or platform −           a person gave it up
--   settlement  bank + · platform −                                the platform paid it out
--   fee         bank − · fees +                                    the platform kept it
-- What is told for a whole order is shared out over its lines to the cent, by what the buyer owes for each. Fees stay
-- with the order. Test orders, and orders closed without a payment, are about nothing.
with orders_now as (
    select order_id, platform, status, ordered_at, paid_at, updated_at, currency, shipping_fee, tax_amount, payable_amount, paid_amount, is_test, source_seq
    from work.orders
    where order_id in (select order_id from work.ledger_touched)
    union all
    select order_id, platform, status, ordered_at, paid_at, updated_at, currency, shipping_fee, tax_amount, payable_amount, paid_amount, is_test, source_seq
    from core.orders
    where order_id in (select order_id from work.ledger_touched) and order_id not in (select order_id from work.orders)
),

items_now as (
    select order_id, line_no, platform_line_id, line_amount, refund_status, quantity, ship_quantity from work.order_items
    union all
    select order_id, line_no, platform_line_id, line_amount, refund_status, quantity, ship_quantity
    from core.order_items
    where order_id in (select order_id from work.ledger_touched) and order_id not in (select order_id from work.documents_merged)
),

refunds_now as (
    select refund_id, order_id, platform_line_id, status, amount, currency, updated_at, source_seq from work.refunds
    union all
    select refund_id, order_id, platform_line_id, status, amount, currency, updated_at, source_seq
    from core.refunds
    where order_id in (select order_id from work.ledger_touched) and refund_id not in (select refund_id from work.refunds)
),

refunded_at as (  -- later documents of a case have later times; the first that says so tells the day
    select refund_id, min(updated_at) as refunded_at
    from (
        select refund_id, status, updated_at from work.refund_versions
        union all
        select refund_id, status, updated_at from core.refund_versions where refund_id in (select refund_id from refunds_now)
    )
    where status = 'refunded'
    group by refund_id
),

settlements_now as (
    select settlement_id, order_id, type, amount, currency, settled_at, source_seq from work.settlements
    union all
    select settlement_id, order_id, type, amount, currency, settled_at, source_seq
    from core.settlements
    where order_id in (select order_id from work.ledger_touched) and settlement_id not in (select settlement_id from work.settlements)
),

write_offs as (
    select review_id, order_id, request, decided_at, source_seq from work.reviews where action = 'write_off'
    union all
    select review_id, order_id, request, decided_at, source_seq
    from decision.reviews
    where action = 'write_off' and order_id in (select order_id from work.ledger_touched)
        and review_id not in (select review_id from work.reviews)
),

lines as (
    select
        order_id,
        list(line_no order by line_no) as line_nos,
        list(platform_line_id order by line_no) as line_ids,
        list(cents(line_amount) order by line_no) as goods,
        list(
            if(refund_status in ('refunded', 'partially_refunded') and quantity > 0,
                cents(line_amount) * (quantity - ship_quantity) // quantity, 0) order by line_no) as gone
    from items_now
    group by order_id
),

told as (
    select
        o.order_id, o.platform, o.currency, o.ordered_at, coalesce(o.paid_at, o.ordered_at) as paid_at, o.updated_at, o.source_seq,
        coalesce(l.line_nos, [null::integer]) as line_nos,
        coalesce(l.line_ids, []::varchar[]) as line_ids,
        coalesce(l.goods, [0::hugeint]) as goods,
        coalesce(l.gone, [0::hugeint]) as gone,
        cents(o.payable_amount) as payable, cents(o.paid_amount) as paid,
        cents(o.shipping_fee) as shipping, cents(o.tax_amount) as tax,
        o.status = 'closed' as is_closed
    from orders_now o
    left join lines l using (order_id)
    where not o.is_test
),

shared as (
    select
        *,
        share_out(shipping, goods) as shipping_of,
        share_out(tax, goods) as tax_of,
        share_out(payable - list_sum(goods) - shipping - tax, goods) as rounding_of
    from told
),

due as (
    select *, added(added(goods, shipping_of), added(tax_of, rounding_of)) as due_of from shared
),

paid as (
    select *, share_out(paid, due_of) as paid_of from due
),

booked as (
    select *, if(is_closed and paid < payable, less(due_of, paid_of), list_transform(goods, lambda g: 0::hugeint)) as cancelled_of
    from paid
),

-- Shopee opens no case for what is cancelled before it ships: the order's lines alone tell that money went back.
cased as (
    select
        order_id, list(platform_line_id) filter (platform_line_id is not null) as line_ids,
        bool_or(platform_line_id is null) as is_whole
    from refunds_now
    where status = 'refunded'
    group by order_id
),

uncased as (
    select b.*, list_transform(b.gone, lambda g, i: if(coalesce(list_contains(c.line_ids, b.line_ids[i]), false), 0, g)) as back_of
    from booked b
    left join cased c using (order_id)
    where b.platform = 'shopee' and b.paid > 0 and not coalesce(c.is_whole, false)
),

moves as (
    select
        order_id, currency, line_nos, ordered_at as "at", 'sale' as cause_kind, order_id::varchar as cause_id, source_seq,
        unnest([
            {account: 'receivable', amounts: due_of}, {account: 'sales', amounts: negated(goods)},
            {account: 'shipping', amounts: negated(shipping_of)}, {account: 'tax', amounts: negated(tax_of)},
            {account: 'rounding', amounts: negated(rounding_of)}
        ]) as move
    from booked
    where not (is_closed and paid = 0)
    union all
    select
        order_id, currency, line_nos, paid_at, 'payment', order_id::varchar, source_seq,
        unnest([{account: 'platform', amounts: paid_of}, {account: 'receivable', amounts: negated(paid_of)}])
    from booked
    union all
    select
        order_id, currency, line_nos, updated_at, 'cancel', order_id::varchar, source_seq,
        unnest([{account: 'cancelled', amounts: cancelled_of}, {account: 'receivable', amounts: negated(cancelled_of)}])
    from booked
    where is_closed and paid > 0
    union all
    select
        order_id, currency, line_nos, "at", 'refund', refund_id::varchar, source_seq,
        unnest([{account: 'refunds', amounts: refunded_of}, {account: 'platform', amounts: negated(refunded_of)}])
    from (
        select
            b.order_id, coalesce(r.currency, b.currency) as currency, b.line_nos, coalesce(t.refunded_at, r.updated_at) as "at",
            r.refund_id, r.source_seq,
            if(
                list_position(b.line_ids, r.platform_line_id) > 0,
                list_transform(b.line_nos, lambda n, i: if(i = list_position(b.line_ids, r.platform_line_id), cents(r.amount), 0)),
                share_out(cents(r.amount), b.due_of)) as refunded_of
        from refunds_now r
        join booked b using (order_id)
        left join refunded_at t using (refund_id)
        where r.status = 'refunded'
    )
    union all
    select
        order_id, currency, line_nos, updated_at, 'refund', order_id::varchar, source_seq,
        unnest([{account: 'refunds', amounts: refunded_of}, {account: 'platform', amounts: negated(refunded_of)}])
    from (select *, if(back_of = goods, due_of, back_of) as refunded_of from uncased)
    union all
    select
        order_id, currency, line_nos, decided_at, 'write_off', review_id, source_seq,
        unnest([{account: 'written_off', amounts: lost_of}, {account: account, amounts: negated(lost_of)}])
    from (
        select
            b.order_id, b.currency, b.line_nos, w.decided_at, w.review_id, w.source_seq,
            w.request->>'account' as account,
            share_out(
                cents(money(w.request->>'amount')),
                if(w.request->>'account' = 'receivable', less(less(b.due_of, b.paid_of), b.cancelled_of), b.due_of)) as lost_of
        from write_offs w
        join booked b using (order_id)
    )
    union all
    select
        order_id, currency, line_nos, settled_at, 'settlement', settlement_id, source_seq,
        unnest([{account: 'bank', amounts: settled_of}, {account: 'platform', amounts: negated(settled_of)}])
    from (
        select
            b.order_id, s.currency, b.line_nos, s.settled_at, s.settlement_id, s.source_seq,
            share_out(cents(s.amount), b.due_of) as settled_of
        from settlements_now s
        join booked b using (order_id)
        where s.type in ('order', 'refund')
    )
    union all
    select
        b.order_id, s.currency, [null::integer], s.settled_at, 'fee', s.settlement_id, s.source_seq,
        unnest([{account: 'bank', amounts: [cents(s.amount)]}, {account: 'fees', amounts: [-cents(s.amount)]}])
    from settlements_now s
    join booked b using (order_id)
    where s.type not in ('order', 'refund')
),

entries as (
    select
        order_id, unnest(line_nos) as line_no, "at", (in_shanghai("at"))::date as business_date, move.account as account,
        unnest(move.amounts) as amount, currency, cause_kind, cause_id, source_seq
    from moves
)

select
    md5(json_array(e.order_id, e.line_no, e.account, e.cause_kind, e.cause_id)::varchar) as entry_id,
    e.order_id, e.line_no, e."at", e.business_date, e.account,
    as_money(greatest(e.amount, 0)) as debit,
    as_money(greatest(-e.amount, 0)) as credit,
    e.currency,
    (as_money(abs(e.amount))::decimal(28, 2) * f.rate_cny)::decimal(18, 2) as amount_cny,
    e.cause_kind, e.cause_id, e.source_seq
from entries e
asof left join ref.fx_rates f on e.currency = f.currency and e.business_date >= f.valid_from
where e.amount <> 0
