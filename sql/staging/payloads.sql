-- The documents of the batch; the text of one that is no JSON object is left out, so that no model trips over it. An
-- escaped NUL goes as well: it means nothing in any text, and the catalog of the lake cannot hold one.
-- grain: one row per document · key: seq · inputs: vault.raw.payloads, work.bite, work.retried, work.already
with documents as (
    select * replace (replace(payload, '\u0000', '') as payload)
    from vault.raw.payloads
    where (seq > (select done from work.bite) and seq <= (select upto from work.bite))
        or (seq in (from work.retried) and seq not in (from work.already))
)

select * replace (if(json_valid(payload) and json_type(payload) = 'OBJECT', payload, null) as payload)
from documents
order by seq
