"""`orderpipe rules`: change what is decided, safely: check, test, diff, activate, roll back; and ask why."""

import json
import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orderpipe import config
from orderpipe.clock import as_utc
from orderpipe.errors import ConfigError, OrderpipeError
from orderpipe.rules.purposes import NAMES

if TYPE_CHECKING:
    from orderpipe.flow.rederive import Reason
    from orderpipe.flow.rulebook import Change

app = typer.Typer(no_args_is_help=True, help="The rules that decide: check, test, compare, activate, explain.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Sources = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME|FILE]…", help=f"{', '.join(NAMES)}, or files; default all.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(NAMES)}.")]
By = Annotated[str, typer.Option("--by", help="Who does it.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for those who look later.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]
KINDS = ("phone", "id")


@app.command()
def check(sources: Sources = None, as_json: Json = False) -> None:
    """Check rule files: one line per problem, with file and line. Exit code 1 when there is one."""
    from orderpipe.flow import rulebook
    from orderpipe.rules import language
    from orderpipe.rules.purposes import purposes

    settings = config.load()
    known, found = purposes(settings), []
    for name, path in rulebook.sources(settings, sources):
        entry: dict[str, Any] = {"name": name, "file": str(path), "ok": True, "problem": ""}
        try:
            rules = language.load(path, known[name])
            entry |= {"version": rules.version, "rules": len(rules.rules), "examples": len(rules.examples)}
        except ConfigError as error:
            entry |= {"ok": False, "problem": str(error)}
        found.append(entry)
        if not as_json:
            told = "ok: {file}: {rules} rules, {examples} examples, version {version}"
            typer.echo(told.format(**entry) if entry["ok"] else entry["problem"])
    if as_json:
        _print_json(found)
    raise typer.Exit(0 if all(entry["ok"] for entry in found) else 1)


@app.command()
def test(sources: Sources = None, as_json: Json = False) -> None:
    """Decide the examples of rule files. Of those that fail: by which rules they are decided, and why. Exit code 1 when
    one does."""
    from orderpipe.cli_rules_output import print_failures
    from orderpipe.flow import rulebook
    from orderpipe.rules import explain, language
    from orderpipe.rules.purposes import purposes

    settings = config.load()
    known, found = purposes(settings), []
    for name, path in rulebook.sources(settings, sources):
        rules = language.load(path, known[name])
        failures = explain.failures(rules)
        named = {rule for example in rules.examples for rule in example.rules}
        untested = [rule.id for rule in rules.rules if rule.id not in named]
        found.append(
            {"name": name, "file": str(path), "examples": len(rules.examples), "untested": untested,
             "failures": [asdict(failure) for failure in failures]}
        )  # fmt: skip
        if not as_json:
            typer.echo(f"{path}: {len(rules.examples) - len(failures)} of {len(rules.examples)} examples hold")
            if untested:
                typer.echo(f"    no example names {', '.join(untested)}")
            print_failures(rules, failures)
    if as_json:
        _print_json(found)
    raise typer.Exit(1 if any(entry["failures"] for entry in found) else 0)


@app.command()
def show(
    name: Name, version: Annotated[str | None, typer.Option(help="Another version than the one in force.")] = None
) -> None:
    """Print the rules in force as a rule file."""
    from orderpipe.flow import activation, rulebook
    from orderpipe.lake import reader
    from orderpipe.rules import words

    settings = config.load()
    activation.rule_file(settings, name)
    with reader(settings) as con:
        rules = activation.version(con, name, version, settings) if version else rulebook.in_force(con, settings, name)
        last = next((a for a in activation.history(con, name) if a.rule_version == rules.version), None)
    if last:
        when = f"{last.activated_at:%Y-%m-%d %H:%M:%S} UTC"
        typer.echo(f"# {name} rules, version {rules.version}, activated {when} by {last.actor}: {last.note}")
    typer.echo(words.as_yaml(rules, rulebook.notes(settings, rules)), nl=False)


@app.command()
def fields(name: Name, as_json: Json = False) -> None:
    """What the rules of a purpose may ask and decide."""
    from orderpipe.cli_rules_output import print_fields
    from orderpipe.flow import rulebook

    purpose = rulebook.purpose(config.load(), name)
    if as_json:
        _print_json(
            {"facts": [asdict(f) for f in purpose.fields.values()],
             "outcomes": [asdict(o) | {"choices": sorted(o.choices or ())} for o in purpose.outcomes.values()],
             "settings": [asdict(s) for s in purpose.settings.values()]}
        )  # fmt: skip
    else:
        print_fields(purpose)


@app.command()
def schema(name: Name) -> None:
    """Print the JSON Schema of a rule file, with the warehouses and goods of this configuration as choices."""
    from orderpipe.flow import rulebook
    from orderpipe.rules.schema import json_schema

    _print_json(json_schema(rulebook.purpose(config.load(), name)))


@app.command()
def diff(
    name: Name,
    old: Annotated[str, typer.Option("--from", help="A version, a file, or `file` for config/rules.")] = "",
    new: Annotated[str, typer.Option("--to", help="A version, a file, or `file`.")] = "file",
    as_json: Json = False,
) -> None:
    """What would be decided otherwise: by default the rules in force against the file in config/rules."""
    from orderpipe.cli_rules_output import print_differences
    from orderpipe.flow import activation, rulebook
    from orderpipe.rules.compare import compare

    settings = config.load()
    activation.rule_file(settings, name)
    found = compare(rulebook.pick(settings, name, old), rulebook.pick(settings, name, new))
    if as_json:
        _print_json([asdict(one) for one in found])
    else:
        print_differences(name, found)


@app.command()
def backtest(
    source: Annotated[str, typer.Argument(metavar="NAME|FILE", help="The file in config/rules, or another one.")],
    days: Annotated[int, typer.Option(min=1, help="How many days back to judge, unless --from says.")] = 90,
    since: Annotated[datetime | None, typer.Option("--from", help="First moment (UTC unless it has a zone).")] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Before this moment; default now.")] = None,
    listed: Annotated[int, typer.Option(min=0, help="How many changed orders to name; 0 for all.")] = 20,
    as_json: Json = False,
) -> None:
    """What edited rules would have made of past orders, beside those in force: which would move, be held or released,
    at what cost. Writes nothing."""
    from orderpipe.cli_rules_output import print_backtest
    from orderpipe.clock import from_environment
    from orderpipe.flow import activation, rulebook
    from orderpipe.flow.backtest import backtest as judge

    settings = config.load()
    ((name, path),) = rulebook.sources(settings, [source])
    end = as_utc(until) if until else from_environment().now()
    start = as_utc(since) if since else end - timedelta(days=days)
    if start >= end:
        raise OrderpipeError("the period ends before it begins", remedy="give --from before --to")
    say = (lambda text: None) if as_json else (lambda text: typer.echo(text, err=True))
    report = judge(settings, activation.read(settings, name, path), start, end, say=say, listed=listed or None)
    if as_json:
        _print_json(report.to_dict())
    else:
        print_backtest(report)


@app.command()
def history(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this purpose.")] = None,
    as_json: Json = False,
) -> None:
    """Every activation: when, what, by whom and why; newest first."""
    from orderpipe.cli_rules_output import print_history
    from orderpipe.flow import activation
    from orderpipe.lake import reader

    settings = config.load()
    if name is not None:
        activation.rule_file(settings, name)
    with reader(settings) as con:
        found = activation.history(con, name)
    if as_json:
        _print_json([asdict(one) for one in found])
    else:
        print_history(found)


@app.command()
def activate(
    sources: Annotated[list[str], typer.Argument(metavar="NAME|FILE…", help="Which rules; of a file, as it stands.")],
    by: By,
    reason: Why,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bring edited rules into force: checked, their examples decided, the differences shown. All of them or none."""
    from orderpipe import flow
    from orderpipe.flow import activation, rulebook

    settings = config.load()
    named = rulebook.sources(settings, sources)
    wanted = {name: activation.read(settings, name, path) for name, path in named}
    if len(wanted) < len(named):
        raise OrderpipeError("two files are for the same rules", remedy="name one file for each")
    if dry_run:
        from orderpipe.lake import reader

        with reader(settings) as con:
            _show(rulebook.changes(con, settings, wanted.values()), as_json, done=False)
        return
    with flow.open_run(settings, say=lambda text: None) as run, run.writing("rules"):
        changes = rulebook.changes(run.lake, settings, wanted.values())
        changed = [wanted[change.name] for change in changes if change.before != change.after]
        if changed:
            activation.activate(run, changed, actor=by, note=reason)
    _show(changes, as_json, done=True)


@app.command()
def rollback(
    name: Name,
    by: By,
    reason: Why,
    to: Annotated[str | None, typer.Option(help="This version; default the one before.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bring an earlier version back into force. The file in config/rules stays as it is."""
    from orderpipe import flow
    from orderpipe.flow import activation, rulebook
    from orderpipe.lake import reader

    settings = config.load()
    activation.rule_file(settings, name)
    with reader(settings) as con:
        changes = rulebook.changes(con, settings, [activation.earlier(con, name, settings, to)])
    if not dry_run and changes[0].before != changes[0].after:
        with flow.open_run(settings, say=lambda text: None) as run, run.writing("rules"):
            activation.rollback(run, name, actor=by, note=reason, to=changes[0].after)
    _show(changes, as_json, done=not dry_run)


@app.command("explain")
def explain_(
    order: Annotated[str, typer.Argument(help="order_id or platform order number.")], as_json: Json = False
) -> None:
    """Why an order was decided as it was: every decision derived again from the facts it kept. Exit code 1 when one
    does not come to the same."""
    from orderpipe.cli_output import print_table
    from orderpipe.cli_rules_output import print_reason
    from orderpipe.flow import activation, rulebook
    from orderpipe.flow.rederive import reasons
    from orderpipe.lake import reader

    settings = config.load()
    found, why = reasons(settings, order)
    if as_json:
        _print_json({"order": found, "decisions": [_reason_dict(one) for one in why]})
    else:
        print_table(list(found), [list(found.values())])
        typer.echo("" if why else "nothing was decided: rules judge orders that were paid, or are paid on delivery")
        with reader(settings) as con:
            activations = {a.rule_version: a for a in reversed(activation.history(con))}
        for one in why:
            note = rulebook.notes(settings, one.rules).get(one.rule_id, "") if one.rules else ""
            title = one.rules.purpose.title if one.rules else one.purpose
            print_reason(one, title, note, activations.get(one.rule_version))
    raise typer.Exit(1 if any(one.problem for one in why) else 0)


@app.command()
def verify(as_json: Json = False) -> None:
    """Derive every stored decision again from its facts and rule version. Exit code 1 when one differs."""
    from orderpipe.cli_rules_output import print_rederived
    from orderpipe.flow.rederive import TABLES, rederive
    from orderpipe.rules.purposes import general

    found = rederive(config.load(), say=lambda text: typer.echo(text, err=True) if not as_json else None)
    if as_json:
        _print_json([one.to_dict() for one in found])
    else:
        titles = {name: general()[stored.purpose].title for name, stored in TABLES.items()}
        print_rederived(found, titles)
    raise typer.Exit(1 if any(one.differing for one in found) else 0)


@app.command("blacklist-key")
def blacklist_key(kind: Annotated[str, typer.Argument(metavar="|".join(KINDS), help="What is entered.")]) -> None:
    """The keyed hash of a phone or id number, for config/blacklist.csv. It is asked for, or read from standard input:
    never an argument, which other users and the shell's history would see."""
    from orderpipe.lookup import blacklist_key as make

    if kind == "address":
        raise OrderpipeError(
            "an address that is typed never is the one a platform sends, letter for letter",
            remedy='take the key of an order: orderpipe sql "SELECT address_key FROM core.orders '
            "WHERE platform_order_no = '…'\"",
        )
    if kind not in KINDS:
        raise OrderpipeError(
            f"{kind!r} is nothing with a key", remedy="use phone or id; a buyer stands in the file by the platform's id"
        )
    settings = config.load()
    given = typer.prompt(kind, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    typer.echo(make(settings, kind, given))


def _show(changes: "list[Change]", as_json: bool, *, done: bool) -> None:
    from orderpipe.cli_rules_output import print_changes

    if as_json:
        _print_json([asdict(one) | {"activated": done and one.before != one.after} for one in changes])
    else:
        print_changes(changes, done)


def _reason_dict(reason: "Reason") -> dict[str, Any]:
    return {
        **{name: getattr(reason, name) for name in ("table", "purpose", "key", "rule_id", "rule_version", "outcome")},
        "facts": reason.facts,
        "steps": [asdict(step) for step in reason.steps],
        "problem": reason.problem,
    }


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
