"""Landing: raw payloads and the ledger of where they came from, in one transaction of the vault."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from orderpipe.config import Settings
from orderpipe.failpoint import reach
from orderpipe.lake.transaction import transaction

# Kinds whose documents say how something stands when it is asked, and may say the same again later.
MOMENTARY = ("product", "stock")
_PAYLOAD = pa.schema(
    [
        ("platform", pa.string()),
        ("shop_id", pa.string()),
        ("kind", pa.string()),
        ("source_id", pa.string()),
        ("source_updated_at", pa.timestamp("us", tz="UTC")),
        ("payload", pa.large_string()),
        ("payload_hash", pa.string()),
    ]
)
_WINDOW = pa.schema(
    [
        ("shop_id", pa.string()),
        ("kind", pa.string()),
        ("window_from", pa.timestamp("us", tz="UTC")),
        ("window_to", pa.timestamp("us", tz="UTC")),
        ("reported", pa.int64()),
        ("landed", pa.int64()),
        ("pages", pa.int32()),
        ("status", pa.string()),
        ("attempts", pa.int32()),
        ("error", pa.string()),
        ("run_id", pa.string()),
        ("closed_at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass
class PulledWindow:
    """What one attempt at a pull window brought.

    documents: (source_id, source_updated_at UTC, payload text), every delivery, repeats included. reported: documents
    of the window by the platform's count or a second walk; None when neither was reached. error: why the window
    stays open, without personal data; empty when it may close. attempts: this one included.
    """

    platform: str
    shop_id: str
    kind: str
    window_from: datetime
    window_to: datetime
    attempts: int
    documents: list[tuple[str, datetime, str]] = field(default_factory=list, repr=False)
    reported: int | None = None
    pages: int = 0
    error: str = ""

    @property
    def landed(self) -> int:
        """Distinct documents of the window."""
        return len({source_id for source_id, _, _ in self.documents})

    @property
    def closed(self) -> bool:
        return not self.error


def land(con, settings: Settings, windows: Iterable[PulledWindow], *, run_id: str, now: datetime) -> list[int]:
    """Land the documents of these windows and record the windows, atomically; the caller holds the writer lease.

    A document already held (same shop, kind, id and content) is dropped; the others get the next seq numbers.
    Documents of a window that stays open land too: they are true, only not complete. Gives the number of new rows per
    window, in order (a document that two windows of the call bring counts for the first).
    """
    windows = list(windows)
    rows = [
        (number, w.platform, w.shop_id, w.kind, source_id, updated_at, text, hashlib.sha256(text.encode()).hexdigest())
        for number, w in enumerate(windows)
        for source_id, updated_at, text in w.documents
    ]
    stage_documents(con, rows)
    ledger = pa.table(
        list(
            zip(
                *(
                    (w.shop_id, w.kind, w.window_from, w.window_to, w.reported, w.landed, w.pages,
                     "closed" if w.closed else "open", w.attempts, w.error or None, run_id, now if w.closed else None)
                    for w in windows
                ),
                strict=True,
            )
        ),
        schema=_WINDOW,
    )  # fmt: skip
    con.register("ledger", ledger)
    con.execute("CREATE OR REPLACE TABLE work.ledger AS SELECT * FROM ledger")
    con.unregister("ledger")
    try:
        with transaction(con, settings, "vault", f"land run={run_id}"):
            insert_documents(con, run_id=run_id, now=now)
            con.execute(
                """DELETE FROM vault.raw.pull_windows USING work.ledger l
                   WHERE pull_windows.shop_id = l.shop_id AND pull_windows.kind = l.kind
                     AND pull_windows.window_from = l.window_from AND pull_windows.window_to = l.window_to"""
            )
            con.execute("INSERT INTO vault.raw.pull_windows BY NAME SELECT * FROM work.ledger")
            reach("land.before_commit")
    finally:
        forget_documents(con)
    reach("land.committed")
    counts = dict(con.execute("SELECT number, count(*) FROM work.landing GROUP BY number").fetchall())
    return [counts.get(number, 0) for number in range(len(windows))]


def stage_documents(con, rows: Sequence[tuple]) -> None:
    """Fill work.landing with the documents that are new: each once, and none that is held already. The payloads wait
    beside it, in the view work_incoming, for `insert_documents`: copying them is most of the work.

    rows: (number, platform, shop_id, kind, source_id, source_updated_at UTC, payload, payload_hash); number says where
    a document came in, and orders the new ones.
    """
    distinct: dict[tuple, tuple] = {}
    for row in rows:
        distinct.setdefault((row[2], row[3], row[4], row[7]), row)
    columns = list(zip(*distinct.values(), strict=True)) if distinct else [[]] * 8
    incoming = pa.table(columns[1:], schema=_PAYLOAD).append_column("number", pa.array(columns[0], pa.int32()))
    con.register("work_incoming", incoming.append_column("place", pa.array(range(len(incoming)), pa.int32())))
    con.execute(
        """CREATE OR REPLACE TABLE work.landing AS
           SELECT place, number, shop_id, kind, source_id, source_updated_at, payload_hash FROM work_incoming"""
    )
    _drop_held(con)


def insert_documents(con, *, run_id: str, now: datetime) -> int:
    """Append the documents of work.landing under the next seq numbers, within the caller's transaction on the vault;
    the caller holds the writer lease. Gives their number."""
    (fresh,) = con.execute("SELECT count(*) FROM work.landing").fetchone()
    if fresh:
        con.execute(
            """INSERT INTO vault.raw.payloads BY NAME
               WITH numbered AS (
                   SELECT place, (SELECT coalesce(max(seq), 0) FROM vault.raw.payloads)
                          + row_number() OVER (ORDER BY number, source_updated_at, source_id, payload_hash) AS seq
                   FROM work.landing)
               SELECT seq, platform, shop_id, kind, source_id, source_updated_at, payload, payload_hash,
                      $now::TIMESTAMPTZ AS fetched_at, $run AS run_id
               FROM work_incoming JOIN numbered USING (place)""",
            {"now": now, "run": run_id},
        )
    return fresh


def forget_documents(con) -> None:
    """Let go of the payloads that stood beside work.landing; not within a transaction, whose rollback would bring the
    view back without them."""
    con.unregister("work_incoming")


def _drop_held(con) -> None:
    """Drop from work.landing what raw.payloads already holds. The bounds on time let it skip old files.

    A listing or a stock shows the moment it was read: one that is again as it was before a change is news, so it is
    compared with the newest document held of its product or goods only. Stock without change lands once a day, then.
    """
    newest = "QUALIFY row_number() OVER (PARTITION BY shop_id, kind, source_id ORDER BY seq DESC) = 1"
    stretches = f"""SELECT kind IN {MOMENTARY} AS momentary, min(source_updated_at), max(source_updated_at)
                    FROM work.landing GROUP BY momentary ORDER BY momentary"""
    for momentary, low, high in con.execute(stretches).fetchall():
        con.execute(
            f"""CREATE OR REPLACE TABLE work.landing AS
                SELECT n.* FROM work.landing n
                ANTI JOIN (
                    SELECT shop_id, kind, source_id, payload_hash FROM vault.raw.payloads
                    WHERE (kind IN {MOMENTARY}) = $momentary AND source_updated_at >= $low::TIMESTAMPTZ - INTERVAL 1 DAY
                      AND source_updated_at <= $high::TIMESTAMPTZ + INTERVAL 1 DAY
                    {newest if momentary else ""}
                ) p USING (shop_id, kind, source_id, payload_hash)""",
            {"momentary": momentary, "low": low, "high": high},
        )
