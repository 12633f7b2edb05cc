-- Contacts of the batch's orders, merged with what the vault holds.
-- grain: one row per order of the batch · key: order_id · inputs: staging.contacts, work.accepted, vault.pii.contacts
-- A receiver in clear is never replaced by a masked one, nor any receiver by none (some platforms hide it once the parcel
-- has left, files never have tokens); apart from that the newest document wins.
with documents as (
    select
        *, source_updated_at as receiver_updated_at, source_seq as receiver_seq,
        source_updated_at as tokens_updated_at, source_seq as tokens_seq
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
            coalesce(name, phone, province, city, address) is null,
            (coalesce(is_masked(name), true) or coalesce(is_masked(phone), true) or coalesce(is_masked(address), true)),
            receiver_updated_at desc, receiver_seq desc
    ) = 1
),

tokens_given as (
    select order_id, oaid, tokens, tokens_updated_at, tokens_seq
    from candidates
    qualify row_number() over (
        partition by order_id
        order by coalesce(oaid, tokens) is null, tokens_updated_at desc, tokens_seq desc
    ) = 1
),

newest as (
    select order_id, id_number, email, ip, buyer_message, seller_memo, source_updated_at, source_seq
    from candidates
    qualify row_number() over (partition by order_id order by source_updated_at desc, source_seq desc) = 1
)

select
    order_id, name, phone, country, province, city, district, town, address, zip, id_number, email, ip, oaid, tokens,
    buyer_message, seller_memo, receiver_updated_at, receiver_seq, tokens_updated_at, tokens_seq, source_updated_at,
    source_seq
from receivers
join tokens_given using (order_id)
join newest using (order_id)
