-- Versions of after-sale cases that the batch adds.
-- grain: one row per case and document · key: (refund_id, source_seq) · inputs: staging.refunds, work.accepted, core.refund_versions
-- A case that stands inside an order comes again with every document of the order: only a new state makes a version.
with documents as (
    select
        refund_id, platform, shop_id, platform_refund_no, platform_order_no, platform_line_id, status, platform_status,
        kind, phase, amount, currency, reason, created_at, updated_at, source_seq, known_at, run_id
    from staging.refunds
    semi join work.accepted using (source_seq)
),

known as (
    select * from core.refund_versions where refund_id in (select refund_id from documents)
)

select d.*
from documents d
anti join known k on k.refund_id = d.refund_id and k.updated_at = d.updated_at
    and k.status is not distinct from d.status and k.amount is not distinct from d.amount
qualify row_number() over (partition by d.refund_id, d.updated_at, d.status, d.amount order by d.source_seq) = 1
