"""Verify: hold the pool against what the platforms list, by a walk of its own, and name every gap.

A sweep is a verification that pulls the gaps again and writes down what it found; nights and weeks do it by schedule.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyarrow as pa

from orderpipe.config import Shop
from orderpipe.errors import ConfigError, PlatformError
from orderpipe.flow.pool import pool
from orderpipe.flow.pull import SHOPS_AT_ONCE, Lane, lanes, pull
from orderpipe.flow.run import Run
from orderpipe.lake import merge
from orderpipe.platforms import TokenStore, Window, open_client

# The pool's word on every document, by kind: the platform's id and the modified time of the newest version.
_POOLED = {
    "order": "SELECT shop_id, platform_order_no AS id, updated_at FROM core.orders",
    # By document: one may hold several cases.
    "refund": """SELECT r.shop_id, p.source_id AS id, max(r.updated_at) AS updated_at
                 FROM core.refunds r JOIN vault.raw.payloads p ON p.seq = r.source_seq
                 WHERE r.shop_id = $shop GROUP BY ALL""",
    "product": """SELECT shop_id, platform_product_id AS id, max(updated_at) AS updated_at
                  FROM core.products GROUP BY ALL""",
}


@dataclass(frozen=True)
class Gap:
    """A document the platform lists and the pool does not hold as new: missing (漏单) or stale. Times are UTC.

    held: raw holds this version, or a newer one; the pool refused it (see raw.quarantine) or lost it (replay).
    """

    shop_id: str
    kind: str
    source_id: str
    platform_updated_at: datetime
    pooled_updated_at: datetime | None
    held: bool = False

    @property
    def missing(self) -> bool:
        return self.pooled_updated_at is None


@dataclass
class LaneVerified:
    """What a verification of one lane found. error: why it could not be done, or nothing.

    landed: documents that came when the gaps were pulled again; None when they were not. unresolved: the gaps that
    were still there afterwards, or all of them when nothing was repaired.
    """

    shop_id: str
    kind: str
    listed: int = 0
    gaps: list[Gap] = field(default_factory=list)
    error: str = ""
    landed: int | None = None
    unresolved: list[Gap] = field(default_factory=list)


def verify(run: Run, since: datetime, chosen: Iterable[Lane] | None = None) -> list[LaneVerified]:
    """Compare ids and modified times with every lane's platform, from `since` (UTC) to the end of its last window.

    Shops are asked side by side. Nothing is changed. What a platform changed after our last window is no gap: it is
    not due yet.
    """
    chosen = list(chosen if chosen is not None else lanes(run.settings))
    reached = _reached(run)
    by_shop: dict[str, list[Lane]] = {}
    for lane in chosen:
        by_shop.setdefault(lane.shop_id, []).append(lane)
    with ThreadPoolExecutor(max_workers=SHOPS_AT_ONCE, thread_name_prefix="verify") as workers:
        tasks = [
            workers.submit(_list_shop, run, run.settings.shops[shop_id], its_lanes, since, reached)
            for shop_id, its_lanes in by_shop.items()
        ]
        listed = [entry for task in tasks for entry in task.result()]
    found = {}
    for lane, documents, error in listed:
        gaps = [] if error else list(_gaps(run, lane, documents))
        found[lane] = LaneVerified(lane.shop_id, lane.kind, len(documents), gaps, error, unresolved=gaps)
    return [found[lane] for lane in chosen]


def repair(run: Run, found: Iterable[LaneVerified]) -> int:
    """Pull the stretches around every gap again, and note on each lane how many documents landed; gives the sum.
    Pool and decide come after."""
    total = 0
    for lane in found:
        if not lane.gaps:
            continue
        platform = run.settings.shops[lane.shop_id].platform
        stretches = {gap.platform_updated_at.replace(minute=0, second=0, microsecond=0) for gap in lane.gaps}
        lane.landed = 0
        for start in sorted(stretches):
            report = pull(run, [Lane(lane.shop_id, lane.kind, platform)], (start, start + timedelta(hours=1)))
            lane.landed += report.new
        total += lane.landed
    return total


def sweep(run: Run, since: datetime, chosen: Iterable[Lane] | None = None) -> list[LaneVerified]:
    """Verify from `since` (UTC), pull every gap again, pool, verify the lanes that had gaps once more, and write the
    outcome to raw.sweeps. The orders that came are decided on with the next decision."""
    found = verify(run, since, chosen)
    with_gaps = [lane for lane in found if lane.gaps]
    if with_gaps:
        repair(run, with_gaps)
        pool(run)
        again = [Lane(lane.shop_id, lane.kind, run.settings.shops[lane.shop_id].platform) for lane in with_gaps]
        for lane, now in zip(with_gaps, verify(run, since, again), strict=True):
            lane.unresolved = lane.gaps if now.error else now.gaps
    _note(run, since, found)
    return found


def swept(found: Iterable[LaneVerified], run: Run) -> list[tuple[str, str]]:
    """What operators must hear of after a sweep, (key, Chinese text): lanes with gaps, and those not asked."""
    day = f"{run.started_at:%Y-%m-%d}"
    alerts = []
    for lane in found:
        if lane.gaps:
            missing = sum(gap.missing for gap in lane.gaps)
            text = (
                f"漏单巡检：店铺 {lane.shop_id}（{lane.kind}）发现漏单 {missing} 条、过期 "
                f"{len(lane.gaps) - missing} 条，重拉入库 {lane.landed or 0} 条，仍未解决 {len(lane.unresolved)} 条"
                f"{'，请运行 orderpipe verify 查看' if lane.unresolved else ''}"
            )
            alerts.append((f"sweep:{lane.shop_id}:{lane.kind}:{day}", text))
        if lane.error:
            alerts.append((f"sweep_failed:{lane.shop_id}:{day}", f"漏单巡检未完成：{lane.error}"))
    return alerts


def _reached(run: Run) -> dict[tuple[str, str], datetime]:
    """How far every lane was pulled, open windows included."""
    rows = run.lake.execute("SELECT shop_id, kind, max(window_to) FROM vault.raw.pull_windows GROUP BY ALL").fetchall()
    return {(shop_id, kind): until for shop_id, kind, until in rows}


def _list_shop(
    run: Run, shop: Shop, its_lanes: list[Lane], since: datetime, reached: dict[tuple[str, str], datetime]
) -> list[tuple[Lane, dict[str, datetime], str]]:
    """(lane, id → modified time, error) of one shop's lanes, one after the other on one client."""
    entries: list[tuple[Lane, dict[str, datetime], str]] = []
    error = ""
    try:
        client = open_client(shop, tokens=TokenStore(run.settings.home.tokens), clock=run.clock, sleep=run.sleep)
    except ConfigError as failure:
        return [(lane, {}, str(failure)) for lane in its_lanes]
    try:
        for lane in its_lanes:
            until = reached.get((lane.shop_id, lane.kind))
            if error:  # no other call of this shop can work now
                entries.append((lane, {}, error))
                continue
            if until is None:
                entries.append((lane, {}, f"{lane.shop_id}: nothing was pulled yet — run `orderpipe tick`"))
                continue
            listed: dict[str, datetime] = {}
            try:
                for window in _windows(since, until, client.policy(lane.kind).span):
                    listed.update(client.census(lane.kind, window))
                    run.say(f"{lane.shop_id} {lane.kind}: listed up to {window.end:%Y-%m-%d %H:%M} UTC")
            except PlatformError as failure:
                entries.append((lane, {}, str(failure)))
                error = str(failure) if failure.scope == "shop" else ""
                continue
            # A platform may list a change under its old place already with its new time: that one is not due yet.
            entries.append((lane, {source_id: at for source_id, at in listed.items() if at < until}, ""))
    finally:
        client.close()
    return entries


