-- Orders from files (exports of any platform) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Cells are repaired by the reader of files: money is plain decimal text, times are local to the document's timezone
-- unless they carry an offset. Several rows of an order repeat what is the order's own.
-- A file tells less than the platform's own document: at the same second it is the older of the two. An order that it
-- calls unshipped two weeks after its last change is held: nothing is shipped on the word of an old export.
-- payable_amount is what the buyer pays after every discount, whoever bears it; the discount is what is left between
-- the goods and that. Source: headers and cells of the platforms' order exports (config/import_headers.yaml).
with parsed as (
    select
        seq, platform, shop_id, source_updated_at, run_id, fetched_at,
        from_json(payload, '{
            "timezone": "VARCHAR", "currency": "VARCHAR", "payable_includes_postage": "VARCHAR",
            "rows": [{
                "order_no": "VARCHAR", "line_id": "VARCHAR", "product_id": "VARCHAR", "sku_id": "VARCHAR",
                "tracking_no": "VARCHAR", "quantity": "VARCHAR", "unit_price": "VARCHAR", "goods_amount": "VARCHAR",
                "goods_payable": "VARCHAR", "payable": "VARCHAR", "paid": "VARCHAR", "postage": "VARCHAR",
                "tax": "VARCHAR", "discount": "VARCHAR", "shop_discount": "VARCHAR", "platform_discount": "VARCHAR",
                "talent_discount": "VARCHAR", "payment_discount": "VARCHAR", "ordered_at": "VARCHAR", "paid_at": "VARCHAR",
                "shipped_at": "VARCHAR", "completed_at": "VARCHAR", "phone": "VARCHAR", "id_number": "VARCHAR",
                "ip": "VARCHAR", "zip": "VARCHAR",
                "sku": "VARCHAR", "product_code": "VARCHAR", "product_name": "VARCHAR", "spec": "VARCHAR",
                "currency": "VARCHAR", "payment_method": "VARCHAR", "name": "VARCHAR", "country": "VARCHAR",
                "province": "VARCHAR", "city": "VARCHAR", "district": "VARCHAR", "town": "VARCHAR", "address": "VARCHAR",
                "buyer_message": "VARCHAR", "seller_memo": "VARCHAR", "order_type": "VARCHAR", "status": "VARCHAR",
                "refund_status": "VARCHAR", "courier": "VARCHAR"}]
        }') as t
    from staging.payloads
    where kind = 'import'
),

zoned as (
    select
        seq,
        if(t.timezone in (select name from pg_timezone_names()), t.timezone, null) as zone,
        list_filter(coalesce(t.rows, []), lambda r: r is not null) as rows
    from parsed
),

lines as (
    select
        seq, rows,
        list_transform(rows, lambda r: {
            quantity: try_cast(r.quantity as integer),
            unit_price: money(r.unit_price),
            goods: coalesce(
                money(r.goods_amount),
                try_cast(money(r.unit_price)::decimal(28, 2) * try_cast(r.quantity as integer) as decimal(18, 2))),
            goods_payable: money(r.goods_payable),
            payable: money(r.payable),
            paid: money(r.paid),
            postage: coalesce(money(r.postage), 0)::decimal(18, 2),
            tax: coalesce(money(r.tax), 0)::decimal(18, 2),
            -- The shares of those who bear a discount, else its total.
            discount: if(coalesce(r.shop_discount, r.platform_discount, r.talent_discount, r.payment_discount) is null,
                coalesce(money(r.discount), 0),
                coalesce(money(r.shop_discount), 0) + coalesce(money(r.platform_discount), 0)
                    + coalesce(money(r.talent_discount), 0) + coalesce(money(r.payment_discount), 0))::decimal(18, 2),
            "at": list_transform([r.ordered_at, r.paid_at, r.shipped_at, r.completed_at], lambda m: case
                when length(m) > 19 then try_cast(m as timestamptz)
                when zone is not null then timezone(zone, try_cast(m as timestamp)) end),
            -- Words of the platforms' back offices; blanks and commas in them differ from export to export.
            status: case
                when regexp_replace(r.status, '[\s,，]', '', 'g') in (
                    '待支付', '待确认', '待付款', '未付款', '等待买家付款', '付款确认中') then 'pending_payment'
                when regexp_replace(r.status, '[\s,，]', '', 'g') in (
                    '已支付', '已付款', '备货中', '待发货', '部分发货', '买家已付款等待卖家发货', '卖家部分发货') then 'paid'
                when regexp_replace(r.status, '[\s,，]', '', 'g') in (
                    '已发货', '待收货', '已发货待签收', '已发货待收货', '卖家已发货等待买家确认') then 'shipped'
                when regexp_replace(r.status, '[\s,，]', '', 'g') in ('已完成', '交易成功', '已签收', '已收货') then 'completed'
                when regexp_replace(r.status, '[\s,，]', '', 'g') in (
                    '已关闭', '已取消', '交易关闭', '交易已取消', '未发货退款成功', '已发货退款成功', '已取消退款成功') then 'closed'
                else 'unknown'
            end,
            refund_status: case
                when r.refund_status is null then if(r.status like '%退款成功', 'refunded', 'none')
                when regexp_replace(r.refund_status, '[\s,，]', '', 'g') in (
                    '无售后', '无售后或售后取消', '无退款申请', '没有申请退款') then 'none'
                when regexp_replace(r.refund_status, '[\s,，]', '', 'g') in ('退款成功', '已全额退款', '已退款') then 'refunded'
                when regexp_replace(r.refund_status, '[\s,，]', '', 'g') in ('部分退款', '已部分退款') then 'partially_refunded'
                when regexp_replace(r.refund_status, '[\s,，]', '', 'g') in ('售后关闭', '退款关闭', '售后取消') then 'closed'
                when regexp_replace(r.refund_status, '[\s,，]', '', 'g') in ('卖家拒绝退款', '商家已拒绝') then 'refused'
                when regexp_replace(r.refund_status, '[\s,，]', '', 'g') in (
                    '待买家退货', '待商家收货', '卖家已经同意退款等待买家退货', '买家已经退货等待卖家确认收货') then 'returning'
                when regexp_replace(r.refund_status, '[\s,，]', '', 'g') in (
                    '退款中', '售后处理中', '待商家处理', '买家已经申请退款等待卖家同意') or r.refund_status like '售后中%' then 'requested'
                else 'unknown'
            end
        }) as lines
    from zoned
),

