-- Documents of the batch that nothing refused.
-- grain: one row per document · key: source_seq · inputs: staging.payloads, work.refused
select seq as source_seq from staging.payloads anti join work.refused using (seq)
