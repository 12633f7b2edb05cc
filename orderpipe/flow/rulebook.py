"""Rule files, versions and what is in force, found by the names that operators give them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orderpipe.config import Settings
from orderpipe.errors import ConfigError, OrderpipeError
from orderpipe.flow import activation
from orderpipe.flow.activation import rule_file
from orderpipe.lake import reader
from orderpipe.rules import language, words
from orderpipe.rules.compare import Difference, compare
from orderpipe.rules.language import RuleSet
from orderpipe.rules.purposes import NAMES, Purpose, purposes


@dataclass(frozen=True)
class Change:
    """What activating a rule set would change. before, after: versions, before empty when none is in force. problem:
    why the rules in force cannot be read any more, so that no difference can be told; else empty."""

    name: str
    before: str
    after: str
    differences: tuple[Difference, ...]
    problem: str = ""


def sources(settings: Settings, given: Iterable[str] | None) -> list[tuple[str, Path]]:
    """Names and files as (purpose, file); every purpose when none are given. A file tells its purpose by its name.

    Raises ConfigError for what is neither.
    """
    return [_source(settings, one) for one in dict.fromkeys(given or NAMES)]


def _source(settings: Settings, given: str) -> tuple[str, Path]:
    if given in NAMES or not Path(given).is_file():
        return given, rule_file(settings, given)
    stem = Path(given).stem
    name = next((name for name in NAMES if stem == name or stem.startswith((f"{name}-", f"{name}.", f"{name}_"))), None)
    if name is None:
        remedy = f"begin its name with one of {', '.join(NAMES)}, as in routing-november.yaml"
        raise ConfigError("whose rules are these?", where=given, remedy=remedy)
    return name, Path(given)


def purpose(settings: Settings, name: str) -> Purpose:
    """A purpose in this configuration. Raises ConfigError for an unknown one."""
    rule_file(settings, name)
    return purposes(settings)[name]


def in_force(con, settings: Settings, name: str) -> RuleSet:
    """The rules in force. Raises OrderpipeError when none ever were."""
    texts = activation.stored(con)
    if name not in texts:
        raise OrderpipeError(
            f"no {name} rules are in force yet", where=str(settings.home.path),
            remedy=f"run `orderpipe tick` once, or `orderpipe rules activate {name}`",
        )  # fmt: skip
    return language.restore(texts[name], purpose(settings, name))


def pick(settings: Settings, name: str, given: str) -> RuleSet:
    """Rules by the beginning of a version or by a file; `file` is the one in config/rules, empty those in force."""
    if given == "file" or Path(given).is_file():
        path = rule_file(settings, name) if given == "file" else Path(given)
        return language.load(path, purpose(settings, name))
    with reader(settings) as con:
        return activation.version(con, name, given, settings) if given else in_force(con, settings, name)


def notes(settings: Settings, rules: RuleSet) -> dict[str, str]:
    """Notes by rule id, which versions do not keep: from the file in config/rules, where it says the same rule."""
    try:
        file = language.load(rule_file(settings, rules.purpose.name), rules.purpose)
    except ConfigError:
        return {}  # an unreadable file has no notes to offer; `rules check` tells what is wrong with it
    noted = {(rule.id, words.when_text(rule), words.then_text(rule)): rule.note for rule in file.rules}
    keys = {rule.id: (rule.id, words.when_text(rule), words.then_text(rule)) for rule in rules.rules}
    return {name: noted[key] for name, key in keys.items() if key in noted}


def changes(con, settings: Settings, wanted: Iterable[RuleSet]) -> list[Change]:
    """What bringing rule sets into force would change."""
    texts = activation.stored(con)
    return [_change(con, settings, rules, rules.purpose.name in texts) for rules in wanted]


def _change(con, settings: Settings, rules: RuleSet, known: bool) -> Change:
    name = rules.purpose.name
    if not known:
        return Change(name, "", rules.version, ())
    before = activation.history(con, name)[0].rule_version
    try:
        return Change(name, before, rules.version, tuple(compare(in_force(con, settings, name), rules)))
    except OrderpipeError as error:
        return Change(name, before, rules.version, (), str(error))
