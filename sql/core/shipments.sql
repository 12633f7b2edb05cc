-- Parcels of the orders whose newest document is in the batch.
-- grain: one row per parcel · key: (order_id, shipment_no) · inputs: work.orders, staging.shipments
select
    s.order_id, s.shipment_no, s.platform_shipment_id, s.status, s.courier, s.tracking_no, s.shipped_at, s.delivered_at,
    s.source_seq
from staging.shipments s
semi join work.orders o on o.order_id = s.order_id and o.source_seq = s.source_seq
