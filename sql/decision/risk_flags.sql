-- What the risk rules find about candidate orders that were ever paid, or are paid on delivery.
-- grain: one row per order and rule that matches · key: (order_id, rule_id)
-- inputs: work.risks (risk rules over work.order_facts), work.routes
-- facts_hash names what the rule saw: a person who let it pass is not asked again about the same.
select
    r.order_id, r.rule_id, r.action, r.reason, r.rule_version, r.facts, md5(r.rule_id || r.facts::varchar) as facts_hash,
    o.decided_at, o.source_seq
from work.risks r
join work.routes o using (order_id)
