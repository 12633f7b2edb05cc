-- Documents in quarantine that core has dealt with: a run was killed between pooling them and closing the case.
-- grain: one row per document · key: source_seq · inputs: work.retried, flow.repaired
select seq as source_seq from flow.repaired where seq in (from work.retried)