-- Sums over the rows; null as soon as one row does not tell.
sums as (
    select
        seq, len(lines) as pieces,
        coalesce(list_max(list_transform(lines, lambda l: l.postage)), 0)::decimal(18, 2) as postage,
        coalesce(list_max(list_transform(lines, lambda l: l.tax)), 0)::decimal(18, 2) as tax,
        coalesce(list_sum(list_transform(lines, lambda l: l.discount)), 0) as discount,
        if(len(list_filter(lines, lambda l: l.goods is null)) = 0, list_sum(list_transform(lines, lambda l: l.goods)), null) as goods,
        if(len(list_filter(lines, lambda l: l.goods_payable is null)) = 0,
            list_sum(list_transform(lines, lambda l: l.goods_payable)), null) as goods_payable,
        if(len(list_filter(lines, lambda l: l.payable is null)) = 0, list_sum(list_transform(lines, lambda l: l.payable)), null) as payable,
        if(len(list_filter(lines, lambda l: l.paid is null)) = 0, list_sum(list_transform(lines, lambda l: l.paid)), null) as paid
    from lines
),

-- How many rows' payable holds the postage: their arithmetic tells where the goods are known, else the export's entry.
postages as (
    select
        s.*,
        case
            when s.postage = 0 or s.payable is null then 0
            when abs(s.payable - (s.goods - s.discount)) <= 0.05 then 0
            when abs(s.payable - (s.goods - s.discount) - s.postage) <= 0.05 then 1
            when abs(s.payable - (s.goods - s.discount) - s.postage * s.pieces) <= 0.05 then s.pieces
            when p.t.payable_includes_postage = 'true' then 1
            else 0
        end as times,
        -- The row that holds it where one does: the first whose own arithmetic says so, else the first.
        coalesce(list_position(
            list_transform(l.lines, lambda x: coalesce(abs(x.payable - (x.goods - x.discount) - s.postage) <= 0.05, false)), true), 1) as place
    from sums s
    join parsed p using (seq)
    join lines l using (seq)
),

amounts as (
    select
        g.seq,
        -- Taobao's lines tell the postage only as the part of what was paid that is not for goods.
        shipping.fee as shipping_fee,
        g.tax as tax_amount,
        try_cast(coalesce(g.goods_payable, g.payable - g.times * g.postage, g.goods) + shipping.fee + g.tax as decimal(18, 2)) as payable_amount,
        list_transform(l.lines, lambda x, n: {
            line_amount: try_cast(case
                when g.goods_payable is not null then x.goods_payable
                when g.payable is null then x.goods
                when g.times = g.pieces or n = g.place and g.times = 1 then x.payable - g.postage
                else x.payable end as decimal(18, 2)),
            discount: x.discount, goods: x.goods
        }) as shares
    from postages g
    join lines l using (seq)
    cross join lateral (
        select greatest(g.postage, coalesce(g.paid - g.goods_payable, 0), 0)::decimal(18, 2) as fee
    ) as shipping
),