def _windows(start: datetime, end: datetime, span: timedelta) -> Iterator[Window]:
    while start < end:
        yield Window(start, min(start + span, end))
        start += span


def _gaps(run: Run, lane: Lane, listed: dict[str, datetime]) -> Iterator[Gap]:
    """The listed documents that the pool does not hold, or holds in an older state."""
    table = pa.table(
        {"id": pa.array(listed.keys(), pa.string()), "at": pa.array(listed.values(), pa.timestamp("us", tz="UTC"))}
    )
    run.lake.register("listed", table)
    rows = run.lake.execute(
        f"""WITH gaps AS (
                SELECT l.id, l."at", p.updated_at FROM listed l
                LEFT JOIN ({_POOLED[lane.kind]}) p ON p.id = l.id AND p.shop_id = $shop
                WHERE p.updated_at IS NULL OR p.updated_at < l."at")
            SELECT g.*, EXISTS (
                FROM vault.raw.payloads r WHERE r.shop_id = $shop AND r.kind = $kind AND r.source_id = g.id
                    AND r.source_updated_at >= g."at") AS held
            FROM gaps g ORDER BY g."at", g.id""",
        {"shop": lane.shop_id, "kind": lane.kind},
    ).fetchall()
    run.lake.unregister("listed")
    for source_id, at, pooled_at, held in rows:
        yield Gap(lane.shop_id, lane.kind, source_id, at, pooled_at, held)


def _note(run: Run, since: datetime, found: list[LaneVerified]) -> None:
    con = run.lake
    con.execute("CREATE OR REPLACE TABLE work.sweeps AS FROM vault.raw.sweeps LIMIT 0")
    for lane in found:
        missing = sum(gap.missing for gap in lane.gaps)
        con.execute(
            """INSERT INTO work.sweeps BY NAME SELECT
                   $run AS run_id, $shop AS shop_id, $kind AS kind, $since::TIMESTAMPTZ AS swept_from,
                   $now::TIMESTAMPTZ AS swept_at, $listed AS listed, $missing AS missing, $stale AS stale,
                   $landed AS landed, $unresolved AS unresolved, $error AS error""",
            {
                "run": run.id,
                "shop": lane.shop_id,
                "kind": lane.kind,
                "since": since,
                "now": run.started_at,
                "listed": lane.listed,
                "missing": missing,
                "stale": len(lane.gaps) - missing,
                "landed": lane.landed,
                "unresolved": None if lane.error else len(lane.unresolved),
                "error": lane.error or None,
            },
        )
    with run.writing("sweep"), run.transaction("vault", "sweep"):
        merge.append(con, "raw.sweeps", "work.sweeps")
