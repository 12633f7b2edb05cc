"""What the commands print: small tables on standard output, the same with and without a terminal."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orderpipe.doctor import Finding
from orderpipe.flow.replay import Replayed
from orderpipe.flow.tick import TickReport
from orderpipe.flow.verify import Gap, LaneVerified

_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 240)  # piped output is cut for nobody's screen


def print_table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table; nulls are empty."""
    table = Table(*names, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    _console().print(table)


def print_tick(report: TickReport) -> None:
    """The summary of a tick: lanes, pool, decisions, checks, dispatch, and what needs a person."""
    console = _console()
    print_table(
        ["shop", "kind", "windows", "pages", "reported", "landed", "new", "open", "complete up to (UTC)"],
        [
            (x.shop_id, x.kind, x.windows, x.pages, x.reported, x.landed, x.new, x.open_windows,
             f"{x.watermark:%m-%d %H:%M:%S}" if x.watermark else "-")
            for x in report.pull.lanes
        ],
    )  # fmt: skip
    p, d = report.pool, report.decide
    console.print(
        f"pool      {p.read} read = {p.pooled} pooled + {p.superseded} superseded + {p.quarantined} quarantined"
    )
    console.print(f"decide    {d.decided} orders, {_counted(d.instructions)} instructed, held: {_counted(d.held)}")
    s, g = report.stock, report.guard
    console.print(f"stock     {s.asked} goods asked, {sum(s.answered.values())} answers, {s.new} changed")
    console.print(
        f"guard     {g.judged} goods, {g.suspended} suspended, {g.resumed} resumed, "
        f"{_counted(g.instructions)} instructed, {g.intercepted} intercepted"
    )
    c, q = report.callbacks, report.polled
    console.print(
        f"callbacks {c.received} received, {c.landed} new, {c.set_aside} unreadable; "
        f"{q.parcels} parcels and {q.numbers} numbers asked for"
    )
    for sent in report.dispatch:
        console.print(
            f"dispatch  {sent.receiver}: {sent.acknowledged} acknowledged, {sent.retry} to retry, "
            f"{sent.rejected} refused, {sent.intercepted} intercepted, {sent.pending_left} left"
        )
    console.print(f"checks    {sum(c.ok for c in report.checks)} of {len(report.checks)} pass")
    console.print("seconds   " + ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in report.seconds.items()))
    for problem in report.problems:
        console.print(f"[red]problem[/]   {escape(problem)}")


def print_orders(orders: list[dict[str, Any]]) -> None:
    """Orders found, one line each."""
    if not orders:
        _console().print("nothing found — check the number; `orderpipe verify` tells whether an order was missed")
        return
    shown = (
        *("order_id", "shop_id", "platform_order_no", "status", "ordered_at", "paid_amount", "currency"),
        *("receiver_masked", "phone_masked", "province", "warehouse_id", "hold_status"),
    )
    print_table(shown, [[order[name] for name in shown] for order in orders])


def print_timeline(found: dict[str, Any]) -> None:
    """An order's state, then its events."""
    print_orders([found["order"]])
    print_table(
        ["at (UTC)", "event", "by", "detail"],
        [(f"{e['at']:%Y-%m-%d %H:%M:%S}", e["kind"], e["actor"], e["detail"]) for e in found["events"]],
    )


def _fate(gap: Gap, left: dict[tuple[str, str, str], Gap]) -> str:
    now = left.get((gap.shop_id, gap.kind, gap.source_id))
    if now is None:
        return "repaired"
    return "held in raw: look into raw.quarantine, else run `orderpipe replay`" if now.held else "open"


def print_verified(found: list[LaneVerified]) -> None:
    """Every lane's result, then every gap."""
    print_table(
        ["shop", "kind", "listed by platform", "missing", "stale", "landed again", "left", "error"],
        [
            (
                x.shop_id,
                x.kind,
                x.listed,
                sum(g.missing for g in x.gaps),
                sum(not g.missing for g in x.gaps),
                x.landed,
                len(x.unresolved),
                x.error,
            )
            for x in found
        ],
    )
    gaps = [gap for lane in found for gap in lane.gaps]
    left = {(g.shop_id, g.kind, g.source_id): g for lane in found for g in lane.unresolved}
    if gaps:
        print_table(
            ["gap", "shop", "kind", "id", "changed on platform (UTC)", "ours (UTC)", "now"],
            [
                (
                    "missing" if g.missing else "stale",
                    g.shop_id,
                    g.kind,
                    g.source_id,
                    g.platform_updated_at,
                    g.pooled_updated_at,
                    _fate(g, left),
                )
                for g in gaps
            ],
        )
        if any(lane.landed is None and lane.gaps for lane in found):
            _console().print("`orderpipe verify --repair` pulls them again")


def print_replayed(tables: list[Replayed]) -> None:
    """Every table's rows and hash, and whether it is the same."""
    print_table(
        ["table", "rows", "hash", "same"],
        [(t.table, t.rows, t.hash, "yes" if t.same else f"NO ({t.original_hash})") for t in tables],
    )


def print_findings(findings: list[Finding]) -> None:
    """The examination, worst things in colour."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        table.add_row(_MARKS[finding.level], escape(finding.what), escape(finding.detail))
    _console().print(table)


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
