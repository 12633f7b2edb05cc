"""Rules in words, for people: conditions and outcomes with their labels, and as the lines of a rule file."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import yaml

from orderpipe.rules.language import Group, Rule, RuleSet, Test

OPERATORS = {
    "eq": "等于",
    "ne": "不等于",
    "in": "属于",
    "not_in": "不属于",
    "gt": "大于",
    "gte": "大于等于",
    "lt": "小于",
    "lte": "小于等于",
    "between": "介于（含两端）",
    "contains": "包含",
    "starts_with": "开头是",
    "is_null": "未知",
}
GROUPS = {"all": "全部满足", "any": "至少满足一条", "not": "全都不满足"}
NOTE_UNKNOWN = "该版本的说明未保存"  # notes decide nothing, so versions do not keep them
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def condition(node: Group | Test) -> str:
    """A condition in Chinese: 收货国家 等于 US 且 （含易碎品 等于 是 或 …）."""
    if isinstance(node, Test):
        if node.op == "is_null":
            return f"{node.field.label} {'未知' if node.value else '已知'}"
        return f"{node.field.label} {OPERATORS[node.op]} {fact(node.value)}"
    if not node.items:
        return "总是成立"
    items = [
        f"（{condition(item)}）" if isinstance(item, Group) and item.kind != "not" and len(item.items) > 1
        else condition(item)
        for item in node.items
    ]  # fmt: skip
    return f"没有一条成立：（{'；'.join(items)}）" if node.kind == "not" else f" {_JOINED[node.kind]} ".join(items)


_JOINED = {"all": "且", "any": "或"}


def fact(value: Any) -> str:
    """A fact or an outcome for people: 未知 for null, 是 and 否, lists joined."""
    if value is None:
        return "未知"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, (list, tuple)):
        return "、".join(fact(item) for item in value) or "（无）"
    return _number(value) if isinstance(value, Decimal) else str(value)


def when_text(rule: Rule) -> str:
    """The condition as a rule file writes it, on one line."""
    return "{}" if not rule.when.items else _flow(rule.when)


def then_text(rule: Rule) -> str:
    """The outcome as a rule file writes it, on one line; what is left out is not there."""
    said = {name: value for name, value in rule.then.items() if value is not None}
    return _mapping({name: _scalar(value) for name, value in said.items()})


def as_yaml(rules: RuleSet, notes: Mapping[str, str] | None = None) -> str:
    """A rule file that loads as the same version. notes by rule id; a rule without one says that it was not kept."""
    known = dict(notes or {})
    lines = []
    if rules.settings:
        lines += [f"settings: {_mapping({name: str(value) for name, value in rules.settings.items()})}", ""]
    lines.append("rules:")
    for rule in rules.rules:
        note = rule.note or known.get(rule.id) or NOTE_UNKNOWN
        lines += [
            f"  - id: {_scalar(rule.id)}",
            f"    when: {when_text(rule)}",
            f"    then: {then_text(rule)}",
            f"    note: {_scalar(note)}",
            "",
        ]
    return "\n".join(lines[:-1]) + "\n"


def _flow(node: Group | Test) -> str:
    if isinstance(node, Group):
        return _mapping({node.kind: f"[{', '.join(_flow(item) for item in node.items)}]"})
    write = str if node.field.type == "date" and node.op != "is_null" else _scalar
    told = f"[{', '.join(map(write, node.value))}]" if isinstance(node.value, tuple) else write(node.value)
    return _mapping({node.field.name: _mapping({node.op: told})})


def _number(value: Decimal) -> str:
    """10.0 and 10.00 as 10: they decide alike."""
    return format(value.normalize() + Decimal(0), "f")


def _mapping(entries: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in entries.items()) + "}"


def _scalar(value: Any) -> str:
    """A value as YAML, a text in quotes only where it would be read as something else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return _number(Decimal(value))
    try:
        plain = yaml.load(f"{{a: {value}, b: [{value}]}}", Loader=_LOADER) == {"a": value, "b": [value]}
    except (yaml.YAMLError, ValueError):
        plain = False
    return value if plain else json.dumps(value, ensure_ascii=False)
