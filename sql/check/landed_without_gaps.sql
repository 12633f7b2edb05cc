-- Payloads are numbered 1, 2, 3, … without a gap or a repeat.
-- grain: one row · columns: ok, detail · inputs: vault.raw.payloads
select
    count(*) = coalesce(max(seq), 0) and count(distinct seq) = count(*) as ok,
    concat('报文 ', count(*), ' 条，最大序号 ', coalesce(max(seq), 0)) as detail
from vault.raw.payloads
