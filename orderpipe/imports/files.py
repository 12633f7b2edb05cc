"""Opening a file: what it is, by its bytes and not by its name, and its records as text.

CSV is read record by record with Python's own reader, not with Polars: the report names the physical line of every
refused row, a ragged row must be seen rather than padded or cut, and a million rows must not stand in memory.
Workbooks go through Polars (fastexcel): ten times faster than a reader in Python, every cell as text.
"""

import codecs
import csv
import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orderpipe.errors import OrderpipeError

SEPARATORS = (",", "\t", ";", "|")
_BLOCK = 1 << 20
_LARGEST_WORKBOOK = 2 << 30  # bytes unpacked: more is no order export
_END = "\x00end of file\x00"  # a record of its own, unless a quote was never closed
Record = tuple[int, list[str]]


class FileRefused(OrderpipeError):
    """A file that cannot be imported as a whole. zh: why and what to do, for the report beside the file."""

    def __init__(self, what: str, *, zh: str, where: str = "", remedy: str = ""):
        self.zh = zh
        super().__init__(what, where=where, remedy=remedy)


@dataclass(frozen=True)
class Table:
    """A file of records. content_hash: SHA-256 of its bytes, hex. encoding: xlsx, or the text's encoding."""

    path: Path
    content_hash: str
    encoding: str
    identity: tuple[int, int, int]

    def records(self, separator: str) -> Iterator[Record]:
        """(line number, cells) of every record, blank ones left out; the line is where the record begins, from 1.

        separator means nothing to a workbook. Raises FileRefused for a quote that is never closed.
        """
        return self._sheet() if self.encoding == "xlsx" else self._lines(separator)

    @property
    def separators(self) -> tuple[str, ...]:
        """The separators it may have."""
        return ("",) if self.encoding == "xlsx" else SEPARATORS

    @property
    def changed(self) -> bool:
        """Whether the path leads to other content than when it was opened."""
        try:
            return _identity(self.path.lstat()) != self.identity
        except FileNotFoundError:
            return True

    def _lines(self, separator: str) -> Iterator[Record]:
        with self.path.open("r", encoding=self.encoding, newline="") as file:
            reader = csv.reader(_ended(file), delimiter=separator)
            line, cells = 1, []
            try:
                for cells in reader:
                    if any(cell and not cell.isspace() for cell in cells) and cells != [_END]:
                        if cells[-1].endswith(_END):
                            break
                        yield line, cells
                    line = reader.line_num + 1
            except csv.Error:
                cells = [_END, _END]
        if cells != [_END]:
            raise FileRefused(
                f"the quote opened in the record of line {line} is never closed",
                where=self.path.name,
                remedy="the file is cut short or was edited by hand: export it again",
                zh=f"第 {line} 行的引号没有闭合，文件可能被截断或手工改过，请重新导出",
            )

    def _sheet(self) -> Iterator[Record]:
        for line, row in enumerate(self._workbook.iter_rows(), 1):
            cells = [cell or "" for cell in row]
            if any(cells):
                yield line, cells

    @cached_property
    def _workbook(self):
        import polars  # here: only workbooks need it, and it takes a third of a second to import

        try:
            return polars.read_excel(
                self.path, has_header=False, infer_schema_length=0, drop_empty_rows=False, drop_empty_cols=False
            )
        except Exception as error:  # the library's own errors quote the file's content
            raise FileRefused(
                f"the workbook cannot be read ({type(error).__name__})",
                where=self.path.name,
                remedy="save it again as .xlsx, or export CSV",
                zh="工作簿无法读取，请重新另存为 .xlsx，或导出 CSV",
            ) from None


def open_table(path: Path) -> Table:
    """Read a file once, to know its hash and encoding. Raises FileRefused when it is nothing we can read."""
    with path.open("rb") as file:
        identity = _identity(os.fstat(file.fileno()))
        start = file.read(8)
        file.seek(0)
        if not start:
            raise FileRefused("the file is empty", where=path.name, remedy="export it again", zh="文件为空，请重新导出")
        if start.startswith(b"\xd0\xcf\x11\xe0"):
            raise FileRefused(
                "this is an old .xls workbook, or one with a password",
                where=path.name,
                remedy="save it as .xlsx without a password, or export CSV",
                zh="旧版 .xls 或带密码的工作簿，请另存为不带密码的 .xlsx，或导出 CSV",
            )
        if start.startswith(b"PK"):
            return Table(path, _hash_of_workbook(path, file), "xlsx", identity)
        digest, encoding = _read_through(path, file)
    return Table(path, digest, encoding, identity)


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _identity(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _hash_of_workbook(path: Path, file: io.BufferedReader) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry.file_size for entry in archive.infolist()}
    except zipfile.BadZipFile:
        raise FileRefused(
            "the workbook is damaged", where=path.name, remedy="export it again", zh="工作簿已损坏，请重新导出"
        ) from None
    if "xl/workbook.xml" not in entries:
        raise FileRefused(
            "a zip archive is no table",
            where=path.name,
            remedy="unpack it and import what is in it",
            zh="这是压缩包，请解压后导入其中的文件",
        )
    if sum(entries.values()) > _LARGEST_WORKBOOK:
        raise FileRefused(
            "the workbook is too large",
            where=path.name,
            remedy="export CSV, or fewer orders at once",
            zh="工作簿过大，请导出 CSV，或分批导出",
        )
    return hashlib.file_digest(file, "sha256").hexdigest()


def _read_through(path: Path, file: io.BufferedReader) -> tuple[str, str]:
    """Hash and encoding: by the byte order mark, else UTF-8 when all of it is valid UTF-8, else GB18030."""
    digest = hashlib.sha256()
    mark = file.read(4)
    file.seek(0)
    if mark.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates = {"utf-16": codecs.getincrementaldecoder("utf-16")()}
    else:
        candidates = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8-sig", "gb18030")}
    while True:
        block = file.read(_BLOCK)
        digest.update(block)
        for name in list(candidates):
            try:
                candidates[name].decode(block, final=not block)
            except UnicodeDecodeError:
                del candidates[name]
        if not block:
            break
    if not candidates:
        raise FileRefused(
            "the text is neither UTF-8 nor GB18030",
            where=path.name,
            remedy="save it as CSV UTF-8 and try again",
            zh="文件编码既不是 UTF-8 也不是 GB18030，请另存为 CSV UTF-8",
        )
    return digest.hexdigest(), next(iter(candidates))


def _ended(lines: Iterator[str]) -> Iterator[str]:
    yield from lines
    yield _END
