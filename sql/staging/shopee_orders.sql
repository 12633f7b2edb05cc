-- Shopee orders (order.get_order_detail, payment.get_escrow_detail spliced in as _escrow) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Money is numbers in the shop's currency; times are unix seconds, 0 or null where there is none. payable_amount is what
-- the buyer pays (total_amount): vouchers, coins and promotions are discounts, whoever bears them. Unpaid orders do not
-- tell their vouchers yet: until payment payable_amount is the goods at their discounted price and the estimated postage.
-- In a bundle deal the order gives prices of 0: what a line costs stands in _escrow, for all its pieces together; where
-- that is missing, the bundle's discount is shared out over the order. The time of completion is not told.
-- Receivers are masked or not by market, seller and state of the order.
-- Source: platform documentation of Shopee, order detail, escrow detail and data definitions.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "order_sn": "VARCHAR", "region": "VARCHAR", "currency": "VARCHAR", "cod": "VARCHAR", "order_status": "VARCHAR",
            "pending_terms": ["VARCHAR"], "message_to_seller": "VARCHAR", "create_time": "VARCHAR", "update_time": "VARCHAR",
            "buyer_user_id": "VARCHAR", "total_amount": "VARCHAR", "pay_time": "VARCHAR", "pickup_done_time": "VARCHAR",
            "estimated_shipping_fee": "VARCHAR", "note": "VARCHAR", "buyer_cpf_id": "VARCHAR", "fulfillment_flag": "VARCHAR",
            "advance_package": "VARCHAR", "ship_by_date": "VARCHAR",
            "recipient_address": {"name": "VARCHAR", "phone": "VARCHAR", "town": "VARCHAR", "district": "VARCHAR", "city": "VARCHAR",
                "state": "VARCHAR", "region": "VARCHAR", "zipcode": "VARCHAR", "full_address": "VARCHAR"},
            "item_list": [{"item_id": "VARCHAR", "item_name": "VARCHAR", "item_sku": "VARCHAR", "model_id": "VARCHAR",
                "model_name": "VARCHAR", "model_sku": "VARCHAR", "model_quantity_purchased": "VARCHAR",
                "model_original_price": "VARCHAR", "model_discounted_price": "VARCHAR", "promotion_type": "VARCHAR",
                "promotion_group_id": "VARCHAR", "order_item_id": "VARCHAR", "line_item_id": "VARCHAR",
                "cancel_requested_qty": "VARCHAR", "cancelled_qty": "VARCHAR", "return_requested_qty": "VARCHAR",
                "returned_qty": "VARCHAR"}],
            "package_list": [{"package_number": "VARCHAR", "logistics_status": "VARCHAR", "shipping_carrier": "VARCHAR",
                "item_list": [{"item_id": "VARCHAR", "model_id": "VARCHAR", "model_quantity": "VARCHAR",
                    "promotion_group_id": "VARCHAR"}]}],
            "_escrow": {
                "order_income": {"buyer_total_amount": "VARCHAR", "buyer_paid_shipping_fee": "VARCHAR", "cross_border_tax": "VARCHAR",
                    "items": [{"item_id": "VARCHAR", "model_id": "VARCHAR", "line_item_id": "VARCHAR", "original_price": "VARCHAR",
                        "discounted_price": "VARCHAR", "discount_from_coin": "VARCHAR", "discount_from_voucher_shopee": "VARCHAR",
                        "discount_from_voucher_seller": "VARCHAR", "quantity_purchased": "VARCHAR"}]},
                "buyer_payment_info": {"buyer_total_amount": "VARCHAR", "shipping_fee": "VARCHAR", "buyer_tax_amount": "VARCHAR",
                    "import_tax_amount": "VARCHAR", "icms_tax_amount": "VARCHAR", "iof_tax_amount": "VARCHAR",
                    "shipping_fee_sst_amount": "VARCHAR", "buyer_service_fee": "VARCHAR", "initial_buyer_txn_fee": "VARCHAR",
                    "insurance_premium": "VARCHAR", "buyer_paid_packaging_fee": "VARCHAR", "bulky_handling_fee": "VARCHAR"}}
        }') as t
    from staging.payloads
    where platform = 'shopee' and kind = 'order'
),

