-- JD orders (jingdong.pop.order.enSearch) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads, ref.regions
-- Money is yuan text, times are GMT+8 without a zone, a missing time is 0001-01-01 or 1970-01-01. payable_amount is what
-- the buyer owes (orderPayment): what the platform pays on top of it counts as discount. Lines have no ids of their own
-- (order and sku name them) and no share of the order's discount: it is spread here, exact to the cent. A document says
-- neither when it was shipped nor that it was sold in advance (such an order appears when its balance is paid), and
-- shows no after-sale case but by LOCKED, which also forbids to ship.
-- Source: platform documentation of JD, order fields, states and amounts.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "orderId": "VARCHAR", "payType": "VARCHAR", "orderTotalPrice": "VARCHAR", "orderSellerPrice": "VARCHAR",
            "orderPayment": "VARCHAR", "freightPrice": "VARCHAR", "balanceUsed": "VARCHAR", "orderState": "VARCHAR",
            "orderRemark": "VARCHAR", "venderRemark": "VARCHAR", "orderStartTime": "VARCHAR", "orderEndTime": "VARCHAR",
            "paymentConfirmTime": "VARCHAR", "modified": "VARCHAR", "pin": "VARCHAR", "open_id_buyer": "VARCHAR",
            "waybill": "VARCHAR", "logisticsId": "VARCHAR",
            "consigneeInfo": {"fullname": "VARCHAR", "telephone": "VARCHAR", "mobile": "VARCHAR", "fullAddress": "VARCHAR",
                "province": "VARCHAR", "city": "VARCHAR", "county": "VARCHAR", "town": "VARCHAR"},
            "itemInfoList": [{"skuId": "VARCHAR", "wareId": "VARCHAR", "outerSkuId": "VARCHAR", "skuName": "VARCHAR",
                "jdPrice": "VARCHAR", "itemTotal": "VARCHAR"}],
            "couponDetailList": [{"skuId": "VARCHAR", "couponType": "VARCHAR", "couponPrice": "VARCHAR"}]
        }') as t
    from staging.payloads
    where platform = 'jd' and kind = 'order'
),

times as (
    select
        seq,
        list_transform([t.orderStartTime, t.paymentConfirmTime, t.orderEndTime, t.modified],
            lambda x: case when x >= '1971' then try_cast(x || '+08:00' as timestamptz) end) as moments
    from parsed
),

states as (
    select
        seq,
        coalesce(regexp_matches(t.payType, '^1(-|$)'), false) as is_cod,
        -- Cash on delivery is paid when the order is finished.
        coalesce(moments[2], if(regexp_matches(t.payType, '^1(-|$)') and t.orderState = 'FINISHED_L', moments[3], null)) as paid_at,
        case
            when t.orderState in ('WAIT_SELLER_STOCK_OUT', 'WAIT_SELLER_DELIVERY', 'WAIT_SEND_CODE', 'PAUSE', 'POP_ORDER_PAUSE') then 'paid'
            when t.orderState = 'WAIT_GOODS_RECEIVE_CONFIRM' then 'shipped'
            when t.orderState = 'FINISHED_L' then 'completed'
            when t.orderState = 'LOCKED' then 'after_sale'  -- a cancellation or refund before shipping is in progress
            when t.orderState in ('TRADE_CANCELED', 'PARENT_TRADE_CANCELED') then 'closed'
            when t.orderState = 'NOT_PAY' then 'pending_payment'
            else 'unknown'
        end as status
    from parsed
    join times using (seq)
),

lines as (
    select
        seq,
        list_transform(coalesce(t.itemInfoList, []), lambda l: {
            sku_id: nullif(l.skuId, ''), ware_id: nullif(l.wareId, ''), sku: nullif(l.outerSkuId, ''), name: l.skuName,
            quantity: try_cast(l.itemTotal as integer), price: money(l.jdPrice),
            gross: try_cast(money(l.jdPrice)::decimal(28, 2) * try_cast(l.itemTotal as integer) as decimal(18, 2))
        }) as items
    from parsed
),

coupons as (  -- line_no: the line a coupon is for; of a sku that stands there twice the one that is not a gift
    select
        seq,
        list_transform(coalesce(t.couponDetailList, []), lambda c: {
            name: c.couponType, amount: coalesce(money(c.couponPrice), 0)::decimal(18, 2),
            line_no: coalesce(
                list_position(list_transform(items, lambda l: l.sku_id = c.skuId and l.price > 0), true),
                list_position(list_transform(items, lambda l: l.sku_id = c.skuId), true))::integer
        }) as details
    from parsed
    join lines using (seq)
),

