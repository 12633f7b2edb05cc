"""Which pull windows are due: those left open first, then from the last window's end to (almost) now."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# The windows of a lane, each with how far those before it reach.
_REACHED = """
    SELECT *, max(window_to) OVER (
        ORDER BY window_from, window_to ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
    FROM vault.raw.pull_windows WHERE shop_id = $shop AND kind = $kind"""


@dataclass(frozen=True)
class DueWindow:
    """A window to pull: [start, end) in UTC, and how often it was tried before."""

    start: datetime
    end: datetime
    attempts: int = 0


def due(
    con,
    shop_id: str,
    kind: str,
    *,
    span: timedelta,
    overlap: timedelta,
    lag: timedelta,
    now: datetime,
    first: timedelta,
    every: timedelta = timedelta(0),
) -> list[DueWindow]:
    """The windows of a lane that must be pulled now, oldest first.

    span, overlap, lag and every are the platform's policy; first is how far back a lane that never pulled begins. A
    window reaches back behind its predecessor's end by overlap, and ends lag before now: platforms show changes late.
    No new one begins before `every` has passed since the last one's end. What lies between two windows is due as
    well: a window asked for by hand may begin after the last one's end.
    """
    lane = {"shop": shop_id, "kind": kind}
    windows = [
        DueWindow(*row)
        for row in con.execute(
            """SELECT window_from, window_to, attempts FROM vault.raw.pull_windows
               WHERE shop_id = $shop AND kind = $kind AND status = 'open' ORDER BY window_from, window_to""",
            lane,
        ).fetchall()
    ]
    end = (now - lag).replace(microsecond=0)
    stretches = con.execute(
        f"SELECT reached, window_from FROM ({_REACHED}) WHERE window_from > reached", lane
    ).fetchall()
    (last,) = con.execute(f"SELECT max(window_to) FROM ({_REACHED})", lane).fetchone()
    latest = [(last or (now - first).replace(microsecond=0), end)]
    if last and end - last < every:
        latest = []
    for reached, until in [*sorted(stretches), *latest]:
        while reached < min(until, end):
            start = reached - overlap if last else reached
            last = reached = min(start + span, until, end)
            windows.append(DueWindow(start, reached))
    return windows


def watermark(con, shop_id: str, kind: str) -> datetime | None:
    """Everything before this time (UTC) is pulled and reconciled; None when nothing is."""
    return con.execute(
        f"""SELECT coalesce(
                least(min(window_from) FILTER (status = 'open'), min(reached) FILTER (window_from > reached)),
                max(window_to) FILTER (status = 'closed'))
            FROM ({_REACHED})""",
        {"shop": shop_id, "kind": kind},
    ).fetchone()[0]
