"""Pick orders on paper: what lies to be picked in a warehouse, a page for the whole wave and one for every parcel."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from orderpipe.dispatch.bodies import reference
from orderpipe.errors import OrderpipeError
from orderpipe.lake import dicts, models

_SHANGHAI = ZoneInfo("Asia/Shanghai")
_ORDER_TYPES = {"JYCK": "销售出库", "HHCK": "换货出库", "BFCK": "补发出库"}


@dataclass
class PickOrder:
    """One parcel still to be picked. code: its name at WMS and courier. lines: one row per line or gift, as in
    sql/outbox/pick_lists.sql, without personal data."""

    parcel_id: str
    code: str
    warehouse_id: str
    order_type: str
    tracking_no: str | None
    told_at: datetime
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def pieces(self) -> int:
        return sum(line["quantity"] for line in self.lines)

    @property
    def remarks(self) -> list[str]:
        """What buyers and shop wrote, masked, each once."""
        written = [line[name] for line in self.lines for name in ("buyer_message", "seller_memo")]
        return list(dict.fromkeys(text for text in written if text))


def pick_orders(con, *, warehouse: str | None = None, parcels: Sequence[str] = ()) -> list[PickOrder]:
    """Parcels still to be picked, in the order the warehouse heard of them; warehouse None and no parcels for all.

    Raises OrderpipeError when one of `parcels` is not to be picked.
    """
    found: dict[str, PickOrder] = {}
    for row in dicts(con, models.model("outbox/pick_lists")):
        if warehouse not in (None, row["warehouse_id"]) or (parcels and row["parcel_id"] not in parcels):
            continue
        made = PickOrder(
            row["parcel_id"], reference(row["parcel_id"]), row["warehouse_id"], _ORDER_TYPES[row["order_type"]],
            row["tracking_no"], row["acked_at"].astimezone(_SHANGHAI),
        )  # fmt: skip
        found.setdefault(row["parcel_id"], made).lines.append(row)
    for name in parcels:
        if name not in found:
            raise OrderpipeError(
                f"parcel {name} is not to be picked: it has left, was called back, or the warehouse never took it",
                remedy="`orderpipe timeline ORDER` tells what became of it",
            )
    return list(found.values())


def as_html(orders: Sequence[PickOrder], *, now: datetime) -> str:
    """One document to print: what the wave needs of every goods code by warehouse, then a page per parcel.

    now: aware, when it was made.
    """
    waves: dict[str, dict[str, dict[str, Any]]] = {}
    for order in orders:
        for line in order.lines:
            goods = waves.setdefault(order.warehouse_id, {}).setdefault(
                line["sku"] or "?", {"product_name": line["product_name"], "quantity": 0}
            )
            goods["quantity"] += line["quantity"]
    page = Environment(
        loader=PackageLoader("orderpipe.dispatch"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    ).get_template("pick_orders.html")
    return page.render(orders=orders, waves=waves, now=now.astimezone(_SHANGHAI))
