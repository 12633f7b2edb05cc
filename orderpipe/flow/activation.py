"""Which version of each rule file is in force. Editing a file changes nothing until it is activated, and every
activation is recorded with who and why; going back to an earlier version is an activation like any other."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orderpipe.config import Settings
from orderpipe.errors import ConfigError, OrderpipeError
from orderpipe.flow.run import Run
from orderpipe.lake import merge
from orderpipe.rules import explain, language
from orderpipe.rules.language import RuleSet
from orderpipe.rules.purposes import NAMES, purposes

SHIPPED = "as shipped"


@dataclass(frozen=True)
class Activation:
    """One time a version came into force. number counts per purpose from 1."""

    purpose: str
    number: int
    rule_version: str
    activated_at: datetime
    actor: str
    note: str


def rule_file(settings: Settings, name: str) -> Path:
    """Where the rules of a purpose are edited. Raises ConfigError for an unknown purpose."""
    if name not in NAMES:
        raise ConfigError(f"no rules called {name}", where="config/rules", remedy=f"use one of {', '.join(NAMES)}")
    return settings.config_dir / "rules" / f"{name}.yaml"


def read(settings: Settings, name: str, path: Path | None = None) -> RuleSet:
    """The rules of a purpose as they stand in a file (default the one in config/rules), its examples included.

    Raises ConfigError when the file is wrong, or when an example in it is decided otherwise than it says.
    """
    where = path or rule_file(settings, name)
    rules = language.load(where, purposes(settings)[name])
    failures = explain.failed_examples(rules)
    if failures:
        raise ConfigError(
            f"{len(failures)} examples fail: {'; '.join(failures[:5])}",
            where=str(where),
            remedy="mend the rules or the examples, and try with `orderpipe rules test`",
        )
    return rules


def active(run: Run) -> dict[str, RuleSet]:
    """The rules in force, by purpose; a file that was never activated comes into force as it stands.

    The caller holds the writer lease and is not within a transaction. Raises ConfigError for a file that is wrong.
    """
    versions = stored(run.lake)
    missing = [name for name in NAMES if name not in versions]
    if missing:
        activate(run, [read(run.settings, name) for name in missing], actor="orderpipe", note=SHIPPED)
        versions = stored(run.lake)
    known = purposes(run.settings)
    return {name: language.restore(versions[name], known[name]) for name in NAMES}


def stored(con) -> dict[str, str]:
    """The canonical text of the version in force, by purpose, for those that have one."""
    return dict(
        con.execute(
            """SELECT a.purpose, any_value(v.rules::VARCHAR)
               FROM (SELECT purpose, arg_max(rule_version, number) AS rule_version
                     FROM lake.decision.rule_activations GROUP BY purpose) a
               JOIN lake.decision.rule_versions v USING (rule_version)
               GROUP BY a.purpose ORDER BY a.purpose"""
        ).fetchall()
    )


def version(con, name: str, rule_version: str, settings: Settings) -> RuleSet:
    """A version that was in force once; the beginning of its hash is enough. Raises OrderpipeError when none is."""
    rows = con.execute(
        """SELECT DISTINCT rule_version, rules::VARCHAR FROM lake.decision.rule_versions
           WHERE purpose = $name AND starts_with(rule_version, $version)""",
        {"name": name, "version": rule_version},
    ).fetchall()
    if len(rows) != 1:
        raise OrderpipeError(
            f"{len(rows) or 'no'} versions of the {name} rules begin with {rule_version}",
            where="decision.rule_versions",
            remedy=f"see `orderpipe rules history {name}`",
        )
    return language.restore(rows[0][1], purposes(settings)[name])


def history(con, name: str | None = None) -> list[Activation]:
    """Every activation, newest first."""
    rows = con.execute(
        """SELECT purpose, number, rule_version, activated_at, actor, note FROM lake.decision.rule_activations
           WHERE purpose = coalesce($name, purpose) ORDER BY activated_at DESC, purpose, number DESC""",
        {"name": name},
    ).fetchall()
    return [Activation(*row) for row in rows]


def activate(run: Run, rule_sets: list[RuleSet], *, actor: str, note: str) -> None:
    """Bring rules into force from the next decision on, and record who did it and why. The caller holds the lease."""
    con = run.lake
    if not actor.strip() or not note.strip():
        raise OrderpipeError("who and why are missing", where="rules", remedy="give --by and --reason")
    con.execute("CREATE OR REPLACE TABLE work.new_rules (rule_version VARCHAR, purpose VARCHAR, rules JSON)")
    con.execute(
        """CREATE OR REPLACE TABLE work.activations
           (activation_id VARCHAR, purpose VARCHAR, number BIGINT, rule_version VARCHAR, activated_at TIMESTAMPTZ,
            actor VARCHAR, note VARCHAR, run_id VARCHAR)"""
    )
    for rules in rule_sets:
        name = rules.purpose.name
        con.execute(
            """INSERT INTO work.new_rules
               SELECT $version, $name, $rules
               WHERE $version NOT IN (SELECT rule_version FROM decision.rule_versions)""",
            {"version": rules.version, "name": name, "rules": rules.canonical},
        )
        con.execute(
            """INSERT INTO work.activations
               SELECT $name || ':' || number, $name, number, $version, $now, $actor, $note, $run
               FROM (SELECT coalesce(max(number), 0) + 1 AS number
                     FROM decision.rule_activations WHERE purpose = $name)""",
            {"name": name, "version": rules.version, "now": run.clock.now(), "actor": actor.strip(),
             "note": note.strip(), "run": run.id},
        )  # fmt: skip
    with run.transaction("lake", "activate rules"):
        merge.append(con, "decision.rule_versions", "work.new_rules")
        merge.append(con, "decision.rule_activations", "work.activations")


def rollback(run: Run, name: str, *, actor: str, note: str, to: str | None = None) -> RuleSet:
    """Bring the version before the one in force back, or the version `to`; gives it. The caller holds the lease."""
    rules = earlier(run.lake, name, run.settings, to)
    activate(run, [rules], actor=actor, note=note)
    return rules


def earlier(con, name: str, settings: Settings, to: str | None = None) -> RuleSet:
    """What a rollback brings back: the version `to`, else the newest that is not in force. Raises OrderpipeError when
    there is none."""
    if to is None:
        now, *before = [a.rule_version for a in history(con, name)] or [""]
        others = [v for v in before if v != now]
        if not others:
            raise OrderpipeError(
                f"there is no earlier version of the {name} rules", where="decision.rule_activations",
                remedy=f"see `orderpipe rules history {name}`",
            )  # fmt: skip
        to = others[0]
    return version(con, name, to, settings)


@dataclass(frozen=True)
class Standing:
    """How a rule file stands to what is in force. problem: why it cannot be activated, or empty. drifted: it says other
    than what is in force; activated: some version of it is in force."""

    purpose: str
    activated: bool
    drifted: bool
    problem: str


def standings(settings: Settings, in_force: Mapping[str, str]) -> list[Standing]:
    """How every rule file stands to the canonical texts in force (`stored`)."""
    found = []
    for name in NAMES:
        known, problem, drifted = in_force.get(name), "", False
        try:
            canonical = read(settings, name).canonical
            drifted = known is not None and canonical != known
        except ConfigError as error:
            problem = str(error)
        found.append(Standing(name, known is not None, drifted, problem))
    return found
