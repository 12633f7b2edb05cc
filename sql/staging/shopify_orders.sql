-- Shopify orders (GraphQL Admin, OrdersPage) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads, ref.regions
-- Money is decimal text in shop currency, times are ISO 8601 UTC. Lines beyond the first page stand in _moreLineItems.
-- Source: Shopify Admin API schema 2026-10.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "id": "VARCHAR", "legacyResourceId": "VARCHAR", "name": "VARCHAR", "test": "BOOLEAN",
            "createdAt": "VARCHAR", "processedAt": "VARCHAR", "updatedAt": "VARCHAR", "closedAt": "VARCHAR",
            "cancelledAt": "VARCHAR", "currencyCode": "VARCHAR", "displayFinancialStatus": "VARCHAR",
            "displayFulfillmentStatus": "VARCHAR", "returnStatus": "VARCHAR", "paymentGatewayNames": ["VARCHAR"], "tags": ["VARCHAR"],
            "clientIp": "VARCHAR", "note": "VARCHAR", "taxesIncluded": "BOOLEAN",
            "totalPriceSet": {"shopMoney": {"amount": "VARCHAR"}},
            "totalShippingPriceSet": {"shopMoney": {"amount": "VARCHAR"}},
            "totalTaxSet": {"shopMoney": {"amount": "VARCHAR"}},
            "totalDiscountsSet": {"shopMoney": {"amount": "VARCHAR"}},
            "totalRefundedSet": {"shopMoney": {"amount": "VARCHAR"}},
            "totalOutstandingSet": {"shopMoney": {"amount": "VARCHAR"}},
            "customer": {"id": "VARCHAR", "defaultEmailAddress": {"emailAddress": "VARCHAR"},
                "defaultPhoneNumber": {"phoneNumber": "VARCHAR"}},
            "shippingAddress": {"name": "VARCHAR", "address1": "VARCHAR", "address2": "VARCHAR", "city": "VARCHAR",
                "province": "VARCHAR", "provinceCode": "VARCHAR", "zip": "VARCHAR", "countryCodeV2": "VARCHAR", "phone": "VARCHAR"},
            "lineItems": {"nodes": [{"id": "VARCHAR", "sku": "VARCHAR", "name": "VARCHAR", "title": "VARCHAR",
                "quantity": "VARCHAR", "currentQuantity": "VARCHAR",
                "originalUnitPriceSet": {"shopMoney": {"amount": "VARCHAR"}},
                "discountAllocations": [{"allocatedAmountSet": {"shopMoney": {"amount": "VARCHAR"}}}],
                "product": {"id": "VARCHAR"}, "variant": {"id": "VARCHAR"}}]},
            "_moreLineItems": [{"id": "VARCHAR", "sku": "VARCHAR", "name": "VARCHAR", "title": "VARCHAR",
                "quantity": "VARCHAR", "currentQuantity": "VARCHAR",
                "originalUnitPriceSet": {"shopMoney": {"amount": "VARCHAR"}},
                "discountAllocations": [{"allocatedAmountSet": {"shopMoney": {"amount": "VARCHAR"}}}],
                "product": {"id": "VARCHAR"}, "variant": {"id": "VARCHAR"}}],
            "refunds": [{"refundLineItems": {"nodes": [{"quantity": "VARCHAR", "lineItem": {"id": "VARCHAR"}}]}}],
            "returns": {"nodes": [{"id": "VARCHAR", "status": "VARCHAR"}]},
            "transactions": [{"kind": "VARCHAR", "status": "VARCHAR", "processedAt": "VARCHAR"}],
            "fulfillments": [{"id": "VARCHAR", "status": "VARCHAR", "createdAt": "VARCHAR", "deliveredAt": "VARCHAR",
                "trackingInfo": [{"company": "VARCHAR", "number": "VARCHAR"}],
                "fulfillmentLineItems": {"pageInfo": {"hasNextPage": "BOOLEAN"},
                    "nodes": [{"quantity": "VARCHAR", "lineItem": {"id": "VARCHAR"}}]}}]
        }') as t
    from staging.payloads
    where platform = 'shopify' and kind = 'order'
),

refunded as (  -- pieces refunded, by line
    select seq, list(r.lineItem.id) as line_ids, list(coalesce(try_cast(r.quantity as integer), 0)) as quantities
    from (select seq, unnest(flatten(list_transform(coalesce(t.refunds, []), lambda f: coalesce(f.refundLineItems.nodes, [])))) as r from parsed)
    group by seq
),

parcels as (  -- fulfilments that were not called off
    select seq, list_filter(coalesce(t.fulfillments, []), lambda f: f.status is null or f.status not in ('CANCELLED', 'ERROR', 'FAILURE')) as sent
    from parsed
),

shipped as (  -- what was handed over; told is false where a parcel does not say all of what is in it
    select
        seq,
        len(list_filter(sent, lambda f: f.fulfillmentLineItems.nodes is null or coalesce(f.fulfillmentLineItems.pageInfo.hasNextPage, false))) = 0 as told,
        flatten(list_transform(sent, lambda f: coalesce(f.fulfillmentLineItems.nodes, []))) as pieces
    from parcels
),

