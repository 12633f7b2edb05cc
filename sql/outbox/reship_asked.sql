-- The parcels of resends and exchanges that are about to be sent, as `reshippable` asks of them.
-- grain: one row per parcel and line · key: (parcel_id, line_no) · inputs: work.members, decision.reshipments
select parcel_id, order_id, line_no, platform_line_id, refund_id, granted_at
from decision.reshipments
where order_id in (select order_id from work.members) and parcel_id in (select parcel_id from work.members)
    and state = 'planned'
