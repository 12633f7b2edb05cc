-- What people decided about orders, typed; `problem` says why a document cannot be taken.
-- grain: one row per review payload · key: source_seq · inputs: staging.payloads
-- The order is named by order_id and by its number, which must belong together; it need not have come yet.
with parsed as (
    select seq, platform, shop_id, run_id, fetched_at, review_document(payload) as r
    from staging.payloads
    where kind = 'review' and payload is not null
),

typed as (
    select
        *,
        nullif(trim(r.review_id), '') as review_id,
        try_cast(r.order_id as bigint) as order_id,
        nullif(trim(r.actor), '') as actor,
        nullif(trim(r.reason), '') as told,
        try_cast(r.decided_at as timestamptz) as decided_at,
        r.address as a
    from parsed
)

select
    seq as source_seq, review_id, order_id, r.action as action, actor,
    mask_text(told, a.name, a.phone, a.address) as reason,
    to_json(coalesce(list_filter(r.covers, lambda c: c.rule_id is not null and c.facts_hash is not null), [])) as covers,
    nullif(r.warehouse, '') as warehouse_id,
    coalesce(r.forced, false) as forced,
    if(
        r.action = 'readdress',
        address_key_of(a.country, nullif(a.province, ''), nullif(a.city, ''), nullif(a.district, ''), a.address, null),
        r.address_key
    ) as address_key,
    if(r.action = 'readdress', r.replaced_key, null) as replaced_key,
    if(r.action in ('resend', 'exchange', 'inspect', 'write_off'), to_json(r.request), null) as request,
    decided_at, fetched_at as known_at, run_id,
    case
        when review_id is null then {rule: 'review_id', reason: '复核报文缺少 review_id'}
        when names_order(order_id, platform, shop_id, r.platform_order_no) is not true
            then {rule: 'review_order', reason: '复核报文的 order_id 与平台订单号不是同一订单'}
        when r.action is null or r.action not in
            ('approve', 'reject', 'readdress', 'resend', 'exchange', 'inspect', 'write_off')
            then {rule: 'review_action',
                reason: '复核动作不是 approve、reject、readdress、resend、exchange、inspect 或 write_off'}
        when actor is null or told is null then {rule: 'review_actor', reason: '复核报文没有写明复核人或理由'}
        -- A decision from the future would outweigh every later one.
        when decided_at is null or decided_at > fetched_at + interval 1 day
            then {rule: 'review_time', reason: '复核时间缺失、无法识别或在将来'}
        when r.action in ('resend', 'exchange')
            and len(list_filter(coalesce(r.request.lines, []),
                lambda l: (l.line_no is not null and l.quantity between 1 and 1000) is not true)) > 0
            or r.action = 'resend' and coalesce(len(r.request.lines), 0) = 0
            or r.action = 'exchange' and coalesce(len(r.request.lines), 0) = 0
                and try_cast(r.request.refund_id as bigint) is null
            then {rule: 'review_lines', reason: '补发或换货报文没有写明明细行和件数，或件数不是 1 到 1000'}
        when r.action = 'inspect'
            and (coalesce(r.request.return_id, '') <> '' and r.request.verdict in ('passed', 'failed')) is not true
            then {rule: 'review_inspection', reason: '质检报文没有写明退货单，或结论不是 passed 或 failed'}
        when r.action = 'write_off'
            and (money(r.request.amount) > 0 and r.request.account in ('receivable', 'platform')) is not true
            then {rule: 'review_write_off', reason: '核销报文的金额不是正数，或科目不是 receivable 或 platform'}
        when r.action = 'readdress'
            and (coalesce(a.address, '') <> '' and not is_masked(a.address) and coalesce(a.city, '') <> ''
                and regexp_full_match(a.country, '[A-Z]{2}') and r.replaced_key is not null) is not true
            then {rule: 'review_address', reason: '改址报文缺少明文详细地址、城市、国家代码或被替换地址的标识'}
    end as problem
from typed
