-- Documents in quarantine that core has: a run was killed between pooling them and closing the case.
-- grain: one row per document · key: source_seq · inputs: work.retried, core.order_versions, core.refund_versions
select source_seq from core.order_versions where source_seq in (from work.retried)
union
select source_seq from core.refund_versions where source_seq in (from work.retried)
