-- Douyin shop orders (order.searchList) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Money is whole fen, times are unix seconds with 0 for none, ids have 19 digits and are read as text.
-- payable_amount is pay_amount, what the buyer pays after every promotion, whoever bears it: how each kind of promotion
-- enters the platform's other totals is not documented clearly, so that the discount is what is left between them.
-- A line's pay_amount holds its share of the postage on some orders and none on others: the sum over the lines tells.
-- Source: Doudian documentation of order fields, statuses and amounts.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "order_id": "VARCHAR", "open_id": "VARCHAR", "doudian_open_id": "VARCHAR", "order_status": "VARCHAR",
            "main_status": "VARCHAR", "pay_type": "VARCHAR", "create_time": "VARCHAR", "update_time": "VARCHAR",
            "pay_time": "VARCHAR", "finish_time": "VARCHAR", "ship_time": "VARCHAR", "exp_ship_time": "VARCHAR", "pay_amount": "VARCHAR",
            "post_amount": "VARCHAR", "tax_amount": "VARCHAR", "promotion_shop_amount": "VARCHAR",
            "promotion_platform_amount": "VARCHAR", "promotion_talent_amount": "VARCHAR",
            "promotion_pay_amount": "VARCHAR", "buyer_words": "VARCHAR", "seller_words": "VARCHAR",
            "post_receiver": "VARCHAR", "post_tel": "VARCHAR", "mask_post_receiver": "VARCHAR", "mask_post_tel": "VARCHAR",
            "encrypt_post_receiver": "VARCHAR", "encrypt_post_tel": "VARCHAR", "open_address_id": "VARCHAR",
            "post_addr": {"province": {"name": "VARCHAR"}, "city": {"name": "VARCHAR"}, "town": {"name": "VARCHAR"},
                "street": {"name": "VARCHAR"}, "detail": "VARCHAR", "encrypt_detail": "VARCHAR"},
            "mask_post_addr": {"province": {"name": "VARCHAR"}, "city": {"name": "VARCHAR"}, "town": {"name": "VARCHAR"},
                "street": {"name": "VARCHAR"}, "detail": "VARCHAR"},
            "logistics_info": [{"tracking_no": "VARCHAR", "company": "VARCHAR", "ship_time": "VARCHAR",
                "delivery_id": "VARCHAR", "product_info": [{"sku_order_id": "VARCHAR", "product_count": "VARCHAR"}]}],
            "order_phase_list": [{"pay_success": "VARCHAR", "phase_pay_amount": "VARCHAR"}],
            "sku_order_list": [{"order_id": "VARCHAR", "order_status": "VARCHAR", "trade_type": "VARCHAR",
                "pre_sale_type": "VARCHAR", "product_id": "VARCHAR", "product_id_str": "VARCHAR", "sku_id": "VARCHAR",
                "code": "VARCHAR", "out_sku_id": "VARCHAR", "product_name": "VARCHAR", "item_num": "VARCHAR",
                "origin_amount": "VARCHAR", "pay_amount": "VARCHAR", "post_amount": "VARCHAR", "tax_amount": "VARCHAR",
                "after_sale_info": {"after_sale_status": "VARCHAR", "after_sale_type": "VARCHAR", "refund_status": "VARCHAR"}}]
        }') as t
    from staging.payloads
    where platform = 'douyin' and kind = 'order'
),

-- Amounts in fen, whole or null: a fraction is no amount.
amounts as (
    select
        seq,
        money(t.pay_amount || '.00') as pay,
        coalesce(money(t.post_amount || '.00'), 0)::decimal(18, 2) as post,
        coalesce(money(t.tax_amount || '.00'), 0)::decimal(18, 2) as tax,
        list_sum(list_transform(coalesce(t.sku_order_list, []), lambda l: money(l.pay_amount || '.00'))) as lines_pay,
        list_sum(list_transform(
            list_filter(coalesce(t.order_phase_list, []), lambda p: p.pay_success = 'true'),
            lambda p: money(p.phase_pay_amount || '.00'))) as phases_paid
    from parsed
),

moments as (
    select
        seq,
        list_transform(
            [t.create_time, t.pay_time, t.ship_time, t.finish_time, t.update_time, t.exp_ship_time],
            lambda s: case when try_cast(s as bigint) between 1 and 253402300799 then to_timestamp(try_cast(s as bigint)) end) as at,
        list_transform(
            coalesce(t.logistics_info, []),
            lambda g: case when try_cast(g.ship_time as bigint) between 1 and 253402300799
                then to_timestamp(try_cast(g.ship_time as bigint)) end) as parcels_at,
        flatten(list_transform(coalesce(t.logistics_info, []), lambda g: coalesce(g.product_info, []))) as packed
    from parsed
),

