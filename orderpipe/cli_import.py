"""`orderpipe import`: files from anywhere; they stay where they are. Files in the inbox import themselves."""

from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from orderpipe import flow
from orderpipe.cli_output import print_table
from orderpipe.clock import from_environment
from orderpipe.config import Settings
from orderpipe.errors import ConfigError, OrderpipeError
from orderpipe.imports.importing import LISTED, ImportReport, examine, import_file

SHOWN = 20  # refused rows per file


def import_files(
    settings: Settings,
    files: Sequence[Path],
    *,
    shop: str | None,
    mapping: str | None,
    dry_run: bool,
    say: Callable[[str], None] | None,
) -> list[ImportReport]:
    """Import files in their order, then pool and decide; dry_run only reads them and needs no lake.

    Raises ConfigError for an unknown shop or mapping, OrderpipeError for a path that is no file.
    """
    if shop is not None and shop not in settings.shops:
        raise ConfigError(f"no shop {shop}", where="shops.yaml", remedy=f"use one of {', '.join(settings.shops)}")
    for path in files:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise OrderpipeError(what, where=str(path), remedy="name the files, as in exports/*.csv")
    if dry_run:
        now = from_environment().now()
        return [examine(settings, path, now, shop=shop, mapping=mapping) for path in files]
    with flow.open_run(settings, say=say) as run:
        reports = [import_file(run, path, shop=shop, mapping=mapping) for path in files]
        if any(report.landed for report in reports):
            flow.decide(run, flow.alerts_of(flow.pool(run)))
            flow.build_marts(run)
    return reports


def print_imported(reports: Sequence[ImportReport]) -> None:
    """A line per file, then why files failed and which rows were refused."""
    print_table(
        ["file", "result", "shop", "mapping", "encoding", "rows", "orders", "new", "refused rows"],
        [
            (r.file, _RESULTS[r.status], r.shop_id, r.mapping, r.encoding, r.rows, r.documents, r.landed, r.refused)
            for r in reports
        ],
    )
    for report in reports:
        if report.error:
            typer.echo(f"failed: {report.error}")
        for row in report.refusals[:SHOWN]:
            typer.echo(f"refused: {report.file}, line {row.line}: {row.reason}")
        if len(report.refusals) > SHOWN:
            typer.echo(f"… {len(report.refusals) - SHOWN} more of {report.file}; --json lists up to {LISTED}")


_RESULTS = {"done": "imported", "known": "imported before", "failed": "failed", "checked": "checked only"}
