"""Callbacks: what receivers reported lands in raw, and leaves the spool.

The files go after the commit. Killed in between, the next run finds them again, and landing drops what it holds.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from orderpipe import spool
from orderpipe.dispatch import inbound
from orderpipe.errors import OrderpipeError
from orderpipe.failpoint import reach
from orderpipe.flow.run import Run
from orderpipe.lake.landing import forget_documents, insert_documents, stage_documents
from orderpipe.lake.lease import lease

AT_ONCE = 500  # files of one transaction


@dataclass
class CallbackReport:
    """What the spool held. received: files; landed: documents that were not held before; set_aside: files that could
    not be read and lie in callbacks/bad."""

    received: int = 0
    landed: int = 0
    set_aside: int = 0


def land_callbacks(run: Run) -> CallbackReport:
    """Land everything in the spool. A file that cannot be read is set aside, not lost."""
    report = CallbackReport()
    if not spool.waiting(run.settings):
        return report
    with lease(run.settings.home.lock("callbacks"), "landing callbacks"):
        while files := spool.waiting(run.settings)[:AT_ONCE]:
            rows = []
            for path in files:
                try:
                    rows += _rows(run, spool.read(path))
                except (OrderpipeError, RecursionError):
                    spool.set_aside(run.settings, path)
                    report.set_aside += 1
            report.landed += land_documents(run, rows, "land callbacks")
            reach("callbacks.landed")
            for path in files:
                path.unlink(missing_ok=True)
            report.received += len(files)
    run.say(f"callbacks: {report.received} received, {report.landed} new")
    return report


def unreadable(run: Run) -> list[tuple[str, str]]:
    """What operators must hear of, (key, Chinese text): callbacks that were set aside and lie there still."""
    return [
        (f"callback:{name}", f"一条回传无法读取，已移到 callbacks/{spool.BAD}/{name}，请人工查看（处理后移走该文件）")
        for name in spool.set_aside_names(run.settings)
    ]


def land_documents(run: Run, rows: list[tuple], purpose: str) -> int:
    """Land documents (rows as lake.landing.stage_documents takes them) in one transaction; how many are new."""
    if not rows:
        return 0
    with run.writing(purpose):
        stage_documents(run.lake, rows)
        try:
            with run.transaction("vault", purpose):
                return insert_documents(run.lake, run_id=run.id, now=run.started_at)
        finally:
            forget_documents(run.lake)


def row_of(document: inbound.Document, at: datetime) -> tuple:
    """A document as a row to land; at: its time where it tells none itself, aware UTC."""
    digest = hashlib.sha256(document.text.encode()).hexdigest()
    names = document.platform, document.shop_id, document.kind, document.source_id
    return 0, *names, document.at or at, document.text, digest


def _rows(run: Run, callback: spool.Callback) -> list[tuple]:
    if callback.sender == inbound.QIMEN:
        documents = inbound.from_warehouse(callback.method, callback.body)
    elif callback.sender == inbound.KUAIDI100:
        documents = [inbound.from_courier(callback.body)]
    else:
        raise inbound.Unreadable("nobody we know", where=callback.sender)
    # In a simulated world the server's clock, which is the machine's, tells nothing.
    at = callback.received_at if run.clock.source == "system" else run.started_at
    return [row_of(document, at) for document in documents]