lines as (
    select
        seq,
        list_transform(coalesce(t.sku_order_list, []), lambda l: {
            platform_line_id: l.order_id,
            sku: coalesce(nullif(l.code, ''), nullif(l.out_sku_id, '')),
            product_name: l.product_name,
            quantity: try_cast(l.item_num as integer),
            shipped_quantity: case
                when len(list_filter(m.packed, lambda k: k.sku_order_id = l.order_id)) > 0
                    then list_sum(list_transform(
                        list_filter(m.packed, lambda k: k.sku_order_id = l.order_id),
                        lambda k: try_cast(k.product_count as integer)))
                when l.order_status in ('3', '5') then try_cast(l.item_num as integer)
                when l.order_status in ('1', '2', '105') then 0 end,
            unit_price: (money(l.origin_amount || '.00') * 0.01)::decimal(18, 2),
            line_amount: ((money(l.pay_amount || '.00')
                - if(a.lines_pay = a.pay, coalesce(money(l.post_amount || '.00'), 0) + coalesce(money(l.tax_amount || '.00'), 0), 0)
                ) * 0.01)::decimal(18, 2),
            -- Never by refund_status alone: a case the buyer withdrew keeps 1 there. An exchange (3), a reship (7) or a
            -- repair (8) gives no money back, price protection (6) gives some back and leaves the goods.
            refund_status: case
                when coalesce(l.after_sale_info.after_sale_status, '0') = '0' then 'none'
                when l.after_sale_info.after_sale_status = '6' then 'requested'
                when l.after_sale_info.after_sale_status in ('7', '11', '13') then 'returning'
                when l.after_sale_info.after_sale_status in ('27', '29') then 'refused'
                when l.after_sale_info.after_sale_status in ('14', '28') then 'closed'
                when l.after_sale_info.after_sale_status in ('12', '53') and l.after_sale_info.after_sale_type in ('3', '7', '8')
                    then 'closed'
                when l.after_sale_info.after_sale_status = '12' and l.after_sale_info.after_sale_type = '6' then 'partially_refunded'
                when l.after_sale_info.after_sale_status in ('12', '53') then 'refunded'
                when l.after_sale_info.after_sale_status = '51' then if(l.after_sale_info.refund_status = '3', 'refunded', 'closed')
                else 'unknown' end,
            platform_refund_status: coalesce(l.after_sale_info.after_sale_status, '0'),
            platform_product_id: coalesce(nullif(l.product_id_str, ''), l.product_id),
            platform_sku_id: l.sku_id,
            deposit_sale: l.trade_type = '2' or l.pre_sale_type = '1',
            cancelled: l.after_sale_info.after_sale_status = '51'
        }) as items
    from parsed
    join amounts a using (seq)
    join moments m using (seq)
),

states as (
    select
        seq,
        -- 0 is cash on delivery, but also what an order shows whose buyer has not chosen yet.
        coalesce(t.pay_type = '0' and t.order_status in ('2', '3', '5', '101', '105'), false) as is_cod,
        m.at[2] is not null as is_paid,
        case
            when t.order_status = '4' or t.main_status in ('21', '22', '39') then 'closed'
            when t.order_status = '1' then 'pending_payment'
            when t.order_status in ('2', '101', '105') then 'paid'
            when t.order_status = '3' then 'shipped'
            when t.order_status = '5' then 'completed'
            else 'unknown'
        end as base_status
    from parsed
    join moments m using (seq)
)

