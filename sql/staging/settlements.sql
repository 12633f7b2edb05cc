-- Lines of settlement statements, typed; `problem` says why a document cannot be taken.
-- grain: one row per settlement payload · key: source_seq · inputs: staging.payloads
-- An amount is positive where the platform pays out, negative where it takes. Remarks stay in raw: they are free text.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "statement_no": "VARCHAR", "line_id": "VARCHAR", "order_no": "VARCHAR", "entry_type": "VARCHAR",
            "amount": "VARCHAR", "currency": "VARCHAR", "settled_at": "VARCHAR"
        }') as t
    from staging.payloads
    where kind = 'settlement' and payload is not null
),

typed as (
    select
        *,
        nullif(trim(t.statement_no), '') as statement_no,
        nullif(trim(t.line_id), '') as line_id,
        nullif(trim(t.order_no), '') as platform_order_no,
        nullif(trim(t.entry_type), '') as platform_type,
        money(t.amount) as amount,
        case upper(trim(t.currency))
            when '人民币' then 'CNY' when 'RMB' then 'CNY' else nullif(upper(trim(t.currency)), '')
        end as currency,
        sane(try_cast(t.settled_at as timestamptz)) as settled_at
    from parsed
)

select
    md5(json_array(shop_id, statement_no, line_id)::varchar) as settlement_id,
    platform, shop_id, statement_no, line_id, platform_order_no,
    case
        when lower(platform_type) in ('订单货款', '货款', '货款收入', '交易收入', '交易收款', '订单结算', '销售收入', 'order', 'sale')
            then 'order'
        when lower(platform_type) in ('退款', '交易退款', '售后退款', '退货退款', 'refund') then 'refund'
        when lower(platform_type) in
            ('佣金', '技术服务费', '基础技术服务费', '平台服务费', '交易手续费', '手续费', 'commission', 'fee')
            then 'commission'
        when lower(platform_type) in ('运费险', '运费险服务费', '退货包运费', 'freight insurance') then 'freight_insurance'
        when lower(platform_type) in ('平台补贴', '补贴', '优惠补贴', 'subsidy') then 'subsidy'
        when lower(platform_type) in ('违规扣款', '罚款', '违约金', '赔付', 'penalty') then 'penalty'
        when lower(platform_type) in ('调账', '账务调整', '其他', 'adjustment') then 'adjustment'
        else 'unknown'
    end as type,
    platform_type, amount, currency, settled_at, seq as source_seq, fetched_at as known_at, run_id,
    case
        when statement_no is null or line_id is null or platform_type is null
            then {rule: 'settlement_line', reason: '结算明细缺少结算单号、明细号或费用类型'}
        when amount is null then {rule: 'settlement_amount', reason: '结算金额缺失或不是两位小数以内的金额'}
        when regexp_full_match(currency, '[A-Z]{3}') is not true
            then {rule: 'settlement_currency', reason: '结算币种缺失或不是三位代码'}
        when settled_at is null then {rule: 'settlement_time', reason: '结算时间缺失或无法识别'}
    end as problem
from typed
