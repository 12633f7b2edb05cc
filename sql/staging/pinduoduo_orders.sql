-- Pinduoduo orders (pdd.order.number.list.increment.get, pdd.order.information.get) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Money is yuan, as numbers or as text; times are GMT+8 without a zone. payable_amount is what the buyer pays
-- (pay_amount): what the platform pays on top (platform_discount) is a discount like the seller's, and told apart in
-- discounts. The price a seller changes by hand counts as a discount too, the fees of delivery services as shipping.
-- Receivers come as ciphertext beside masked text, and not at all once the order is shipped or while it is under review.
-- platform_status: order_status/refund_status/after_sales_status, then what is unusual of the other states.
-- Source: platform documentation of Pinduoduo, order object, money rules and encryption.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "order_sn": "VARCHAR", "trade_type": "VARCHAR", "confirm_status": "VARCHAR", "group_status": "VARCHAR",
            "order_status": "VARCHAR", "refund_status": "VARCHAR", "after_sales_status": "VARCHAR",
            "risk_control_status": "VARCHAR", "stock_out_handle_status": "VARCHAR",
            "created_time": "VARCHAR", "pay_time": "VARCHAR", "shipping_time": "VARCHAR", "receive_time": "VARCHAR",
            "updated_at": "VARCHAR", "last_ship_time": "VARCHAR", "goods_amount": "VARCHAR", "discount_amount": "VARCHAR",
            "platform_discount": "VARCHAR", "seller_discount": "VARCHAR", "capital_free_discount": "VARCHAR",
            "order_change_amount": "VARCHAR", "postage": "VARCHAR", "pay_amount": "VARCHAR",
            "buyer_memo": "VARCHAR", "remark": "VARCHAR", "province": "VARCHAR", "city": "VARCHAR", "town": "VARCHAR",
            "receiver_name": "VARCHAR", "receiver_phone": "VARCHAR", "receiver_address": "VARCHAR",
            "receiver_name_mask": "VARCHAR", "receiver_phone_mask": "VARCHAR", "receiver_address_mask": "VARCHAR",
            "contact_mobile": "VARCHAR", "open_address_id": "VARCHAR",
            "logistics_id": "VARCHAR", "tracking_number": "VARCHAR",
            "item_list": [{"goods_id": "VARCHAR", "goods_name": "VARCHAR", "goods_price": "VARCHAR", "goods_count": "VARCHAR",
                "sku_id": "VARCHAR", "outer_goods_id": "VARCHAR", "outer_id": "VARCHAR"}],
            "gift_list": [{"goods_id": "VARCHAR", "goods_name": "VARCHAR", "goods_price": "VARCHAR", "goods_count": "VARCHAR",
                "sku_id": "VARCHAR", "outer_goods_id": "VARCHAR", "outer_id": "VARCHAR"}],
            "service_fee_detail": [{"service_name": "VARCHAR", "service_fee": "VARCHAR"}],
            "order_tag_list": [{"name": "VARCHAR", "value": "VARCHAR"}],
            "step_order_info": {"step_trade_status": "VARCHAR", "step_paid_fee": "VARCHAR", "advanced_paid_fee": "VARCHAR"},
            "extra_delivery_list": [{"logistics_id": "VARCHAR", "tracking_number": "VARCHAR"}],
            "resend_delivery_list": [{"logistics_id": "VARCHAR", "tracking_number": "VARCHAR"}],
            "gift_delivery_list": [{"logistics_id": "VARCHAR", "tracking_number": "VARCHAR"}]
        }') as t
    from staging.payloads
    where platform = 'pinduoduo' and kind = 'order'
),

cases as (  -- an order has one after-sale state, whatever its lines
    select
        seq,
        case
            when t.refund_status = '4' then 'refunded'
            when coalesce(t.refund_status, '1') = '1' then if(coalesce(t.after_sales_status, '0') = '0', 'none', 'closed')
            when t.refund_status not in ('2', '3') then 'unknown'
            when t.after_sales_status = '6' then 'refused'
            when t.after_sales_status in ('7', '22', '27') then 'returning'
            else 'requested'
        end as refund_status
    from parsed
),

goods as (
    select
        seq,
        list_concat(
            list_transform(coalesce(t.item_list, []), lambda i: {
                item: i, quantity: try_cast(i.goods_count as integer), unit_price: money(i.goods_price),
                gross: money(money(i.goods_price)::decimal(28, 2) * try_cast(i.goods_count as integer))}),
            list_transform(coalesce(t.gift_list, []), lambda i: {
                item: i, quantity: try_cast(i.goods_count as integer), unit_price: 0::decimal(18, 2), gross: 0::decimal(18, 2)})
        ) as goods,
        money(t.goods_amount) - coalesce(money(t.discount_amount), 0) as net  -- what the buyer pays for the goods
    from parsed
),