lines as (  -- each with its number, its escrow item, and how many lines show the same goods in the same promotion
    select
        seq,
        list_transform(coalesce(t.item_list, []), lambda l, n: {
            line: l,
            -- order_item_id is the same for all lines of a bundle, line_item_id came later: without it, the goods and
            -- which of the equal lines it is.
            line_id: coalesce(nullif(nullif(l.line_item_id, '0'), ''), concat_ws('-', l.item_id, l.model_id, l.promotion_group_id,
                len(list_filter(t.item_list[:n], lambda x: x.item_id is not distinct from l.item_id
                    and x.model_id is not distinct from l.model_id
                    and x.promotion_group_id is not distinct from l.promotion_group_id)))),
            alike: len(list_filter(t.item_list, lambda x: x.item_id is not distinct from l.item_id
                and x.model_id is not distinct from l.model_id
                and x.promotion_group_id is not distinct from l.promotion_group_id)),
            quantity: try_cast(l.model_quantity_purchased as integer),
            bundled: coalesce(l.promotion_type = 'bundle_deal', false),
            escrow: coalesce(
                list_filter(coalesce(t._escrow.order_income.items, []), lambda e: l.line_item_id not in ('', '0')
                    and e.line_item_id = l.line_item_id)[1],
                list_filter(coalesce(t._escrow.order_income.items, []), lambda e: coalesce(e.line_item_id, '0') in ('', '0')
                    and e.item_id = l.item_id and e.model_id = l.model_id)[
                    len(list_filter(t.item_list[:n], lambda x: x.item_id = l.item_id and x.model_id = l.model_id))]),
            cancelled: coalesce(try_cast(l.cancelled_qty as integer), 0),
            returned: coalesce(try_cast(l.returned_qty as integer), 0),
            asked_back: coalesce(try_cast(l.cancel_requested_qty as integer), 0) + coalesce(try_cast(l.return_requested_qty as integer), 0)
        }) as lines
    from parsed
),

matched as (  -- an escrow item that counts other pieces is none of this line
    select
        seq,
        list_transform(lines, lambda l: {
            item: l,
            escrow: if(try_cast(l.escrow.quantity_purchased as integer) = l.quantity, l.escrow, null)
        }) as lines
    from lines
),

priced as (  -- gross: before any discount; net: what the line costs before vouchers; voucher: its share of those, where told
    select
        seq,
        list_transform(lines, lambda l: {
            item: l.item,
            unit_price: case
                when l.item.bundled and coalesce(money(l.item.line.model_original_price), 0) = 0
                    then nullif(money(money(l.escrow.original_price)::decimal(28, 2) / nullif(l.item.quantity, 0)), 0)
                else money(l.item.line.model_original_price)
            end,
            net: case
                when l.escrow is not null and (l.item.bundled or money(l.item.line.model_discounted_price) is null)
                    then money(l.escrow.discounted_price)
                when l.item.bundled and coalesce(money(l.item.line.model_discounted_price), 0) = 0 then null
                else money(money(l.item.line.model_discounted_price)::decimal(28, 2) * l.item.quantity)
            end,
            voucher: if(l.escrow is null, null, money(coalesce(money(l.escrow.discount_from_voucher_seller), 0)
                + coalesce(money(l.escrow.discount_from_voucher_shopee), 0) + coalesce(money(l.escrow.discount_from_coin), 0)))
        }) as lines
    from matched
),

weighed as (  -- a line whose net price is not told weighs what it costs before discounts
    select
        seq,
        list_transform(lines, lambda l: {
            item: l.item, unit_price: l.unit_price, voucher: l.voucher,
            gross: money(l.unit_price::decimal(28, 2) * l.item.quantity),
            net: coalesce(l.net, money(l.unit_price::decimal(28, 2) * l.item.quantity))
        }) as lines
    from priced
),

