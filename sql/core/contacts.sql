-- Contacts of the batch's orders, merged with what the vault holds.
-- grain: one row per order of the batch · key: order_id
-- inputs: staging.contacts, work.accepted, work.readdresses, vault.pii.contacts
-- A receiver in clear is never replaced by a masked one, nor any receiver by none (some platforms hide it once the parcel
-- has left, files never have tokens); apart from that the newest document wins. The address a reviewer gave goes before
-- all of them as long as the platform says what it said then; the platform's own is kept beside it.
with documents as (
    select
        *, source_updated_at as receiver_updated_at, source_seq as receiver_seq,
        source_updated_at as tokens_updated_at, source_seq as tokens_seq,
        if(coalesce(name, province, city, district) is null, null, concat(province, '|', city, '|', district)) as place,
        source_updated_at as place_updated_at, source_seq as place_seq
    from staging.contacts
    semi join work.accepted using (source_seq)
),

stored as (  -- as the platform has it
    select * exclude (own) replace (
        if(review_id is null, name, own.name) as name,
        if(review_id is null, phone, own.phone) as phone,
        if(review_id is null, country, own.country) as country,
        if(review_id is null, province, own.province) as province,
        if(review_id is null, city, own.city) as city,
        if(review_id is null, district, own.district) as district,
        if(review_id is null, town, own.town) as town,
        if(review_id is null, address, own.address) as address,
        if(review_id is null, zip, own.zip) as zip,
        if(review_id is null, oaid, own.oaid) as oaid,
        if(review_id is null, tokens, own.tokens) as tokens
    )
    from (
        select *, from_json(platform_receiver, '{
            "name": "VARCHAR", "phone": "VARCHAR", "country": "VARCHAR", "province": "VARCHAR", "city": "VARCHAR",
            "district": "VARCHAR", "town": "VARCHAR", "address": "VARCHAR", "zip": "VARCHAR", "oaid": "VARCHAR",
            "tokens": "VARCHAR"}') as own
        from vault.pii.contacts
        where order_id in (select order_id from documents union select order_id from work.readdresses)
    )
),

candidates as (
    select * from documents union all by name select * from stored
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

places as (
    select order_id, place, place_updated_at, place_seq
    from candidates
    qualify row_number() over (
        partition by order_id order by place is null, place_updated_at desc, place_seq desc
    ) = 1
),

newest as (
    select order_id, id_number, email, ip, buyer_message, seller_memo, source_updated_at, source_seq
    from candidates
    qualify row_number() over (partition by order_id order by source_updated_at desc, source_seq desc) = 1
),

platform as (
    select *
    from receivers
    join tokens_given using (order_id)
    join places using (order_id)
    join newest using (order_id)
),

in_force as (
    select r.*
    from work.readdresses r
    join platform p using (order_id)
    where r.replaced_key
        = replaced_key_of(p.country, p.province, p.city, p.district, p.address, p.oaid, p.place)
    qualify row_number() over (partition by r.order_id order by r.decided_at desc, r.review_id desc) = 1
)

select
    p.order_id,
    -- What the reviewer left out is the platform's, where that shows it.
    coalesce(nullif(r.name, ''), if(r.review_id is null or is_masked(p.name) is not true, p.name, null)) as name,
    coalesce(nullif(r.phone, ''), if(r.review_id is null or is_masked(p.phone) is not true, p.phone, null)) as phone,
    coalesce(r.country, p.country) as country,
    if(r.review_id is null, p.province, nullif(r.province, '')) as province,
    if(r.review_id is null, p.city, nullif(r.city, '')) as city,
    if(r.review_id is null, p.district, nullif(r.district, '')) as district,
    if(r.review_id is null, p.town, nullif(r.town, '')) as town,
    if(r.review_id is null, p.address, r.address) as address,
    if(r.review_id is null, p.zip, nullif(r.zip, '')) as zip,
    p.id_number, p.email, p.ip,
    -- The platform's token stands for the address that was replaced.
    if(r.review_id is null, p.oaid, null) as oaid,
    if(r.review_id is null, p.tokens, null) as tokens,
    p.buyer_message, p.seller_memo, p.receiver_updated_at, p.receiver_seq, p.tokens_updated_at, p.tokens_seq,
    p.source_updated_at, p.source_seq, p.place, p.place_updated_at, p.place_seq, r.review_id,
    if(r.review_id is null, null, json_object(
        'name', p.name, 'phone', p.phone, 'country', p.country, 'province', p.province, 'city', p.city,
        'district', p.district, 'town', p.town, 'address', p.address, 'zip', p.zip, 'oaid', p.oaid, 'tokens', p.tokens
    )::varchar) as platform_receiver
from platform p
left join in_force r using (order_id)
