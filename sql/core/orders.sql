-- Orders that the batch changes, in their newest state.
-- grain: one row per order to write · key: order_id · inputs: work.order_versions, work.contacts, work.addresses, core.orders, core.order_versions, ref.ip_ranges
-- Newest wins by (updated_at, source_seq): a late old document adds a version and changes nothing here but what it
-- tells about the receiver. What decisions put on an order (warehouse, review holds) stays until they are taken again.
with current_rows as (
    select * from core.orders where order_id in (select order_id from work.contacts)
),

newest as (
    select * exclude (known_at, run_id)
    from work.order_versions
    qualify row_number() over (partition by order_id order by updated_at desc, source_seq desc) = 1
),

winners as (
    select
        n.* exclude (hold_status),
        c.warehouse_id,
        c.fulfilment_status,
        coalesce(n.hold_status, if(c.hold_status <> 'platform_hold', c.hold_status, null)) as hold_status
    from newest n
    left join current_rows c using (order_id)
    where c.order_id is null or (n.updated_at, n.source_seq) > (c.updated_at, c.source_seq)
),

-- What a row that stays says of the receiver is its document's word, not what was merged into it.
told as (
    select order_id, source_seq, country, province, city, district, receiver_masked
    from core.order_versions
    where order_id in (select order_id from current_rows anti join winners using (order_id))
),

candidates as (
    select * from winners
    union all by name
    select c.* replace (
        t.country as country, t.province as province, t.city as city, t.district as district,
        t.receiver_masked as receiver_masked
    )
    from current_rows c
    join told t using (order_id, source_seq)
),

-- Lazada tells when a parcel left only while it is on its way: what an earlier version told stays true.
left_earlier as (
    select order_id, min(shipped_at) as shipped_at, min(completed_at) as completed_at
    from (
        select order_id, shipped_at, completed_at from work.order_versions
        union all
        select order_id, shipped_at, completed_at
        from core.order_versions
        where order_id in (select order_id from work.order_versions)
    )
    where order_id in (
        select order_id from candidates
        where platform = 'lazada' and status in ('shipped', 'completed', 'after_sale')
            and (shipped_at is null or completed_at is null))
    group by order_id
),

paid_from as (  -- ranges of addresses do not overlap: the last one that begins at or below the address is the only one
    select c.order_id, if(ipv4(c.ip) <= r.last_ip, r.province, null) as province
    from work.contacts c
    asof join ref.ip_ranges r on ipv4(c.ip) >= r.first_ip
),

readdressed as (
    select order_id from work.contacts where review_id is not null
),

with_receiver as (
    select
        o.* exclude (
            receiver_masked, phone_masked, phone_key, id_key, address_key, missing_fields, buyer_ip_province,
            address_score, address_problems
        ) replace (
            -- Who buys does not change with where a reviewer sends it.
            customer_id_of(
                o.platform, o.buyer_id,
                keyed(plain_phone(if(c.review_id is null, c.phone, json_extract_string(c.platform_receiver, '$.phone')))),
                keyed(if(c.review_id is null, c.oaid, json_extract_string(c.platform_receiver, '$.oaid'))),
                o.order_id) as customer_id,
            coalesce(o.shipped_at, e.shipped_at) as shipped_at,
            if(o.status in ('completed', 'after_sale'), coalesce(o.completed_at, e.completed_at), o.completed_at)
                as completed_at,
            -- A document without any receiver says nothing about where the order goes; a reviewer's address goes first.
            if(o.has_receiver, o.country, c.country) as country,
            if(o.has_receiver, o.province, c.province) as province,
            if(o.has_receiver, o.city, c.city) as city,
            if(o.has_receiver, o.district, c.district) as district
        ),
        mask_name(c.name) as receiver_masked,
        mask_phone(c.phone) as phone_masked,
        keyed(plain_phone(c.phone)) as phone_key,
        keyed(upper(c.id_number)) as id_key,
        address_key_of(c.country, c.province, c.city, c.district, c.address, c.oaid) as address_key,
        list_concat(
            missing_receiver(c.name, c.phone, c.country, c.address, c.oaid),
            list_filter(o.missing_fields, lambda f: f in ('items', 'sku')),
            -- The address known in clear is not the one the newest document names: a person must look.
            if(o.has_receiver and (c.province, c.city, c.district) is distinct from (o.province, o.city, o.district),
                ['address'], [])
        ) as missing_fields,
        p.province as buyer_ip_province,
        d.address_score,
        d.address_problems
    from (
        select
            n.*,
            coalesce(n.province, n.city, n.district, n.receiver_masked) is not null
                and n.order_id not in (select order_id from readdressed) as has_receiver
        from candidates n
    ) o
    join work.contacts c using (order_id)
    left join work.addresses d using (order_id)
    left join paid_from p using (order_id)
    left join left_earlier e using (order_id)
),

in_order as (
    select
        order_id, platform, shop_id, platform_order_no, status, platform_status, ordered_at, paid_at, shipped_at,
        completed_at, updated_at, currency, goods_amount, discount_amount, shipping_fee, tax_amount, payable_amount,
        paid_amount, paid_amount_cny, buyer_id, customer_id, country, province, city, district, buyer_ip_province,
        is_gift_order, is_test, expected_margin_cny, warehouse_id, hold_status, buyer_message, seller_memo,
        payment_status, is_cod, is_presale, balance_due, receiver_masked, phone_masked, phone_key, id_key, address_key,
        list_sort(list_distinct(missing_fields)) as missing_fields, source_seq, ship_by, address_score, address_problems,
        fulfilment_status
    from with_receiver
)

-- By name: a column that the table gained later stands at its end.
select * from in_order
except
((select * from in_order limit 0) union all by name select * from current_rows)
