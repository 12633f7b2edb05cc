-- Shopify refunds, which stand inside their order, in the common typed form.
-- grain: one row per refund and payload · key: (source_seq, platform_refund_no) · inputs: staging.payloads
-- Source: Shopify Admin API schema 2026-10.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "legacyResourceId": "VARCHAR", "currencyCode": "VARCHAR",
            "refunds": [{"id": "VARCHAR", "createdAt": "VARCHAR", "updatedAt": "VARCHAR",
                "totalRefundedSet": {"shopMoney": {"amount": "VARCHAR"}},
                "refundLineItems": {"nodes": [{"restockType": "VARCHAR", "lineItem": {"id": "VARCHAR"}}]}}]
        }') as t
    from staging.payloads
    where platform = 'shopify' and kind = 'order'
),

refunds as (
    select * exclude (t), t.legacyResourceId as platform_order_no, t.currencyCode as currency, unnest(t.refunds) as r
    from parsed
)

select
    seq as source_seq,
    platform,
    shop_id,
    regexp_extract(r.id, '[0-9]+$') as platform_refund_no,
    platform_order_no,
    if(len(r.refundLineItems.nodes) = 1, regexp_extract(r.refundLineItems.nodes[1].lineItem.id, '[0-9]+$'), null) as platform_line_id,
    'refunded' as status,
    'REFUNDED' as platform_status,
    if(len(list_filter(coalesce(r.refundLineItems.nodes, []), lambda n: n.restockType = 'RETURN')) > 0, 'return', 'refund') as kind,
    'unknown' as phase,
    money(r.totalRefundedSet.shopMoney.amount) as amount,
    currency,
    null::varchar as reason,
    try_cast(r.createdAt as timestamptz) as created_at,
    coalesce(try_cast(r.updatedAt as timestamptz), try_cast(r.createdAt as timestamptz)) as updated_at,
    fetched_at as known_at,
    run_id
from refunds
