-- Orders of the batch, every platform, typed and keyed; no personal data in clear.
-- grain: one row per order payload · key: source_seq · inputs: staging.typed_orders
select
    case when platform_order_no is not null and ordered_at is not null
        then order_id_of(ordered_at, platform, shop_id, platform_order_no) end as order_id,
    platform, shop_id, platform_order_no, status, platform_status,
    ordered_at, paid_at, shipped_at, completed_at, updated_at,
    currency, goods_amount, discount_amount, shipping_fee, tax_amount, payable_amount, paid_amount,
    nullif(buyer_id, '') as buyer_id,
    contact.country as country, contact.province as province, contact.city as city, contact.district as district,
    coalesce(len(items) > 0 and len(list_filter(items, lambda i: i.line_amount <> 0)) = 0, false) as is_gift_order,
    is_test,
    mask_text(nullif(buyer_message, ''), contact.name, contact.phone, contact.address) as buyer_message,
    mask_text(nullif(seller_memo, ''), contact.name, contact.phone, contact.address) as seller_memo,
    payment_status,
    coalesce(is_cod, false) as is_cod,
    coalesce(is_presale, false) as is_presale,
    if(status <> 'closed' and payment_status in ('unpaid', 'deposit_paid', 'partially_paid', 'authorized', 'cod'),
        payable_amount - paid_amount, 0)::decimal(18, 2) as balance_due,
    mask_name(contact.name) as receiver_masked,
    mask_phone(contact.phone) as phone_masked,
    keyed(plain_phone(contact.phone)) as phone_key,
    keyed(upper(nullif(contact.id_number, ''))) as id_key,
    keyed(nullif(contact.oaid, '')) as receiver_key,
    address_key_of(contact.country, contact.province, contact.city, contact.district, contact.address, contact.oaid) as address_key,
    list_concat(
        missing_receiver(contact.name, contact.phone, contact.country, contact.address, contact.oaid),
        if(coalesce(len(items), 0) = 0, ['items'], []),
        if(len(list_filter(items, lambda i: i.sku is null and i.ship_quantity > 0)) > 0, ['sku'], [])
    ) as missing_fields,
    platform_hold, ship_by, source_seq, known_at, run_id
from staging.typed_orders