states as (
    select
        seq,
        case
            when len(list_filter(lines, lambda l: l.status = 'unknown')) > 0 or len(lines) = 0 then 'unknown'
            when len(list_filter(lines, lambda l: l.status = 'pending_payment')) > 0 then 'pending_payment'
            when len(list_filter(lines, lambda l: l.status = 'paid')) > 0 then 'paid'
            when len(list_filter(lines, lambda l: l.status = 'shipped')) > 0 then 'shipped'
            when len(list_filter(lines, lambda l: l.status = 'completed')) > 0 then 'completed'
            else 'closed'
        end as base_status,
        len(list_filter(rows, lambda r: r.payment_method like '%货到付款%')) > 0 as is_cod,
        len(list_filter(rows, lambda r: r.order_type like '%预售%' or r.order_type like '%阶段%')) > 0 as is_presale,
        list_min(list_transform(lines, lambda l: l.at[1])) as ordered_at,
        list_min(list_transform(lines, lambda l: l.at[2])) as paid_at,
        list_min(list_transform(lines, lambda l: l.at[3])) as shipped_at,
        list_max(list_transform(lines, lambda l: l.at[4])) as completed_at,
        len(list_filter(lines, lambda l: l.refund_status = 'refunded')) as refunded,
        len(list_filter(lines, lambda l: l.refund_status in ('refunded', 'partially_refunded'))) as touched_by_refund,
        len(lines) as pieces
    from lines
),

payments as (
    select
        seq,
        -- Some exports tell no time of payment: what is to be shipped, or was given back, has been paid.
        case
            when base_status = 'pending_payment' then false
            when is_cod then base_status = 'completed' or touched_by_refund > 0
            else paid_at is not null or base_status in ('paid', 'shipped', 'completed') or touched_by_refund > 0
        end as is_paid
    from states
),

-- The order's own cells: those of the first row that has them. Hidden values stand as ciphertext (#…#, $…$, ~…~).
heads as (
    select
        seq,
        list_any_value(list_transform(rows, lambda r: r.order_no)) as order_no,
        list_any_value(list_transform(rows, lambda r: r.currency)) as currency,
        list_any_value(list_transform(rows, lambda r: r.name)) as name,
        list_any_value(list_transform(rows, lambda r: r.phone)) as phone,
        list_any_value(list_transform(rows, lambda r: r.id_number)) as id_number,
        list_any_value(list_transform(rows, lambda r: r.ip)) as ip,
        list_any_value(list_transform(rows, lambda r: r.country)) as country,
        list_any_value(list_transform(rows, lambda r: r.province)) as province,
        list_any_value(list_transform(rows, lambda r: r.city)) as city,
        list_any_value(list_transform(rows, lambda r: r.district)) as district,
        list_any_value(list_transform(rows, lambda r: r.town)) as town,
        list_any_value(list_transform(rows, lambda r: r.address)) as address,
        list_any_value(list_transform(rows, lambda r: r.zip)) as zip,
        list_any_value(list_transform(rows, lambda r: r.buyer_message)) as buyer_message,
        list_any_value(list_transform(rows, lambda r: r.seller_memo)) as seller_memo
    from lines
),

hidden as (
    select
        seq,
        regexp_matches(name, '^(#.+#|[$].+[$]|~.+~)$', 's') as name_hidden,
        regexp_matches(phone, '^(#.+#|[$].+[$]|~.+~)$', 's') as phone_hidden,
        regexp_matches(address, '^(#.+#|[$].+[$]|~.+~)$', 's') as address_hidden
    from heads
)

