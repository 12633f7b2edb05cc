-- Documents of the batch that leave the quarantine.
-- grain: one row per document · key: seq · inputs: work.accepted, work.retried
select source_seq as seq from work.accepted where source_seq in (from work.retried)
