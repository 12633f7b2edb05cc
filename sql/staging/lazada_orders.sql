-- Lazada orders (/orders/get with the units of /orders/items/get) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- One row of order_items is one piece: every unit is a line of quantity 1. The order itself has no status and no
-- currency: both follow from its units. Amounts are the buyer's: a voucher of the platform lowers what he pays (the
-- platform makes it up to the seller), prices include tax. Times carry an offset, written in two ways; one without is
-- not guessed. When a unit was shipped or delivered is told only by its last change, while it stands in that status
-- and nothing else has happened to it.
-- Source: platform documentation of Lazada, order and unit fields, statuses, amounts.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "order_id": "VARCHAR", "created_at": "VARCHAR", "updated_at": "VARCHAR", "price": "VARCHAR",
            "voucher": "VARCHAR", "shipping_fee": "VARCHAR", "payment_method": "VARCHAR",
            "need_cancel_confirm": "VARCHAR", "is_cancel_pending": "VARCHAR",
            "buyer_note": "VARCHAR", "remarks": "VARCHAR",
            "address_shipping": {"first_name": "VARCHAR", "last_name": "VARCHAR", "phone": "VARCHAR", "phone2": "VARCHAR",
                "address1": "VARCHAR", "address2": "VARCHAR", "address3": "VARCHAR", "address4": "VARCHAR",
                "address5": "VARCHAR", "city": "VARCHAR", "post_code": "VARCHAR", "country": "VARCHAR",
                "addressDsitrict": "VARCHAR", "addressDistrict": "VARCHAR"},
            "recipient_info": {"identify_no": "VARCHAR", "passport_no": "VARCHAR"},
            "order_items": [{
                "order_item_id": "VARCHAR", "sku": "VARCHAR", "sku_id": "VARCHAR", "product_id": "VARCHAR",
                "name": "VARCHAR", "item_price": "VARCHAR", "paid_price": "VARCHAR", "currency": "VARCHAR",
                "voucher_amount": "VARCHAR", "voucher_platform": "VARCHAR", "voucher_seller": "VARCHAR",
                "status": "VARCHAR", "return_status": "VARCHAR", "shipment_provider": "VARCHAR",
                "tracking_code": "VARCHAR", "package_id": "VARCHAR", "updated_at": "VARCHAR", "payment_time": "VARCHAR", "sla_time_stamp": "VARCHAR",
                "order_type": "VARCHAR", "stage_pay_status": "VARCHAR", "buyer_id": "VARCHAR",
                "need_cancel_confirm": "VARCHAR", "is_cancel_pending": "VARCHAR"}]
        }') as t
    from staging.payloads
    where platform = 'lazada' and kind = 'order'
),

cleaned as (  -- an offset after a blank is closed up, a time without one is none
    select
        *,
        case when regexp_matches(t.created_at, '([+-]\d\d:?\d\d|Z)$')
            then try_cast(regexp_replace(t.created_at, '\s+([+-]\d\d:?\d\d)$', '\1') as timestamptz) end as created_at,
        case when regexp_matches(t.updated_at, '([+-]\d\d:?\d\d|Z)$')
            then try_cast(regexp_replace(t.updated_at, '\s+([+-]\d\d:?\d\d)$', '\1') as timestamptz) end as updated_at,
        t.address_shipping as a,
        -- From the order's own amounts, so that the check against those of its units is one.
        (money(t.price) - coalesce(money(t.voucher), 0) + coalesce(money(t.shipping_fee), 0))::decimal(18, 2) as payable_amount,
        coalesce(upper(t.payment_method) = 'COD', false) as is_cod,
        len(list_filter(coalesce(t.order_items, []), lambda u: lower(u.stage_pay_status) = 'unpaid final payment')) > 0 as balance_due,
        coalesce(lower(t.need_cancel_confirm) in ('true', '1') or lower(t.is_cancel_pending) in ('true', '1'), false) as cancel_asked
    from parsed
),

