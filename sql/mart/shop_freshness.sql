-- How far behind every lane of every shop is, and why.
-- grain: one row per shop and kind · key: (shop_id, kind) · inputs: ref.lanes, raw.pull_windows, work.run
with windows as (
    select
        *,
        max(window_to) over (
            partition by shop_id, kind order by window_from, window_to
            rows between unbounded preceding and 1 preceding
        ) as reached
    from vault.raw.pull_windows
),

lanes as (
    select
        shop_id,
        kind,
        -- Where the first open window begins, or the first stretch that no window covers; else the last window's end.
        coalesce(
            least(min(window_from) filter (status = 'open'), min(reached) filter (window_from > reached)),
            max(window_to) filter (status = 'closed')
        ) as watermark,
        coalesce(max(attempts) filter (status = 'open'), 0) as silent_ticks,
        count(*) filter (status = 'open') as open_windows,
        arg_max(error, attempts) filter (status = 'open') as error,
        max(closed_at) as closed_at
    from windows
    group by shop_id, kind
),

measured as (
    select
        l.shop_id, l.platform, l.shop_name, l.kind, l.allowed_minutes, w.watermark, w.error, w.closed_at,
        coalesce(w.silent_ticks, 0) as silent_ticks,
        coalesce(w.open_windows, 0) as open_windows,
        floor(epoch(r.started_at - w.watermark) / 60)::bigint as behind_minutes,
        r.started_at as checked_at
    from ref.lanes l
    cross join work.run r
    left join lanes w using (shop_id, kind)
)

select
    shop_id, platform, shop_name, kind,
    case
        when open_windows > 0 then 'failing'
        when watermark is null then 'never'
        when behind_minutes > allowed_minutes then 'late'
        else 'fresh'
    end as state,
    watermark, behind_minutes, allowed_minutes, silent_ticks, open_windows, error, closed_at, checked_at
from measured
