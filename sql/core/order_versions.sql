-- Versions that the batch adds: one for every accepted order document.
-- grain: one row per order document · key: (order_id, source_seq) · inputs: staging.orders, work.accepted, ref.fx_rates, staging.order_items, ref.goods
with accepted as (
    select * from staging.orders semi join work.accepted using (source_seq)
),

rates as (  -- the rate of the business day it was ordered
    select a.source_seq, f.rate_cny
    from accepted a
    asof left join ref.fx_rates f
        on a.currency = f.currency and (a.ordered_at at time zone 'Asia/Shanghai')::date >= f.valid_from
),

costs as (  -- null as soon as one sku's cost is unknown
    select i.source_seq, if(bool_and(g.cost_cny is not null), sum(g.cost_cny * i.quantity), null) as cost_cny
    from staging.order_items i left join ref.goods g using (sku)
    group by i.source_seq
)

select
    a.order_id, a.platform, a.shop_id, a.platform_order_no, a.status, a.platform_status, a.ordered_at, a.paid_at,
    a.shipped_at, a.completed_at, a.updated_at, a.currency, a.goods_amount, a.discount_amount, a.shipping_fee,
    a.tax_amount, a.payable_amount, a.paid_amount,
    (a.paid_amount::decimal(28, 2) * r.rate_cny)::decimal(18, 2) as paid_amount_cny,
    a.buyer_id,
    customer_id_of(a.platform, a.buyer_id, a.phone_key, a.receiver_key, a.order_id) as customer_id,
    a.country, a.province, a.city, a.district,
    null::varchar as buyer_ip_province,
    a.is_gift_order, a.is_test,
    (a.paid_amount::decimal(28, 2) * r.rate_cny - c.cost_cny)::decimal(18, 2) as expected_margin_cny,
    if(a.platform_hold, 'platform_hold', null) as hold_status,
    a.buyer_message, a.seller_memo, a.payment_status, a.is_cod, a.is_presale, a.balance_due, a.receiver_masked,
    a.phone_masked, a.phone_key, a.id_key, a.address_key, a.missing_fields, a.source_seq, a.ship_by, a.known_at, a.run_id
from accepted a
left join rates r using (source_seq)
left join costs c using (source_seq)
