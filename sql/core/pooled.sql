-- Documents of the batch that brought a new state of an order or a case; the other accepted ones are superseded.
-- grain: one row per document · key: source_seq · inputs: work.order_versions, work.refund_versions
select source_seq from work.order_versions
union
select source_seq from work.refund_versions
