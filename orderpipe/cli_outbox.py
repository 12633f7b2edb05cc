"""`orderpipe outbox`: what is to be sent, what waits for somebody, sending it again, pick orders on paper, receipts."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from orderpipe import config

app = typer.Typer(no_args_is_help=True, help="Instructions: list, requeue, pick orders on paper, receipts.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command("list")
def list_(
    status: Annotated[
        list[str] | None, typer.Option(help="pending, sending, acknowledged, rejected, dead, intercepted.")
    ] = None,
    receiver: Annotated[str | None, typer.Option(help="wms, courier, platforms or dingtalk.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 200,
    as_json: Json = False,
) -> None:
    """Instructions that were refused or given up, oldest first; --status for others."""
    from orderpipe.cli_output import print_table
    from orderpipe.dispatch import operator
    from orderpipe.lake import reader

    with reader(config.load()) as con:
        rows = operator.instructions(con, statuses=status or operator.STUCK, receiver=receiver, limit=limit)
    if as_json:
        _print_json(rows)
        return
    print_table(
        ["instruction", "kind", "receiver", "order_id", "status", "attempts", "since (UTC)", "why"],
        [
            (r["instruction_id"], r["kind"], r["target"], r["order_id"], r["status"], r["attempts"],
             f"{r['created_at']:%Y-%m-%d %H:%M}", r["last_error"] or "")
            for r in rows
        ],
    )  # fmt: skip


@app.command()
def requeue(
    instructions: Annotated[list[str] | None, typer.Argument(metavar="INSTRUCTION…")] = None,
    every: Annotated[str | None, typer.Option("--all", metavar="RECEIVER", help="All that wait at a receiver.")] = None,
    by: Annotated[str, typer.Option("--by", help="Who decides.")] = "",
    reason: Annotated[str, typer.Option(help="Why; kept.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check; change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Send instructions again that were refused or given up. The next dispatch takes them."""
    from orderpipe import flow
    from orderpipe.dispatch import operator

    with flow.open_run(config.load()) as run:
        chosen = list(instructions or ())
        if every:
            chosen += operator.stuck(run.lake, every)
        count = operator.requeue(run, list(dict.fromkeys(chosen)), actor=by, reason=reason, dry_run=dry_run)
    if as_json:
        _print_json({"requeued": 0 if dry_run else count, "found": count})
    else:
        print(f"{count} would be sent again" if dry_run else f"{count} will be sent again with the next dispatch")


@app.command("print")
def print_(
    parcels: Annotated[list[str] | None, typer.Argument(metavar="PARCEL…")] = None,
    warehouse: Annotated[str | None, typer.Option(help="Only of this warehouse.")] = None,
    out: Annotated[Path, typer.Option(help="The page to write, for a browser to print.")] = Path("pick_orders.html"),
    as_json: Json = False,
) -> None:
    """Pick orders on paper: what the warehouses took and has not left. Without names and addresses."""
    from orderpipe import clock
    from orderpipe.dispatch.pick_lists import as_html, pick_orders
    from orderpipe.lake import reader

    with reader(config.load()) as con:
        found = pick_orders(con, warehouse=warehouse, parcels=parcels or ())
    if as_json:
        _print_json([asdict(order) for order in found])
    elif not found:
        print("nothing is to be picked")
    else:
        config.write_private(out, as_html(found, now=clock.from_environment().now()))
        print(f"{len(found)} pick orders, {sum(order.pieces for order in found)} pieces: {out}")


@app.command()
def receipts(as_json: Json = False) -> None:
    """Follow the chain of receipts of every receiver. Exit code 1 when one is broken."""
    from orderpipe.dispatch.receipts import chains
    from orderpipe.lake import reader

    with reader(config.load()) as con:
        found = chains(con)
    if as_json:
        _print_json([asdict(chain) for chain in found])
    for chain in () if as_json else found:
        state = "whole" if chain.broken_at is None else f"BROKEN at {chain.broken_at}"
        print(f"{chain.receiver}: {chain.length} receipts, {state}, head {chain.head[:16]}")
    raise typer.Exit(1 if any(chain.broken_at is not None for chain in found) else 0)


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))