amounts as (
    select
        seq,
        coalesce(money(t.orderTotalPrice), try_cast(list_sum(list_transform(items, lambda l: l.gross)) as decimal(18, 2))) as goods,
        coalesce(money(t.freightPrice), 0)::decimal(18, 2) as freight,
        try_cast(coalesce(list_sum(list_transform(details, lambda c: c.amount)), 0) as decimal(18, 2)) as coupon_sum,
        coalesce(money(t.orderPayment), money(t.orderSellerPrice) + coalesce(money(t.freightPrice), 0))::decimal(18, 2) as payment,
        coalesce(money(t.balanceUsed), 0)::decimal(18, 2) as balance
    from parsed
    join lines using (seq)
    join coupons using (seq)
),

totals as (
    select
        seq, goods, freight, payable,
        try_cast(goods + freight - payable as decimal(18, 2)) as discount
    from (
        select
            seq, goods, freight,
            -- What was paid from the buyer's balance with the platform was paid: it is not documented whether orderPayment
            -- holds it, so the order's own sum decides.
            try_cast(payment + if(goods - coupon_sum + freight - payment = balance, balance, 0) as decimal(18, 2)) as payable
        from amounts
    )
),

shares as (  -- cents: of the discount that no coupon ties to a line, and what each line can carry of it
    select
        seq,
        own,
        list_transform(items, lambda l, n: greatest(coalesce(try_cast((l.gross - own[n]) * 100 as bigint), 0), 0)) as weights,
        coalesce(try_cast((discount - try_cast(coalesce(list_sum(own), 0) as decimal(18, 2))) * 100 as bigint), 0)::hugeint as rest
    from (
        select
            seq, items,
            list_transform(items, lambda l, n: try_cast(coalesce(list_sum(list_transform(
                list_filter(details, lambda c: c.line_no = n), lambda c: c.amount)), 0) as decimal(18, 2))) as own
        from lines
        join coupons using (seq)
    )
    join totals using (seq)
),

