"""Polling: the fallback for callbacks that never came. What has been silent for too long is asked for; the answers
land as what the callbacks would have been.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from orderpipe.config import Receiver
from orderpipe.dispatch import bodies, inbound
from orderpipe.dispatch.kuaidi100_tracking import Kuaidi100Tracking
from orderpipe.dispatch.qimen import QimenClient
from orderpipe.errors import OrderpipeError
from orderpipe.flow.callbacks import land_documents, row_of
from orderpipe.flow.run import Run
from orderpipe.lake import dicts, merge, models
from orderpipe.lake.reference import load_reference
from orderpipe.platforms.pace import paced_client

AT_MOST = 50  # questions of each kind in one run
PARCEL_SILENCE, PACKAGE_SILENCE = 6.0, 24.0  # hours; `silent_hours` of the receiver changes them
PACKAGE_PAUSE = 6.0  # hours between two questions for one number, each of which costs money
SHORTEST_PAUSE = 1.0  # hours; asked more often than every half hour, a number is locked
TIMEOUT = 10.0  # seconds for one answer
_ENVELOPE = ("flag", "code", "message", "request_id", "requestId", "totalLines")


@dataclass
class PollReport:
    """What a poll asked and brought. unknown: parcels that a warehouse took and does not know now. problems: cause and
    remedy, one line each."""

    parcels: int = 0
    numbers: int = 0
    landed: int = 0
    unknown: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Answer:
    """subject: as in flow.polled. asked: whether the question left. document: what came, if anything did."""

    subject: str
    asked: bool = True
    document: inbound.Document | None = None
    unknown: bool = False
    problem: str = ""


def poll_silent(run: Run) -> PollReport:
    """Ask the warehouses for parcels and the courier for packages that have been silent for too long, a bounded number
    of each, and land the answers. A receiver that does not answer is left alone until the next run."""
    report = PollReport()
    _choose(run)
    parcels, numbers = _rows(run, "silent_parcels"), _rows(run, "silent_packages")
    if not parcels and not numbers:
        return report
    answers = [*_ask_warehouses(run, parcels, report), *_ask_courier(run, numbers, report)]
    asked = [answer for answer in answers if answer.asked]
    report.parcels = sum(answer.subject.startswith("parcel:") for answer in asked)
    report.numbers = len(asked) - report.parcels
    report.unknown = [answer.subject.partition(":")[2] for answer in asked if answer.unknown]
    report.problems += list(dict.fromkeys(answer.problem for answer in answers if answer.problem))
    documents = [row_of(answer.document, run.started_at) for answer in asked if answer.document]
    report.landed = land_documents(run, documents, "land answers")
    _note(run, asked)
    run.say(f"polling: {report.parcels} parcels, {report.numbers} numbers asked, {report.landed} new answers")
    return report


def lost_parcels(report: PollReport) -> list[tuple[str, str]]:
    """What operators must hear of after a poll, (key, Chinese text): parcels a warehouse took and does not know now."""
    said = "仓库已确认接单，但查询不到包裹 {}，请联系仓库核实是否发货"
    return [(f"polling:{parcel}", said.format(parcel)) for parcel in report.unknown]


def _choose(run: Run) -> None:
    def hours(receiver: str, name: str, usual: float) -> timedelta:
        found = run.settings.receivers.get(receiver)
        return timedelta(hours=float(found.settings.get(name, usual) if found else usual))

    load_reference(run.lake, run.settings)
    run.lake.execute(
        """CREATE OR REPLACE TABLE work.poll AS
           SELECT $now::TIMESTAMPTZ AS now, $parcel::INTERVAL AS parcel_silence, $package::INTERVAL AS package_silence,
                  $pause::INTERVAL AS package_pause, $at_most::BIGINT AS at_most""",
        {
            "now": run.started_at,
            "parcel": hours("wms", "silent_hours", PARCEL_SILENCE),
            "package": hours("courier", "silent_hours", PACKAGE_SILENCE),
            "pause": max(hours("courier", "pause_hours", PACKAGE_PAUSE), timedelta(hours=SHORTEST_PAUSE)),
            "at_most": AT_MOST,
        },
    )


def _rows(run: Run, name: str) -> list[dict[str, Any]]:
    return dicts(run.lake, models.model(f"polling/{name}"))


def _ask_warehouses(run: Run, parcels: list[dict[str, Any]], report: PollReport) -> list[_Answer]:
    receiver = _usable(run, "wms", bool(parcels), report)
    if receiver is None:
        return []
    with paced_client(receiver, TIMEOUT) as http:
        client = QimenClient(receiver, run.clock, http)

        def ask(row: dict[str, Any]) -> _Answer:
            warehouse = run.settings.warehouses.get(row["warehouse_id"])
            code = bodies.reference(row["parcel_id"])
            reply = client.find(code, warehouse.wms_code if warehouse else None)
            if reply.unclear or reply.halts:
                what = reply.reason or reply.answer.failure or f"HTTP {reply.answer.http_status}"
                return _Answer(row["subject"], asked=False, problem=f"wms: no answer about parcels ({what})")
            if not reply.holds(code):
                return _Answer(row["subject"], unknown=True)
            found = inbound.as_json(reply.root)
            told = {name: value for name, value in found.items() if name not in _ENVELOPE}
            return _Answer(row["subject"], document=inbound.warehouse_document("deliveryorder.query", told))

        return _side_by_side(receiver, ask, parcels)


def _ask_courier(run: Run, numbers: list[dict[str, Any]], report: PollReport) -> list[_Answer]:
    receiver = _usable(run, "courier", bool(numbers), report)
    if receiver is None:
        return []
    with paced_client(receiver, TIMEOUT) as http:
        client = Kuaidi100Tracking(receiver, http)

        def ask(row: dict[str, Any]) -> _Answer:
            told = client.query(row["courier"], row["tracking_no"], row["phone"])
            if told.content is None:
                problem = f"courier: {told.error}" if told.error else ""
                return _Answer(row["subject"], asked=not told.halts, problem=problem)
            return _Answer(row["subject"], document=inbound.courier_document(told.content))

        return _side_by_side(receiver, ask, numbers)


def _usable(run: Run, name: str, wanted: bool, report: PollReport) -> Receiver | None:
    receiver = run.settings.receivers.get(name)
    if not wanted or receiver is None:
        return None
    if receiver.problem:
        report.problems.append(receiver.problem)
        return None
    return receiver


def _side_by_side(receiver: Receiver, ask: Callable[[dict], _Answer], rows: list[dict]) -> list[_Answer]:
    """Every row's answer. Once the receiver fails to answer, what has not been asked yet is left for another time."""
    failed = False

    def one(row: dict[str, Any]) -> _Answer:
        nonlocal failed
        if failed:
            return _Answer(row["subject"], asked=False)
        try:
            answer = ask(row)
        except OrderpipeError as error:
            answer = _Answer(row["subject"], asked=False, problem=str(error))
        failed = failed or not answer.asked
        return answer

    with ThreadPoolExecutor(receiver.workers) as pool:
        return list(pool.map(one, rows))


def _note(run: Run, asked: list[_Answer]) -> None:
    """Write down what was asked: whatever came, it is not asked again before its time."""
    if not asked:
        return
    con = run.lake
    con.execute("CREATE OR REPLACE TABLE work.polled (subject VARCHAR, asked_at TIMESTAMPTZ, run_id VARCHAR)")
    rows = [(answer.subject, run.started_at, run.id) for answer in asked]
    con.executemany("INSERT INTO work.polled VALUES (?, ?, ?)", rows)
    with run.writing("polling"), run.transaction("lake", "polling"):
        merge.replace(con, "flow.polled", "work.polled")
