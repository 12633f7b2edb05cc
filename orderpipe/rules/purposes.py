"""The kinds of rule files: what each may ask, what it may decide, and whether one rule or every rule counts."""

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from orderpipe.config import Settings
from orderpipe.rules.fields import CROSS_BORDER_REVIEW, CUSTOMS_FIELDS, ORDER_FIELDS, SKU_FIELDS, Field

FIRST, ALL = "first", "all"


@dataclass(frozen=True)
class Outcome:
    """A key of `then`. type: text, integer, boolean. choices: where given, the only texts allowed. low, high: the least
    and the greatest number allowed."""

    name: str
    type: str
    note: str
    choices: frozenset[str] | None = None
    required: bool = True
    low: int = 0
    high: int = 1_000_000_000


@dataclass(frozen=True)
class Setting:
    """A number of a rule file's `settings`, with the value it has when the file says nothing."""

    name: str
    default: int
    low: int
    high: int
    note: str


@dataclass(frozen=True)
class Purpose:
    """A kind of rule file. mode: FIRST (the first rule that matches decides) or ALL (every match counts). key: the
    columns that name a row of its facts. group: the outcome among whose equals only the first match counts."""

    name: str
    title: str
    mode: str
    fields: Mapping[str, Field]
    outcomes: Mapping[str, Outcome]
    key: tuple[str, ...] = ("order_id",)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    group: str = ""
    above: tuple[str, str] | None = None  # (a, b): outcome a must be greater than outcome b


NAMES = ("routing", "risk", "gifts", "stock", "ship_by", "customs")


def purposes(settings: Settings) -> dict[str, Purpose]:
    """Every purpose by name, with the warehouses and goods of this configuration as choices."""
    return _named(settings.warehouses, _skus(settings))


def general() -> dict[str, Purpose]:
    """Every purpose by name, as it is in every configuration: any text may be a warehouse or goods."""
    return _named(None, None)


def _named(warehouses: Collection[str] | None, skus: Collection[str] | None) -> dict[str, Purpose]:
    made = (routing(warehouses), _risk(), gifts(skus), _stock(), _ship_by(), _customs())
    return {purpose.name: purpose for purpose in made}


def routing(warehouses: Collection[str] | None = None) -> Purpose:
    """Routing rules: which of these warehouses ships, or cross_border_review. None: any text is a warehouse."""
    own = None if warehouses is None else frozenset(warehouses)
    targets = None if own is None else own | {CROSS_BORDER_REVIEW}
    return Purpose(
        "routing",
        "分仓",
        FIRST,
        ORDER_FIELDS,
        _outcomes(
            Outcome("warehouse", "text", "Ships it; cross_border_review holds it.", targets),
            Outcome("fallback", "text", "Ships it when `warehouse` has too few pieces and this one has.", own, False),
            Outcome("split", "boolean", "Judge each line by itself, a parcel per warehouse.", required=False),
        ),
        settings=_settings(
            Setting("merge_window_minutes", 0, 0, 10080, "Orders of one buyer and address paid this close together "
                    "go in one parcel; 0 never."),
        ),
    )  # fmt: skip


def gifts(skus: Collection[str] | None = None) -> Purpose:
    """Gift rules: which of these goods go with an order for nothing. None: any text is one."""
    return Purpose(
        "gifts",
        "赠品",
        ALL,
        ORDER_FIELDS,
        _outcomes(
            Outcome("gift", "text", "sku of the goods master.", None if skus is None else frozenset(skus)),
            Outcome("quantity", "integer", "Pieces for an order.", low=1),
            Outcome("tier", "text", "Of the rules with this tier only the first that matches counts.", required=False),
        ),
        group="tier",
    )


def _risk() -> Purpose:
    return Purpose(
        "risk",
        "风控",
        ALL,
        ORDER_FIELDS,
        _outcomes(
            Outcome("action", "text", "review holds the order; flag only marks it.", frozenset(("review", "flag"))),
            Outcome("reason", "text", "Shown to the risk officer, Chinese."),
        ),
    )


def _stock() -> Purpose:
    return Purpose(
        "stock",
        "库存保护",
        FIRST,
        SKU_FIELDS,
        _outcomes(
            Outcome("suspend_at", "integer", "Listings go off at this many sellable pieces or fewer."),
            Outcome("resume_at", "integer", "They come back at this many or more; more than suspend_at."),
        ),
        key=("sku",),
        above=("resume_at", "suspend_at"),
    )


def _ship_by() -> Purpose:
    return Purpose(
        "ship_by",
        "发货时效",
        FIRST,
        ORDER_FIELDS,
        _outcomes(
            Outcome("hours", "integer", "Promised hours from payment to hand-over.", low=1, high=2400),
            Outcome("warn_hours", "integer", "Alarm this long before the promise ends.", high=2400),
            Outcome("skip_holidays", "boolean", "Days that are holidays do not count."),
            Outcome("use_platform", "boolean", "Take the platform's own deadline where it gives one."),
        ),
    )


def _customs() -> Purpose:
    return Purpose(
        "customs",
        "报关资料",
        ALL,
        CUSTOMS_FIELDS,
        _outcomes(
            Outcome("level", "text", "block keeps the order from export; warn tells.", frozenset(("block", "warn"))),
            Outcome("message", "text", "What is wrong and what to do, Chinese."),
        ),
        key=("order_id", "line_no"),
    )


def _outcomes(*outcomes: Outcome) -> dict[str, Outcome]:
    return {outcome.name: outcome for outcome in outcomes}


def _settings(*settings: Setting) -> dict[str, Setting]:
    return {setting.name: setting for setting in settings}


def _skus(settings: Settings) -> set[str]:
    with (settings.config_dir / "goods.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["sku"].strip() for row in csv.DictReader(file) if row.get("sku")}
