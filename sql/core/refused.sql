-- Documents of the batch that cannot be read at all, or that the reader of files refused.
-- grain: one row per document and rule · key: (seq, rule) · inputs: staging.payloads, staging.typed_orders, staging.typed_refunds, staging.typed_products, staging.typed_stock, staging.reviews, staging.orders, staging.wms_callbacks, staging.courier_callbacks, staging.settlements, core.orders
with typed as (
    select source_seq from staging.typed_orders
    union
    select source_seq from staging.typed_refunds
    union
    select source_seq from staging.typed_products
    union
    select source_seq from staging.typed_stock
    union
    select source_seq from staging.reviews
    union
    select source_seq from staging.wms_callbacks
    union
    select source_seq from staging.courier_callbacks
    union
    select source_seq from staging.settlements
)

select seq, 'staging' as stage, 'not_json' as rule, '报文不是 JSON 对象（可能被截断），请核对平台返回后重拉' as reason
from staging.payloads
where payload is null
union all
select p.seq, 'staging', 'no_model', '没有该平台该类报文的映射（sql/staging），请联系数据团队'
from staging.payloads p
anti join typed t on t.source_seq = p.seq
where p.payload is not null
union all
select source_seq, 'staging', problem.rule, problem.reason from staging.reviews where problem is not null
union all
select source_seq, 'staging', problem.rule, problem.reason from staging.wms_callbacks where problem is not null
union all
select source_seq, 'staging', problem.rule, problem.reason from staging.courier_callbacks where problem is not null
union all
select source_seq, 'staging', problem.rule, problem.reason from staging.settlements where problem is not null
union all
select c.source_seq, 'core', 'unknown_parcel', '仓库回传的包裹不属于任何已入池的订单'
from staging.wms_callbacks c
anti join (
    select order_id from staging.orders
    union
    select order_id from core.orders where order_id in (select order_id from staging.wms_callbacks)
) o using (order_id)
where c.parcel_id is not null and c.problem is null
union all
-- Orders, or lines of statements, whose rows the reader of files could not take as they stand; the reason quotes no cell.
select seq, 'staging', 'import_' || r.rule, r.reason
from (
    select seq, unnest(from_json(payload, '{"refused": [{"rule": "VARCHAR", "reason": "VARCHAR"}]}').refused) as r
    from staging.payloads
    where kind in ('import', 'settlement') and payload is not null
)
where r.rule is not null
