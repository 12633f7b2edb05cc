-- The documents of the batch; the text of one that is no JSON object is left out, so that no model trips over it.
-- grain: one row per document · key: seq · inputs: vault.raw.payloads, work.bite, work.retried, work.already
select * replace (if(json_valid(payload) and json_type(payload) = 'OBJECT', payload, null) as payload)
from vault.raw.payloads
where (seq > (select done from work.bite) and seq <= (select upto from work.bite))
    or (seq in (from work.retried) and seq not in (from work.already))
order by seq
