"""`orderpipe receivables`: where the money of orders is, what statements disagree on, and giving up what is lost."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from orderpipe import config
from orderpipe.errors import ConfigError

app = typer.Typer(help="Where the money of orders is; statements against the ledger; write-offs.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
_SHOWN = ("shop_id", "currency", "month", "orders", "receivable", "received", "open", "held", "refunded", "settled",
          "written_off", "cancelled", "fees")  # fmt: skip
_GAP = ("shop_id", "month", "kind", "platform_order_no", "currency", "expected", "found", "difference", "advice")


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    shop: Annotated[str | None, typer.Option(help="Only this shop.")] = None,
    month: Annotated[str | None, typer.Option(help="Only this month, YYYY-MM.")] = None,
    as_json: Json = False,
) -> None:
    """Sums by shop and month, and every difference of the statements. Exit code 1 when there is one."""
    if context.invoked_subcommand:
        return
    from orderpipe.cli_output import print_table
    from orderpipe.flow.receivables import receivables
    from orderpipe.lake import reader

    settings = config.load()
    if shop is not None and shop not in settings.shops:
        raise ConfigError(f"no shop {shop}", where="shops.yaml", remedy=f"use one of {', '.join(settings.shops)}")
    with reader(settings) as con:
        found = receivables(con, shop=shop, month=month)
    if as_json:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False, indent=2, default=str))
    else:
        print_table(_SHOWN, [[row[name] for name in _SHOWN] for row in found.rows])
        if found.gaps:
            typer.echo(f"{len(found.gaps)} differences:")
            print_table(_GAP, [[row[name] for name in _GAP] for row in found.gaps])
    raise typer.Exit(1 if found.gaps else 0)


@app.command("write-off")
def write_off(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="order_id or platform order number.")],
    amount: Annotated[str, typer.Option(help="In the order's currency, as in 12.30.")],
    by: Annotated[str, typer.Option("--by", help="Who decides.")],
    reason: Annotated[str, typer.Option(help="Why; no personal data.")],
    of: Annotated[
        str | None, typer.Option(help="receivable (what the buyer owes) or platform (what the platform has).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give up money of an order: it stands as written off from now on, and is no difference any more."""
    from orderpipe import flow
    from orderpipe.flow import receivables, review

    with flow.open_run(config.load()) as run:
        one = receivables.write_off(run, order, amount, actor=by, reason=reason, of=of)
        (done,) = review.submit(run, [one])
        flow.build_marts(run, ["receivables", "settlement_gaps"])
    told = {"review_id": done.review_id, "order_id": done.order_id, **one.request}
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        typer.echo(f"{done.order_id} {done.platform_order_no}: {told['amount']} of {told['account']} written off")
