"""`python -m orderpipe.rules.pages`: write docs/rules_catalogue.md and config/rules/schema/*.json."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from orderpipe.config import ROOT
from orderpipe.rules import words
from orderpipe.rules.fields import Field
from orderpipe.rules.language import OPERATORS
from orderpipe.rules.purposes import FIRST, Outcome, Purpose, Setting, general
from orderpipe.rules.schema import json_schema

CATALOGUE = ROOT / "docs" / "rules_catalogue.md"
SCHEMAS = ROOT / "config" / "rules" / "schema"

_INTRO = """\
# Rules: catalogue

Written by `python -m orderpipe.rules.pages` from `orderpipe/rules/`; edit there. How rules are changed, and the
language: [rules](rules.md).

A fact that is not known is null, and a comparison with it is neither true nor false. Dates, weekdays and hours are of
Asia/Shanghai. Amounts are exact decimals.
"""


def pages() -> dict[Path, str]:
    """Every page and its text."""
    found = general()
    schemas = {
        SCHEMAS / f"{name}.json": json.dumps(json_schema(purpose), ensure_ascii=False, indent=1) + "\n"
        for name, purpose in found.items()
    }
    return {CATALOGUE: catalogue(found.values()), **schemas}


def write() -> None:
    """Write the pages anew."""
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")


def catalogue(purposes: Iterable[Purpose]) -> str:
    """The catalogue as Markdown: per purpose what rules decide and may ask; facts that purposes share once."""
    parts = [_INTRO, _operators()]
    shared: dict[int, Purpose] = {}  # by the identity of the fields, which purposes share
    for purpose in purposes:
        first = shared.setdefault(id(purpose.fields), purpose)
        parts.append(_section(purpose, first))
    return "\n".join(parts)


def _operators() -> str:
    kinds: dict[str, list[str]] = {}
    for kind, names in OPERATORS.items():
        for name in names:
            kinds.setdefault(name, []).append(kind)
    rows = [(f"`{name}`", words.OPERATORS[name], ", ".join(of)) for name, of in kinds.items()]
    return f"## Operators\n\n{_table(('operator', '含义', 'types'), rows)}"


def _section(purpose: Purpose, first: Purpose) -> str:
    decides = "the first that matches decides" if purpose.mode == FIRST else "every rule that matches counts"
    if purpose.group:
        decides += f", of the rules with one `{purpose.group}` only the first"
    key = ", ".join(purpose.key)
    head = f"## {purpose.name} {purpose.title}\n\n`config/rules/{purpose.name}.yaml`, {decides}. Judged per {key}.\n"
    columns = ("outcome", "type", "required", "meaning")
    parts = [head, "### Outcomes\n", _table(columns, map(_outcome, purpose.outcomes.values()))]
    if purpose.above:
        parts.append(f"`{purpose.above[0]}` must be greater than `{purpose.above[1]}`.\n")
    if purpose.settings:
        head = ("setting", "default", "range", "meaning")
        parts += ["### Settings\n", _table(head, map(_setting, purpose.settings.values()))]
    if first is purpose:
        parts += ["### Facts\n", _facts(purpose.fields)]
    else:
        parts.append(f"### Facts\n\nThose of [{first.name}](#{first.name}-{first.title}).\n")
    return "\n".join(parts)


def _facts(fields: Mapping[str, Field]) -> str:
    """A table of facts."""
    rows = [(f"`{f.name}`", f.type, f.label, f"`{f.example}`", _note(f)) for f in fields.values()]
    return _table(("fact", "type", "名称", "example", "note"), rows)


def _note(field: Field) -> str:
    choices = f"One of {', '.join(field.choices)}." if field.choices else ""
    return " ".join(part for part in (field.note, choices) if part)


def _outcome(outcome: Outcome) -> tuple[str, ...]:
    choices = f" One of {', '.join(sorted(outcome.choices))}." if outcome.choices else ""
    kind = f"integer, at least {outcome.low}" if outcome.type == "integer" else outcome.type
    return f"`{outcome.name}`", kind, "yes" if outcome.required else "", outcome.note + choices


def _setting(setting: Setting) -> tuple[str, ...]:
    return f"`{setting.name}`", str(setting.default), f"{setting.low} … {setting.high}", setting.note


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; a cell cannot end its row."""
    names = tuple(head)
    lines = [names, ("---",) * len(names), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    write()
