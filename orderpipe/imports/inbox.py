"""The inbox: files dropped under <home>/inbox are imported once and filed away with a report beside them.

A shop's own subfolder (inbox/<shop id>/) says whose the files are. A crash at any moment loses and doubles nothing:
what landed is held by content, and a file leaves the inbox last.
"""

import json
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orderpipe.config import Settings
from orderpipe.lake.lease import lease
from orderpipe.private_files import sync, write_private

if TYPE_CHECKING:
    from orderpipe.flow.run import Run
    from orderpipe.imports.importing import ImportReport

DONE, FAILED = "done", "failed"
_NOT_YET = (".tmp", ".part", ".partial", ".crdownload", ".download", ".filepart")  # what is still being written
_NOT_OURS = (".report.json", ".report.txt")


@dataclass(frozen=True)
class Waiting:
    """A file in the inbox. name: its path below the inbox. shop: the subfolder it lies in, or nothing. size in bytes
    and modified in nanoseconds tell whether it is still being written."""

    path: Path
    name: str
    shop: str | None
    size: int
    modified: int


def folder(settings: Settings) -> Path:
    """The inbox, made when it is not there: personal data comes through it, so that only the owner may enter."""
    inbox = settings.home.path / "inbox"
    for path in (settings.home.path, inbox, inbox / DONE, inbox / FAILED):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return inbox


def waiting(settings: Settings) -> list[Waiting]:
    """The files that wait, by name: plain files in the inbox and its subfolders, neither hidden nor half downloaded."""
    inbox = folder(settings)
    places = [inbox, *sorted(path for path in inbox.iterdir() if path.is_dir() and path.name not in (DONE, FAILED))]
    found = []
    for place in places:
        for path in sorted(place.iterdir()):
            if path.name.startswith((".", "~$")) or path.name.lower().endswith((*_NOT_YET, *_NOT_OURS)):
                continue
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                shop = None if place == inbox else place.name
                name = path.relative_to(inbox).as_posix()
                found.append(Waiting(path, name, shop, status.st_size, status.st_mtime_ns))
    return found


def take_in(run: "Run", names: Iterable[str] | None = None) -> "list[ImportReport]":
    """Import the files that wait (those of these names, else all) and file them away; gives their reports.

    A file that is written to meanwhile, or has gone, is left for another time. Raises ConfigError when
    import_headers.yaml is wrong: no file is to blame then, and all stay.
    """
    from orderpipe.imports.importing import FileChanged, import_file

    chosen = None if names is None else set(names)
    reports = []
    with lease(run.settings.home.lock("inbox"), "importing files"):
        for file in waiting(run.settings):
            if chosen is not None and file.name not in chosen:
                continue
            try:
                report = import_file(run, file.path, shop=file.shop)
            except (FileChanged, FileNotFoundError):
                run.say("a file of the inbox is still being written; it is left for another time")
                continue
            file_away(run.settings, file, report)
            reports.append(report)
    return reports


def file_away(settings: Settings, file: Waiting, report: "ImportReport") -> Path | None:
    """Write the reports and move the file beside them; gives where it lies now, None when it changed meanwhile."""
    from orderpipe.imports.report import as_text

    target = folder(settings) / (FAILED if report.status == "failed" else DONE)
    place = _free(target / file.path.name)
    write_private(
        place.with_name(f"{place.name}.report.json"),
        json.dumps(report.to_dict(), ensure_ascii=False, indent=2, default=str),
    )
    write_private(place.with_name(f"{place.name}.report.txt"), as_text(report))
    status = file.path.lstat()
    if (status.st_size, status.st_mtime_ns) != (file.size, file.modified):
        return None
    os.replace(file.path, place)
    place.chmod(0o600)
    for directory in (target, file.path.parent):
        sync(directory)
    return place


def _free(place: Path) -> Path:
    """The place, or one beside it whose name is not taken: `orders (2).csv`."""
    number, found = 1, place
    while found.exists():
        number += 1
        found = place.with_name(f"{place.stem} ({number}){place.suffix}")
    return found