units as (
    select
        seq,
        list_transform(coalesce(t.order_items, []), lambda u: {
            platform_line_id: u.order_item_id,
            sku: nullif(u.sku, ''),
            product_name: u.name,
            unit_price: money(u.item_price),
            discount_amount: coalesce(money(u.voucher_amount), (money(u.item_price) - money(u.paid_price))::decimal(18, 2)),
            line_amount: money(u.paid_price),
            voucher_platform: coalesce(money(u.voucher_platform), 0::decimal(18, 2)),
            voucher_seller: coalesce(money(u.voucher_seller), 0::decimal(18, 2)),
            platform_status: u.status,
            stage: case lower(u.status)
                when 'unpaid' then 'pending_payment'
                when 'pending' then 'paid' when 'topack' then 'paid' when 'packed' then 'paid' when 'repacked' then 'paid'
                when 'toship' then 'paid' when 'ready_to_ship_pending' then 'paid' when 'ready_to_ship' then 'paid'
                when 'shipped' then 'shipped' when 'shipping' then 'shipped'
                when 'delivered' then 'completed' when 'confirmed' then 'completed'
                when 'canceled' then 'closed'
                when 'returned' then 'back' when 'shipped_back' then 'back' when 'shipped_back_success' then 'back'
                when 'shipped_back_failed' then 'back' when 'failed' then 'back' when 'failed_delivery' then 'back'
                when 'lost' then 'back' when 'lost_by_3pl' then 'back' when 'damaged_by_3pl' then 'back'
                when 'package_scrapped' then 'back'
                else 'unknown' end,
            platform_refund_status: nullif(u.return_status, ''),
            refund_status: case upper(nullif(u.return_status, ''))
                when 'REQUEST_INITIATE' then 'requested' when 'CANCEL_INIT' then 'requested' when 'RTM_INIT' then 'requested'
                when 'RTW_INIT' then 'requested' when 'REFUND_INIT' then 'requested'
                when 'RTM_SHIPPING_BACK' then 'returning' when 'RTW_SHIPPING_BACK' then 'returning'
                when 'RTM_RECEIVE_ITEM' then 'returning' when 'RTW_REFUND_PENDING' then 'returning'
                when 'REFUND_PENDING' then 'returning'
                when 'REQUEST_REJECT' then 'refused' when 'RTW_REJECT' then 'refused' when 'REFUND_REJECTED' then 'refused'
                when 'REQUEST_CANCEL' then 'closed' when 'RTM_CANCELED' then 'closed' when 'RTW_CANCELED' then 'closed'
                when 'CANCEL_SUCCESS' then 'refunded' when 'CANCEL_REFUND_ISSUED' then 'refunded'
                when 'REFUND_SUCCESS' then 'refunded'
                else if(nullif(u.return_status, '') is null, 'none', 'unknown') end,
            cancel_asked: coalesce(lower(u.need_cancel_confirm) in ('true', '1') or lower(u.is_cancel_pending) in ('true', '1'), false),
            package: coalesce(nullif(u.package_id, ''), nullif(u.tracking_code, '')),
            package_id: nullif(u.package_id, ''), courier: nullif(u.shipment_provider, ''), tracking_no: nullif(u.tracking_code, ''),
            changed_at: case when regexp_matches(u.updated_at, '([+-]\d\d:?\d\d|Z)$')
                then try_cast(regexp_replace(u.updated_at, '\s+([+-]\d\d:?\d\d)$', '\1') as timestamptz) end,
            ship_by: case when regexp_matches(u.sla_time_stamp, '([+-]\d\d:?\d\d|Z)$')
                then try_cast(regexp_replace(u.sla_time_stamp, '\s+([+-]\d\d:?\d\d)$', '\1') as timestamptz) end,
            paid_at: make_timestamptz(try_cast(regexp_extract(u.payment_time, '^\d{12,14}$') as bigint) * 1000),
            platform_product_id: u.product_id,
            platform_sku_id: u.sku_id
        }) as items
    from parsed
),

