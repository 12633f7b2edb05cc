-- Reverse orders that need not be sent any more: their case was withdrawn or refused before the warehouse heard of it.
-- grain: one row per instruction · key: instruction_id · inputs: work.sending, core.refunds
-- One that the warehouse may have heard of is sent to its end: the answer is wanted, and goods it expects do no harm.
select s.instruction_id
from work.sending s
join core.refunds r on r.order_id = s.order_id and r.refund_id::varchar = (s.params->>'return_id')
where s.kind = 'return_order' and s.attempts = 0 and r.status in ('closed', 'refused')
