-- What the entries of an order come to: where every cent of what its buyer owes is now.
-- grain: one row per order and currency · key: (order_id, currency) · inputs: work.ledger_entries
select
    order_id, currency,
    coalesce(sum(credit - debit) filter (account in ('sales', 'shipping', 'tax', 'rounding')), 0)::decimal(18, 2) as payable,
    coalesce(sum(debit - credit) filter (account = 'cancelled'), 0)::decimal(18, 2) as cancelled,
    coalesce(sum(debit - credit) filter (account = 'receivable'), 0)::decimal(18, 2) as open,
    coalesce(sum(debit - credit) filter (account = 'platform'), 0)::decimal(18, 2) as held,
    coalesce(sum(debit - credit) filter (account = 'refunds'), 0)::decimal(18, 2) as refunded,
    coalesce(sum(debit - credit) filter (account = 'bank' and cause_kind = 'settlement'), 0)::decimal(18, 2) as settled,
    coalesce(sum(debit - credit) filter (account = 'written_off'), 0)::decimal(18, 2) as written_off,
    coalesce(sum(debit - credit) filter (account = 'platform' and cause_kind = 'payment'), 0)::decimal(18, 2) as received,
    coalesce(sum(debit - credit) filter (account = 'fees'), 0)::decimal(18, 2) as fees,
    coalesce(sum(credit - debit) filter (account = 'platform' and cause_kind = 'write_off'), 0)::decimal(18, 2) as held_written_off,
    max(business_date) filter (cause_kind = 'refund') as refunded_on,
    max(source_seq) as source_seq
from work.ledger_entries
group by order_id, currency
