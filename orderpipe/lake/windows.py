"""Which pull windows are due: those left open first, then from the last window's end to (almost) now."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# Per lane: the last end, how far everything is closed, the open windows, and the stretches that no window covers.
_PROGRESS = """
    WITH windows AS (
        SELECT *, max(window_to) OVER (
            PARTITION BY shop_id, kind ORDER BY window_from, window_to
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
        FROM vault.raw.pull_windows)
    SELECT
        shop_id, kind,
        max(window_to) AS last,
        coalesce(
            least(min(window_from) FILTER (status = 'open'), min(reached) FILTER (window_from > reached)),
            max(window_to) FILTER (status = 'closed')) AS watermark,
        coalesce(list((window_from, window_to, attempts) ORDER BY window_from, window_to)
            FILTER (status = 'open'), []) AS open,
        coalesce(list((reached, window_from) ORDER BY reached) FILTER (window_from > reached), []) AS uncovered
    FROM windows
    GROUP BY shop_id, kind"""


@dataclass(frozen=True)
class DueWindow:
    """A window to pull: [start, end) in UTC, and how often it was tried before."""

    start: datetime
    end: datetime
    attempts: int = 0


@dataclass(frozen=True)
class Progress:
    """How far a lane was pulled. last: where its last window ends; watermark: everything before it is pulled and
    reconciled; None when there is none. open: windows to be pulled again; uncovered: stretches between windows."""

    last: datetime | None = None
    watermark: datetime | None = None
    open: tuple[DueWindow, ...] = ()
    uncovered: tuple[tuple[datetime, datetime], ...] = ()


def progress(con) -> dict[tuple[str, str], Progress]:
    """How far every lane was pulled, by shop and kind; a lane that never was is not in it."""
    return {
        (shop_id, kind): Progress(last, mark, tuple(DueWindow(*window) for window in left), tuple(map(tuple, holes)))
        for shop_id, kind, last, mark, left, holes in con.execute(_PROGRESS).fetchall()
    }


def due(
    lane: Progress,
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
    windows = list(lane.open)
    end, last = (now - lag).replace(microsecond=0), lane.last
    latest = [(last or (now - first).replace(microsecond=0), end)]
    if last and end - last < every:
        latest = []
    for reached, until in [*lane.uncovered, *latest]:
        while reached < min(until, end):
            start = reached - overlap if last else reached
            last = reached = min(start + span, until, end)
            windows.append(DueWindow(start, reached))
    return windows
