"""GraphQL for the sandbox: a query is checked against the schema, compiled once to plain functions, and then picks
exactly the selected fields out of rendered documents. A query's price comes out of the same compilation.

Documents are plain dicts and lists. A connection is stored as the list of its nodes and is cut to pages here; an
object of an abstract type names its type in `__typename`.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    parse,
    validate,
)
from graphql.execution.values import get_argument_values, get_directive_values, get_variable_values
from graphql.type import GraphQLIncludeDirective, GraphQLSkipDirective

SCHEMA = build_schema(Path(__file__).with_name("shopify.graphql").read_text("utf-8"))
Variables = dict[str, Any]
Picker = Callable[[Any, Variables], Any]


class BadQuery(Exception):
    """The query cannot be run; errors are GraphQL error objects."""

    def __init__(self, errors: list[dict[str, Any]]):
        super().__init__(errors[0]["message"])
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Root:
    """One root field: its key in the answer, its name, its arguments, and what picks the selection from a document.

    price: points for each object at hand (a page of n costs n × price).
    """

    key: str
    name: str
    arguments: Callable[[Variables], Variables]
    pick: Picker
    price: Callable[[Variables], int]


@dataclass(frozen=True, slots=True)
class Query:
    roots: list[Root]
    is_mutation: bool
    variables: Callable[[Variables], Variables]


@lru_cache(maxsize=256)
def compile_query(text: str, operation: str | None = None) -> Query:
    """Check and compile a query text. Raises BadQuery with Shopify-like errors (`undefinedField` for a field that
    does not exist)."""
    try:
        document = parse(text)
    except GraphQLError as error:
        raise BadQuery([_error(error, "parseError")]) from None
    if errors := validate(SCHEMA, document):
        raise BadQuery([_error(error, _code(error)) for error in errors])
    chosen = _operation(document, operation)
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    compiler = _Compiler(fragments)
    is_mutation = chosen.operation.value == "mutation"
    root = SCHEMA.mutation_type if is_mutation else SCHEMA.query_type
    roots = [compiler.root(root, key, nodes) for key, nodes, _ in compiler.collect(root, [chosen.selection_set])]

    def variables(given: Variables) -> Variables:
        values = get_variable_values(SCHEMA, chosen.variable_definitions or (), given)
        if isinstance(values, list):
            raise BadQuery([_error(error, "INVALID_VARIABLE") for error in values])
        return values

    return Query(roots, is_mutation, variables)


def page(rows: list[Any], first: int | None, after: str | None, cursor_of: Callable[[int], str]) -> dict[str, Any]:
    """Cut a list to a connection page. cursor_of: cursor of the row at a position."""
    start = 0 if after is None else next((i + 1 for i in range(len(rows)) if cursor_of(i) == after), len(rows))
    shown = rows[start:] if first is None else rows[start : start + first]
    return connection(
        shown, [cursor_of(start + i) for i in range(len(shown))], start + len(shown) < len(rows), start > 0
    )


def connection(rows: Sequence[Any], cursors: Sequence[str], more: bool, before: bool = False) -> dict[str, Any]:
    """The fields of a connection over one page of rows."""
    return {
        "nodes": rows,
        "edges": [{"cursor": cursor, "node": row} for cursor, row in zip(cursors, rows, strict=True)],
        "pageInfo": {
            "hasNextPage": more,
            "hasPreviousPage": before,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }


def cursor(**values: Any) -> str:
    """An opaque cursor."""
    return base64.b64encode(msgspec.json.encode(values)).decode()


def open_cursor(text: str) -> dict[str, Any]:
    """What a cursor holds. Raises ValueError for text that is none."""
    try:
        values = msgspec.json.decode(base64.b64decode(text, validate=True))
    except (ValueError, msgspec.DecodeError) as error:
        raise ValueError("not a cursor") from error
    if not isinstance(values, dict):
        raise ValueError("not a cursor")
    return values


class _Compiler:
    """Turns selection sets into pickers: functions from (document, variables) to the selected part."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]):
        self._fragments = fragments

    def root(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Root:
        name = nodes[0].name.value
        definition = parent.fields[name]
        type_ = get_named_type(definition.type)
        selections = [node.selection_set for node in nodes if node.selection_set]
        return Root(
            key,
            name,
            lambda variables: get_argument_values(definition, nodes[0], variables),
            self._object(type_, selections),
            lambda variables: self._price(type_, selections, variables),
        )

    def collect(
        self, type_: GraphQLObjectType, selections: list[SelectionSetNode], when: tuple[Any, ...] = ()
    ) -> list[tuple[str, list[FieldNode], tuple[Any, ...]]]:
        """The fields selected on a concrete type, fragments spread out: key, nodes to merge, nodes that carry
        @skip/@include on the way."""
        found: dict[str, tuple[list[FieldNode], tuple[Any, ...]]] = {}
        for selection in (item for selection_set in selections for item in selection_set.selections):
            conditions = (*when, selection) if selection.directives else when
            if isinstance(selection, FieldNode):
                key = (selection.alias or selection.name).value
                found.setdefault(key, ([], conditions))[0].append(selection)
                continue
            part = self._fragments[selection.name.value] if isinstance(selection, FragmentSpreadNode) else selection
            if part.type_condition is None or self._applies(part.type_condition.name.value, type_):
                for key, nodes, inner in self.collect(type_, [part.selection_set], conditions):
                    found.setdefault(key, ([], inner))[0].extend(nodes)
        return [(key, nodes, conditions) for key, (nodes, conditions) in found.items()]

    def _applies(self, condition: str, type_: GraphQLObjectType) -> bool:
        named = SCHEMA.type_map[condition]
        return named is type_ or (is_abstract_type(named) and SCHEMA.is_sub_type(named, type_))

    def _object(self, type_: Any, selections: list[SelectionSetNode]) -> Picker:
        if is_abstract_type(type_):
            by_name = {t.name: self._concrete(t, selections) for t in SCHEMA.get_possible_types(type_)}
            return lambda document, variables: by_name[document["__typename"]](document, variables)
        return self._concrete(type_, selections)

    def _concrete(self, type_: GraphQLObjectType, selections: list[SelectionSetNode]) -> Picker:
        fields = [(key, self._field(type_, nodes), when) for key, nodes, when in self.collect(type_, selections)]
        if not any(when for _, _, when in fields):
            plain = [(key, pick) for key, pick, _ in fields]
            return lambda document, variables: {key: pick(document, variables) for key, pick in plain}
        return lambda document, variables: {
            key: pick(document, variables)
            for key, pick, when in fields
            if all(_included(node, variables) for node in when)
        }

    def _field(self, parent: GraphQLObjectType, nodes: list[FieldNode]) -> Picker:
        name = nodes[0].name.value
        if name == "__typename":
            return lambda document, variables: parent.name
        definition = parent.fields[name]
        type_ = get_named_type(definition.type)
        if is_leaf_type(type_):
            return lambda document, variables: document[name]
        pick = self._object(type_, [node.selection_set for node in nodes if node.selection_set])
        plural = is_list_type(get_nullable_type(definition.type))

        def value(document: Any, variables: Variables) -> Any:
            found = document[name]
            if found is None:
                return None
            if type_.name.endswith("Connection") and isinstance(found, list):
                arguments = get_argument_values(definition, nodes[0], variables)
                found = page(
                    found, arguments.get("first"), arguments.get("after"), lambda i: cursor(position=i, of=name)
                )
            elif plural:
                first = get_argument_values(definition, nodes[0], variables).get("first") if definition.args else None
                return [pick(item, variables) for item in found[:first]]
            if plural:
                return [pick(item, variables) for item in found]
            return pick(found, variables)

        return value

    def _price(self, type_: Any, selections: list[SelectionSetNode], variables: Variables) -> int:
        """Points for one object: 1 for itself, and for every list or connection below it 1 + a twentieth of the rows
        asked for. The platform's own formula is not published; clients are to measure."""
        total = 1
        for concrete in SCHEMA.get_possible_types(type_) if is_abstract_type(type_) else (type_,):
            for _, nodes, _ in self.collect(concrete, selections):
                definition = concrete.fields.get(nodes[0].name.value)
                if definition is None or is_leaf_type(get_named_type(definition.type)):
                    continue
                below = [node.selection_set for node in nodes if node.selection_set]
                inner = self._price(get_named_type(definition.type), below, variables) - 1
                if "first" in definition.args:
                    inner += 1 + (get_argument_values(definition, nodes[0], variables).get("first") or 0) // 20
                total += inner
        return total


def _included(node: Any, variables: Variables) -> bool:
    skip = get_directive_values(GraphQLSkipDirective, node, variables)
    include = get_directive_values(GraphQLIncludeDirective, node, variables)
    return not (skip and skip["if"]) and not (include and not include["if"])


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    chosen = [d for d in operations if name is None or (d.name and d.name.value == name)]
    if len(chosen) != 1:
        raise BadQuery([{"message": "An operation name is required", "extensions": {"code": "BAD_REQUEST"}}])
    return chosen[0]


def _code(error: GraphQLError) -> str:
    return "undefinedField" if error.message.startswith("Cannot query field") else "argumentLiteralsIncompatible"


def _error(error: GraphQLError, code: str) -> dict[str, Any]:
    message = error.message
    if code == "undefinedField":
        _, field, _, type_, *_ = message.split("'")
        message = f"Field '{field}' doesn't exist on type '{type_}'"
    locations = [{"line": place.line, "column": place.column} for place in error.locations or []]
    return {"message": message, "locations": locations, "extensions": {"code": code}}
