-- Pieces that parcels of resends and exchanges keep reserved: those that are to go and have not left.
-- grain: one row per parcel and line · key: (parcel_id, line_no)
-- inputs: work.reshipments, core.fulfilments, outbox.instructions
select r.parcel_id, r.order_id, r.line_no, r.sku, r.warehouse_id, r.quantity
from work.reshipments r
left join core.fulfilments f using (parcel_id)
anti join (
    select params->>'parcel_id' as parcel_id
    from outbox.instructions
    where order_id in (select order_id from work.reshipments) and kind = 'pick_order' and status = 'rejected'
) refused on refused.parcel_id = r.parcel_id
where r.state = 'planned'
    and coalesce(f.status not in ('shipped', 'partly_shipped', 'cancelled', 'closed', 'rejected'), true)