select
    p.seq as source_seq,
    p.platform,
    p.shop_id,
    t.order_id as platform_order_no,
    -- An open case on any line shows as after-sale; the platform's own status is kept beside it.
    case
        when s.base_status in ('closed', 'unknown', 'pending_payment') then s.base_status
        when len(list_filter(l.items, lambda i: i.refund_status in ('requested', 'returning', 'refused'))) > 0 then 'after_sale'
        else s.base_status
    end as status,
    -- main_status only where it tells more: paid in part (103), refunded before or after shipping or receipt (21, 22, 39).
    concat_ws('/', t.order_status, if(t.main_status in ('103', '21', '22', '39'), t.main_status, null)) as platform_status,
    case
        when s.is_cod and s.base_status in ('paid', 'shipped') then 'cod'
        when s.is_cod and s.base_status = 'completed' then 'paid'
        when not s.is_paid then if(a.phases_paid > 0, 'deposit_paid', 'unpaid')
        when s.base_status = 'closed'
            or len(list_filter(l.items, lambda i: i.line_amount <> 0 and i.refund_status <> 'refunded')) = 0
                and len(list_filter(l.items, lambda i: i.refund_status = 'refunded')) > 0
            then 'refunded'
        when len(list_filter(l.items, lambda i: i.refund_status in ('refunded', 'partially_refunded'))) > 0 then 'partially_refunded'
        else 'paid'
    end as payment_status,
    coalesce(t.order_status = '105', false) as platform_hold,
    s.is_cod,
    len(coalesce(t.order_phase_list, [])) > 0 or len(list_filter(l.items, lambda i: i.deposit_sale)) > 0 as is_presale,
    m.at[1] as ordered_at,
    coalesce(m.at[2], if(s.is_cod and s.base_status = 'completed', m.at[4], null)) as paid_at,
    coalesce(list_min(m.parcels_at), m.at[3]) as shipped_at,
    if(t.order_status = '5' or t.main_status = '39', m.at[4], null) as completed_at,
    m.at[5] as updated_at,
    m.at[6] as ship_by,
    'CNY' as currency,
    try_cast(list_sum(list_transform(l.items, lambda i: i.unit_price::decimal(28, 2) * i.quantity)) as decimal(18, 2)) as goods_amount,
    try_cast(list_sum(list_transform(l.items, lambda i: i.unit_price::decimal(28, 2) * i.quantity))
        + (a.post + a.tax - a.pay) * 0.01 as decimal(18, 2)) as discount_amount,
    (a.post * 0.01)::decimal(18, 2) as shipping_fee,
    (a.tax * 0.01)::decimal(18, 2) as tax_amount,
    (a.pay * 0.01)::decimal(18, 2) as payable_amount,
    case
        when s.is_paid or (s.is_cod and s.base_status = 'completed') then (a.pay * 0.01)::decimal(18, 2)
        else coalesce(try_cast(a.phases_paid * 0.01 as decimal(18, 2)), 0)
    end as paid_amount,
    coalesce(nullif(t.doudian_open_id, ''), t.open_id) as buyer_id,
    false as is_test,
    t.buyer_words as buyer_message,
    t.seller_words as seller_memo,
    {
        name: coalesce(nullif(t.post_receiver, ''), t.mask_post_receiver),
        phone: coalesce(nullif(t.post_tel, ''), t.mask_post_tel), country: 'CN',
        province: coalesce(nullif(t.post_addr.province.name, ''), t.mask_post_addr.province.name),
        city: coalesce(nullif(t.post_addr.city.name, ''), t.mask_post_addr.city.name),
        district: coalesce(nullif(t.post_addr.town.name, ''), t.mask_post_addr.town.name),
        town: coalesce(nullif(t.post_addr.street.name, ''), t.mask_post_addr.street.name),
        address: coalesce(nullif(t.post_addr.detail, ''), t.mask_post_addr.detail),
        zip: null::varchar, id_number: null::varchar, email: null::varchar, ip: null::varchar,
        oaid: coalesce(nullif(t.open_address_id, ''), nullif(t.post_addr.encrypt_detail, '')),
        tokens: if(
            coalesce(nullif(t.encrypt_post_receiver, ''), nullif(t.encrypt_post_tel, ''), nullif(t.post_addr.encrypt_detail, '')) is null,
            null::varchar,
            to_json({
                encrypt_post_receiver: t.encrypt_post_receiver, encrypt_post_tel: t.encrypt_post_tel,
                encrypt_detail: t.post_addr.encrypt_detail
            })::varchar)
    } as contact,
    list_transform(l.items, lambda i: {
        platform_line_id: i.platform_line_id, sku: i.sku, product_name: i.product_name, quantity: i.quantity,
        ship_quantity: if(i.refund_status = 'refunded' or i.cancelled, 0, i.quantity),
        shipped_quantity: i.shipped_quantity::integer, unit_price: i.unit_price,
        discount_amount: try_cast(i.unit_price::decimal(28, 2) * i.quantity - i.line_amount as decimal(18, 2)),
        line_amount: i.line_amount, refund_status: i.refund_status, platform_refund_status: i.platform_refund_status,
        platform_product_id: i.platform_product_id, platform_sku_id: i.platform_sku_id
    }) as items,
    list_filter([
        {line_no: null::integer, kind: 'order', name: 'promotion_shop', amount: (money(t.promotion_shop_amount || '.00') * 0.01)::decimal(18, 2)},
        {line_no: null::integer, kind: 'order', name: 'promotion_platform', amount: (money(t.promotion_platform_amount || '.00') * 0.01)::decimal(18, 2)},
        {line_no: null::integer, kind: 'order', name: 'promotion_talent', amount: (money(t.promotion_talent_amount || '.00') * 0.01)::decimal(18, 2)},
        {line_no: null::integer, kind: 'order', name: 'promotion_pay', amount: (money(t.promotion_pay_amount || '.00') * 0.01)::decimal(18, 2)}
    ], lambda d: d.amount <> 0) as discounts,
    list_transform(coalesce(t.logistics_info, []), lambda g, n: {
        platform_shipment_id: nullif(g.delivery_id, ''), status: if(t.order_status = '5', 'delivered', 'shipped'),
        courier: g.company, tracking_no: g.tracking_no, shipped_at: m.parcels_at[n], delivered_at: null::timestamptz
    }) as shipments,
    p.fetched_at as known_at,
    p.run_id
from parsed p
join amounts a using (seq)
join moments m using (seq)
join lines l using (seq)
join states s using (seq)
