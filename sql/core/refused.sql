-- Documents of the batch that cannot be read at all, or that the reader of files refused.
-- grain: one row per document and rule · key: (seq, rule) · inputs: staging.payloads, staging.typed_orders, staging.typed_refunds, staging.typed_products, staging.typed_stock, staging.reviews
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
-- Orders of a file whose rows its reader could not take as they stand; the reason quotes no cell.
select seq, 'staging', 'import_' || r.rule, r.reason
from (
    select seq, unnest(from_json(payload, '{"refused": [{"rule": "VARCHAR", "reason": "VARCHAR"}]}').refused) as r
    from staging.payloads
    where kind = 'import' and payload is not null
)
where r.rule is not null
