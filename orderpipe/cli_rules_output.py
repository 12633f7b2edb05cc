"""What `orderpipe rules` prints."""

from collections.abc import Iterable, Mapping, Sequence

import typer

from orderpipe.cli_output import print_table
from orderpipe.flow.activation import Activation
from orderpipe.flow.backtest import BacktestReport
from orderpipe.flow.rederive import Reason, Rederived
from orderpipe.flow.rulebook import Change
from orderpipe.rules import words
from orderpipe.rules.compare import Difference
from orderpipe.rules.explain import Failure, Step
from orderpipe.rules.language import RuleSet
from orderpipe.rules.purposes import Purpose

MOVES = 20  # kinds of change a backtest names
_HOLDS = {True: "holds", False: "no", None: "unknown"}
_SIGNS = {"added": "+", "removed": "-", "moved": ">", "when": "~", "then": "~", "setting": "~"}


def print_differences(name: str, differences: Sequence[Difference]) -> None:
    """A block per difference."""
    if not differences:
        typer.echo(f"{name}: no difference in what is decided")
    for one in differences:
        typer.echo(f"{_SIGNS[one.kind]} {name} {one.kind} {one.name}")
        for sign, text in (("-", one.before), ("+", one.after)):
            if text:
                typer.echo(f"    {sign} {text}")


def print_changes(changes: Iterable[Change], done: bool) -> None:
    """What an activation changes, or would change."""
    for one in changes:
        if one.before == one.after:
            typer.echo(f"{one.name}: version {one.after} is in force already; nothing to do")
            continue
        if one.problem:
            typer.echo(f"{one.name}: no difference can be told: {one.problem}")
        elif one.before:
            print_differences(one.name, one.differences)
        verb = "is in force from the next decision on" if done else "would come into force"
        typer.echo(f"{one.name}: version {one.after} {verb}{f', instead of {one.before}' if one.before else ''}")


def print_failures(rules: RuleSet, failures: Iterable[Failure]) -> None:
    """Every failed example, and how the rules it is about were tried."""
    for failed in failures:
        typer.echo(
            f"{rules.path}:{failed.line}: expected {', '.join(failed.expected)}, decided by {', '.join(failed.found)}"
        )
        print_steps(rules, failed.steps)


def print_steps(rules: RuleSet, steps: Iterable[Step]) -> None:
    """A line per rule that was tried: whether it holds, what was unknown, its condition in words."""
    by_id = {rule.id: rule for rule in rules.rules}
    print_table(
        ["    tried", "result", "unknown facts", "condition"],
        [
            (f"    {step.rule}", _HOLDS[step.holds], "、".join(step.undecided), words.condition(by_id[step.rule].when))
            for step in steps
        ],
    )


def print_fields(purpose: Purpose) -> None:
    """What rules of a purpose may ask, decide and set."""
    print_table(
        ["fact", "type", "名称", "example", "note"],
        [(f.name, f.type, f.label, f.example, f.note) for f in purpose.fields.values()],
    )
    typer.echo("")
    print_table(
        ["outcome", "type", "required", "choices", "meaning"],
        [
            (o.name, o.type, "yes" if o.required else "", ", ".join(sorted(o.choices or ())), o.note)
            for o in purpose.outcomes.values()
        ],
    )
    if purpose.settings:
        typer.echo("")
        print_table(
            ["setting", "default", "from", "to", "meaning"],
            [(s.name, s.default, s.low, s.high, s.note) for s in purpose.settings.values()],
        )


def print_history(activations: Iterable[Activation]) -> None:
    """A line per activation."""
    print_table(
        ["at (UTC)", "purpose", "no.", "version", "by", "why"],
        [
            (f"{a.activated_at:%Y-%m-%d %H:%M:%S}", a.purpose, a.number, a.rule_version, a.actor, a.note)
            for a in activations
        ],
    )


def print_reason(reason: Reason, title: str, note: str, activation: Activation | None) -> None:
    """Why a decision fell as it did, in words; loudly when it does not derive again."""
    said = ", ".join(f"{name} {words.fact(value)}" for name, value in reason.outcome.items() if value is not None)
    typer.echo(f"{title} {reason.table} {reason.key}: {reason.rule_id}{f' → {said}' if said else ''}")
    if reason.problem:
        typer.echo(f"  DOES NOT DERIVE AGAIN: {reason.problem}")
    if note:
        typer.echo(f"  why the rule exists: {note}")
    since = f", in force since {activation.activated_at:%Y-%m-%d %H:%M:%S} UTC by {activation.actor}: {activation.note}"
    typer.echo(f"  version {reason.rule_version}{since if activation else ''}")
    labels = reason.rules.purpose.fields if reason.rules else {}
    shown = [f"{labels[k].label if k in labels else k} {words.fact(v)}" for k, v in reason.facts.items()]
    typer.echo(f"  facts: {'; '.join(shown) or 'none asked'}")
    if reason.rules:
        print_steps(reason.rules, reason.steps)
    typer.echo("")


def print_rederived(tables: Iterable[Rederived], titles: Mapping[str, str]) -> None:
    """A line per table, then every difference that is listed."""
    found = list(tables)
    print_table(
        ["table", "rules", "rows", "differ"],
        [(f"decision.{one.table}", titles[one.table], one.rows, one.differing) for one in found],
    )
    for one in found:
        for key, problem in one.listed:
            typer.echo(f"differs: decision.{one.table} {key}: {problem}")
        if one.differing > len(one.listed):
            typer.echo(f"… {one.differing - len(one.listed)} more of decision.{one.table}")


def print_backtest(report: BacktestReport) -> None:
    """What would change, what it costs, and examples."""
    typer.echo(
        f"{report.purpose}: {report.before} → {report.after}, "
        f"orders of {report.since:%Y-%m-%d %H:%M} – {report.until:%Y-%m-%d %H:%M} UTC"
    )
    typer.echo(f"{report.changed} of {report.rows} would be judged otherwise ({report.seconds} s)\n")
    if report.totals:
        rows = [(t.name, t.before, t.after, f"{t.after - t.before:+}") for t in report.totals]
        print_table(["total", "in force", "backtested", "difference"], rows)
    if report.moves:
        typer.echo("")
        print_table(["in force", "backtested", "rows"], report.moves[:MOVES])
        if len(report.moves) > MOVES:
            typer.echo(f"… {len(report.moves) - MOVES} more kinds of change; --json lists them all")
    if report.listed:
        typer.echo("")
        print_table(list(report.listed[0]), [list(row.values()) for row in report.listed])
