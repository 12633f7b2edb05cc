-- What the timeline gains, and what a late document makes untrue, against what is stored.
-- An event that an older version tells as well has another source from now on: it goes and comes.
-- grain: one row per event · key: (event_id, stale) · inputs: work.order_events, work.touched, core.order_events
with stored as (
    select * from core.order_events where order_id in (select order_id from work.touched)
)

select n.*, false as stale from work.order_events n anti join stored s using (event_id, source_seq, run_id)
union all by name
select s.*, true as stale from stored s anti join work.order_events n using (event_id, source_seq, run_id)
