-- Parcels of the batch's orders, as the platform knows them.
-- grain: one row per order payload and parcel · key: (source_seq, shipment_no) · inputs: staging.typed_orders
with parcels as (
    select
        source_seq, unnest(shipments) as s, generate_subscripts(shipments, 1) as shipment_no,
        order_id_of(ordered_at, platform, shop_id, platform_order_no) as order_id
    from staging.typed_orders
    where platform_order_no is not null and ordered_at is not null
)

select
    order_id, shipment_no::integer as shipment_no, s.platform_shipment_id, s.status, s.courier, s.tracking_no,
    s.shipped_at, s.delivered_at, source_seq
from parcels
