-- Orders that reports of the batch are about: of their parcels, of the packages they track, of returned goods.
-- grain: one row per order · key: order_id
-- inputs: work.fulfilments, work.fulfilment_lines, work.packages, work.tracking, work.goods_returns, core.packages, core.fulfilment_lines
with parcels as (
    select parcel_id from work.fulfilments
    union
    select parcel_id from work.packages where tracking_no in (select tracking_no from work.tracking)
    union
    select parcel_id from core.packages where tracking_no in (select tracking_no from work.tracking)
)

select lead_of(parcel_id) as order_id from parcels
union
select order_id from work.fulfilment_lines
union
select order_id from core.fulfilment_lines where parcel_id in (from parcels)
union
select order_id from work.goods_returns where order_id is not null
