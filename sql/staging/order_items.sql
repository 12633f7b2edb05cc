-- Lines of the batch's orders.
-- grain: one row per order payload and line · key: (source_seq, line_no) · inputs: staging.typed_orders
with lines as (
    select
        source_seq, currency, unnest(items) as i, generate_subscripts(items, 1) as line_no,
        case when platform_order_no is not null and ordered_at is not null
            then order_id_of(ordered_at, platform, shop_id, platform_order_no) end as order_id
    from staging.typed_orders
)

select
    order_id, line_no::integer as line_no, i.platform_line_id, i.sku, i.product_name, i.quantity, i.shipped_quantity, i.ship_quantity,
    i.unit_price, i.discount_amount, i.line_amount, currency,
    coalesce(i.line_amount = 0, false) as is_gift,
    i.refund_status, i.platform_refund_status, i.platform_product_id, i.platform_sku_id, source_seq
from lines
