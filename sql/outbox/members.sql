-- The orders whose goods are in the parcels that are about to be sent, as the instructions name them.
-- grain: one row per parcel and order · key: (parcel_id, order_id) · inputs: work.sending
select distinct params->>'parcel_id' as parcel_id, unnest(from_json(params->'orders', '["BIGINT"]')) as order_id
from work.sending
where kind in ('pick_order', 'waybill')
