"""The rule language as JSON Schema, so that an editor completes and checks a rule file while it is written.

Looser than language.py where a schema cannot say it (a value that is printable, two bounds in order, an id that stands
once): what language.load accepts the schema accepts, and `orderpipe rules check` has the last word.
"""

from collections.abc import Collection, Mapping
from typing import Any

from orderpipe.marked_yaml import MAX_TEXT
from orderpipe.rules import words
from orderpipe.rules.fields import Field
from orderpipe.rules.language import (
    GROUPS,
    MAX_RULES,
    MAX_VALUES,
    OPERATORS,
    RULE_ID,
    UNMATCHED,
)
from orderpipe.rules.purposes import FIRST, Outcome, Purpose

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT = {"type": "string", "pattern": r"\S", "maxLength": MAX_TEXT}
_VALUES: dict[str, dict[str, Any]] = {
    "text": _TEXT,
    "text_list": _TEXT,
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
}
_GROUPS = {
    "all": "全部满足 · Every entry holds.",
    "any": "至少满足一条 · At least one entry holds.",
    "not": "全都不满足 · None of the entries holds.",
}


def json_schema(purpose: Purpose) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a rule file of this purpose. Where the purpose knows choices, the schema does."""
    every = purpose.mode != FIRST
    return {
        "$schema": DIALECT,
        "title": f"{purpose.title} {purpose.name}",
        "description": _counts(purpose),
        "type": "object",
        "required": ["rules"],
        "additionalProperties": False,
        "properties": {
            "rules": {"type": "array", "minItems": 1, "maxItems": MAX_RULES, "items": {"$ref": "#/$defs/rule"}},
            "settings": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    setting.name: {
                        "description": setting.note, "type": "integer", "minimum": setting.low,
                        "maximum": setting.high, "default": setting.default,
                    }
                    for setting in purpose.settings.values()
                },
            },
            "examples": {
                "description": "事实与应命中的规则 · Checked by `orderpipe rules test` and before an activation.",
                "type": "array", "minItems": 1, "items": {"$ref": "#/$defs/example"},
            },
        },
        "$defs": {
            "rule": _rule(purpose.outcomes),
            "groups": _groups(),
            "entries": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/entry"}},
            "entry": _entry(purpose.fields),
            **{f"{kind}_test": _tests(kind) for kind in OPERATORS},
            "example": _example(purpose.fields, every),
        },
    }  # fmt: skip


def _counts(purpose: Purpose) -> str:
    if purpose.mode == FIRST:
        text = "从上到下，第一条命中的规则生效 · The first rule that matches decides."
    elif purpose.group:
        tier = purpose.group
        text = f"命中的规则全部生效，同一 {tier} 只取第一条 · Every rule that matches counts, of one {tier} the first."
    else:
        text = "命中的规则全部生效 · Every rule that matches counts."
    return text + (f" {purpose.above[0]} must be greater than {purpose.above[1]}." if purpose.above else "")


def _rule(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["id", "when", "then", "note"],
        "additionalProperties": False,
        "properties": {
            "id": {"description": "规则编号 · a-z, 0-9 and _, once in the file.", "type": "string",
                   "pattern": f"^{RULE_ID}$", "not": {"const": UNMATCHED}},
            "when": {"description": "条件 · {} always holds.", "$ref": "#/$defs/groups"},
            "then": {
                "description": "结果 · What the rule decides.",
                "type": "object",
                "required": [outcome.name for outcome in outcomes.values() if outcome.required],
                "additionalProperties": False,
                "properties": {outcome.name: _outcome(outcome) for outcome in outcomes.values()},
            },
            "note": {"description": "说明 · Why the rule exists, for people.", **_TEXT},
        },
    }  # fmt: skip


def _outcome(outcome: Outcome) -> dict[str, Any]:
    told: dict[str, Any] = {"description": outcome.note, **_VALUES[outcome.type]}
    if outcome.choices is not None:
        told["enum"] = sorted(outcome.choices)
    if outcome.type == "integer":
        told |= {"minimum": outcome.low, "maximum": outcome.high}
    return told


def _groups() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": _group_properties()}


def _group_properties() -> dict[str, Any]:
    return {name: {"description": _GROUPS[name], "$ref": "#/$defs/entries"} for name in GROUPS}


def _entry(fields: Mapping[str, Field]) -> dict[str, Any]:
    """One field with its operators, or groups; all in one list of properties, so that an editor offers them all."""
    return {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {**_group_properties(), **{field.name: _field(field) for field in fields.values()}},
        "if": {"anyOf": [{"required": [name]} for name in GROUPS]},
        "then": {"propertyNames": {"enum": list(GROUPS)}},
        "else": {"maxProperties": 1},
    }


def _field(field: Field) -> dict[str, Any]:
    tests = {"$ref": f"#/$defs/{field.type}_test"} if not field.choices else _tests(field.type, field.choices)
    return {"title": field.label, "description": describe(field), **tests}


def describe(field: Field) -> str:
    """A field on one line: label, type, what it means, an example."""
    note = f" {field.note}" if field.note else ""
    return f"{field.label} · {field.type}.{note} 例 Example: {field.example}"


def _tests(kind: str, choices: Collection[str] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {
            op: {"description": words.OPERATORS[op], **_operand(kind, op, choices)} for op in OPERATORS[kind]
        },
    }


def _operand(kind: str, op: str, choices: Collection[str]) -> dict[str, Any]:
    if op == "is_null":
        return {"type": "boolean"}
    value = dict(_VALUES[kind])
    if choices and op not in ("contains", "starts_with"):
        value["enum"] = list(choices)
    if op == "between":
        return {"type": "array", "minItems": 2, "maxItems": 2, "items": value}
    return {"type": "array", "minItems": 1, "maxItems": MAX_VALUES, "items": value} if op in ("in", "not_in") else value


def _example(fields: Mapping[str, Field], every: bool) -> dict[str, Any]:
    rule_id = {"type": "string", "pattern": f"^{RULE_ID}$"}
    expected = {"type": "array", "minItems": 1, "items": rule_id} if every else rule_id
    name = "rules" if every else "rule"
    return {
        "type": "object",
        "required": ["facts", name],
        "additionalProperties": False,
        "properties": {
            "facts": {
                "description": "事实，未写的视为未知 · Facts left out are unknown.",
                "type": "object",
                "additionalProperties": False,
                "properties": {field.name: _fact(field) for field in fields.values()},
            },
            name: {"description": f"应命中的规则，没有则写 {UNMATCHED} · The rules that must count.", **expected},
        },
    }


def _fact(field: Field) -> dict[str, Any]:
    value = dict(_VALUES[field.type])
    if field.choices:
        value["enum"] = list(field.choices)
    if field.type == "text_list":
        value = {"type": "array", "minItems": 1, "items": value}
    told: dict[str, Any] = {"title": field.label, "description": describe(field), **value}
    told["type"] = [told["type"], "null"]
    if field.choices:
        told["enum"] = [*field.choices, None]
    return told
