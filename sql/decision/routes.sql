-- The route of every candidate order that was ever paid, or is paid on delivery; the decision on any other is taken back.
-- grain: one row per such order · key: order_id · inputs: work.candidates, work.routed (routing rules over work.order_facts), core.orders, core.order_versions
-- decided_at is when the facts were known, not when the machine got round to it: replaying raw gives the same row.
with orders as (
    select order_id, source_seq from core.orders
    where order_id in (select order_id from work.candidates) and (paid_at is not null or payment_status = 'cod')
),

versions as (
    select order_id, source_seq, known_at from core.order_versions where order_id in (select order_id from work.candidates)
)

select
    r.order_id, r.warehouse as warehouse_id, r.fallback as fallback_id, r.rule_id, r.rule_version, r.facts,
    v.known_at as decided_at, o.source_seq
from orders o
join versions v using (order_id, source_seq)
join work.routed r using (order_id)
