"""Alarms before and at the end of a promised shipping time: each order once per level, many orders in one message."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from orderpipe.flow.run import Run
from orderpipe.lake import merge, models

_SHANGHAI = ZoneInfo("Asia/Shanghai")
_TEXTS = {
    "warn": "发货预警：店铺 {shop} 有 {count} 个订单即将超过承诺发货时间{held}，最早截止 {first}，订单尾号 {numbers}",
    "breached": "发货超时：店铺 {shop} 有 {count} 个订单已超过承诺发货时间{held}，最早截止 {first}，订单尾号 {numbers}",
}


def ship_by_alerts(run: Run) -> list[tuple[str, str]]:
    """What operators must hear of orders that are about to miss their deadline (warn) or have missed it (breached), as
    (key, Chinese text); at most one message per shop, level and hour, later orders wait for the next hour's.

    Notes in flow.ship_by_told which message names which order. The note counts only once the message stands in the
    outbox, so that a run killed in between tells the order again.
    """
    con = run.lake
    con.execute(
        "CREATE OR REPLACE TABLE work.run AS SELECT $id AS id, $now::TIMESTAMPTZ AS started_at",
        {"id": run.id, "now": run.started_at},
    )
    with run.writing("ship-by alerts"):
        if not models.build(con, "decision/ship_by_due", "work.ship_by_due"):
            return []
        models.build(con, "decision/ship_by_told", "work.ship_by_told")
        with run.transaction("lake", "ship-by alerts"):
            merge.append(con, "flow.ship_by_told", "work.ship_by_told")
        rows = con.execute(
            """SELECT alert_key, shop_id, level, count(*), count(hold_status), min(promised_at),
                      list(platform_order_no ORDER BY promised_at, order_id)[:5]
               FROM work.ship_by_due GROUP BY ALL ORDER BY ALL"""
        ).fetchall()
    return [(key, _text(*values)) for key, *values in rows]


def _text(shop: str, level: str, count: int, held: int, first: datetime, numbers: list[str]) -> str:
    shown: dict[str, Any] = {
        "shop": shop,
        "count": count,
        "held": f"（其中 {held} 个被拦截）" if held else "",
        "first": f"{first.astimezone(_SHANGHAI):%m-%d %H:%M}",
        "numbers": "、".join(number[-6:] for number in numbers) + (" 等" if count > len(numbers) else ""),
    }
    return _TEXTS[level].format(**shown)
