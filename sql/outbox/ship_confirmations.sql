-- What a shipment is told to its platform with: the courier by the platform's own code.
-- grain: one row per instruction · key: instruction_id · inputs: work.claimed, ref.couriers
select
    i.instruction_id, i.kind, i.params->>'shop_id' as shop_id, i.params->>'order_no' as order_no,
    case i.params->>'platform' when 'douyin' then c.douyin when 'shopify' then c.shopify else i.params->>'courier' end as courier,
    i.params->>'tracking_no' as tracking_no, i.params->'lines' as lines, (i.params->>'platform') = 'douyin' as pieces
from work.claimed i
left join ref.couriers c on c.code = (i.params->>'courier')
where i.kind = 'ship_confirmation' and i.status = 'sending'
