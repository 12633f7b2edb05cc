-- By when candidate orders must be handed over: those that are paid, or paid on delivery.
-- grain: one row per such order · key: order_id
-- inputs: work.ship_by_judged (ship_by rules over work.order_facts), work.candidates, core.orders, core.order_versions, ref.calendar
-- Where holidays do not count the clock stands still for whole days, Asia/Shanghai: the hours are laid end to end over
-- the days that count.
with judged as (
    select
        o.order_id, coalesce(sane(o.paid_at), o.ordered_at) as started_at, o.source_seq, v.known_at,
        -- An order no rule speaks of still has the platform's deadline.
        if(coalesce(j.use_platform, true), sane(o.ship_by), null) as platform_at,
        j.rule_id, j.rule_version, j.facts, j.hours, j.warn_hours, coalesce(j.skip_holidays, false) as skip_holidays
    from core.orders o
    join core.order_versions v using (order_id, source_seq)
    join work.ship_by_judged j using (order_id)
    where o.order_id in (select order_id from work.candidates)
        and (o.paid_at is not null or o.payment_status = 'cod')
        and o.status <> 'pending_payment'
),

paid_on as (
    select *, in_shanghai(started_at)::date as day, in_shanghai(started_at) as local_at
    from judged
    where skip_holidays and platform_at is null and hours is not null
),

spans as (  -- as far as the longest promise can reach
    select min(day) as first_day, (max(day) + (max(hours) // 24 + 2 + (select count(*) from ref.calendar))::integer) as last_day
    from paid_on
),

days as (  -- every day and how many that count came before it
    select
        d.day,
        c.day is null as counts,
        coalesce(sum((c.day is null)::integer) over (order by d.day rows between unbounded preceding and 1 preceding), 0)::bigint
            as before
    from (select unnest(generate_series(first_day, last_day, interval 1 day))::date as day from spans) d
    left join ref.calendar c on c.day = d.day and c.kind = 'holiday'
),

targets as (  -- seconds of days that count, from the first day to the end of the promise
    select
        p.order_id,
        d.before * 86400 + if(d.counts, epoch(p.local_at - p.day)::bigint, 0) + p.hours * 3600 as seconds
    from paid_on p
    join days d using (day)
),

without_holidays as (
    select
        t.order_id,
        (d.day + to_seconds(t.seconds - d.before * 86400)) at time zone 'Asia/Shanghai' as promised_at
    from targets t
    join days d on d.counts and d.before = (t.seconds - 1) // 86400
),

promised as (
    select
        j.*,
        coalesce(j.platform_at, w.promised_at, j.started_at + to_hours(j.hours)) as promised_at,
        if(j.platform_at is null, 'rule', 'platform') as source
    from judged j
    left join without_holidays w using (order_id)
)

select
    order_id, promised_at, promised_at - to_hours(coalesce(warn_hours, 0)) as warn_at, source, rule_id, rule_version, facts,
    known_at as decided_at, source_seq
from promised
where promised_at is not null
