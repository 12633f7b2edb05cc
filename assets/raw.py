"""raw: what the platforms say, pulled from all shops side by side.

Every shop is a lane of its own: an asset that is fresh when all its windows closed, and red, with the remedy, when not.
"""

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
from assets.lineage import OWNERS, Model, shops, typing_models
from assets.resources import Hub
from orderpipe.config import Shop

if TYPE_CHECKING:
    from orderpipe import flow

CHECK = "windows_closed"
_TITLES = {"orders": "订单", "refunds": "退款", "products": "商品"}
_COUNTS = ("windows", "pages", "reported", "landed", "new", "open_windows")
_LANES = TableSchema(
    columns=[
        TableColumn("shop", "string"),
        TableColumn("kind", "string"),
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


def _shop(shop: Shop) -> AssetSpec:
    return AssetSpec(
        AssetKey(["shops", shop.id]),
        group_name="shops",
        kinds={"api", shop.platform},
        owners=OWNERS,
        freshness_policy=live(),
        # A shop that fails is not materialised, so that its freshness tells how long it has been silent.
        skippable=True,
        description=f"店铺 {shop.name}（{shop.platform}） · The lane of this shop: materialised when all its pull "
        "windows closed. Materialise it to pull this shop alone. SQL: `mart.shop_freshness`, `vault.raw.pull_windows`.",
    )


_SHOPS = {shop.id: _shop(shop) for shop in shops().values()}


def _spec(model: Model) -> AssetSpec:
    kind = model.name.removeprefix(f"{model.platform}_")
    return AssetSpec(
        AssetKey(["raw", model.name]),
        deps=[spec.key for shop, spec in _SHOPS.items() if shops()[shop].platform == model.platform],
        group_name="raw",
        kinds={"api", model.platform},
        owners=OWNERS,
        freshness_policy=live(),
        description=f"{model.platform} {_TITLES.get(kind, kind)}原始报文 · {kind.capitalize()} of every "
        f"{model.platform} shop, byte for byte as the platform sent them. SQL: `vault.raw.payloads`.",
    )


def _key(lane: "flow.Lane | flow.LaneReport") -> AssetKey:
    return AssetKey(["raw", f"{lane.platform}_{lane.kind}s"])


# Lands when a reviewer decides, not in a run of ours.
reviews = AssetSpec(
    AssetKey(["raw", "reviews"]),
    group_name="raw",
    kinds={"json"},
    owners=OWNERS,
    description="人工复核意见 · What reviewers decided, a document each. SQL: `vault.raw.payloads` with kind `review`.",
)
_SPECS = [_spec(model) for model in typing_models().values() if model.pulled]


@multi_asset(
    name="pull",
    specs=[*_SHOPS.values(), *_SPECS],
    check_specs=[
        AssetCheckSpec(
            CHECK,
            asset=spec.key,
            description="拉单窗口全部关闭 · Every pull window is closed: what the platform reported is what landed. "
            "A shop that fails turns its own lane red; the other shops and the later stages go on.",
        )
        for spec in _SHOPS.values()
    ],
    can_subset=True,
    pool="lake",
    retry_policy=RetryPolicy(max_retries=1, delay=10),
)
def pull(
    context: AssetExecutionContext, config: PullConfig, hub: Hub
) -> Iterator[MaterializeResult | AssetCheckResult]:
    """Pull what changed in every shop, all shops side by side."""
    chosen = [shop for shop, spec in _SHOPS.items() if spec.key in context.selected_asset_keys]
    kinds = [spec.key for spec in _SPECS if spec.key in context.selected_asset_keys]
    window = config.window()
    with hub.stage("pull") as run:
        from orderpipe import flow

        unknown = set(config.shops) - set(hub.settings.shops)
        if unknown:
            raise Failure(f"no such shop in shops.yaml: {', '.join(sorted(unknown))}", allow_retries=False)
        wanted = set(config.shops) or set(chosen) or set(hub.settings.shops)
        lanes = [
            lane for lane in flow.lanes(hub.settings) if lane.shop_id in wanted and (not kinds or _key(lane) in kinds)
        ]
        report = flow.pull(run, lanes, window)
        hub.alerts.extend(flow.behind(run))
    for shop in chosen:
        mine = [lane for lane in report.lanes if lane.shop_id == shop]
        if mine:
            yield _of_shop(_SHOPS[shop].key, mine)
    for key in kinds:
        yield MaterializeResult(asset_key=key, metadata=_metadata([x for x in report.lanes if _key(x) == key]))


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
            "kind": lane.kind,
            **{name: getattr(lane, name) for name in _COUNTS},
            "watermark": lane.watermark.isoformat() if lane.watermark else "",
            "error": "; ".join(lane.errors),
        }
    )


def _of_shop(key: AssetKey, lanes: "list[flow.LaneReport]") -> MaterializeResult | AssetCheckResult:
    """A shop's lane: materialised with its check passed, or the failed check alone."""
    failing = [lane for lane in lanes if lane.errors or lane.open_windows]
    causes = [cause for lane in failing for cause in lane.errors or [f"{lane.kind}: {lane.open_windows} open"]]
    check = AssetCheckResult(
        asset_key=key,
        check_name=CHECK,
        passed=not failing,
        description="\n".join(dict.fromkeys(causes)) or None,
        metadata={"kinds": ", ".join(lane.kind for lane in failing), **_metadata(lanes)},
    )
    return check if failing else MaterializeResult(asset_key=key, metadata=_metadata(lanes), check_results=[check])