select
    p.seq as source_seq,
    p.platform,
    p.shop_id,
    -- A number in scientific notation has lost its digits.
    if(regexp_matches(h.order_no, '^[0-9.]+[eE][+-]?[0-9]+$'), null, h.order_no) as platform_order_no,
    -- An open case on any line shows as after-sale; the platform's own words are kept beside it.
    case
        when s.base_status in ('closed', 'unknown', 'pending_payment') then s.base_status
        when len(list_filter(l.lines, lambda i: i.refund_status in ('requested', 'returning', 'refused'))) > 0 then 'after_sale'
        else s.base_status
    end as status,
    array_to_string(list_sort(list_distinct(list_transform(l.rows, lambda r: r.status))), '/') as platform_status,
    case
        when s.is_cod and s.base_status in ('paid', 'shipped') and not y.is_paid then 'cod'
        when not y.is_paid then 'unpaid'
        when s.refunded = s.pieces then 'refunded'
        when s.touched_by_refund > 0 then 'partially_refunded'
        else 'paid'
    end as payment_status,
    s.base_status = 'paid' and p.source_updated_at < p.fetched_at - interval 14 days as platform_hold,
    s.is_cod,
    s.is_presale,
    case
        when s.ordered_at is not null then s.ordered_at
        -- Pinduoduo's export may leave the time out; its order numbers begin with their day in China.
        when p.platform = 'pinduoduo' and regexp_matches(h.order_no, '^[0-9]{6}-[0-9]+$')
            then timezone('Asia/Shanghai', try_strptime('20' || left(h.order_no, 6), '%Y%m%d'))
    end as ordered_at,
    coalesce(s.paid_at, if(s.is_cod and s.base_status = 'completed', s.completed_at, null)) as paid_at,
    s.shipped_at,
    if(s.base_status = 'completed', s.completed_at, null) as completed_at,
    p.source_updated_at - interval 1 microsecond as updated_at,
    null::timestamptz as ship_by,
    coalesce(h.currency, p.t.currency) as currency,
    try_cast(list_sum(list_transform(a.shares, lambda x: coalesce(x.goods, x.line_amount + x.discount))) as decimal(18, 2)) as goods_amount,
    try_cast(list_sum(list_transform(a.shares, lambda x: coalesce(x.goods, x.line_amount + x.discount)))
        + a.shipping_fee + a.tax_amount - a.payable_amount as decimal(18, 2)) as discount_amount,
    a.shipping_fee,
    a.tax_amount,
    a.payable_amount,
    if(y.is_paid, a.payable_amount, 0)::decimal(18, 2) as paid_amount,
    null::varchar as buyer_id,
    false as is_test,
    h.buyer_message,
    h.seller_memo,
    {
        name: if(d.name_hidden, null, h.name), phone: if(d.phone_hidden, null, h.phone),
        country: coalesce(h.country, if(p.t.currency = 'CNY', 'CN', null)), province: h.province, city: h.city,
        district: h.district, town: h.town, address: if(d.address_hidden, null, h.address), zip: h.zip,
        id_number: h.id_number, email: null::varchar, ip: h.ip, oaid: null::varchar,
        tokens: if(d.name_hidden or d.phone_hidden or d.address_hidden, to_json({
            name: if(d.name_hidden, h.name, null), phone: if(d.phone_hidden, h.phone, null),
            address: if(d.address_hidden, h.address, null)})::varchar, null)
    } as contact,
    list_transform(l.lines, lambda i, n: {
        platform_line_id: l.rows[n].line_id,
        sku: coalesce(l.rows[n].sku, l.rows[n].product_code),
        product_name: l.rows[n].product_name,
        quantity: i.quantity,
        ship_quantity: if(i.refund_status = 'refunded' or i.status = 'closed', 0, i.quantity),
        shipped_quantity: case
            when i.status in ('shipped', 'completed') then i.quantity
            when i.status in ('pending_payment', 'paid') and l.rows[n].status not like '%部分发货%' then 0 end,
        unit_price: coalesce(i.unit_price, try_cast(
            coalesce(i.goods, a.shares[n].line_amount + i.discount) / nullif(i.quantity, 0) as decimal(18, 2))),
        discount_amount: try_cast(coalesce(i.goods, a.shares[n].line_amount + i.discount) - a.shares[n].line_amount as decimal(18, 2)),
        line_amount: a.shares[n].line_amount,
        refund_status: i.refund_status,
        platform_refund_status: l.rows[n].refund_status,
        platform_product_id: l.rows[n].product_id,
        platform_sku_id: l.rows[n].sku_id
    }) as items,
    list_filter([
        {line_no: null::integer, kind: 'order', name: 'shop', amount: try_cast(list_sum(list_transform(l.rows, lambda r: money(r.shop_discount))) as decimal(18, 2))},
        {line_no: null::integer, kind: 'order', name: 'platform', amount: try_cast(list_sum(list_transform(l.rows, lambda r: money(r.platform_discount))) as decimal(18, 2))},
        {line_no: null::integer, kind: 'order', name: 'talent', amount: try_cast(list_sum(list_transform(l.rows, lambda r: money(r.talent_discount))) as decimal(18, 2))},
        {line_no: null::integer, kind: 'order', name: 'payment', amount: try_cast(list_sum(list_transform(l.rows, lambda r: money(r.payment_discount))) as decimal(18, 2))}
    ], lambda d: d.amount <> 0) as discounts,
    list_transform(
        list_sort(list_distinct(list_transform(
            list_filter(l.rows, lambda r: r.tracking_no is not null), lambda r: {no: r.tracking_no, courier: r.courier}))),
        lambda k: {
            platform_shipment_id: null::varchar, status: if(s.base_status = 'completed', 'delivered', 'shipped'),
            courier: k.courier, tracking_no: k.no, shipped_at: s.shipped_at, delivered_at: null::timestamptz
        }) as shipments,
    p.fetched_at as known_at,
    p.run_id
from parsed p
join lines l using (seq)
join amounts a using (seq)
join states s using (seq)
join payments y using (seq)
join heads h using (seq)
join hidden d using (seq)
