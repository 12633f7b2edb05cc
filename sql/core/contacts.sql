-- Contacts of the batch's orders, merged with what the vault holds.
-- grain: one row per order of the batch · key: order_id · inputs: staging.contacts, work.accepted, vault.pii.contacts
-- A receiver in clear is never replaced by a masked one; apart from that the newest document wins.
with documents as (
    select *, source_updated_at as receiver_updated_at, source_seq as receiver_seq
    from staging.contacts
    semi join work.accepted using (source_seq)
),

candidates as (
    select * from documents
    union all by name
    select * from vault.pii.contacts where order_id in (select order_id from documents)
),

receivers as (
    select
        order_id, name, phone, country, province, city, district, town, address, zip, receiver_updated_at, receiver_seq
    from candidates
    qualify row_number() over (
        partition by order_id
        order by
            (coalesce(is_masked(name), true) or coalesce(is_masked(phone), true) or coalesce(is_masked(address), true)),
            receiver_updated_at desc, receiver_seq desc
    ) = 1
),

newest as (
    select order_id, id_number, email, ip, oaid, buyer_message, seller_memo, source_updated_at, source_seq
    from candidates
    qualify row_number() over (partition by order_id order by source_updated_at desc, source_seq desc) = 1
)

select
    order_id, name, phone, country, province, city, district, town, address, zip, id_number, email, ip, oaid,
    buyer_message, seller_memo, receiver_updated_at, receiver_seq, source_updated_at, source_seq
from receivers
join newest using (order_id)
