"""Which pull windows are due: those left open first, then from the last window's end to (almost) now."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class DueWindow:
    """A window to pull: [start, end) in UTC, and how often it was tried before."""

    start: datetime
    end: datetime
    attempts: int = 0


def due(
    con, shop_id: str, kind: str, *, span: timedelta, overlap: timedelta, lag: timedelta, now: datetime, first: timedelta
) -> list[DueWindow]:
    """The windows of a lane that must be pulled now, oldest first.

    span, overlap and lag are the platform's policy; first is how far back a lane that never pulled begins. A window
    reaches back behind its predecessor's end by overlap, and ends lag before now: platforms show changes late.
    """
    still_open = con.execute(
        """SELECT window_from, window_to, attempts FROM vault.raw.pull_windows
           WHERE shop_id = $shop AND kind = $kind AND status = 'open' ORDER BY window_from, window_to""",
        {"shop": shop_id, "kind": kind},
    ).fetchall()
    (last,) = con.execute(
        "SELECT max(window_to) FROM vault.raw.pull_windows WHERE shop_id = $shop AND kind = $kind",
        {"shop": shop_id, "kind": kind},
    ).fetchone()
    windows = [DueWindow(start, end, attempts) for start, end, attempts in still_open]
    end = (now - lag).replace(microsecond=0)
    reached = last or (now - first).replace(microsecond=0)
    while reached < end:
        start = reached - overlap if last else reached
        last = reached = min(start + span, end)
        windows.append(DueWindow(start, reached))
    return windows


def watermark(con, shop_id: str, kind: str) -> datetime | None:
    """Everything before this time (UTC) is pulled and reconciled; None when nothing is."""
    return con.execute(
        """SELECT coalesce(min(window_from) FILTER (status = 'open'), max(window_to) FILTER (status = 'closed'))
           FROM vault.raw.pull_windows WHERE shop_id = $shop AND kind = $kind""",
        {"shop": shop_id, "kind": kind},
    ).fetchone()[0]
