-- Documents of the batch that brought a state of an order, a case, a product or a stock, a person's decision, news of
-- a parcel or a return, or a line of a settlement; the other accepted ones are superseded.
-- grain: one row per document · key: source_seq · inputs: work.order_versions, work.refund_versions, work.reviews, work.wms_reports, work.tracking_reports, work.stock_changes, staging.products, staging.stock, staging.settlements, work.accepted
select source_seq from work.order_versions
union
select source_seq from work.refund_versions
union
select source_seq from work.reviews
union
select source_seq from work.wms_reports
union
select source_seq from work.tracking_reports
union
select source_seq from work.stock_changes
union
select source_seq from staging.products semi join work.accepted using (source_seq)
union
select source_seq from staging.stock semi join work.accepted using (source_seq)
union
select source_seq from staging.settlements semi join work.accepted using (source_seq)
