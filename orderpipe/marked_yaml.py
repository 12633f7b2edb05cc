"""YAML files that people edit, read with the line every value stands on, so that an error can name it.

Stricter than plain YAML where plain YAML surprises: no aliases, no tags, no repeated keys, nothing deeply nested;
scalars stay text with the kind YAML sees in them, so `country: NO` is refused instead of becoming false.
"""

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import yaml

from orderpipe.errors import ConfigError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_CHARACTERS = 1_000_000
MAX_TEXT = 1000
_MAX_DEPTH = 24
_KINDS = {
    "tag:yaml.org,2002:map": "mapping",
    "tag:yaml.org,2002:seq": "list",
    "tag:yaml.org,2002:str": "text",
    "tag:yaml.org,2002:int": "number",
    "tag:yaml.org,2002:float": "number",
    "tag:yaml.org,2002:bool": "boolean",
    "tag:yaml.org,2002:null": "null",
    "tag:yaml.org,2002:timestamp": "time",
}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,6})?")


@dataclass(frozen=True)
class Node:
    """A value of a file. value: dict of Node for a mapping, list of Node for a list, the text of a scalar.

    kind: mapping, list, text, number, boolean, null, time, as YAML sees it. line counts from 1; for the value of a
    mapping entry it is the line of its key.
    """

    kind: str
    value: Any
    line: int

    @property
    def shown(self) -> str:
        """The value in a message: scalars as written, shortened; containers by their kind."""
        if self.kind in ("mapping", "list"):
            return f"a {self.kind}"
        return repr(self.value if len(self.value) <= 60 else self.value[:57] + "…")


class MarkedYaml:
    """One file: its root node and the checks that raise ConfigError with file, line and remedy."""

    def __init__(self, path: Path):
        """Reads the file. Raises ConfigError when it is missing, not UTF-8, not YAML, too large, too deep, or uses
        aliases or tags."""
        self.path = path
        try:
            text = path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            self.fail(0, "the file does not exist", "copy it from the repository's config/")
        except UnicodeDecodeError as error:
            self.fail(0, f"not UTF-8 text (byte {error.start})", "save the file as UTF-8")
        if len(text) > _MAX_CHARACTERS:
            self.fail(0, f"larger than {_MAX_CHARACTERS} characters", "split or shorten it")
        try:
            self._check_events(text)
            tree = yaml.compose(text, Loader=_LOADER)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "unreadable"
            self.fail(mark.line + 1 if mark else 0, f"not valid YAML: {problem}", "mend the line")
        if tree is None:
            self.fail(0, "the file is empty", "copy it from the repository's config/")
        self.root = self._node(tree)

    def fail(self, line: int, what: str, remedy: str, within: str = "") -> NoReturn:
        """Raise ConfigError at that line; within names the entry (`rule overseas`)."""
        where = f"{self.path}:{line}" if line else str(self.path)
        raise ConfigError(what, where=f"{where}, {within}" if within else where, remedy=remedy)

    def mapping(
        self, node: Node, required: Collection[str], optional: Collection[str] = (), within: str = ""
    ) -> dict[str, Node]:
        """The entries of a mapping, all required keys there and none besides required and optional."""
        if node.kind != "mapping":
            names = ", ".join((*required, *optional))
            self.fail(node.line, f"must be a mapping, is {node.shown}", f"write {names}", within)
        allowed = (*required, *optional)
        for key, value in node.value.items():
            if key not in allowed:
                self.fail(value.line, f"unknown key {key!r}", suggestion(key, allowed), within)
        for key in required:
            if key not in node.value:
                self.fail(node.line, f"key {key!r} is missing", f"add {key}: …", within)
        return node.value

    def items(self, node: Node, what: str, within: str = "") -> list[Node]:
        """The entries of a list that is not empty."""
        if node.kind != "list" or not node.value:
            shown = "empty" if node.kind == "list" else f"{node.shown}"
            self.fail(node.line, f"{what} must be a list with entries, is {shown}", "write [first, second, …]", within)
        return node.value

    def text(self, node: Node, what: str, within: str = "") -> str:
        """A text that is not empty and holds only printable characters."""
        if node.kind in ("number", "boolean", "time"):
            self.fail(
                node.line, f"{what} must be text, is the {node.kind} {node.value}", f'write "{node.value}"', within
            )
        if node.kind != "text" or not node.value.strip():
            self.fail(node.line, f"{what} must be text, is {node.shown}", "write a text", within)
        if not node.value.isprintable() or len(node.value) > MAX_TEXT:
            self.fail(
                node.line, f"{what} holds characters that do not print, or is too long", "write plain text", within
            )
        return node.value

    def number(self, node: Node, what: str, within: str = "") -> Decimal:
        """A number in plain notation: at most 18 digits before and 6 after the point. Never a float."""
        if node.kind != "number" or not _NUMBER.fullmatch(node.value):
            self.fail(
                node.line, f"{what} must be a number, is {node.shown}", "write it plainly, as in 12 or 99.50", within
            )
        return Decimal(node.value)

    def boolean(self, node: Node, what: str, within: str = "") -> bool:
        """true or false, and no other spelling of them."""
        if node.kind != "boolean" or node.value not in ("true", "false"):
            self.fail(node.line, f"{what} must be true or false, is {node.shown}", "write true or false", within)
        return node.value == "true"

    def _check_events(self, text: str) -> None:
        """What must be refused before a tree is built: building one recurses and expands aliases."""
        depth = 0
        for event in yaml.parse(text, Loader=_LOADER):
            line = event.start_mark.line + 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                self.fail(line, "anchors and aliases are not allowed", "write the value out")
            if getattr(event, "tag", None):
                self.fail(line, f"tag {event.tag!r} is not allowed", "remove it")
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                depth += 1
                if depth > _MAX_DEPTH:
                    self.fail(line, f"nested more than {_MAX_DEPTH} levels deep", "simplify it")
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                depth -= 1

    def _node(self, node: yaml.Node, line: int = 0) -> Node:
        line = line or node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            entries: dict[str, Node] = {}
            for key, value in node.value:
                at = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    self.fail(at, "a key must be a word", "write name: value")
                if key.value in entries:
                    self.fail(at, f"key {key.value!r} stands twice", "keep one of them")
                entries[key.value] = self._node(value, at)
            return Node("mapping", entries, line)
        if isinstance(node, yaml.SequenceNode):
            return Node("list", [self._node(item) for item in node.value], line)
        return Node(_KINDS.get(node.tag, "text"), node.value, line)


def suggestion(name: str, allowed: Iterable[str]) -> str:
    """A remedy for a misspelt name: the nearest allowed one, and what is allowed."""
    allowed = sorted(allowed)
    near = difflib.get_close_matches(name, allowed, n=1)
    head = f"did you mean {near[0]}? " if near else ""
    return f"{head}allowed: {', '.join(allowed)}"
