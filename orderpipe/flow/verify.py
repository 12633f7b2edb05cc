"""Verify: hold the pool against what the platforms list, by a walk of its own, and name every gap."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from orderpipe.errors import ConfigError, PlatformError
from orderpipe.flow.pull import Lane, lanes, pull
from orderpipe.flow.run import Run
from orderpipe.platforms import TokenStore, Window, open_client

_POOLED = {
    "order": "SELECT platform_order_no AS id, updated_at, shop_id FROM core.orders",
    "refund": "SELECT platform_refund_no AS id, updated_at, shop_id FROM core.refunds",
}


@dataclass(frozen=True)
class Gap:
    """A document the platform lists and we do not hold as new: missing (漏单) or stale. Times are UTC."""

    shop_id: str
    kind: str
    source_id: str
    platform_updated_at: datetime
    pooled_updated_at: datetime | None

    @property
    def missing(self) -> bool:
        return self.pooled_updated_at is None


@dataclass
class LaneVerified:
    """What a verification of one lane found. error: why it could not be done, or nothing."""

    shop_id: str
    kind: str
    listed: int
    gaps: list[Gap]
    error: str = ""


def verify(run: Run, since: datetime, chosen: Iterable[Lane] | None = None) -> list[LaneVerified]:
    """Compare ids and modified times with every lane's platform, from `since` (UTC) to the end of its last window.

    Nothing is changed. What a platform changed after our last window is not a gap: it is not due yet.
    """
    return [_verify(run, lane, since) for lane in (chosen if chosen is not None else lanes(run.settings))]


def repair(run: Run, found: Iterable[LaneVerified]) -> int:
    """Pull the stretches around every gap again; gives how many documents landed. Pool and decide come after."""
    landed = 0
    for lane in found:
        by_window: dict[datetime, None] = {}
        for gap in lane.gaps:
            by_window[gap.platform_updated_at.replace(minute=0, second=0, microsecond=0)] = None
        platform = run.settings.shops[lane.shop_id].platform
        for start in by_window:
            report = pull(run, [Lane(lane.shop_id, lane.kind, platform)], (start, start + timedelta(hours=1)))
            landed += report.new
    return landed


def _verify(run: Run, lane: Lane, since: datetime) -> LaneVerified:
    shop = run.settings.shops[lane.shop_id]
    result = LaneVerified(lane.shop_id, lane.kind, 0, [])
    (reached,) = run.lake.execute(
        "SELECT max(window_to) FROM vault.raw.pull_windows WHERE shop_id = $shop AND kind = $kind",
        {"shop": lane.shop_id, "kind": lane.kind},
    ).fetchone()
    if reached is None:
        result.error = f"{lane.shop_id}: nothing was pulled yet — run `orderpipe tick`"
        return result
    listed: dict[str, datetime] = {}
    try:
        client = open_client(shop, tokens=TokenStore(run.settings.home.tokens), clock=run.clock)
        try:
            for window in _windows(since, reached, client.policy(lane.kind).span):
                listed.update(client.census(lane.kind, window))
                run.say(f"{lane.shop_id} {lane.kind}: listed up to {window.end:%Y-%m-%d %H:%M} UTC")
        finally:
            client.close()
    except (PlatformError, ConfigError) as error:
        result.error = str(error)
    # A platform may list a change under its old place already with its new time: that one is not due yet.
    listed = {source_id: at for source_id, at in listed.items() if at < reached}
    result.listed = len(listed)
    result.gaps = list(_gaps(run, lane, listed))
    return result


def _windows(start: datetime, end: datetime, span: timedelta) -> Iterator[Window]:
    while start < end:
        yield Window(start, min(start + span, end))
        start += span


def _gaps(run: Run, lane: Lane, listed: dict[str, datetime]) -> Iterator[Gap]:
    table = pa.table(
        {"id": pa.array(listed.keys(), pa.string()), "at": pa.array(listed.values(), pa.timestamp("us", tz="UTC"))}
    )
    run.lake.register("listed", table)
    rows = run.lake.execute(
        f"""SELECT l.id, l."at", p.updated_at FROM listed l
            LEFT JOIN ({_POOLED[lane.kind]}) p ON p.id = l.id AND p.shop_id = $shop
            WHERE p.updated_at IS NULL OR p.updated_at < l."at" ORDER BY l."at", l.id""",
        {"shop": lane.shop_id},
    ).fetchall()
    run.lake.unregister("listed")
    for source_id, at, pooled_at in rows:
        yield Gap(lane.shop_id, lane.kind, source_id, at, pooled_at)
