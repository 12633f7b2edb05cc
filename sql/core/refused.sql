-- Documents of the batch that cannot be read at all.
-- grain: one row per document and rule · key: (seq, rule) · inputs: staging.payloads, staging.typed_orders, staging.typed_refunds
with typed as (
    select source_seq from staging.typed_orders union select source_seq from staging.typed_refunds
)

select seq, 'staging' as stage, 'not_json' as rule, '报文不是 JSON 对象（可能被截断），请核对平台返回后重拉' as reason
from staging.payloads
where payload is null
union all
select p.seq, 'staging', 'no_model', '没有该平台该类报文的映射（sql/staging），请联系数据团队'
from staging.payloads p
anti join typed t on t.source_seq = p.seq
where p.payload is not null
