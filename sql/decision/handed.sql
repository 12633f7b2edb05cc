-- Candidate orders of which a receiver has heard, or may have: what goes with them is fixed.
-- grain: one row per order · key: order_id · inputs: work.candidates, decision.parcels, outbox.instructions
with parcels as (
    select distinct order_id, parcel_id, lead_order_id
    from decision.parcels
    where order_id in (select order_id from work.candidates)
),

tried as (
    select distinct params->>'parcel_id' as parcel_id
    from outbox.instructions
    where order_id in (select lead_order_id from parcels)
        and kind in ('pick_order', 'waybill') and (attempts > 0 or status = 'sending')
)

select distinct p.order_id from parcels p semi join tried t using (parcel_id)
