-- Who receives the batch's orders, in clear. Goes to the vault only.
-- grain: one row per order payload · key: source_seq · inputs: staging.typed_orders
select
    order_id_of(ordered_at, platform, shop_id, platform_order_no) as order_id,
    nullif(contact.name, '') as name, nullif(contact.phone, '') as phone, contact.country as country,
    nullif(contact.province, '') as province, nullif(contact.city, '') as city, nullif(contact.district, '') as district,
    nullif(contact.town, '') as town, nullif(contact.address, '') as address, nullif(contact.zip, '') as zip,
    nullif(contact.id_number, '') as id_number, nullif(contact.email, '') as email, nullif(contact.ip, '') as ip,
    nullif(contact.oaid, '') as oaid, nullif(contact.tokens, '') as tokens, nullif(buyer_message, '') as buyer_message, nullif(seller_memo, '') as seller_memo,
    updated_at as source_updated_at, source_seq
from staging.typed_orders
where platform_order_no is not null and ordered_at is not null
