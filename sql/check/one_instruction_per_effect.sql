-- No effect in the world is instructed twice.
-- grain: one row · columns: ok, detail · inputs: outbox.instructions
select
    count(*) = count(distinct idempotency_key) as ok,
    concat('指令 ', count(*), ' 条，不同效果 ', count(distinct idempotency_key)) as detail
from outbox.instructions
