"""Importing a file: its orders land as documents of kind `import`, its ledger row with the last of them."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orderpipe.config import Settings, Shop
from orderpipe.errors import ConfigError, OrderpipeError
from orderpipe.imports import mappings
from orderpipe.imports.documents import Counted, Document, Layout, count, documents, lay_out
from orderpipe.imports.files import FileRefused, Table, content_hash, open_table
from orderpipe.imports.mappings import Mapping
from orderpipe.imports.problems import REASONS
from orderpipe.lake.landing import forget_documents, insert_documents, stage_documents

if TYPE_CHECKING:
    from orderpipe.flow.run import Run

KIND = "import"  # of a document that is an order
STATEMENT = "settlement"  # of one that is a line of a statement
LAND_AT = 5_000  # documents held in memory before they land
LISTED = 1_000  # refused rows a report lists; it counts all
_COLUMNS = (
    "content_hash", "file_name", "platform", "shop_id", "mapping", "mapping_version", "rows", "documents", "landed",
    "refused", "status", "error", "imported_at", "run_id",
)  # fmt: skip


class FileChanged(OrderpipeError):
    """The file was written to while it was read: it is imported another time."""


@dataclass(frozen=True)
class RefusedRow:
    """A row that cannot be taken as it stands. line: where it begins in the file. reason: in Chinese, no cell in it."""

    line: int
    problem: str
    reason: str


@dataclass
class ImportReport:
    """What became of a file.

    status: done; known (imported before, nothing to do); failed (nothing of it could be taken); checked (read only).
    rows: below the headers. documents: the orders they make up. landed: those that were not held before. refused:
    rows that cannot be taken as they stand; refusals lists the first of them. other_columns: headers that no field is
    bound to; their cells are kept. imported_at: UTC; of the first time for a known file.
    """

    file: str
    content_hash: str
    status: str = "failed"
    error: str = ""
    error_zh: str = ""
    platform: str | None = None
    shop_id: str = ""
    mapping: str = ""
    mapping_version: str = ""
    encoding: str = ""
    kind: str = KIND
    rows: int = 0
    documents: int = 0
    landed: int = 0
    refused: int = 0
    refusals: list[RefusedRow] = field(default_factory=list)
    other_columns: list[str] = field(default_factory=list)
    imported_at: datetime | None = None
    run_id: str = ""

    @property
    def ok(self) -> bool:
        """Whether every row was taken."""
        return self.status != "failed" and not self.refused

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for --json and the report beside the file."""
        return asdict(self)


def import_file(run: "Run", path: Path, *, shop: str | None = None, mapping: str | None = None) -> ImportReport:
    """Import a file: land its orders, write its ledger row. What comes after (pool, decide) is the caller's.

    shop: the shop's id; else the only shop of the export's platform. mapping: the entry of import_headers.yaml; else
    the headers tell. Done again after a crash it lands what is missing and nothing twice; a file that was imported
    before (same content, shop and mapping) changes nothing. A file that cannot be read is reported as failed.
    Raises ConfigError when import_headers.yaml is wrong, FileChanged when the file is still written to.
    """
    report, table, found = _plan(run.settings, path, shop, mapping)
    report.run_id, report.imported_at = run.id, run.started_at
    if found is None:
        _conclude(run, report, [], 0)
        return report
    layout, counted, its_shop = found
    before = _imported_before(run, report)
    waiting: list[Document] = []
    landed = done = 0

    def keep(document: Document) -> None:
        nonlocal landed, done
        if before:
            return
        if len(waiting) == LAND_AT:
            landed += _land(run, report, waiting)
            waiting.clear()
            run.say(f"{path.name}: {done} of {counted.rows} rows read")
        done += document.lines
        waiting.append(document)

    error = _walk(report, layout, counted, its_shop, run.started_at, keep)
    if table.changed:
        raise FileChanged("the file was written to while it was read", where=path.name, remedy="import it again")
    if before and not error:
        report.status, report.landed, report.imported_at, report.run_id = "known", 0, *before
        return report
    _conclude(run, report, waiting, landed)
    return report


def examine(
    settings: Settings, path: Path, now: datetime, *, shop: str | None = None, mapping: str | None = None
) -> ImportReport:
    """What importing a file would do, without a lake and without any trace. Arguments and errors as import_file."""
    report, _, found = _plan(settings, path, shop, mapping)
    if found is not None and not _walk(report, *found, now, lambda document: None) and report.status != "failed":
        report.status = "checked"
    return report


def _plan(
    settings: Settings, path: Path, shop: str | None, mapping: str | None
) -> tuple[ImportReport, Table | None, tuple[Layout, Counted, Shop] | None]:
    """Read everything of a file but its rows; the last part is None when it fails, and the report says why."""
    headers = settings.config_dir / "import_headers.yaml"
    known = mappings.load(headers)
    chosen = mappings.named(known, mapping, headers) if mapping else None
    table = None
    report = ImportReport(path.name, "", shop_id=shop or "", mapping=mapping or "")
    try:
        table = open_table(path)
        report.content_hash, report.encoding = table.content_hash, table.encoding
        layout = lay_out(table, known, chosen)
        found = layout.binding.mapping
        report.mapping, report.mapping_version = found.name, found.version
        report.kind = STATEMENT if found.statement else KIND
        report.other_columns = list(layout.binding.others.values())
        its_shop = _shop_of(settings, found, shop, path)
        report.platform, report.shop_id = its_shop.platform, its_shop.id
        counted = count(layout)
        report.rows = counted.rows
        return report, table, (layout, counted, its_shop)
    except FileRefused as error:
        report.error, report.error_zh = str(error), error.zh
        report.content_hash = report.content_hash or content_hash(path)
        return report, table, None