lines as (
    select
        p.seq,
        list_transform(list_concat(coalesce(t.lineItems.nodes, []), coalesce(t._moreLineItems, [])), lambda l: {
            platform_line_id: l.id,
            sku: nullif(l.sku, ''),
            product_name: coalesce(l.name, l.title),
            quantity: try_cast(l.quantity as integer),
            current_quantity: coalesce(try_cast(l.currentQuantity as integer), try_cast(l.quantity as integer)),
            unit_price: money(l.originalUnitPriceSet.shopMoney.amount),
            discount_amount: coalesce(list_sum(list_transform(coalesce(l.discountAllocations, []),
                lambda d: money(d.allocatedAmountSet.shopMoney.amount))), 0)::decimal(18, 2),
            refunded: coalesce(list_sum(list_transform(
                list_filter(list_zip(coalesce(f.line_ids, []), coalesce(f.quantities, [])), lambda z: z[1] = l.id), lambda z: z[2])), 0),
            shipped_quantity: if(s.told, coalesce(list_sum(list_transform(
                list_filter(s.pieces, lambda n: n.lineItem.id = l.id), lambda n: try_cast(n.quantity as integer))), 0), null)::integer,
            platform_product_id: regexp_extract(l.product.id, '[0-9]+$'),
            platform_sku_id: regexp_extract(l.variant.id, '[0-9]+$')
        }) as items
    from parsed p
    left join refunded f using (seq)
    join shipped s using (seq)
),

states as (
    select
        seq,
        -- Cash on delivery stays PENDING while it is shipped: look at fulfilment before payment.
        len(list_filter(coalesce(t.paymentGatewayNames, []), lambda g: lower(g) like '%cash on delivery%' or lower(g) like '%cod%')) > 0 as is_cod,
        case
            when t.displayFulfillmentStatus = 'FULFILLED' and (
                t.closedAt is not null
                or (len(coalesce(t.fulfillments, [])) > 0 and len(list_filter(t.fulfillments, lambda f: f.deliveredAt is null)) = 0))
                then 'completed'
            when t.displayFulfillmentStatus = 'FULFILLED' then 'shipped'
            when t.displayFulfillmentStatus = 'FULFILLMENT_NOT_REQUIRED' then 'completed'
            when t.displayFulfillmentStatus = 'RESTOCKED' then 'after_sale'
            when t.displayFulfillmentStatus in ('UNFULFILLED', 'OPEN', 'SCHEDULED', 'ON_HOLD', 'IN_PROGRESS',
                'PENDING_FULFILLMENT', 'REQUEST_DECLINED', 'PARTIALLY_FULFILLED') then 'paid'
            else 'unknown'
        end as fulfilment
    from parsed
)

