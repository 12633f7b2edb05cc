"""What the asset graph looks like, read where it is written down: the models in sql/, the dictionary, shops.yaml.

A new platform, model or table appears in the graph by itself.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from dagster import (
    AssetKey,
    AssetSpec,
    TableColumn,
    TableColumnConstraints,
    TableSchema,
)

from orderpipe import config
from orderpipe.errors import ConfigError
from orderpipe.lake import dictionary

OWNERS = ["team:data"]
SQL = config.ROOT / "sql"
# A model's header comment: what it is, then `grain: … · key: … · inputs: core.orders, staging.refunds`.
# The payloads of the batch at hand, which every platform's model reads: in the graph, the raw asset of its name.
BATCH = "staging.payloads"
# What comes from no shop: files (`import_orders` types documents of every platform), warehouses (`wms_stock`),
# couriers, people; and what comes through the door of another name.
ELSEWHERE = ("import", "wms", "courier", "reviews", "settlements")
_DOORS = {
    "wms_callbacks": "callbacks",
    "courier_callbacks": "callbacks",
    "settlements": "import_orders",
    "shopify_refunds": "shopify_orders",  # they stand inside their order
}
_INPUTS = re.compile(r"^--.*\binputs: (?P<names>.+(?:\n-- {3,}.+)*)", re.MULTILINE)
_NAME = re.compile(r"\b[a-z]\w*(?:\.[a-z]\w*)+")
# `work.routed (routing rules over work.order_facts)`: what the rules in force say of a table of facts.
_RULES = re.compile(r"\b(\w+) rules over\b")


@dataclass(frozen=True)
class Model:
    """A model of sql/: its stage and name, its first comment line, the tables it reads, the rules that judge them."""

    stage: str
    name: str
    note: str
    inputs: tuple[str, ...]
    rules: tuple[str, ...] = ()

    @property
    def platform(self) -> str:
        """The platform whose payloads it types; empty for a model that serves every platform."""
        first = self.name.partition("_")[0]
        return first if BATCH in self.inputs and first not in ELSEWHERE else ""

    @property
    def pulled(self) -> bool:
        """Whether what it types is pulled from shops under its own name."""
        return bool(self.platform) and self.name not in _DOORS

    @property
    def elsewhere(self) -> bool:
        """Whether it types what comes from no shop."""
        return BATCH in self.inputs and self.name.partition("_")[0] in ELSEWHERE


@cache
def models(stage: str) -> dict[str, Model]:
    """The models of a stage by name."""
    read = [_read(stage, path) for path in sorted((SQL / stage).glob("*.sql"))]
    return {model.name: model for model in read if f"{stage}.{model.name}" != BATCH}


def _read(stage: str, path: Path) -> Model:
    text = path.read_text("utf-8")
    found = _INPUTS.search(text)
    line = found["names"] if found else ""
    note = text.partition("\n")[0].removeprefix("--").strip()
    return Model(stage, path.stem, note, tuple(_NAME.findall(line)), tuple(_RULES.findall(line)))


@cache
def shops() -> dict[str, config.Shop]:
    """The shops of shops.yaml by id; none when it cannot be read: the graph still loads, and the run then fails with
    the remedy, where operators look."""
    try:
        return config.load().shops
    except ConfigError:
        return {}


@cache
def typing_models() -> dict[str, Model]:
    """The staging models that read payloads (`taobao_orders`), for the platforms that have a shop, and for what comes
    from elsewhere."""
    every = {name: model for name, model in models("staging").items() if model.platform or model.elsewhere}
    ours = {shop.platform for shop in shops().values()} or {model.platform for model in every.values()}
    return {name: model for name, model in every.items() if model.elsewhere or model.platform in ours}


def inputs(model: Model) -> list[AssetKey]:
    """The assets a model reads: payloads, other models, stored tables. Reference files are no assets."""
    keys = [key for name in model.inputs for key in _assets(name.removeprefix("vault."), model)]
    return list(dict.fromkeys(keys))


def _assets(name: str, reader: Model) -> list[AssetKey]:
    stage, _, table = name.partition(".")
    if name == BATCH:
        return [AssetKey(["raw", _DOORS.get(reader.name, reader.name)])]
    if name == "raw.pull_windows":  # every pull writes it
        return [AssetKey(["raw", typed]) for typed, model in typing_models().items() if model.pulled]
    if table.startswith("typed_"):  # the union of every platform's model of that kind
        kind = table.removeprefix("typed")
        return [AssetKey(["staging", typed]) for typed in typing_models() if typed.endswith(kind)]
    if stage == "work":  # what is about to be written into the table of that name
        return [AssetKey([known, table]) for known in ("core", "pii") if f"{known}.{table}" in dictionary.tables()]
    return [AssetKey([stage, table])] if name in dictionary.tables() or table in models(stage) else []


def decided_from(table: str, together: Collection[str]) -> list[AssetKey]:
    """The assets that a decision (`routes`) is taken from: rules, stored tables, and decisions of the same step. What
    the step itself writes, `together`, it also reads as it stood before; that is no other asset, and left out."""
    found: dict[AssetKey, None] = {}
    waiting, seen = [table], {table}
    while waiting:
        model = models("decision")[waiting.pop(0)]
        found |= dict.fromkeys(AssetKey(["rules", name]) for name in model.rules)
        for stage, _, name in (one.partition(".") for one in model.inputs):
            name = name.removesuffix("_now") if stage == "work" else name
            if stage == "work" and f"decision.{name}" in dictionary.tables():
                found[AssetKey(["decision", name])] = None
            elif stage == "work" and name in models("decision") and name not in seen:
                seen.add(name)
                waiting.append(name)
            elif stage in ("core", "decision") and f"{stage}.{name}" not in together:
                found[AssetKey([stage, name])] = None
    return list(found)


def model_spec(model: Model) -> AssetSpec:
    """The asset of a model whose result is no stored table (staging)."""
    return AssetSpec(
        AssetKey([model.stage, model.name]),
        deps=inputs(model),
        group_name=model.stage,
        kinds={"duckdb", "sql"},
        owners=OWNERS,
        description=f"{model.note}\n\n`sql/{model.stage}/{model.name}.sql`",
    )


def table_spec(name: str, deps: Iterable[AssetKey], group: str | None = None, **more) -> AssetSpec:
    """The asset of a stored table (`core.orders`), described by the dictionary. That it reads itself, to see what
    changed, is left out of deps."""
    table, key = dictionary.table(name), AssetKey(name.split("."))
    sql = name if table.catalog == "lake" else table.full_name
    return AssetSpec(
        key,
        deps=[dep for dep in deps if dep != key],
        group_name=group or table.schema,
        kinds={"duckdb", "table"},
        owners=OWNERS,
        description=f"{table.title} · {table.note}\n\nGrain: {table.grain}. SQL: `{sql}`.",
        metadata={"dagster/column_schema": _schema(table)},
        **more,
    )


def row_counts(con, names: Iterable[str]) -> dict[AssetKey, int]:
    """How many rows stored tables have."""
    return {
        AssetKey(name.split(".")): con.execute(f"SELECT count(*) FROM {dictionary.table(name).full_name}").fetchone()[0]
        for name in names
    }


def upstream_first(specs: Iterable[AssetSpec]) -> list[AssetSpec]:
    """The specs so that each follows those it depends on; a step must report its assets in such an order."""
    by_key = {spec.key: spec for spec in specs}
    order = TopologicalSorter({key: [dep.asset_key for dep in spec.deps] for key, spec in by_key.items()})
    return [by_key[key] for key in order.static_order() if key in by_key]


def _schema(table: dictionary.Table) -> TableSchema:
    return TableSchema(
        columns=[
            TableColumn(
                name,
                column.type,
                column.note,
                constraints=TableColumnConstraints(nullable=name not in table.key, unique=table.key == (name,)),
            )
            for name, column in table.columns.items()
        ]
    )
