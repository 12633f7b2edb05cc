-- Taobao/Tmall trades (taobao.trade.fullinfo.get) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Money is yuan text, times are GMT+8 without a zone, ids are numbers beyond 2^53 read as text.
-- Source: TOP documentation of trade fields, statuses and amounts.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at, source_updated_at,
        from_json(payload, '{
            "tid": "VARCHAR", "type": "VARCHAR", "status": "VARCHAR", "step_trade_status": "VARCHAR",
            "created": "VARCHAR", "pay_time": "VARCHAR", "modified": "VARCHAR", "consign_time": "VARCHAR",
            "end_time": "VARCHAR", "total_fee": "VARCHAR", "discount_fee": "VARCHAR", "post_fee": "VARCHAR",
            "payment": "VARCHAR", "step_paid_fee": "VARCHAR", "buyer_open_uid": "VARCHAR", "buyer_message": "VARCHAR", "seller_memo": "VARCHAR",
            "receiver_name": "VARCHAR", "receiver_mobile": "VARCHAR", "receiver_phone": "VARCHAR",
            "receiver_state": "VARCHAR", "receiver_city": "VARCHAR", "receiver_district": "VARCHAR",
            "receiver_town": "VARCHAR", "receiver_address": "VARCHAR", "receiver_zip": "VARCHAR", "oaid": "VARCHAR",
            "orders": {"order": [{
                "oid": "VARCHAR", "num_iid": "VARCHAR", "sku_id": "VARCHAR", "outer_iid": "VARCHAR",
                "outer_sku_id": "VARCHAR", "title": "VARCHAR", "price": "VARCHAR", "num": "VARCHAR",
                "discount_fee": "VARCHAR", "adjust_fee": "VARCHAR", "total_fee": "VARCHAR",
                "part_mjz_discount": "VARCHAR", "divide_order_fee": "VARCHAR", "payment": "VARCHAR",
                "status": "VARCHAR", "consign_time": "VARCHAR", "refund_status": "VARCHAR"}]},
            "promotion_details": {"promotion_detail": [{
                "id": "VARCHAR", "promotion_name": "VARCHAR", "discount_fee": "VARCHAR"}]}
        }') as t
    from staging.payloads
    where platform = 'taobao' and kind = 'order'
),

lines as (
    select
        seq,
        list_transform(coalesce(t.orders."order", []), lambda l: {
            platform_line_id: l.oid,
            sku: coalesce(nullif(l.outer_sku_id, ''), nullif(l.outer_iid, '')),
            product_name: l.title,
            quantity: try_cast(l.num as integer),
            unit_price: money(l.price),
            -- The price cut on the line, less what the seller added by hand, plus the line's share of the shop's promotion.
            discount_amount: (coalesce(money(l.discount_fee), 0)
                - coalesce(money(l.adjust_fee), 0)
                + coalesce(money(l.part_mjz_discount), 0))::decimal(18, 2),
            -- With several lines `payment` leaves the shop's promotion out: divide_order_fee is what was paid.
            line_amount: coalesce(money(l.divide_order_fee), money(l.total_fee)),
            -- A line knows whether it has left; one without a state goes with the trade, unless that is in between.
            shipped_quantity: case
                when nullif(l.consign_time, '') is not null then try_cast(l.num as integer)
                when coalesce(l.status, t.status) in ('WAIT_BUYER_CONFIRM_GOODS', 'TRADE_BUYER_SIGNED', 'TRADE_FINISHED')
                    then try_cast(l.num as integer)
                when coalesce(l.status, t.status) in ('TRADE_NO_CREATE_PAY', 'WAIT_BUYER_PAY', 'PAY_PENDING', 'WAIT_PRE_AUTH_CONFIRM',
                    'WAIT_SELLER_SEND_GOODS', 'PAID_FORBID_CONSIGN', 'TRADE_CLOSED_BY_TAOBAO') then 0
                when l.status = 'TRADE_CLOSED' and nullif(t.consign_time, '') is null then 0
            end,
            platform_refund_status: coalesce(l.refund_status, 'NO_REFUND'),
            platform_product_id: l.num_iid,
            platform_sku_id: l.sku_id,
            cut: coalesce(money(l.discount_fee), 0) - coalesce(money(l.adjust_fee), 0),
            share: coalesce(money(l.part_mjz_discount), 0)
        }) as items
    from parsed
),

states as (
    select
        seq,
        coalesce(t.type = 'cod', false) as is_cod,
        -- Cash on delivery is paid when the trade is finished.
        coalesce(nullif(t.pay_time, ''), if(t.type = 'cod' and t.status = 'TRADE_FINISHED', nullif(t.end_time, ''), null)) as paid_at,
        coalesce(t.type = 'step' or t.step_trade_status <> '', false) as is_presale,
        case
            when t.status in ('TRADE_CLOSED', 'TRADE_CLOSED_BY_TAOBAO') then 'closed'
            when t.step_trade_status like 'FRONT_NOPAID%' or t.step_trade_status = 'FRONT_PAID_FINAL_NOPAID' then 'pending_payment'
            when t.status in ('TRADE_NO_CREATE_PAY', 'WAIT_BUYER_PAY', 'PAY_PENDING', 'WAIT_PRE_AUTH_CONFIRM') then 'pending_payment'
            when t.status in ('WAIT_SELLER_SEND_GOODS', 'PAID_FORBID_CONSIGN', 'SELLER_CONSIGNED_PART') then 'paid'
            when t.status in ('WAIT_BUYER_CONFIRM_GOODS', 'TRADE_BUYER_SIGNED') then 'shipped'
            when t.status = 'TRADE_FINISHED' then 'completed'
            else 'unknown'
        end as base_status
    from parsed
)

