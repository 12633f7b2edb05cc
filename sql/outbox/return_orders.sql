-- What a reverse order is made of: the parcel the goods went in, the goods, the buyer's own parcel where the platform's
-- document names it, and the buyer in clear.
-- grain: one row per instruction · key: instruction_id
-- inputs: work.claimed, decision.return_lines, core.orders, core.refunds, vault.pii.contacts, vault.raw.payloads
-- Read at the moment of sending. Personal data: never stored outside the vault.
with claimed as (
    select
        instruction_id, order_id, params->>'return_id' as return_id, params->>'warehouse_id' as warehouse_id,
        params->>'parcel_id' as parcel_id, params->>'order_type' as order_type
    from work.claimed
    where kind = 'return_order' and status = 'sending'
),

cases as (
    select refund_id::varchar as return_id, reason, source_seq
    from core.refunds
    where order_id in (select order_id from claimed)
),

documents as (  -- Source: platform documentation of Taobao, Pinduoduo and Douyin, fields of an after-sale case
    select
        c.return_id, c.reason,
        nullif(trim(case p.platform
            when 'taobao' then p.payload->>'$.sid'
            when 'pinduoduo' then p.payload->>'$.tracking_number'
            when 'douyin' then p.payload->>'$.aftersale_info.return_logistics_code'
        end), '') as tracking_no,
        nullif(trim(case p.platform
            when 'taobao' then p.payload->>'$.company_name'
            when 'pinduoduo' then p.payload->>'$.shipping_name'
            when 'douyin' then p.payload->>'$.aftersale_info.return_logistics_company_name'
        end), '') as courier_name
    from cases c
    semi join claimed using (return_id)
    left join vault.raw.payloads p
        on p.seq = c.source_seq and p.kind = 'refund' and json_valid(p.payload)
),

lines as (
    select
        l.return_id,
        list({
            line_no: l.place, platform_order_no: o.platform_order_no, platform_line_id: l.platform_line_id, sku: l.sku,
            product_name: l.product_name, quantity: l.expected
        } order by l.place) as lines
    from (
        select *, row_number() over (partition by return_id order by order_id, line_no) as place
        from decision.return_lines
        where return_id in (select return_id from claimed)
    ) l
    join core.orders o using (order_id)
    group by l.return_id
)

select
    c.*, o.platform, o.shop_id, o.platform_order_no, d.reason, d.tracking_no, d.courier_name, l.lines,
    coalesce(p.name, if(p.oaid is not null, '***', null)) as name,
    coalesce(p.phone, if(p.oaid is not null, '***', null)) as phone, p.province, p.city, p.district, p.town,
    coalesce(p.address, if(p.oaid is not null, '***', null)) as address, p.zip, p.oaid
from claimed c
join lines l using (return_id)
join core.orders o using (order_id)
join vault.pii.contacts p using (order_id)
left join documents d using (return_id)
