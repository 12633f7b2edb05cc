-- Candidate orders' lines of which a receiver has heard, or may have: what goes with them is fixed, unless they were stopped.
-- grain: one row per order line or gift · key: (order_id, line_no)
-- inputs: work.candidates, work.recalls, decision.parcels, decision.recalls, outbox.instructions
with packed as (
    select order_id, line_no, parcel_id, lead_order_id
    from decision.parcels
    where order_id in (select order_id from work.candidates)
),

tried as (
    select distinct params->>'parcel_id' as parcel_id
    from outbox.instructions
    where order_id in (select lead_order_id from packed)
        and kind in ('pick_order', 'waybill') and (attempts > 0 or status = 'sending')
),

stopped as (
    select parcel_id from decision.recalls where parcel_id in (select parcel_id from packed) and state = 'stopped'
    union
    select parcel_id from work.recalls where state = 'stopped'
)

select p.order_id, p.line_no, p.parcel_id
from packed p
semi join tried t using (parcel_id)
anti join stopped s using (parcel_id)