settled as (  -- a unit that came back, or never arrived, is done with once its money is
    select seq, list_transform(items, lambda i: {
        stage: case when i.stage = 'back' then if(i.refund_status = 'refunded', 'closed', 'after_sale') else i.stage end,
        contested: i.cancel_asked or i.refund_status in ('requested', 'returning', 'refused', 'unknown'),
        untouched: i.refund_status = 'none',
        repaid: i.stage in ('closed', 'back') or i.refund_status = 'refunded',
        changed_at: i.changed_at, paid_at: i.paid_at, ship_by: i.ship_by
    }) as units
    from units
),

alive as (
    select seq, units, list_filter(units, lambda u: u.stage <> 'closed') as live,
        list_max(list_transform(units, lambda u: u.paid_at)) as payment_at
    from settled
),

states as (
    select
        a.seq, a.units, a.live, a.payment_at,
        p.balance_due,
        case
            when len(a.units) = 0 then 'unknown'
            when len(a.live) = 0 then 'closed'
            when len(list_filter(a.live, lambda u: u.stage = 'unknown')) > 0 then 'unknown'
            when p.balance_due or len(list_filter(a.live, lambda u: u.stage = 'pending_payment')) > 0 then 'pending_payment'
            when p.cancel_asked or len(list_filter(a.live, lambda u: u.stage = 'after_sale' or u.contested)) > 0 then 'after_sale'
            when len(list_filter(a.live, lambda u: u.stage = 'paid')) > 0 then 'paid'
            when len(list_filter(a.live, lambda u: u.stage = 'shipped')) > 0 then 'shipped'
            else 'completed'
        end as status,
        list_min(list_transform(list_filter(a.live, lambda u: u.stage = 'shipped' and u.untouched), lambda u: u.changed_at)) as shipped_at,
        case when len(list_filter(a.live, lambda u: u.stage <> 'completed')) = 0
            then list_max(list_transform(list_filter(a.live, lambda u: u.untouched), lambda u: u.changed_at)) end as completed_at,
        len(list_filter(a.units, lambda u: u.stage in ('completed', 'after_sale'))) > 0 as reached_buyer,
        list_min(list_transform(a.live, lambda u: u.ship_by)) as ship_by
    from alive a
    join cleaned p using (seq)
),

payments as (  -- cash on delivery is paid when it is delivered, whatever time the units carry before
    select
        s.seq,
        case
            when not p.is_cod then s.payment_at
            when s.status = 'completed' then coalesce(s.payment_at, s.completed_at)
            when s.reached_buyer or s.status = 'closed' then s.payment_at
        end as paid_at,
        not p.is_cod and s.status in ('paid', 'shipped', 'completed', 'after_sale') and s.payment_at is null as time_untold
    from states s
    join cleaned p using (seq)
)

