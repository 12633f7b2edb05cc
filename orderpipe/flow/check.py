"""Checks of every tick: nothing lost between raw and core, nothing twice. Cheap, on the whole lake."""

from dataclasses import dataclass

from orderpipe.flow.run import Run


@dataclass(frozen=True)
class Check:
    """One check: ok, or detail says by how much and where it does not add up (numbers and ids, no personal data)."""

    name: str
    ok: bool
    detail: str


# Every query gives (ok, detail). Chinese, because operators read it in the UI and in DingTalk.
_CHECKS = {
    "landed_without_gaps": """
        SELECT count(*) = coalesce(max(seq), 0) AND count(DISTINCT seq) = count(*),
               concat('报文 ', count(*), ' 条，最大序号 ', coalesce(max(seq), 0))
        FROM vault.raw.payloads""",
    "landed_is_pooled_or_quarantined": """
        SELECT landed = pooled + superseded + quarantined AND quarantined = held,
               concat('落地 ', landed, ' = 入池 ', pooled, ' + 重复 ', superseded, ' + 隔离 ', quarantined, '（隔离区 ', held, '）')
        FROM (SELECT coalesce(max(seq), 0) AS landed, coalesce(max(pooled), 0) AS pooled,
                     coalesce(max(superseded), 0) AS superseded, coalesce(max(quarantined), 0) AS quarantined
              FROM flow.cursors WHERE stage = 'pool'),
             (SELECT count(DISTINCT q.seq) AS held FROM vault.raw.quarantine q
              WHERE q.resolved_at IS NULL AND q.seq <= (SELECT coalesce(max(seq), 0) FROM flow.cursors WHERE stage = 'pool'))""",
    "every_landed_document_is_read": """
        SELECT raw.seq = pool.seq, concat('落地到 ', raw.seq, '，入池到 ', pool.seq)
        FROM (SELECT coalesce(max(seq), 0) AS seq FROM vault.raw.payloads) raw,
             (SELECT coalesce(max(seq), 0) AS seq FROM flow.cursors WHERE stage = 'pool') pool""",
    "one_row_per_order": """
        SELECT count(*) = count(DISTINCT order_id) AND count(*) = count(DISTINCT (platform, platform_order_no)),
               concat('订单 ', count(*), ' 行，不同 order_id ', count(DISTINCT order_id))
        FROM core.orders""",
    "every_order_has_its_newest_version": """
        SELECT count(*) = 0, concat(count(*), ' 个订单不是最新版本')
        FROM core.orders o
        FULL JOIN (SELECT order_id, max((updated_at, source_seq)) AS newest FROM core.order_versions GROUP BY order_id) v USING (order_id)
        WHERE (o.updated_at, o.source_seq) IS DISTINCT FROM v.newest""",
    "one_instruction_per_effect": """
        SELECT count(*) = count(DISTINCT idempotency_key), concat('指令 ', count(*), ' 条，不同效果 ', count(DISTINCT idempotency_key))
        FROM outbox.instructions""",
}


def check(run: Run) -> list[Check]:
    """Run every check; each is a row with ok and detail."""
    return [Check(name, *run.lake.execute(query).fetchone()) for name, query in _CHECKS.items()]