def _shop_of(settings: Settings, mapping: Mapping, named: str | None, path: Path) -> Shop:
    if named is not None:
        if named not in settings.shops:
            raise FileRefused(
                f"there is no shop {named}",
                where=path.name,
                remedy=f"use one of {', '.join(settings.shops)}",
                zh=f"没有店铺 {named}，可用：{'、'.join(settings.shops)}",
            )
        shop = settings.shops[named]
        if mapping.platform not in ("any", shop.platform):
            raise FileRefused(
                f"{mapping.name} is an export of {mapping.platform}, shop {named} is of {shop.platform}",
                where=path.name,
                remedy="name the shop the file is of",
                zh=f"文件是 {mapping.title}，店铺 {named} 属于 {shop.platform}，请放到正确的店铺目录",
            )
    else:
        fitting = [shop for shop in settings.shops.values() if shop.platform == mapping.platform]
        if len(fitting) != 1:
            ids = ", ".join(shop.id for shop in fitting or settings.shops.values())
            raise FileRefused(
                f"the file does not tell its shop, and {len(fitting) or 'no'} shops are of {mapping.platform}",
                where=path.name,
                remedy=f"name it with --shop, or put the file into inbox/<shop>/ ({ids})",
                zh=f"无法判断文件属于哪个店铺，请放到 inbox/店铺编号/ 目录（{ids}）",
            )
        (shop,) = fitting
    try:
        ZoneInfo(shop.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(
            f"unknown timezone {shop.timezone!r}", where=f"shops.yaml, {shop.id}", remedy="write Asia/Shanghai"
        ) from None
    return shop


def _walk(
    report: ImportReport, layout: Layout, counted: Counted, shop: Shop, now: datetime, keep: Callable[[Document], None]
) -> str:
    """Read every document into the report; gives why the file fails half-way, or nothing."""
    refused: set[int] = set()
    taken = 0
    try:
        for document in documents(layout, counted, shop, now):
            report.documents += 1
            taken += not document.problems
            for line, problem in document.problems:
                refused.add(line)
                if len(report.refusals) < LISTED:
                    report.refusals.append(RefusedRow(line, problem, REASONS[problem]))
            keep(document)
        if not taken:
            report.error = f"{report.file}: every row is refused — see the reasons, export the file again"
            report.error_zh = "所有行都被拒绝，请按原因处理后重新导出"
    except FileRefused as error:
        report.error, report.error_zh = str(error), error.zh
    report.refused = len(refused)
    report.refusals.sort(key=lambda row: row.line)
    report.status = "failed" if report.error else "done"
    return report.error


def _imported_before(run: "Run", report: ImportReport) -> tuple[datetime, str] | None:
    return run.lake.execute(
        """SELECT imported_at, run_id FROM vault.raw.imports
           WHERE content_hash = $content_hash AND shop_id = $shop_id AND mapping = $mapping
             AND mapping_version = $mapping_version AND status = 'done'""",
        {name: getattr(report, name) for name in ("content_hash", "shop_id", "mapping", "mapping_version")},
    ).fetchone()


def _conclude(run: "Run", report: ImportReport, waiting: list[Document], landed: int) -> None:
    """Land the last documents together with the ledger row."""
    report.landed = landed
    report.landed += _land(run, report, waiting, ledger=True)


def _land(run: "Run", report: ImportReport, waiting: list[Document], ledger: bool = False) -> int:
    con = run.lake
    rows = [
        (n, report.platform, report.shop_id, report.kind, d.source_id, d.updated, d.text, _hash(d.text))
        for n, d in enumerate(waiting)
    ]
    with run.writing("import"):
        stage_documents(con, rows)
        with run.transaction("vault", "import"):
            fresh = insert_documents(con, run_id=run.id, now=run.started_at)
            if ledger:
                values = {**vars(report), "file_name": report.file, "landed": report.landed + fresh}
                values = {name: values[name] for name in _COLUMNS} | {"error": report.error or None}
                con.execute(
                    """DELETE FROM vault.raw.imports
                       WHERE content_hash = $content_hash AND shop_id = $shop_id AND mapping = $mapping""",
                    {name: values[name] for name in ("content_hash", "shop_id", "mapping")},
                )
                names = ", ".join(f'"{name}"' for name in _COLUMNS)
                given = ", ".join(f"${name}" for name in _COLUMNS)
                con.execute(f"INSERT INTO vault.raw.imports ({names}) VALUES ({given})", values)
        forget_documents(con)
    return fresh


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
