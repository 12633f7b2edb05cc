"""What a warehouse holds: pick orders with the packages they left in, and goods that are expected back."""

from dataclasses import dataclass, field

from orderpipe.sandbox.qimen_form import OrderLine
from orderpipe.sandbox.receipts import Effect
from orderpipe.sandbox.world import World

NAME = "qimen"
OVER = ("CANCELED", "CLOSED")


@dataclass(slots=True)
class Package:
    """What left under one number: pieces by line (its place in the order)."""

    number: str
    logistics: str
    at: int
    pieces: dict[int, int]


@dataclass(slots=True)
class DeliveryOrder:
    """A pick order in the warehouse. status: ACCEPT, PICK, PACKAGE, PARTDELIVERED, DELIVERED, CANCELED, CLOSED."""

    code: str
    id: str
    warehouse: str
    type: str
    logistics: str
    at: int
    lines: list[OrderLine]
    effect: Effect
    status: str = "ACCEPT"
    packages: list[Package] = field(default_factory=list)
    confirmed: int = 0  # reports of shipment so far
    wanted_back: bool = False  # somebody tried to cancel it when it was picked already

    @property
    def live(self) -> bool:
        return self.status not in OVER


@dataclass(slots=True)
class ReturnOrder:
    """Goods that are expected back."""

    code: str
    id: str
    warehouse: str
    type: str
    at: int
    lines: list[OrderLine]
    effect: Effect
    arrived: bool = False


@dataclass(slots=True)
class Warehouse:
    """What the warehouse holds besides stock: orders by code, and which live order has which platform line."""

    orders: dict[str, DeliveryOrder] = field(default_factory=dict)
    returns: dict[str, ReturnOrder] = field(default_factory=dict)
    live_lines: dict[tuple[str, str], set[str]] = field(default_factory=dict)


def room(world: World) -> Warehouse:
    """The warehouse of a world."""
    return world.rooms.setdefault(NAME, Warehouse())
