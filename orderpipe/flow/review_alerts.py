"""Telling people of orders that newly wait for them: each once for what it waits for, in one message with others."""

from zoneinfo import ZoneInfo

from orderpipe.config import Settings
from orderpipe.flow.run import Run

CONSOLE = "http://127.0.0.1:8080"
# Holds that a reviewer can lift. An order that is held for another reason first is told when that is over.
WAITING = ("review", "cross_border_review")
_SHANGHAI = ZoneInfo("Asia/Shanghai")
_PLATFORMS = {
    "taobao": "淘宝", "pinduoduo": "拼多多", "douyin": "抖音", "jd": "京东", "shopee": "Shopee", "lazada": "Lazada",
    "shopify": "Shopify",
}  # fmt: skip


def review_alerts(run: Run) -> list[tuple[str, str]]:
    """What the group must hear of the decision at hand, as (key, Chinese text): orders that wait for a person. The key
    names the order and what the rules saw, so that the same is told once.

    Needs work.review_state and work.orders_now, which `decide` fills.
    """
    rows = run.lake.execute(
        """SELECT o.order_id, o.platform, o.shop_id, o.platform_order_no, s.reasons, s.since, s.flags_hash
           FROM work.review_state s JOIN work.orders_now o USING (order_id)
           WHERE s.state = 'open' AND o.status = 'paid' AND list_contains($waiting, o.hold_status)
           ORDER BY s.since, o.order_id""",
        {"waiting": list(WAITING)},
    ).fetchall()
    if not rows:
        return []
    url = console_url(run.settings)
    return [
        (
            f"review:{order_id}:{flags}",
            f"待人工复核：{_PLATFORMS.get(platform, platform)} {shop} 订单尾号 {number[-6:]}，{'；'.join(reasons)}，"
            f"{since.astimezone(_SHANGHAI):%m-%d %H:%M} 起等待，{url}/reviews/{order_id}",
        )
        for order_id, platform, shop, number, reasons, since, flags in rows
    ]


def console_url(settings: Settings) -> str:
    """Where people open the console: `console_url` in the settings of dingtalk in receivers.yaml."""
    receiver = settings.receivers.get("dingtalk")
    return str((receiver.settings if receiver else {}).get("console_url") or CONSOLE).rstrip("/")
