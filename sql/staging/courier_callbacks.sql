-- What Kuaidi100 pushed about a tracking number, or answered when it was asked; `problem` says why it cannot be taken.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- The texts of the scans hold names and phones: they stay in raw. Every push carries the whole history, so its newest
-- scan tells when its state was reached. State by its code; finer codes (resultv2) by the leading digit, but for 101 and
-- 102 (ordered, nothing collected yet) and 1001 … 1003 (on the way).
-- Source: platform documentation of Kuaidi100, sections "Subscribe" and "Query".
with parsed as (
    select
        seq, source_updated_at, run_id, fetched_at,
        from_json(payload, '{
            "status": "VARCHAR", "comOld": "VARCHAR", "comNew": "VARCHAR",
            "lastResult": {"state": "VARCHAR", "com": "VARCHAR", "nu": "VARCHAR",
                "data": [{"time": "VARCHAR", "ftime": "VARCHAR", "status": "VARCHAR", "statusCode": "VARCHAR"}]}
        }') as t
    from staging.payloads
    where kind = 'courier_callback' and payload is not null
),

read as (
    select
        *,
        lower(nullif(trim(coalesce(nullif(t.comNew, ''), t.lastResult.com)), '')) as courier,
        nullif(trim(t.lastResult.nu), '') as tracking_no,
        nullif(trim(t.lastResult.state), '') as courier_state,
        list_filter(
            list_transform(coalesce(t.lastResult.data, []), lambda d: {
                "at": coalesce(china_time(d.time), china_time(d.ftime)),
                collected: coalesce(d.statusCode, '') in ('1', '103') or coalesce(d.status, '') in ('揽收', '已揽收')
            }),
            lambda d: d."at" is not null) as scans
    from parsed
),

typed as (
    select
        *,
        -- Of a push without scans nothing is known but that it came.
        coalesce(list_max(list_transform(scans, lambda s: s."at")), sane(source_updated_at), fetched_at) as told_at,
        list_min(list_transform(list_filter(scans, lambda s: s.collected), lambda s: s."at")) as collected_at,
        case
            when courier_state is null or len(scans) = 0 and courier_state = '0' then null
            when courier_state in ('10', '11', '12', '13', '8') then 'customs'
            when courier_state = '14' then 'refused'
            when courier_state in ('101', '102') then null
            when regexp_full_match(courier_state, '[0-9]|[1-7][0-9]{2}|100[0-9]') then
                case if(length(courier_state) = 4, '0', left(courier_state, 1))
                    when '0' then 'in_transit'
                    when '1' then 'collected'
                    when '2' then 'problem'
                    when '3' then 'delivered'
                    when '4' then 'returned'
                    when '5' then 'out_for_delivery'
                    when '6' then 'returning'
                    when '7' then 'in_transit'
                    else 'unknown'
                end
            else 'unknown'
        end as state
    from read
)

select
    seq as source_seq, md5(courier || '|' || tracking_no) as tracking_id, courier, tracking_no, state, courier_state,
    if(told_at > fetched_at + interval 1 day, fetched_at, told_at) as "at",
    if(state = 'collected', least(coalesce(collected_at, told_at), told_at), collected_at) as collected_at,
    coalesce(t.status = 'shutdown' or state in ('delivered', 'returned'), false) as is_closed,
    fetched_at as known_at, run_id,
    case
        when courier is null or tracking_no is null then {rule: 'courier_number', reason: '快递推送缺少快递公司或运单号'}
    end as problem
from typed