totals as (  -- before any discount; from the order's own amount where a line's price cannot be read
    select
        p.seq,
        coalesce(
            if(len(g.goods) > 0 and len(list_filter(g.goods, lambda i: i.gross is null)) = 0,
                try_cast(list_sum(list_transform(g.goods, lambda i: i.gross)) as decimal(18, 2)), null),
            try_cast(money(p.t.goods_amount) + coalesce(money(p.t.order_change_amount), 0) as decimal(18, 2))
        ) as gross
    from parsed p
    join goods g using (seq)
),

shares as (  -- the discounts belong to the order: each line bears its part, in whole fen by running totals, so that they add up
    select
        seq, net, t.gross,
        list_transform(goods, lambda i, n: {
            line: i,
            discount: case
                when len(list_filter(goods, lambda x: x.gross is null)) > 0 then if(len(goods) = 1, t.gross - net, null)
                when t.gross = 0 then if(n = 1, t.gross - net, 0)
                else ((((t.gross - net) * 100)::hugeint * (list_sum(list_transform(goods[:n], lambda x: x.gross)) * 100)::hugeint)
                        // (t.gross * 100)::hugeint
                    - (((t.gross - net) * 100)::hugeint
                        * (coalesce(list_sum(list_transform(goods[:n - 1], lambda x: x.gross)), 0) * 100)::hugeint)
                        // (t.gross * 100)::hugeint) * 0.01::decimal(18, 2)
            end
        }) as lines
    from goods
    join totals t using (seq)
),

states as (
    select
        seq,
        case
            when t.confirm_status = '2' or t.group_status = '2' or c.refund_status = 'refunded' then 'closed'
            when t.trade_type = '1' and t.step_order_info.step_trade_status in ('0', '1') then 'pending_payment'
            when t.confirm_status = '0' and coalesce(t.pay_time, '') = '' then 'pending_payment'
            when t.confirm_status not in ('0', '1') then 'unknown'
            when t.order_status = '1' then 'paid'
            when t.order_status = '2' then 'shipped'
            when t.order_status = '3' then 'completed'
            else 'unknown'
        end as base_status,
        coalesce(t.receiver_name, '') || coalesce(t.receiver_phone, '') || coalesce(t.receiver_address, '') <> '' as has_receiver,
        -- A phone for display is masked or plain digits; anything else is ciphertext, which is passed on and never parsed.
        coalesce(regexp_full_match(t.contact_mobile, '[0-9*+ -]+'), false) as contact_shown
    from parsed
    join cases c using (seq)
)

select
    p.seq as source_seq,
    p.platform,
    p.shop_id,
    t.order_sn as platform_order_no,
    case
        when s.base_status in ('closed', 'unknown', 'pending_payment') then s.base_status
        when c.refund_status in ('requested', 'returning', 'refused', 'unknown') then 'after_sale'
        else s.base_status
    end as status,
    nullif(concat_ws('/', t.order_status, t.refund_status, t.after_sales_status,
        if(t.confirm_status <> '1', 'CONFIRM_' || t.confirm_status, null),
        if(t.group_status <> '1', 'GROUP_' || t.group_status, null),
        if(t.risk_control_status <> '0', 'RISK_' || t.risk_control_status, null),
        if(t.trade_type = '1', 'STEP_' || t.step_order_info.step_trade_status, null)), '') as platform_status,
    case
        when t.trade_type = '1' and t.step_order_info.step_trade_status = '1' then 'deposit_paid'
        when s.base_status = 'pending_payment' then 'unpaid'
        when coalesce(t.pay_time, '') = '' and t.confirm_status is distinct from '1' then 'unpaid'
        when s.base_status = 'closed' then 'refunded'
        else 'paid'
    end as payment_status,
    -- Under review, not grouped yet, out of stock to be settled, or stopped by hand on the platform.
    coalesce(t.risk_control_status = '1', false) or coalesce(t.group_status = '0', false)
        or coalesce(t.stock_out_handle_status = '0', false)
        or len(list_filter(coalesce(t.order_tag_list, []), lambda g: g.name = 'ship_hold' and g.value = '1')) > 0 as platform_hold,
    false as is_cod,
    coalesce(t.trade_type = '1', false) as is_presale,
    try_cast(t.created_time || '+08:00' as timestamptz) as ordered_at,
    try_cast(nullif(t.pay_time, '') || '+08:00' as timestamptz) as paid_at,
    try_cast(nullif(t.shipping_time, '') || '+08:00' as timestamptz) as shipped_at,
    case when t.order_status = '3' then try_cast(nullif(t.receive_time, '') || '+08:00' as timestamptz) end as completed_at,
    try_cast(t.updated_at || '+08:00' as timestamptz) as updated_at,
    try_cast(nullif(t.last_ship_time, '') || '+08:00' as timestamptz) as ship_by,
    'CNY' as currency,
    h.gross as goods_amount,
    (h.gross - h.net)::decimal(18, 2) as discount_amount,
    try_cast(coalesce(money(t.postage), 0) + coalesce(list_sum(list_transform(
        coalesce(t.service_fee_detail, []), lambda f: money(f.service_fee))), 0) as decimal(18, 2)) as shipping_fee,
    0::decimal(18, 2) as tax_amount,
    money(t.pay_amount) as payable_amount,
    case
        when t.trade_type = '1' and t.step_order_info.step_trade_status = '1'
            then coalesce(money(t.step_order_info.step_paid_fee), money(t.step_order_info.advanced_paid_fee), 0)
        when s.base_status = 'pending_payment' then 0::decimal(18, 2)
        when coalesce(t.pay_time, '') = '' and t.confirm_status is distinct from '1' then 0::decimal(18, 2)
        else money(t.pay_amount)
    end as paid_amount,
    null::varchar as buyer_id,  -- the platform does not tell
    false as is_test,
    t.buyer_memo as buyer_message,
    t.remark as seller_memo,
    {
        name: nullif(t.receiver_name_mask, ''),
        phone: coalesce(nullif(t.receiver_phone_mask, ''), if(s.contact_shown, t.contact_mobile, null)),
        -- What the platform calls a town is a district.
        country: 'CN', province: t.province, city: t.city, district: t.town, town: null::varchar,
        address: nullif(t.receiver_address_mask, ''), zip: null::varchar, id_number: null::varchar, email: null::varchar,
        ip: null::varchar,
        -- Equal for equal receivers. Without it the order stands for its receiver, and what is shown of them, because
        -- ciphertexts of one text differ.
        oaid: case
            when coalesce(t.open_address_id, '') <> '' then t.open_address_id
            when s.has_receiver then t.order_sn || ':' || md5(concat_ws('|', t.province, t.city, t.town,
                t.receiver_name_mask, t.receiver_phone_mask, t.receiver_address_mask))
        end,
        tokens: if(s.has_receiver or (coalesce(t.contact_mobile, '') <> '' and not s.contact_shown),
            to_json(map_from_entries(list_filter([
                {k: 'receiver_name', v: t.receiver_name}, {k: 'receiver_phone', v: t.receiver_phone},
                {k: 'receiver_address', v: t.receiver_address}, {k: 'contact_mobile', v: t.contact_mobile}
            ], lambda e: coalesce(e.v, '') <> '')))::varchar, null)
    } as contact,
    list_transform(h.lines, lambda l: {
        platform_line_id: l.line.item.sku_id,  -- lines have no id of their own; a refund names the sku too
        sku: coalesce(nullif(l.line.item.outer_id, ''), nullif(l.line.item.outer_goods_id, '')),
        product_name: l.line.item.goods_name,
        quantity: l.line.quantity,
        ship_quantity: if(c.refund_status = 'refunded', 0, l.line.quantity),
        shipped_quantity: case t.order_status when '1' then 0 when '2' then l.line.quantity when '3' then l.line.quantity end,
        unit_price: l.line.unit_price,
        discount_amount: l.discount::decimal(18, 2),
        line_amount: try_cast(l.line.unit_price::decimal(28, 2) * l.line.quantity - l.discount as decimal(18, 2)),
        refund_status: c.refund_status,
        platform_refund_status: t.after_sales_status,
        platform_product_id: l.line.item.goods_id,
        platform_sku_id: l.line.item.sku_id
    }) as items,
    list_filter([
        {line_no: null::integer, kind: 'order', name: '平台优惠', amount: money(t.platform_discount)},
        {line_no: null::integer, kind: 'order', name: '店铺优惠', amount: money(t.seller_discount)},
        {line_no: null::integer, kind: 'order', name: '团长免单', amount: money(t.capital_free_discount)},
        {line_no: null::integer, kind: 'order', name: '改价', amount: try_cast(h.gross - money(t.goods_amount) as decimal(18, 2))}
    ], lambda d: d.amount <> 0) as discounts,
    list_transform(
        list_filter(
            list_concat(
                [{logistics_id: t.logistics_id, tracking_number: t.tracking_number}], coalesce(t.extra_delivery_list, []),
                coalesce(t.resend_delivery_list, []), coalesce(t.gift_delivery_list, [])),
            lambda d: coalesce(d.tracking_number, '') <> ''),
        lambda d: {
            platform_shipment_id: null::varchar, status: if(t.order_status = '3', 'delivered', 'shipped'),
            courier: nullif(d.logistics_id, '0'), tracking_no: d.tracking_number,
            shipped_at: try_cast(nullif(t.shipping_time, '') || '+08:00' as timestamptz),
            delivered_at: if(t.order_status = '3', try_cast(nullif(t.receive_time, '') || '+08:00' as timestamptz), null)
        }) as shipments,
    p.fetched_at as known_at,
    p.run_id
from parsed p
join cases c using (seq)
join shares h using (seq)
join states s using (seq)