select
    p.seq as source_seq,
    p.platform,
    p.shop_id,
    t.tid as platform_order_no,
    -- An open case on any line shows as after-sale; the platform's own status is kept beside it.
    case
        when s.base_status in ('closed', 'unknown', 'pending_payment') then s.base_status
        when len(list_filter(l.items, lambda i: i.platform_refund_status in (
            'WAIT_SELLER_AGREE', 'WAIT_BUYER_RETURN_GOODS', 'WAIT_SELLER_CONFIRM_GOODS', 'SELLER_REFUSE_BUYER'))) > 0
            then 'after_sale'
        else s.base_status
    end as status,
    t.status as platform_status,
    case
        when t.step_trade_status = 'FRONT_PAID_FINAL_NOPAID' then 'deposit_paid'
        when s.paid_at is null then if(s.is_cod and s.base_status in ('paid', 'shipped'), 'cod', 'unpaid')
        when s.base_status = 'pending_payment' then 'unpaid'
        when t.status = 'TRADE_CLOSED' or len(list_filter(l.items, lambda i: i.platform_refund_status <> 'SUCCESS')) = 0
            then 'refunded'
        when len(list_filter(l.items, lambda i: i.platform_refund_status = 'SUCCESS')) > 0 then 'partially_refunded'
        else 'paid'
    end as payment_status,
    t.status = 'PAID_FORBID_CONSIGN' as platform_hold,
    s.is_cod,
    s.is_presale,
    try_cast(t.created || '+08:00' as timestamptz) as ordered_at,
    try_cast(s.paid_at || '+08:00' as timestamptz) as paid_at,
    try_cast(nullif(t.consign_time, '') || '+08:00' as timestamptz) as shipped_at,
    case when t.status = 'TRADE_FINISHED' then try_cast(nullif(t.end_time, '') || '+08:00' as timestamptz) end as completed_at,
    try_cast(t.modified || '+08:00' as timestamptz) as updated_at,
    null::timestamptz as ship_by,
    'CNY' as currency,
    money(t.total_fee) as goods_amount,
    (coalesce(list_sum(list_transform(l.items, lambda i: i.cut)), 0)
        + coalesce(money(t.discount_fee), 0))::decimal(18, 2) as discount_amount,
    coalesce(money(t.post_fee), 0)::decimal(18, 2) as shipping_fee,
    0::decimal(18, 2) as tax_amount,
    money(t.payment) as payable_amount,
    case
        when t.step_trade_status = 'FRONT_PAID_FINAL_NOPAID' then coalesce(money(t.step_paid_fee), 0)
        when s.paid_at is null or s.base_status = 'pending_payment' then 0::decimal(18, 2)
        else money(t.payment)
    end as paid_amount,
    t.buyer_open_uid as buyer_id,
    false as is_test,
    t.buyer_message,
    t.seller_memo,
    {
        name: t.receiver_name, phone: coalesce(nullif(t.receiver_mobile, ''), t.receiver_phone), country: 'CN',
        province: t.receiver_state, city: t.receiver_city, district: t.receiver_district, town: t.receiver_town,
        address: t.receiver_address, zip: t.receiver_zip, id_number: null::varchar, email: null::varchar,
        ip: null::varchar, oaid: t.oaid, tokens: null::varchar
    } as contact,
    list_transform(l.items, lambda i: {
        platform_line_id: i.platform_line_id, sku: i.sku, product_name: i.product_name, quantity: i.quantity,
        ship_quantity: if(i.platform_refund_status = 'SUCCESS', 0, i.quantity), shipped_quantity: i.shipped_quantity,
        unit_price: i.unit_price, discount_amount: i.discount_amount, line_amount: i.line_amount,
        refund_status: case i.platform_refund_status
            when 'NO_REFUND' then 'none'
            when 'WAIT_SELLER_AGREE' then 'requested'
            when 'WAIT_BUYER_RETURN_GOODS' then 'returning'
            when 'WAIT_SELLER_CONFIRM_GOODS' then 'returning'
            when 'SELLER_REFUSE_BUYER' then 'refused'
            when 'CLOSED' then 'closed'
            when 'SUCCESS' then 'refunded'
            else 'unknown' end,
        platform_refund_status: i.platform_refund_status, platform_product_id: i.platform_product_id,
        platform_sku_id: i.platform_sku_id
    }) as items,
    list_concat(
        list_filter(
            list_transform(l.items, lambda i, n: {line_no: n::integer, kind: 'line', name: null::varchar, amount: i.cut::decimal(18, 2)}),
            lambda d: d.amount <> 0),
        list_transform(coalesce(t.promotion_details.promotion_detail, []), lambda d: {
            line_no: null::integer, kind: 'order', name: d.promotion_name, amount: money(d.discount_fee)})
    ) as discounts,
    case when nullif(t.consign_time, '') is not null then [{
        platform_shipment_id: null::varchar, status: if(t.status in ('TRADE_FINISHED', 'TRADE_BUYER_SIGNED'), 'delivered', 'shipped'),
        courier: null::varchar, tracking_no: null::varchar,
        shipped_at: try_cast(t.consign_time || '+08:00' as timestamptz), delivered_at: null::timestamptz
    }] end as shipments,
    p.fetched_at as known_at,
    p.run_id
from parsed p
join lines l using (seq)
join states s using (seq)
