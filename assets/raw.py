"""raw: what the platforms say, pulled from all shops side by side."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetSpec,
    Config,
    Failure,
    MaterializeResult,
    MetadataValue,
    RetryPolicy,
    TableColumn,
    TableRecord,
    TableSchema,
    multi_asset,
)
from pydantic import Field

from assets.freshness import live
from assets.lineage import OWNERS, Model, typing_models
from assets.resources import Hub

if TYPE_CHECKING:
    from orderpipe import flow

CHECK = "windows_closed"
_TITLES = {"orders": "订单", "refunds": "退款"}
_COUNTS = ("windows", "pages", "reported", "landed", "new", "open_windows")
_LANES = TableSchema(
    columns=[
        TableColumn("shop", "string"),
        *(TableColumn(name, "int") for name in _COUNTS),
        TableColumn("watermark", "string", "Everything the platform modified before this moment has landed."),
        TableColumn("error", "string"),
    ]
)


class PullConfig(Config):
    """What to pull; everything that is due when left empty."""

    shops: list[str] = Field(default=[], description="Shop ids of shops.yaml; empty for all shops.")
    window_from: str = Field(default="", description="Pull this window again, closed or not: ISO 8601 with an offset.")
    window_to: str = Field(default="", description="End of that window, exclusive.")

    def window(self) -> tuple[datetime, datetime] | None:
        """The window to pull again, aware; None when none is asked for. Raises Failure when it is no window."""
        if not self.window_from and not self.window_to:
            return None
        try:
            start, end = (datetime.fromisoformat(text) for text in (self.window_from, self.window_to))
        except ValueError as error:
            raise Failure(f"{error} — write times as 2026-11-11T00:00:00+08:00", allow_retries=False) from None
        if start.tzinfo is None or end.tzinfo is None or start >= end:
            raise Failure("window_from must lie before window_to, both with an offset", allow_retries=False)
        return start, end


def _spec(model: Model) -> AssetSpec:
    kind = model.name.removeprefix(f"{model.platform}_")
    return AssetSpec(
        AssetKey(["raw", model.name]),
        group_name="raw",
        kinds={"api", model.platform},
        owners=OWNERS,
        freshness_policy=live(),
        description=f"{model.platform} {_TITLES.get(kind, kind)}原始报文 · {kind.capitalize()} of every "
        f"{model.platform} shop, byte for byte as the platform sent them. SQL: `vault.raw.payloads`.",
    )


def _key(lane: "flow.Lane | flow.LaneReport") -> AssetKey:
    return AssetKey(["raw", f"{lane.platform}_{lane.kind}s"])


_SPECS = [_spec(model) for model in typing_models().values()]


@multi_asset(
    name="pull",
    specs=_SPECS,
    check_specs=[
        AssetCheckSpec(
            CHECK,
            asset=spec.key,
            description="拉单窗口全部关闭 · Every pull window is closed: what the platform reported is what landed. "
            "A shop that fails turns its lane red; the other shops and the later stages go on.",
        )
        for spec in _SPECS
    ],
    can_subset=True,
    pool="lake",
    retry_policy=RetryPolicy(max_retries=1, delay=10),
)
def pull(context: AssetExecutionContext, config: PullConfig, hub: Hub) -> Iterator[MaterializeResult]:
    """Pull what changed in every shop, all shops side by side."""
    selected = [spec.key for spec in _SPECS if spec.key in context.selected_asset_keys]
    window = config.window()
    with hub.stage("pull") as run:
        from orderpipe import flow

        unknown = set(config.shops) - set(hub.settings.shops)
        if unknown:
            raise Failure(f"no such shop in shops.yaml: {', '.join(sorted(unknown))}", allow_retries=False)
        wanted = set(config.shops) or set(hub.settings.shops)
        lanes = [lane for lane in flow.lanes(hub.settings) if _key(lane) in selected and lane.shop_id in wanted]
        report = flow.pull(run, lanes, window)
        hub.alerts.extend(flow.behind(run))
    for key in selected:
        mine = [lane for lane in report.lanes if _key(lane) == key]
        yield MaterializeResult(asset_key=key, metadata=_metadata(mine), check_results=[_closed(key, mine)])


def _metadata(lanes: "list[flow.LaneReport]") -> dict:
    metadata: dict = {name: sum(getattr(lane, name) or 0 for lane in lanes) for name in _COUNTS}
    watermarks = [lane.watermark for lane in lanes if lane.watermark is not None]
    if watermarks:
        metadata["watermark"] = MetadataValue.timestamp(min(watermarks))
    metadata["lanes"] = MetadataValue.table(records=[_record(lane) for lane in lanes], schema=_LANES)
    return metadata


def _record(lane: "flow.LaneReport") -> TableRecord:
    return TableRecord(
        {
            "shop": lane.shop_id,
            **{name: getattr(lane, name) for name in _COUNTS},
            "watermark": lane.watermark.isoformat() if lane.watermark else "",
            "error": "; ".join(lane.errors),
        }
    )


def _closed(key: AssetKey, lanes: "list[flow.LaneReport]") -> AssetCheckResult:
    failing = [lane for lane in lanes if lane.errors or lane.open_windows]
    causes = [cause for lane in failing for cause in lane.errors or [f"{lane.shop_id}: {lane.open_windows} open"]]
    return AssetCheckResult(
        asset_key=key,
        check_name=CHECK,
        passed=not failing,
        description="\n".join(dict.fromkeys(causes)) or None,
        metadata={"failing_shops": len(failing), "open_windows": sum(lane.open_windows for lane in lanes)},
    )
