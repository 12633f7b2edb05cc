"""The `orderpipe` command. Every command reads what it needs and, failing, says what, where and how to mend it."""

import json
import os
import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from orderpipe import cli_conformance, cli_outbox, cli_receivables, cli_returns, cli_review, cli_rules, config
from orderpipe.clock import as_utc
from orderpipe.errors import OrderpipeError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="The order hub: pull every shop, keep one order table, decide, send instructions once in effect.",
)  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
app.add_typer(cli_conformance.app, name="conformance")
app.add_typer(cli_rules.app, name="rules")
app.add_typer(cli_review.app, name="review")
app.add_typer(cli_returns.app, name="returns")
app.add_typer(cli_outbox.app, name="outbox")
app.add_typer(cli_receivables.app, name="receivables")


def main() -> None:
    """Entry point: turns our own errors into one line and exit code 1. What it writes, nobody else may read."""
    os.umask(0o077)
    try:
        app()
    except OrderpipeError as error:
        typer.echo(f"orderpipe: {error}", err=True)
        raise SystemExit(1) from None


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    sandbox_port: Annotated[int, typer.Option(help="Port of the sandbox.")] = 8790,
    console_port: Annotated[int, typer.Option(help="Port where WMS and courier report to.")] = 8080,
) -> None:
    """Start Dagster (UI, daemon), the console, and the sandbox unless shops.yaml names real shops. Ctrl-C stops all."""
    from orderpipe.up import up as start

    raise typer.Exit(start(config.load(), port=port, sandbox_port=sandbox_port, console_port=console_port))


@app.command()
def console(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
) -> None:
    """Listen for the callbacks of WMS and courier (/callbacks/qimen, /callbacks/kuaidi100)."""
    from orderpipe.console.app import serve

    serve(config.load(), host=host, port=port)


@app.command()
def tick(
    shop: Annotated[list[str] | None, typer.Option(help="Pull only this shop; may be given more than once.")] = None,
    send: Annotated[bool, typer.Option(help="Send what is due; --no-send leaves it in the outbox.")] = True,
    as_json: Json = False,
) -> None:
    """One whole 15-minute run in this process. Exit code 1 when something needs a person."""
    from orderpipe import flow
    from orderpipe.cli_output import print_tick

    report = flow.tick(config.load(), shop, send=send, say=None if as_json else _progress)
    if as_json:
        _print_json(report.to_dict())
    else:
        print_tick(report)
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8790,
    seed: Annotated[int, typer.Option(help="The world is a function of seed and clock.")] = 1,
    rate: Annotated[
        float, typer.Option(help="Simulated seconds per second; 0 stands still until it is stepped.")
    ] = 1.0,
    history: Annotated[float, typer.Option(help="Hours of life before the start.")] = 6.0,
    orders_per_hour: Annotated[float, typer.Option(help="New orders per simulated hour and shop.")] = 60.0,
    pace: Annotated[float, typer.Option(help="How much faster orders age.")] = 1.0,
    start: Annotated[str | None, typer.Option(help="Time the clock starts at, ISO 8601; default now.")] = None,
    shops: Annotated[str | None, typer.Option(metavar="ID,…", help="Only these shops; default all.")] = None,
    env: Annotated[
        bool, typer.Option("--env", help="Print the sandbox's credentials as NAME=value lines and exit.")
    ] = False,
) -> None:
    """The outside world in one process: platforms, WMS, courier and DingTalk, with faults and ground truth."""
    from orderpipe.sandbox import app as world

    if env:
        from orderpipe.sandbox.credentials import INITIAL

        for name, value in INITIAL.items():
            typer.echo(f"{name}={value}")
        return
    world.serve(
        port=port, seed=seed, rate=rate, history_hours=history, orders_per_hour=orders_per_hour, pace=pace,
        start=datetime.fromisoformat(start) if start else None, goods=str(config.load().config_dir / "goods.csv"),
        shops=shops.split(",") if shops else None,
    )  # fmt: skip


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="CSV or .xlsx exports; they stay in place.")],
    shop: Annotated[str | None, typer.Option(help="Whose they are; else the only shop of their platform.")] = None,
    mapping: Annotated[str | None, typer.Option(help="Entry of import_headers.yaml; else the headers tell.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read and report; change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Import order exports and settlement statements. Exit code 1 when a file fails or a row is refused."""
    from orderpipe.cli_import import import_files, print_imported

    say = None if as_json else _progress
    reports = import_files(config.load(), files, shop=shop, mapping=mapping, dry_run=dry_run, say=say)
    if as_json:
        _print_json([report.to_dict() for report in reports])
    else:
        print_imported(reports)
    raise typer.Exit(0 if all(report.ok for report in reports) else 1)


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="A query; without one, a shell (or standard input).")] = None,
    as_json: Json = False,
) -> None:
    """Read-only SQL on the lake, e.g. `orderpipe sql "FROM core.orders LIMIT 5"`."""
    from orderpipe.cli_sql import run_query, shell

    settings = config.load()
    if query is None and sys.stdin.isatty():
        shell(settings)
    else:
        run_query(settings, query if query is not None else sys.stdin.read(), as_json)


