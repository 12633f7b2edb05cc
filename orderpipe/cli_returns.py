"""`orderpipe returns`: what comes back, what is sent again, and what a person grants or finds."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from orderpipe import config
from orderpipe.errors import OrderpipeError

app = typer.Typer(no_args_is_help=True, help="After the sale: list, show, resend, exchange, inspect.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
By = Annotated[str, typer.Option("--by", help="Who decides.")]
Reason = Annotated[str, typer.Option(help="Why; kept, with numbers, names and addresses masked.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only check; change nothing.")]
Order = Annotated[str, typer.Argument(help="order_id or platform order number.")]


@app.command("list")
def list_(
    shop: Annotated[str | None, typer.Option(help="Only this shop.")] = None,
    state: Annotated[str | None, typer.Option(help="Only this state, e.g. announced, short, received.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those at an end as well.")] = False,
    as_json: Json = False,
) -> None:
    """What is to come back, and what is sent again, as far as it is not at an end."""
    from orderpipe.cli_output import print_table
    from orderpipe.flow.after_sale import list_returns
    from orderpipe.lake import reader

    with reader(config.load()) as con:
        rows = list_returns(con, shop=shop, state=state, everything=everything)
    if as_json:
        _print_json(rows)
        return
    print_table(
        ["return", "kind", "state", "shop", "order no", "in/expected", "refund", "amount", "sent again", "since (UTC)"],
        [
            (r["return_id"], r["kind"], r["state"], r["shop_id"], r["platform_order_no"],
             f"{r['received_good'] + r['received_defective']}/{r['expected']}", r["gate"],
             f"{r['amount']} {r['currency']}" if r["amount"] else "",
             f"{r['sent_again']} {r['sent_state']}" if r["sent_again"] else "", f"{r['since']:%Y-%m-%d %H:%M}")
            for r in rows
        ],
    )  # fmt: skip


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="RETURN|CASE|ORDER", help="return_id, number of a case, or an order.")],
    as_json: Json = False,
) -> None:
    """One return, or those of an order: goods, refund gate, instructions, what is sent again."""
    from orderpipe.cli_output import print_table
    from orderpipe.flow.after_sale import show as look
    from orderpipe.lake import reader

    with reader(config.load()) as con:
        found = look(con, name)
    if as_json:
        _print_json(found)
        return
    for one in found:
        case = f", case {one['platform_refund_no']} {one['case_status']}" if one["refund_id"] else ""
        typer.echo(f"{one['return_id']} {one['kind']} {one['state']}, order {one['platform_order_no']}{case}")
        if gate := one["gate"]:
            typer.echo(f"refund: {gate['state']} ({gate['reason']}), {gate['amount']} {gate['currency']}")
        for title in ("lines", "received", "sent_again", "instructions"):
            if rows := one[title]:
                typer.echo(f"{title.replace('_', ' ')}:")
                print_table(list(rows[0]), [list(row.values()) for row in rows])


@app.command()
def resend(
    order: Order,
    by: By,
    reason: Reason,
    line: Annotated[list[str], typer.Option(help="LINE or LINE:PIECES; may be given more than once.")],
    again: Annotated[bool, typer.Option("--again", help="Although a resend of these goods is under way.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send pieces of an order once more, at no cost to the buyer."""
    from orderpipe.flow import after_sale

    _grant(lambda run: after_sale.resend(run, order, _lines(line), actor=by, reason=reason, again=again),
           dry_run, as_json)  # fmt: skip


@app.command()
def exchange(
    order: Order,
    by: By,
    reason: Reason,
    refund: Annotated[str | None, typer.Option(help="The case on the platform; without one, name lines.")] = None,
    line: Annotated[
        list[str] | None, typer.Option(help="LINE, LINE:PIECES or LINE:PIECES:SKU; may be given more than once.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Exchange goods: they come back, and when they have passed inspection others go out."""
    from orderpipe.flow import after_sale

    _grant(lambda run: after_sale.exchange(run, order, _lines(line or ()), actor=by, reason=reason, refund=refund),
           dry_run, as_json)  # fmt: skip


@app.command()
def inspect(
    name: Annotated[str, typer.Argument(metavar="RETURN|CASE", help="return_id, or the number of the case.")],
    by: By,
    reason: Reason,
    passed: Annotated[bool, typer.Option("--passed/--failed", help="Whether the goods are in and good.")],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Judge what came back; this outweighs the warehouse's report."""
    from orderpipe.flow import after_sale

    verdict = "passed" if passed else "failed"
    _grant(lambda run: after_sale.inspect(run, name, verdict, actor=by, reason=reason), dry_run, as_json)


def _grant(prepare, dry_run: bool, as_json: bool) -> None:
    from orderpipe import flow
    from orderpipe.flow import review
    from orderpipe.flow.after_sale import show as look

    with flow.open_run(config.load()) as run:
        one = prepare(run)
        if dry_run:
            if as_json:
                _print_json({name: value for name, value in asdict(one).items() if value not in (None, (), False)})
            else:
                typer.echo(f"{one.order_id} {one.platform_order_no}: would {one.action}")
            return
        (done,) = review.submit(run, [one])
        returns = look(run.lake, str(one.order_id))
    if as_json:
        _print_json({**asdict(done), "returns": returns})
        return
    typer.echo(f"{one.order_id} {one.platform_order_no}: {one.action} recorded")
    for row in returns:
        for parcel in row["sent_again"] if row["request_id"] == done.review_id else ():
            why = f" ({parcel['reason']})" if parcel["reason"] else ""
            typer.echo(f"  {parcel['parcel_id']} {parcel['sku']} x {parcel['quantity'] or '?'}: {parcel['state']}{why}")


def _lines(given) -> list[Any]:
    from orderpipe.flow.after_sale import Line

    return [Line(*_parts(text)) for text in given]


def _parts(text: str) -> tuple[int, int | None, str | None]:
    number, _, rest = text.partition(":")
    pieces, _, sku = rest.partition(":")
    try:
        return int(number), int(pieces) if pieces else None, sku or None
    except ValueError:
        remedy = "write LINE, LINE:PIECES or LINE:PIECES:SKU, as in 1:2"
        raise OrderpipeError(f"{text!r} names no line", where="--line", remedy=remedy) from None


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
