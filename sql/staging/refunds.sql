-- After-sale cases of the batch.
-- grain: one row per case and payload · key: (source_seq, platform_refund_no) · inputs: staging.typed_refunds
select
    case when platform_refund_no is not null and created_at is not null
        then make_id(created_at, if(platform = 'lazada', platform || '/' || shop_id, platform) || ':refund', platform_refund_no) end as refund_id,
    platform, shop_id, platform_refund_no, platform_order_no, platform_line_id, status, platform_status, kind, phase,
    amount, currency, mask_text(nullif(reason, ''), null, null, null) as reason, created_at, updated_at, source_seq, known_at, run_id
from staging.typed_refunds
