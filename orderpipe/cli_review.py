"""`orderpipe review`: the orders that wait for a person, and what the person decides."""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from orderpipe import config
from orderpipe.errors import OrderpipeError

app = typer.Typer(no_args_is_help=True, help="Orders that wait for a person: list, show, approve, reject, readdress.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
By = Annotated[str, typer.Option("--by", help="Who decides.")]
Reason = Annotated[str, typer.Option(help="Why; kept, with numbers, names and addresses masked.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only check; change nothing.")]
Orders = Annotated[list[str], typer.Argument(metavar="ORDER…", help="order_id or platform order number.")]
Order = Annotated[str, typer.Argument(help="order_id or platform order number.")]
TAIL = 10  # events of the timeline that `show` prints


@app.command("list")
def list_(
    shop: Annotated[str | None, typer.Option(help="Only this shop.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that were approved or rejected as well.")] = False,
    as_json: Json = False,
) -> None:
    """Orders that wait for a review, longest waiting first."""
    from orderpipe.flow import list_open

    with _workbench() as con:
        rows = list_open(con, shop=shop, everything=everything)
    if as_json:
        _print_json(rows)
        return
    from orderpipe.cli_output import print_table

    print_table(
        ["order_id", "shop", "order no", "state", "amount", "receiver", "province", "why", "since (UTC)", "hours"],
        [
            (r["order_id"], r["shop_id"], r["platform_order_no"], r["state"], f"{r['paid_amount']} {r['currency']}",
             r["receiver_masked"], r["province"], "；".join(r["reasons"]), _time(r["since"]),
             f"{r['waiting_minutes'] / 60:.1f}" if r["state"] == "open" else "")
            for r in rows
        ],
    )  # fmt: skip


@app.command()
def show(order: Order, as_json: Json = False) -> None:
    """What a reviewer must see of an order: flags with their facts, customs checks, address, what happened last."""
    from orderpipe.flow.review import show as look
    from orderpipe.lookup import order_timeline

    with _workbench() as con:
        found = look(con, order)
    events = order_timeline(config.load(), str(found["order"]["order_id"]))["events"][-TAIL:]
    if as_json:
        _print_json({**found, "events": events})
        return
    _print_shown(found, events)


@app.command()
def approve(
    orders: Orders,
    by: By,
    reason: Reason,
    warehouse: Annotated[
        str | None, typer.Option(help="Where it ships from; for orders that leave the country.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Although its customs data are incomplete; this is recorded.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Let orders go: the flags they have now hold them no more. Nothing is approved when one cannot be."""
    _decide(orders, "approve", by, reason, dry_run, as_json, warehouse=warehouse, force=force)


@app.command()
def reject(orders: Orders, by: By, reason: Reason, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Hold orders for good, until they are approved. Nothing is rejected when one cannot be."""
    _decide(orders, "reject", by, reason, dry_run, as_json)


@app.command()
def readdress(
    order: Order,
    by: By,
    reason: Reason,
    province: Annotated[str | None, typer.Option(help="Province, as in config/regions.csv.")] = None,
    city: Annotated[str | None, typer.Option(help="City.")] = None,
    district: Annotated[str | None, typer.Option(help="District.")] = None,
    town: Annotated[str | None, typer.Option(help="Town or street office.")] = None,
    address: Annotated[str | None, typer.Option(help="Street, building, number.")] = None,
    zip_code: Annotated[str | None, typer.Option("--zip", help="Postal code.")] = None,
    name: Annotated[str | None, typer.Option(help="Receiver, if another, or hidden by the platform.")] = None,
    phone: Annotated[str | None, typer.Option(help="Phone, if another, or hidden by the platform.")] = None,
    country: Annotated[str | None, typer.Option(help="ISO code; only where the platform names none.")] = None,
    from_json: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Read the address from a JSON file or standard input: it stays out of the "
                     "shell's history."),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Send an order to another address; the flags it has now hold it no more."""
    given = {"province": province, "city": city, "district": district, "town": town, "address": address,
             "zip": zip_code, "name": name, "phone": phone, "country": country}  # fmt: skip
    fields = {key: value for key, value in given.items() if value}
    if from_json is not None:
        fields = {**_read_address(from_json), **fields}
    _decide([order], "readdress", by, reason, dry_run, as_json, address=fields)


def _decide(orders: list[str], action: str, by: str, reason: str, dry_run: bool, as_json: bool, **more: Any) -> None:
    from orderpipe import flow
    from orderpipe.flow import review

    with flow.open_run(config.load()) as run:
        # Every order is looked at before anything is decided.
        checked = [review.prepare(run, order, action, actor=by, reason=reason, **more) for order in orders]
        ready = {one.order_id: one for one in checked}
        done = [] if dry_run else review.submit(run, list(ready.values()))
    if as_json:
        shown = [_plain(review) for review in ready.values()] if dry_run else [asdict(one) for one in done]
        _print_json(shown)
        return
    for one in ready.values() if dry_run else ():
        rules = ", ".join(flag["rule_id"] for flag in one.covers) or "no flags"
        typer.echo(f"{one.order_id} {one.platform_order_no}: would {action}, covering {rules}")
    for one in done:
        state = f"held: {one.hold_status}" if one.hold_status else f"free, ships from {one.warehouse_id}"
        typer.echo(f"{one.order_id} {one.platform_order_no}: {action} recorded, {state}")
        if action != "approve" and one.sent:
            typer.echo(f"  {', '.join(one.sent)} went out before: stop the parcel at the warehouse and the courier")


def _plain(review) -> dict[str, Any]:
    """A prepared review without the address."""
    hidden = ("address", "address_key", "replaced_key")
    return {name: value for name, value in asdict(review).items() if name not in hidden}


def _read_address(source: str) -> dict[str, str]:
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")
        content = json.loads(text)
    except (OSError, ValueError) as error:  # its text could quote the address
        raise OrderpipeError(
            f"the address cannot be read ({type(error).__name__})", where=source, remedy="give a JSON object in UTF-8"
        ) from None
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise OrderpipeError("the address is no JSON object of texts", where=source, remedy='as in {"city": "杭州市"}')
    return content


@contextlib.contextmanager
def _workbench() -> Iterator[Any]:
    from orderpipe.lake.connection import open_workbench

    con = open_workbench(config.load())
    try:
        yield con
    finally:
        con.close()


def _print_shown(found: dict[str, Any], events: list[dict[str, Any]]) -> None:
    from orderpipe.cli_output import print_table

    order = found["order"]
    names = ("order_id", "shop_id", "platform_order_no", "status", "hold_status", "state", "paid_amount", "currency",
             "receiver_masked", "phone_masked", "province", "city", "warehouse_id")  # fmt: skip
    print_table(names, [[order[name] for name in names]])
    if order["address_problems"]:
        typer.echo(f"address: {order['address_score']} points of 100 for {', '.join(order['address_problems'])}")
    if order["missing_fields"]:
        typer.echo(f"missing: {', '.join(order['missing_fields'])}")
    print_table(
        ["flag", "action", "reason", "facts"],
        [(f["rule_id"], f["action"], f["reason"], _line(f["facts"])) for f in found["flags"]],
    )
    if found["customs"]:
        typer.echo("customs: {status}, {blocking} blocking, {warnings} warnings".format(**found["customs"]))
        print_table(
            ["line", "check", "level", "message"],
            [(c["line_no"], c["rule_id"], c["level"], c["message"]) for c in found["customs_checks"]],
        )
    if found["reviews"]:
        print_table(
            ["decided (UTC)", "action", "by", "reason", "warehouse", "forced"],
            [
                (_time(r["decided_at"]), r["action"], r["actor"], r["reason"], r["warehouse_id"], r["forced"] or None)
                for r in found["reviews"]
            ],
        )
    print_table(
        ["at (UTC)", "event", "by", "detail"], [(_time(e["at"]), e["kind"], e["actor"], e["detail"]) for e in events]
    )


def _line(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in facts.items())


def _time(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
