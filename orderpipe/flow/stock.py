"""Stock: every warehouse is asked what it holds; its answers land as documents of kind `stock`, one per goods.

A warehouse that does not answer stops nothing: its stock stays as it was, and vault.raw.stock_pulls says since when.
"""

import hashlib
import json
from dataclasses import dataclass, field

from orderpipe.config import Warehouse
from orderpipe.dispatch.qimen import QimenClient
from orderpipe.dispatch.qimen_stock import Answered, inventory
from orderpipe.errors import OrderpipeError
from orderpipe.flow.pull import PATIENCE
from orderpipe.flow.run import Run
from orderpipe.lake import merge, models
from orderpipe.lake.landing import forget_documents, insert_documents, stage_documents
from orderpipe.lake.reference import load_reference
from orderpipe.platforms.pace import paced_client

PLATFORM, KIND = "wms", "stock"
TIMEOUT = 10.0  # seconds for one answer: a tick must not wait long for a warehouse that hangs


@dataclass
class StockReport:
    """What a stock pull brought. asked: goods, in every warehouse. answered: goods with an answer, by warehouse. new:
    documents that say something else than the last of their goods. problems: cause and remedy, one line each."""

    asked: int = 0
    answered: dict[str, int] = field(default_factory=dict)
    new: int = 0
    problems: list[str] = field(default_factory=list)


def pull_stock(run: Run) -> StockReport:
    """Ask every warehouse of config/warehouses.yaml for the stock of the goods master and of what open orders want.

    Goods that a warehouse does not know, and says so, are a document without rows: it holds none of them.
    """
    con, report = run.lake, StockReport()
    load_reference(con, run.settings)
    run.note_start()
    models.build(con, "decision/stock_asked", "work.stock_asked")
    items = [sku for (sku,) in con.execute("SELECT sku FROM work.stock_asked ORDER BY sku").fetchall()]
    report.asked = len(items)
    if not items:
        return report
    changes = _changed(run)
    answers = [(warehouse, _asked(run, warehouse, items)) for warehouse in run.settings.warehouses.values()]
    for warehouse, answered in answers:
        report.answered[warehouse.id] = len(answered.rows)
        report.problems += answered.errors
    report.problems = list(dict.fromkeys(report.problems))
    report.new = _land(run, answers, changes)
    run.say(f"stock: {sum(report.answered.values())} answers, {report.new} changed")
    return report


def stale_stock(run: Run) -> list[tuple[str, str]]:
    """What operators must hear of after a stock pull, (key, Chinese text): warehouses that failed to answer in full
    twice in a row and more, once a day."""
    rows = run.lake.execute(
        """SELECT warehouse_id, failures, error, strftime(answered_at AT TIME ZONE 'Asia/Shanghai', '%m-%d %H:%M')
           FROM vault.raw.stock_pulls WHERE failures >= $patience ORDER BY warehouse_id""",
        {"patience": PATIENCE},
    ).fetchall()
    return [
        (
            f"stock:{warehouse}:{run.started_at:%Y-%m-%d}",
            f"仓库 {warehouse} 的库存连续 {failures} 次未能完整更新（上次完整更新：{at or '从未'}），"
            f"上下架仍按旧库存判断：{error}",
        )
        for warehouse, failures, error, at in rows
    ]


def _asked(run: Run, warehouse: Warehouse, items: list[str]) -> Answered:
    """The answer of one warehouse. One that knows none of the items answers for another owner, not for an empty
    house: taking its word would take every listing down."""
    receiver = run.settings.receivers.get("wms")
    if receiver is None or receiver.problem:
        return Answered(errors=[receiver.problem if receiver else "wms: no such receiver — add it to receivers.yaml"])
    try:
        with paced_client(receiver, TIMEOUT) as http:
            client = QimenClient(receiver, run.clock, http)
            answered = inventory(client, warehouse.wms_code, warehouse.owner_code, items, run.sleep)
    except OrderpipeError as error:
        return Answered(errors=[str(error)])
    if not any(answered.rows.values()) and not answered.errors:
        what = f"the warehouse knows none of {len(items)} goods; its answer is not believed"
        remedy = "check wms_code and owner_code in warehouses.yaml, and sync the items to the WMS"
        return Answered(errors=[f"wms, {warehouse.wms_code}: {what} — {remedy}"])
    return answered


def _changed(run: Run) -> dict[tuple[str, str], str]:
    """The newest change a warehouse reported since its last answer, by warehouse and goods."""
    rows = run.lake.execute(
        """SELECT c.warehouse_id, c.sku, arg_max(c.change_id, (c."at", c.source_seq))
           FROM core.stock_changes c JOIN core.stock s USING (stock_id)
           WHERE c."at" > s.asked_at
           GROUP BY c.warehouse_id, c.sku"""
    ).fetchall()
    return {(warehouse, sku): change for warehouse, sku, change in rows}


def _document(warehouse: Warehouse, sku: str, rows: list[dict[str, str]], change: str | None) -> str:
    """The answer's rows of one item as JSON, in an order of their own: a warehouse may list lots differently each
    time. change: what was reported meanwhile; an answer that is the same as before it is news then."""
    rows = sorted(rows, key=lambda row: json.dumps(row, sort_keys=True, ensure_ascii=False))
    content = {"warehouseCode": warehouse.wms_code, "itemCode": sku, "items": rows}
    content |= {"afterChange": change} if change else {}
    return json.dumps(content, ensure_ascii=False, sort_keys=True)


def _land(run: Run, answers: list[tuple[Warehouse, Answered]], changes: dict[tuple[str, str], str]) -> int:
    rows = []
    for number, (warehouse, answered) in enumerate(answers):
        for sku, found in answered.rows.items():
            text = _document(warehouse, sku, found, changes.get((warehouse.id, sku)))
            digest = hashlib.sha256(text.encode()).hexdigest()
            rows.append((number, PLATFORM, warehouse.id, KIND, sku, run.started_at, text, digest))
    con = run.lake
    with run.writing("landing stock"):
        stage_documents(con, rows)
        _note(run, answers)
        try:
            with run.transaction("vault", "land stock"):
                fresh = insert_documents(con, run_id=run.id, now=run.started_at)
                merge.replace(con, "raw.stock_pulls", "work.stock_pulls")
        finally:
            forget_documents(con)
    return fresh


def _note(run: Run, answers: list[tuple[Warehouse, Answered]]) -> None:
    """Fill work.stock_pulls: when every warehouse answered in full last, and how often it has not since."""
    con = run.lake
    con.execute("CREATE OR REPLACE TABLE work.stock_pulls AS FROM vault.raw.stock_pulls LIMIT 0")
    for warehouse, answered in answers:
        con.execute(
            """INSERT INTO work.stock_pulls BY NAME
               SELECT $warehouse AS warehouse_id, if(n.error IS NULL, $now::TIMESTAMPTZ, b.answered_at) AS answered_at,
                      $goods::BIGINT AS goods, if(n.error IS NULL, 0, coalesce(b.failures, 0) + 1)::INTEGER AS failures,
                      n.error, $run AS run_id
               FROM (SELECT $error::VARCHAR AS error) n
               LEFT JOIN vault.raw.stock_pulls b ON b.warehouse_id = $warehouse""",
            {
                "warehouse": warehouse.id,
                "now": run.started_at,
                "goods": len(answered.rows),
                "error": answered.errors[0] if answered.errors else None,
                "run": run.id,
            },
        )