@app.command()
def lookup(term: Annotated[str, typer.Argument(metavar="PHONE|ORDER_NO")], as_json: Json = False) -> None:
    """Find orders by phone, platform order number or order_id. Personal data is shown masked."""
    from orderpipe.cli_output import print_orders
    from orderpipe.lookup import find_orders

    orders = find_orders(config.load(), term)
    if as_json:
        _print_json(orders)
    else:
        print_orders(orders)
    raise typer.Exit(0 if orders else 1)


@app.command()
def timeline(
    order: Annotated[str, typer.Argument(help="order_id or platform order number.")],
    as_of: Annotated[
        datetime | None, typer.Option(help="What was known at this time (UTC unless it has a zone).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Play an order back, event by event."""
    from orderpipe.cli_output import print_timeline
    from orderpipe.lookup import order_timeline

    found = order_timeline(config.load(), order, as_utc(as_of) if as_of else None)
    if as_json:
        _print_json(found)
    else:
        print_timeline(found)


@app.command()
def verify(
    hours: Annotated[float, typer.Option(help="How far back to compare.")] = 24.0,
    shop: Annotated[list[str] | None, typer.Option(help="Only this shop.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Pull the gaps again, pool and decide.")] = False,
    dispatch: Annotated[
        bool, typer.Option("--dispatch", help="Compare the outbox with what WMS, courier and platforms hold instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare the pool with what the platforms list; print every gap. Exit code 1 when one is left."""
    if dispatch:
        _verify_dispatch(hours, as_json)
    from orderpipe import flow
    from orderpipe.cli_output import print_verified
    from orderpipe.flow import verify as verifying

    settings = config.load()
    lanes = flow.lanes(settings, shop or None)
    with flow.open_run(settings, say=None if as_json else _progress) as run:
        since = run.started_at - timedelta(hours=hours)
        found = (verifying.sweep if repair else verifying.verify)(run, since, lanes)
        if any(lane.landed for lane in found):
            flow.decide(run)
    if as_json:
        _print_json([asdict(lane) for lane in found])
    else:
        print_verified(found)
    raise typer.Exit(1 if any(lane.unresolved or lane.error for lane in found) else 0)


def _verify_dispatch(hours: float, as_json: bool) -> None:
    from orderpipe import flow
    from orderpipe.flow import verify_dispatch as verifying

    with flow.open_run(config.load(), say=None if as_json else _progress) as run:
        found = verifying.verify_dispatch(run, run.started_at - timedelta(hours=hours))
    if as_json:
        _print_json({"ok": found.ok, **asdict(found)})
    else:
        print("\n".join(verifying.lines(found)))
    raise typer.Exit(0 if found.ok else 1)


@app.command()
def replay(
    into: Annotated[Path, typer.Option(help="New folder to rebuild in.")] = Path(".orderpipe-replay"),
    as_json: Json = False,
) -> None:
    """Rebuild everything from the raw payloads in a new folder and compare table hashes. Nothing is sent."""
    from orderpipe.cli_output import print_replayed
    from orderpipe.flow.replay import replay as rebuild

    tables = rebuild(config.load(), into, say=None if as_json else _progress)
    if as_json:
        _print_json([{**vars(table), "same": table.same} for table in tables])
    else:
        print_replayed(tables)
    raise typer.Exit(0 if all(table.same for table in tables) else 1)


@app.command()
def maintain() -> None:
    """Rewrite small files, drop old snapshots and orphans. Run it hourly; it takes the writer lease."""
    from orderpipe.lake import open_writer
    from orderpipe.lake.maintain import maintain as tidy

    settings = config.load()
    con = open_writer(settings)
    try:
        tidy(con, settings, typer.echo)
    finally:
        con.close()


@app.command()
def doctor(
    init: Annotated[bool, typer.Option("--init", help="Make the home folder and the key of the keyed hashes.")] = False,
    as_json: Json = False,
) -> None:
    """Check configuration, credentials, connectivity and freshness. Exit code 1 when something is wrong."""
    from orderpipe.cli_output import print_findings
    from orderpipe.doctor import examine, initialise

    if init:
        initialise(config.load())
    findings = examine(config.load())
    if as_json:
        _print_json([vars(finding) for finding in findings])
    else:
        print_findings(findings)
    raise typer.Exit(1 if any(finding.level == "error" for finding in findings) else 0)


def _progress(text: str) -> None:
    """Progress: one line that rewrites itself on a terminal, plain lines elsewhere; never on standard output."""
    if sys.stderr.isatty():
        typer.echo(f"\r\033[K{text}", err=True, nl=False)
    else:
        typer.echo(text, err=True)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


if __name__ == "__main__":
    main()
