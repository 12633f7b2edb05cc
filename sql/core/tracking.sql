-- Tracking numbers that the batch tells of, as they stand now.
-- grain: one row per tracking number · key: tracking_id · inputs: work.tracking_reports, core.tracking_reports
-- The newest scan tells the state; of one moment the state that is furthest on.
with reports as (
    select * from core.tracking_reports where tracking_id in (select tracking_id from work.tracking_reports)
    union all by name
    select * from work.tracking_reports
),

ranked as (
    select
        *,
        list_position(
            ['unknown', 'collected', 'customs', 'in_transit', 'out_for_delivery', 'problem', 'refused', 'returning',
                'delivered', 'returned'],
            state) as step
    from reports
)

select
    tracking_id, any_value(courier) as courier, any_value(tracking_no) as tracking_no,
    coalesce(arg_max(state, ("at", step)) filter (state is not null), 'unknown') as state,
    min(collected_at) as collected_at,
    min("at") filter (state = 'delivered') as delivered_at,
    min("at") filter (state = 'returned') as returned_at,
    max("at") as updated_at, bool_or(is_closed) as is_closed, max(source_seq) as source_seq
from ranked
group by tracking_id