charges as (  -- what the buyer pays beside the goods, at the moment of checkout where that is told
    select
        seq,
        try_cast(coalesce(
            money(t._escrow.buyer_payment_info.shipping_fee) + coalesce(money(t._escrow.buyer_payment_info.buyer_service_fee), 0)
                + coalesce(money(t._escrow.buyer_payment_info.initial_buyer_txn_fee), 0)
                + coalesce(money(t._escrow.buyer_payment_info.insurance_premium), 0)
                + coalesce(money(t._escrow.buyer_payment_info.buyer_paid_packaging_fee), 0)
                + coalesce(money(t._escrow.buyer_payment_info.bulky_handling_fee), 0),
            money(t._escrow.order_income.buyer_paid_shipping_fee),
            money(t.estimated_shipping_fee),
            0) as decimal(18, 2)) as shipping_fee,
        try_cast(coalesce(
            money(t._escrow.buyer_payment_info.buyer_tax_amount) + coalesce(money(t._escrow.buyer_payment_info.import_tax_amount), 0)
                + coalesce(money(t._escrow.buyer_payment_info.icms_tax_amount), 0)
                + coalesce(money(t._escrow.buyer_payment_info.iof_tax_amount), 0)
                + coalesce(money(t._escrow.buyer_payment_info.shipping_fee_sst_amount), 0),
            money(t._escrow.order_income.cross_border_tax),
            0) as decimal(18, 2)) as tax_amount,
        coalesce(money(t.total_amount), money(t._escrow.buyer_payment_info.buyer_total_amount),
            money(t._escrow.order_income.buyer_total_amount)) as told
    from parsed
),

amounts as (
    select
        seq, c.tax_amount,
        if(len(list_filter(w.lines, lambda l: l.gross is null)) = 0,
            try_cast(coalesce(list_sum(list_transform(w.lines, lambda l: l.gross)), 0) as decimal(18, 2)), null) as gross,
        try_cast(coalesce(list_sum(list_transform(w.lines, lambda l: l.net)), 0) as decimal(18, 2)) as net,
        if(len(list_filter(w.lines, lambda l: l.voucher is null)) = 0,
            try_cast(coalesce(list_sum(list_transform(w.lines, lambda l: l.voucher)), 0) as decimal(18, 2)), null) as vouchers,
        -- Nothing is told before payment, and a total of nothing on an unpaid order is no total.
        coalesce(if(p.t.order_status = 'UNPAID' and c.told = 0, null, c.told),
            try_cast(net + c.shipping_fee + c.tax_amount as decimal(18, 2))) as payable,
        -- Vouchers may cover the postage too: the buyer pays no more of it than is left of the total.
        least(c.shipping_fee, greatest(try_cast(payable - c.tax_amount as decimal(18, 2)), 0)) as shipping_fee
    from weighed w
    join charges c using (seq)
    join parsed p using (seq)
),