select
    p.seq as source_seq,
    p.platform,
    p.shop_id,
    p.t.order_id as platform_order_no,
    -- Canceled and refunded units left out, the least advanced of the others is the order's state.
    s.status,
    nullif(array_to_string(list_sort(list_distinct(list_transform(u.items, lambda i: i.platform_status))), '/'), '') as platform_status,
    case
        when s.balance_due then 'deposit_paid'
        when s.status = 'pending_payment' then 'unpaid'
        when m.paid_at is null and not m.time_untold then
            case when s.status = 'closed' then 'unpaid' when p.is_cod then 'cod' when s.status = 'unknown' then 'unknown' else 'unpaid' end
        when s.status = 'closed' then 'refunded'
        when len(list_filter(s.units, lambda x: x.repaid)) > 0 then 'partially_refunded'
        else 'paid'
    end as payment_status,
    false as platform_hold,
    p.is_cod,
    len(list_filter(coalesce(p.t.order_items, []), lambda x: lower(x.order_type) = 'presale')) > 0 as is_presale,
    p.created_at as ordered_at,
    case when s.status <> 'pending_payment' then m.paid_at end as paid_at,
    s.shipped_at,
    s.completed_at,
    p.updated_at,
    s.ship_by,
    p.t.order_items[1].currency as currency,
    list_sum(list_transform(u.items, lambda i: i.unit_price))::decimal(18, 2) as goods_amount,
    list_sum(list_transform(u.items, lambda i: i.discount_amount))::decimal(18, 2) as discount_amount,
    coalesce(money(p.t.shipping_fee), 0)::decimal(18, 2) as shipping_fee,
    0::decimal(18, 2) as tax_amount,
    p.payable_amount,
    if(s.status = 'pending_payment' or (m.paid_at is null and not m.time_untold), 0, p.payable_amount)::decimal(18, 2) as paid_amount,
    p.t.order_items[1].buyer_id as buyer_id,
    false as is_test,
    p.t.buyer_note as buyer_message,
    p.t.remarks as seller_memo,
    {
        name: nullif(trim(concat_ws(' ', p.a.first_name, p.a.last_name)), ''),
        phone: coalesce(nullif(p.a.phone, ''), p.a.phone2),
        country: case lower(trim(p.a.country))
            when 'malaysia' then 'MY' when 'singapore' then 'SG' when 'philippines' then 'PH' when 'thailand' then 'TH'
            when 'vietnam' then 'VN' when 'viet nam' then 'VN' when 'indonesia' then 'ID'
            else nullif(trim(p.a.country), '') end,
        province: nullif(p.a.address3, ''),
        city: coalesce(nullif(p.a.address4, ''), p.a.city),
        -- The list misspells the district's name, and the third level holds the post code at times.
        district: coalesce(nullif(p.a.addressDsitrict, ''), nullif(p.a.addressDistrict, ''),
            if(p.a.address5 <> coalesce(p.a.post_code, ''), nullif(p.a.address5, ''), null)),
        town: null::varchar,
        address: nullif(trim(concat_ws(' ', p.a.address1, p.a.address2)), ''),
        zip: p.a.post_code,
        id_number: coalesce(nullif(p.t.recipient_info.identify_no, ''), p.t.recipient_info.passport_no),
        email: null::varchar, ip: null::varchar, oaid: null::varchar, tokens: null::varchar
    } as contact,
    list_transform(u.items, lambda i: {
        platform_line_id: i.platform_line_id, sku: i.sku, product_name: i.product_name, quantity: 1::integer,
        ship_quantity: if(i.stage in ('closed', 'back'), 0, 1)::integer,
        shipped_quantity: case when i.stage in ('shipped', 'completed', 'back') then 1
            when i.stage in ('pending_payment', 'paid', 'closed') then 0 end::integer,
        unit_price: i.unit_price, discount_amount: i.discount_amount, line_amount: i.line_amount,
        refund_status: i.refund_status, platform_refund_status: i.platform_refund_status,
        platform_product_id: i.platform_product_id, platform_sku_id: i.platform_sku_id
    }) as items,
    list_filter(list_concat(
        list_transform(u.items, lambda i, n: {line_no: n::integer, kind: 'line', name: 'voucher_seller', amount: i.voucher_seller}),
        list_transform(u.items, lambda i, n: {line_no: n::integer, kind: 'line', name: 'voucher_platform', amount: i.voucher_platform})
    ), lambda d: d.amount <> 0) as discounts,
    list_transform(
        list_sort(list_distinct(list_transform(
            list_filter(u.items, lambda i: i.stage in ('shipped', 'completed', 'back') and i.package is not null), lambda i: i.package))),
        lambda k: {
            platform_shipment_id: list_filter(u.items, lambda i: i.package = k)[1].package_id,
            status: if(len(list_filter(u.items, lambda i: i.package = k and i.stage <> 'completed')) = 0, 'delivered', 'shipped'),
            courier: list_filter(u.items, lambda i: i.package = k)[1].courier,
            tracking_no: list_filter(u.items, lambda i: i.package = k)[1].tracking_no,
            shipped_at: list_min(list_transform(
                list_filter(u.items, lambda i: i.package = k and i.stage = 'shipped' and i.refund_status = 'none'), lambda i: i.changed_at)),
            delivered_at: list_max(list_transform(
                list_filter(u.items, lambda i: i.package = k and i.stage = 'completed' and i.refund_status = 'none'), lambda i: i.changed_at))
        }) as shipments,
    p.fetched_at as known_at,
    p.run_id
from cleaned p
join units u using (seq)
join states s using (seq)
join payments m using (seq)
