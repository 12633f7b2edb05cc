-- Documents of the batch that brought a state of an order, a case, a product or a stock, or a person's decision; the other accepted ones are superseded.
-- grain: one row per document · key: source_seq · inputs: work.order_versions, work.refund_versions, work.reviews, staging.products, staging.stock, work.accepted
select source_seq from work.order_versions
union
select source_seq from work.refund_versions
union
select source_seq from work.reviews
union
select source_seq from staging.products semi join work.accepted using (source_seq)
union
select source_seq from staging.stock semi join work.accepted using (source_seq)