shares as (  -- vouchers as the platform shared them out; else each line bears its part, in whole cents by running totals
    select
        seq,
        list_transform(w.lines, lambda l, n: {
            item: l.item, unit_price: l.unit_price, gross: l.gross,
            discount: case
                when a.vouchers = a.net + a.shipping_fee + a.tax_amount - a.payable then l.gross - l.net + l.voucher
                when a.net = 0 then l.gross - l.net + if(n = 1, a.net + a.shipping_fee + a.tax_amount - a.payable, 0)
                else l.gross - l.net
                    + ((((a.net + a.shipping_fee + a.tax_amount - a.payable) * 100)::hugeint
                            * (list_sum(list_transform(w.lines[:n], lambda x: coalesce(x.net, 0))) * 100)::hugeint) // (a.net * 100)::hugeint
                        - (((a.net + a.shipping_fee + a.tax_amount - a.payable) * 100)::hugeint
                            * (coalesce(list_sum(list_transform(w.lines[:n - 1], lambda x: coalesce(x.net, 0))), 0) * 100)::hugeint)
                            // (a.net * 100)::hugeint) * 0.01::decimal(18, 2)
            end
        }) as lines
    from weighed w
    join amounts a using (seq)
),

states as (
    select
        seq,
        coalesce(t.cod = 'true', false) as is_cod,
        case
            when t.order_status = 'CANCELLED' then 'closed'
            when t.order_status = 'UNPAID' then 'pending_payment'
            when t.order_status in ('PENDING', 'INVOICE_PENDING', 'READY_TO_SHIP', 'PROCESSED', 'RETRY_SHIP') then 'paid'
            when t.order_status in ('SHIPPED', 'TO_CONFIRM_RECEIVE') then 'shipped'
            when t.order_status = 'COMPLETED' then 'completed'
            when t.order_status in ('IN_CANCEL', 'TO_RETURN') then 'after_sale'
            else 'unknown'
        end as base_status,
        -- Seconds, or nothing: 0 is unset, and milliseconds would be a time no order is of.
        if(try_cast(t.pay_time as bigint) between 1 and 253402300799, to_timestamp(try_cast(t.pay_time as bigint)), null) as paid_at,
        if(try_cast(t.pickup_done_time as bigint) between 1 and 253402300799, to_timestamp(try_cast(t.pickup_done_time as bigint)), null)
            as shipped_at,
        list_filter(coalesce(t.package_list, []), lambda k: k.logistics_status in ('LOGISTICS_PICKUP_DONE',
            'LOGISTICS_DELIVERY_DONE', 'LOGISTICS_DELIVERY_FAILED', 'LOGISTICS_LOST', 'LOGISTICS_COD_REJECTED')) as sent,
        len(list_filter(l.lines, lambda i: i.asked_back > 0)) > 0 as asked_back,
        len(list_filter(l.lines, lambda i: i.cancelled + i.returned > 0)) > 0 as given_back
    from parsed
    join lines l using (seq)
),

payments as (  -- cash on delivery is collected when the platform says so, and at the latest when the order is completed
    select
        seq,
        case
            when paid_at is not null then true
            when is_cod then base_status = 'completed'
            else base_status in ('paid', 'shipped', 'completed', 'after_sale')
        end as is_paid
    from states
)

select
    p.seq as source_seq,
    p.platform,
    p.shop_id,
    t.order_sn as platform_order_no,
    -- A return that is raised after completion leaves the platform's status as it is: the lines tell of it.
    case
        when s.base_status in ('paid', 'shipped', 'completed') and s.asked_back then 'after_sale'
        else s.base_status
    end as status,
    nullif(concat_ws('/', t.order_status, array_to_string(t.pending_terms, '/')), '') as platform_status,
    case
        when not y.is_paid then if(s.is_cod and s.base_status in ('paid', 'shipped', 'after_sale'), 'cod', 'unpaid')
        when s.base_status = 'closed' then 'refunded'
        when len(list_filter(l.lines, lambda i: i.item.cancelled + i.item.returned < i.item.quantity)) = 0 and s.given_back then 'refunded'
        when s.given_back then 'partially_refunded'
        else 'paid'
    end as payment_status,
    -- Held by the platform, waiting for an invoice, or not the seller's to ship: from the platform's own warehouse, or
    -- out of stock that was sent there in advance.
    coalesce(t.order_status in ('PENDING', 'INVOICE_PENDING'), false) or coalesce(t.fulfillment_flag = 'fulfilled_by_shopee', false)
        or coalesce(t.advance_package = 'true', false) as platform_hold,
    s.is_cod,
    false as is_presale,
    if(try_cast(t.create_time as bigint) between 1 and 253402300799, to_timestamp(try_cast(t.create_time as bigint)), null) as ordered_at,
    s.paid_at,
    s.shipped_at,
    null::timestamptz as completed_at,
    if(try_cast(t.update_time as bigint) between 1 and 253402300799, to_timestamp(try_cast(t.update_time as bigint)), null) as updated_at,
    if(try_cast(t.ship_by_date as bigint) between 1 and 253402300799, to_timestamp(try_cast(t.ship_by_date as bigint)), null) as ship_by,
    nullif(t.currency, '') as currency,
    a.gross as goods_amount,
    try_cast(a.gross + a.shipping_fee + a.tax_amount - a.payable as decimal(18, 2)) as discount_amount,
    a.shipping_fee,
    a.tax_amount,
    a.payable as payable_amount,
    if(y.is_paid, a.payable, 0)::decimal(18, 2) as paid_amount,
    nullif(t.buyer_user_id, '0') as buyer_id,
    false as is_test,
    t.message_to_seller as buyer_message,
    t.note as seller_memo,
    {
        name: nullif(t.recipient_address.name, ''), phone: nullif(t.recipient_address.phone, ''),
        country: coalesce(nullif(t.recipient_address.region, ''), nullif(t.region, '')),
        province: nullif(t.recipient_address.state, ''), city: nullif(t.recipient_address.city, ''),
        district: nullif(t.recipient_address.district, ''), town: nullif(t.recipient_address.town, ''),
        address: nullif(t.recipient_address.full_address, ''), zip: nullif(t.recipient_address.zipcode, ''),
        id_number: nullif(t.buyer_cpf_id, ''), email: null::varchar, ip: null::varchar, oaid: null::varchar, tokens: null::varchar
    } as contact,
    list_transform(l.lines, lambda i: {
        platform_line_id: i.item.line_id,
        -- Goods without variants have no model.
        sku: coalesce(if(coalesce(i.item.line.model_id, '0') <> '0', nullif(i.item.line.model_sku, ''), null), nullif(i.item.line.item_sku, '')),
        product_name: i.item.line.item_name,
        quantity: i.item.quantity,
        ship_quantity: greatest(i.item.quantity - i.item.cancelled - i.item.returned, 0)::integer,
        shipped_quantity: case
            when s.base_status in ('shipped', 'completed') then greatest(i.item.quantity - i.item.cancelled, 0)
            when len(s.sent) = 0 and t.package_list is not null then 0
            when s.base_status = 'pending_payment' then 0
            when len(s.sent) = len(t.package_list) then greatest(i.item.quantity - i.item.cancelled, 0)
            -- A split order names the goods of each parcel, not the lines: equal lines cannot be told apart.
            when i.item.alike = 1 then coalesce(list_sum(list_transform(
                list_filter(flatten(list_transform(s.sent, lambda k: coalesce(k.item_list, []))),
                    lambda k: k.item_id = i.item.line.item_id and k.model_id = i.item.line.model_id
                        and k.promotion_group_id is not distinct from i.item.line.promotion_group_id),
                lambda k: try_cast(k.model_quantity as integer))), 0)
        end::integer,
        unit_price: i.unit_price,
        discount_amount: try_cast(i.discount as decimal(18, 2)),
        line_amount: try_cast(i.gross - i.discount as decimal(18, 2)),
        refund_status: case
            when i.item.asked_back > 0 then 'requested'
            when i.item.cancelled + i.item.returned > 0 and i.item.cancelled + i.item.returned < i.item.quantity then 'partially_refunded'
            when i.item.cancelled + i.item.returned > 0 then if(y.is_paid, 'refunded', 'closed')
            -- Orders of before lines counted their pieces.
            when t.order_status in ('IN_CANCEL', 'TO_RETURN') and not s.asked_back and not s.given_back then 'requested'
            when s.base_status = 'closed' and y.is_paid then 'refunded'
            else 'none' end,
        platform_refund_status: null::varchar,
        platform_product_id: i.item.line.item_id,
        platform_sku_id: nullif(i.item.line.model_id, '0')
    }) as items,
    list_filter(
        list_transform(l.lines, lambda i, n: {line_no: n::integer, kind: 'line', name: null::varchar,
            amount: try_cast(i.discount as decimal(18, 2))}),
        lambda d: d.amount <> 0) as discounts,
    list_transform(s.sent, lambda k: {
        platform_shipment_id: k.package_number,
        status: if(k.logistics_status = 'LOGISTICS_DELIVERY_DONE', 'delivered', 'shipped'),
        courier: nullif(k.shipping_carrier, ''), tracking_no: null::varchar,
        shipped_at: s.shipped_at, delivered_at: null::timestamptz
    }) as shipments,
    p.fetched_at as known_at,
    p.run_id
from parsed p
join shares l using (seq)
join amounts a using (seq)
join states s using (seq)
join payments y using (seq)
