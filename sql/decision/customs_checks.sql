-- What the customs rules find about the goods of candidate orders that leave the country.
-- grain: one row per order line and rule that matches · key: (order_id, line_no, rule_id)
-- inputs: work.customs_judged (customs rules over work.customs_facts), work.routes
select
    c.order_id, c.line_no, c.rule_id, c.level, c.message, c.rule_version, c.facts, r.decided_at, r.source_seq
from work.customs_judged c
join work.routes r using (order_id)
