"""mart: what people read. One asset for every file of sql/mart; a new mart appears by itself."""

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, MetadataValue, RetryPolicy, asset

from assets.freshness import live
from assets.lineage import Model, inputs, models, table_spec
from assets.resources import Hub

SHOWN = 50  # rows of a mart shown with its materialisation


def _mart(model: Model) -> AssetsDefinition:
    spec = table_spec(f"mart.{model.name}", inputs(model))

    @asset(
        key=spec.key,
        deps=spec.deps,
        group_name="mart",
        kinds=spec.kinds,
        owners=spec.owners,
        description=spec.description,
        metadata=spec.metadata,
        freshness_policy=live(),
        pool="lake",
        retry_policy=RetryPolicy(max_retries=1, delay=10),
    )
    def build(context: AssetExecutionContext, hub: Hub) -> MaterializeResult:
        with hub.stage(f"mart {model.name}") as run:
            from orderpipe import flow

            rows = flow.build_marts(run, [model.name])[model.name]
            found = run.lake.execute(f"FROM lake.mart.{model.name} LIMIT {SHOWN}")
            names = [column[0] for column in found.description]
            shown = "\n".join(_line(row) for row in (names, ["---"] * len(names), *found.fetchall()))
        return MaterializeResult(metadata={"dagster/row_count": rows, "rows": MetadataValue.md(shown)})

    return build


def _line(row: "list | tuple") -> str:
    """A row of a Markdown table; a cell cannot end its row."""
    cells = ("" if cell is None else str(cell).replace("|", "\\|").replace("\n", " ") for cell in row)
    return f"| {' | '.join(cells)} |"


marts = [_mart(model) for model in models("mart").values()]