select
    p.seq as source_seq,
    p.platform,
    p.shop_id,
    t.legacyResourceId as platform_order_no,
    case
        when t.cancelledAt is not null then 'closed'
        when t.displayFinancialStatus in ('VOIDED', 'EXPIRED') then 'closed'
        when t.returnStatus in ('RETURN_REQUESTED', 'IN_PROGRESS', 'RETURN_FAILED') then 'after_sale'
        when t.displayFinancialStatus = 'REFUNDED' then 'closed'
        when s.is_cod and t.displayFinancialStatus = 'PENDING' then if(s.fulfilment = 'completed', 'shipped', s.fulfilment)
        when coalesce(t.displayFinancialStatus, 'PENDING') in ('PENDING', 'AUTHORIZED', 'PARTIALLY_PAID') then 'pending_payment'
        when t.displayFinancialStatus in ('PAID', 'PARTIALLY_REFUNDED') then s.fulfilment
        else 'unknown'
    end as status,
    concat_ws('/', t.displayFinancialStatus, t.displayFulfillmentStatus,
        if(t.cancelledAt is not null, 'CANCELLED', null), nullif(t.returnStatus, 'NO_RETURN')) as platform_status,
    case t.displayFinancialStatus
        when 'PENDING' then if(s.is_cod and t.cancelledAt is null, 'cod', 'unpaid')
        when 'EXPIRED' then 'unpaid'
        when 'VOIDED' then 'unpaid'
        when 'AUTHORIZED' then 'authorized'
        when 'PARTIALLY_PAID' then 'partially_paid'
        when 'PAID' then 'paid'
        when 'PARTIALLY_REFUNDED' then 'partially_refunded'
        when 'REFUNDED' then 'refunded'
        else if(t.displayFinancialStatus is null, 'unpaid', 'unknown')
    end as payment_status,
    coalesce(t.displayFulfillmentStatus = 'ON_HOLD', false) as platform_hold,
    s.is_cod,
    -- The platform knows no orders of this kind: apps that sell in advance tag theirs.
    len(list_filter(coalesce(t.tags, []), lambda g: lower(g) in ('presale', 'pre-sale', 'preorder', 'pre-order'))) > 0 as is_presale,
    try_cast(t.createdAt as timestamptz) as ordered_at,
    -- Fully paid when the last successful payment came in.
    case when t.displayFinancialStatus in ('PAID', 'PARTIALLY_REFUNDED', 'REFUNDED') then coalesce(
        list_max(list_transform(
            list_filter(coalesce(t.transactions, []), lambda x: x.status = 'SUCCESS' and x.kind in ('SALE', 'CAPTURE')),
            lambda x: try_cast(x.processedAt as timestamptz))),
        try_cast(t.processedAt as timestamptz)) end as paid_at,
    list_min(list_transform(list_filter(coalesce(t.fulfillments, []), lambda f: f.status is distinct from 'CANCELLED'),
        lambda f: try_cast(f.createdAt as timestamptz))) as shipped_at,
    case when s.fulfilment = 'completed' then coalesce(
        list_max(list_transform(coalesce(t.fulfillments, []), lambda f: try_cast(f.deliveredAt as timestamptz))),
        try_cast(t.closedAt as timestamptz)) end as completed_at,
    try_cast(t.updatedAt as timestamptz) as updated_at,
    null::timestamptz as ship_by,
    t.currencyCode as currency,
    list_sum(list_transform(l.items, lambda i: i.unit_price * i.quantity))::decimal(18, 2) as goods_amount,
    coalesce(money(t.totalDiscountsSet.shopMoney.amount), 0)::decimal(18, 2) as discount_amount,
    coalesce(money(t.totalShippingPriceSet.shopMoney.amount), 0)::decimal(18, 2) as shipping_fee,
    if(coalesce(t.taxesIncluded, false), 0, coalesce(money(t.totalTaxSet.shopMoney.amount), 0))::decimal(18, 2) as tax_amount,
    money(t.totalPriceSet.shopMoney.amount) as payable_amount,
    case
        when coalesce(t.displayFinancialStatus, 'PENDING') in ('PENDING', 'AUTHORIZED', 'VOIDED', 'EXPIRED') then 0::decimal(18, 2)
        else (money(t.totalPriceSet.shopMoney.amount)
            - coalesce(money(t.totalOutstandingSet.shopMoney.amount), 0))::decimal(18, 2)
    end as paid_amount,
    regexp_extract(t.customer.id, '[0-9]+$') as buyer_id,
    coalesce(t.test, false) as is_test,
    t.note as buyer_message,
    null::varchar as seller_memo,
    {
        name: t.shippingAddress.name,
        phone: coalesce(nullif(t.shippingAddress.phone, ''), t.customer.defaultPhoneNumber.phoneNumber),
        country: t.shippingAddress.countryCodeV2, province: coalesce(cn.province, t.shippingAddress.province), city: t.shippingAddress.city,
        district: null::varchar, town: null::varchar,
        address: nullif(concat_ws(' ', t.shippingAddress.address1, t.shippingAddress.address2), ''),
        zip: t.shippingAddress.zip, id_number: null::varchar, email: t.customer.defaultEmailAddress.emailAddress,
        ip: t.clientIp, oaid: null::varchar, tokens: null::varchar
    } as contact,
    list_transform(l.items, lambda i: {
        platform_line_id: regexp_extract(i.platform_line_id, '[0-9]+$'), sku: i.sku, product_name: i.product_name,
        quantity: i.quantity, ship_quantity: i.current_quantity, shipped_quantity: i.shipped_quantity,
        unit_price: i.unit_price,
        discount_amount: i.discount_amount, line_amount: try_cast(i.unit_price::decimal(28, 2) * i.quantity - i.discount_amount as decimal(18, 2)),
        refund_status: case when i.refunded = 0 then 'none' when i.refunded >= i.quantity then 'refunded' else 'partially_refunded' end,
        platform_refund_status: null::varchar, platform_product_id: i.platform_product_id, platform_sku_id: i.platform_sku_id
    }) as items,
    list_filter(
        list_transform(l.items, lambda i, n: {line_no: n::integer, kind: 'line', name: null::varchar, amount: i.discount_amount}),
        lambda d: d.amount <> 0) as discounts,
    list_transform(coalesce(t.fulfillments, []), lambda f: {
        platform_shipment_id: regexp_extract(f.id, '[0-9]+$'),
        status: case when f.status = 'CANCELLED' then 'cancelled' when f.deliveredAt is not null then 'delivered'
            when f.status in ('SUCCESS', 'OPEN', 'PENDING') then 'shipped' else 'unknown' end,
        courier: f.trackingInfo[1].company, tracking_no: f.trackingInfo[1].number,
        shipped_at: try_cast(f.createdAt as timestamptz), delivered_at: try_cast(f.deliveredAt as timestamptz)
    }) as shipments,
    p.fetched_at as known_at,
    p.run_id
from parsed p
join lines l using (seq)
join states s using (seq)
-- Provinces of China come in pinyin with an ISO 3166-2 code: one province has one name in the pool.
left join ref.regions cn on t.shippingAddress.countryCodeV2 = 'CN' and cn.code = t.shippingAddress.provinceCode
