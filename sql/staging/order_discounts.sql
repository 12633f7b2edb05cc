-- Discounts of the batch's orders.
-- grain: one row per order payload and discount · key: (source_seq, discount_no) · inputs: staging.typed_orders
with entries as (
    select
        source_seq, currency, unnest(discounts) as d, generate_subscripts(discounts, 1) as discount_no,
        order_id_of(ordered_at, platform, shop_id, platform_order_no) as order_id
    from staging.typed_orders
    where platform_order_no is not null and ordered_at is not null
)

select order_id, discount_no::integer as discount_no, d.line_no, d.kind, d.name, d.amount, currency, source_seq
from entries