spread as (  -- in proportion, largest remainders first: the shares sum up to the whole
    select
        seq, own,
        list_transform(weights, lambda w, n: try_cast(try_cast(sign(rest) * (floors[n] + if(
            len(list_filter(remainders, lambda r, m: r > remainders[n] or (r = remainders[n] and m < n)))
                < abs(rest) - list_sum(floors), 1, 0)) as decimal(18, 0)) * 0.01 as decimal(18, 2))) as cuts
    from (
        select
            seq, own, weights, rest,
            list_transform(weights, lambda w: abs(rest) * w // nullif(list_sum(weights), 0)) as floors,
            list_transform(weights, lambda w: abs(rest) * w % nullif(list_sum(weights), 0)) as remainders
        from shares
    )
),

ciphers as (  -- receivers are encrypted, masked or clear; what looks like Base64 is a ciphertext
    select
        seq, hidden, list_transform(fields, lambda x, n: if(hidden[n] is null, nullif(x, ''), null)) as shown
    from (
        select
            seq, fields,
            list_transform(fields, lambda x: if(
                regexp_full_match(x, '[A-Za-z0-9+/_-]{16,}|[A-Za-z0-9+/_-]{4,}={1,2}') and regexp_matches(x, '[A-Za-z]'), x, null)) as hidden
        from (
            select seq, [t.consigneeInfo.fullname, t.consigneeInfo.mobile, t.consigneeInfo.telephone, t.consigneeInfo.fullAddress] as fields
            from parsed
        )
    )
),

parcels as (  -- carriers are separated by |, several waybills of one carrier by a comma
    select
        seq,
        flatten(list_transform(string_split(t.waybill, '|'), lambda w, n: list_transform(
            list_filter(string_split(w, ','), lambda x: trim(x) <> ''), lambda x: {
                carrier: nullif(trim(string_split(coalesce(t.logisticsId, ''), '|')[n]), ''), number: trim(x)}))) as sent
    from parsed
)

select
    p.seq as source_seq,
    p.platform,
    p.shop_id,
    t.orderId as platform_order_no,
    s.status,
    t.orderState as platform_status,
    case
        when t.orderState = 'PARENT_TRADE_CANCELED' then 'unpaid'  -- what was paid stands in the orders it was split into
        when s.status = 'closed' then if(s.paid_at is null, 'unpaid', 'refunded')
        when s.status = 'pending_payment' then 'unpaid'
        when s.is_cod then if(s.paid_at is null, 'cod', 'paid')
        when s.status = 'unknown' then if(s.paid_at is null, 'unknown', 'paid')
        else 'paid'
    end as payment_status,
    coalesce(t.orderState in ('LOCKED', 'PAUSE', 'POP_ORDER_PAUSE'), false) as platform_hold,
    s.is_cod,
    false as is_presale,
    m.moments[1] as ordered_at,
    if(t.orderState = 'PARENT_TRADE_CANCELED', null, s.paid_at) as paid_at,
    null::timestamptz as shipped_at,
    if(s.status = 'completed', m.moments[3], null) as completed_at,
    m.moments[4] as updated_at,
    null::timestamptz as ship_by,
    'CNY' as currency,
    a.goods as goods_amount,
    a.discount as discount_amount,
    a.freight as shipping_fee,
    0::decimal(18, 2) as tax_amount,
    a.payable as payable_amount,
    case
        when t.orderState in ('PARENT_TRADE_CANCELED', 'NOT_PAY') then 0::decimal(18, 2)
        when s.paid_at is null and (s.is_cod or s.status in ('closed', 'unknown')) then 0::decimal(18, 2)
        else a.payable
    end as paid_amount,
    coalesce(nullif(t.open_id_buyer, ''), t.pin) as buyer_id,
    false as is_test,
    t.orderRemark as buyer_message,
    t.venderRemark as seller_memo,
    {
        name: c.shown[1], phone: coalesce(c.shown[2], c.shown[3]), country: 'CN',
        province: coalesce(r.province, t.consigneeInfo.province), city: t.consigneeInfo.city, district: t.consigneeInfo.county,
        town: t.consigneeInfo.town, address: c.shown[4], zip: null::varchar, id_number: null::varchar,
        email: null::varchar, ip: null::varchar,
        -- The encrypted address names the receiver: it changes with what is sent where.
        oaid: coalesce(c.hidden[4], c.hidden[2], c.hidden[3], c.hidden[1]),
        tokens: if(len(list_filter(c.hidden, lambda x: x is not null)) > 0, to_json(
            {fullname: c.hidden[1], mobile: c.hidden[2], telephone: c.hidden[3], fullAddress: c.hidden[4]})::varchar, null)
    } as contact,
    list_transform(l.items, lambda i, n: {
        platform_line_id: i.sku_id, sku: i.sku, product_name: i.name, quantity: i.quantity,
        ship_quantity: if(s.status = 'closed', least(0, i.quantity), i.quantity),
        -- An order ships whole; one that was stopped with a waybill may have left or not.
        shipped_quantity: case
            when s.status in ('shipped', 'completed') then i.quantity
            when s.status <> 'unknown' and coalesce(t.waybill, '') = '' then 0
        end,
        unit_price: i.price,
        discount_amount: try_cast(d.own[n] + coalesce(d.cuts[n], 0) as decimal(18, 2)),
        line_amount: try_cast(i.gross - d.own[n] - coalesce(d.cuts[n], 0) as decimal(18, 2)),
        refund_status: 'none', platform_refund_status: null::varchar, platform_product_id: i.ware_id, platform_sku_id: i.sku_id
    }) as items,
    list_transform(k.details, lambda x: {
        line_no: x.line_no, kind: if(x.line_no is null, 'order', 'line'), name: x.name, amount: x.amount}) as discounts,
    list_transform(
        if(len(w.sent) > 0, w.sent, if(s.status in ('shipped', 'completed'), [{carrier: null::varchar, number: null::varchar}], [])),
        lambda x: {
            platform_shipment_id: null::varchar,
            status: case s.status when 'completed' then 'delivered' when 'shipped' then 'shipped' else 'unknown' end,
            courier: x.carrier, tracking_no: x.number, shipped_at: null::timestamptz, delivered_at: null::timestamptz
        }) as shipments,
    p.fetched_at as known_at,
    p.run_id
from parsed p
join times m using (seq)
join states s using (seq)
join lines l using (seq)
join coupons k using (seq)
join totals a using (seq)
join spread d using (seq)
join ciphers c using (seq)
join parcels w using (seq)
-- Provinces come without the kind of the unit (浙江): one province has one name in the pool.
left join ref.regions r on regexp_replace(r.province, '(省|市|特别行政区|(壮族|回族|维吾尔)?自治区)$', '') = t.consigneeInfo.province
