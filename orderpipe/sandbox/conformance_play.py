"""The conductor of the conformance kit: plays scenarios on the world's own clock, and notes what it did.

Every step is an event of the world, so a play is a function of seed, clock and what the system under test calls;
it runs the same by a real, a fast and a stepped clock.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from orderpipe.sandbox import life
from orderpipe.sandbox.clock import iso
from orderpipe.sandbox.conformance import (
    BY_ID,
    MORE_THAN_A_PAGE,
    SCENARIOS,
    STRANGE_STATUS,
    Scenario,
    Step,
    largest_page,
    unplayable,
)
from orderpipe.sandbox.conformance_calls import CallLog
from orderpipe.sandbox.faults import TRANSPORT, Fault
from orderpipe.sandbox.habits import HABITS
from orderpipe.sandbox.model import Order, Shop
from orderpipe.sandbox.world import World

ROOM = "conformance"
STRETCH, SETTLE, BEGIN_AFTER = 300, 1800, 0  # seconds
FEWEST_SECONDS = 20  # of a stretch: steps must not fall into one second
BASES = {"shopify": "/shopify/demo"}


@dataclass(slots=True)
class Scene:
    """One scenario in one shop. orders: those it made, by group; armed: its faults. Times are epoch seconds."""

    scenario: Scenario
    shop: Shop
    start: int
    end: int
    unplayable: str = ""
    orders: dict[str, list[Order]] = field(default_factory=dict)
    armed: list[Fault] = field(default_factory=list)
    overtaken: int = 0  # steps the system under test had made impossible, for example by shipping


class Play:
    """A play under way or over. readdressed: when an order's receiver changed, by its number."""

    def __init__(self, world: World, scenes: list[Scene], stretch: int, settle: int):
        self.world, self.scenes, self.stretch, self.settle = world, scenes, stretch, settle
        self.begins = min(scene.start for scene in scenes)
        self.last = max(scene.end for scene in scenes)
        self.ends = self.last + settle
        self.readdressed: dict[tuple[str, str], int] = {}
        self.of_order: dict[tuple[str, str], Scene] = {}
        self.calls = CallLog(world)

    @property
    def done(self) -> bool:
        return self.world.now >= self.ends

    def describe(self) -> dict[str, Any]:
        """Where the play stands, and its plan."""
        now = self.world.now
        state = "done" if self.done else "settling" if now >= self.last else "playing"
        shops = list({scene.shop.id: scene.shop for scene in self.scenes}.values())
        return {
            "state": state if now >= self.begins else "waiting",
            "now": iso(now),
            "begins": iso(self.begins),
            "settles_from": iso(self.last),
            "ends": iso(self.ends),
            "stretch_seconds": self.stretch,
            "shops": [
                {"shop_id": shop.id, "platform": shop.platform, "currency": shop.currency, "base_path": base_of(shop)}
                for shop in shops
            ],
            "scenes": [
                {
                    "scenario": scene.scenario.id,
                    "zh": scene.scenario.zh,
                    "en": scene.scenario.en,
                    "platform": scene.shop.platform,
                    "start": iso(scene.start),
                    "end": iso(scene.end),
                    "not_played": scene.unplayable or None,
                    "orders": sum(map(len, scene.orders.values())),
                    "faults_fired": sum(fault.fired for fault in scene.armed),
                }
                for scene in self.scenes
            ],
        }


def base_of(shop: Shop) -> str:
    """The path below the sandbox's address that the platform's own paths are appended to."""
    return BASES.get(shop.platform, f"/{shop.platform}")


def current(world: World) -> Play | None:
    """The play of this world, if there is one."""
    return world.rooms.get(ROOM)


def begin(
    world: World,
    modules: Mapping[str, ModuleType],
    *,
    shops: Collection[str] | None = None,
    scenarios: Collection[str] | None = None,
    stretch: int = STRETCH,
    settle: int = SETTLE,
    after: int = BEGIN_AFTER,
) -> Play:
    """Start a play; it replaces an earlier one. modules: platform and receiver modules by name. shops, scenarios: ids,
    None for all there are. stretch: seconds of a scenario; settle: of silence after the last; after: until the first.

    Raises ValueError for a shop or scenario nobody knows, or a stretch too short.
    """
    served = {
        shop_id: state.shop for shop_id, state in world.shops.items()
        if hasattr(modules.get(state.shop.platform), "platform_status")
    }  # fmt: skip
    for asked, known, what in ((shops, served, "shop"), (scenarios, BY_ID, "scenario")):
        if unknown := [name for name in asked or () if name not in known]:
            raise ValueError(f"no {what} {', '.join(unknown)}; there are {', '.join(known)}")
    if stretch < FEWEST_SECONDS or settle < 0 or after < 0:
        raise ValueError(f"a stretch takes at least {FEWEST_SECONDS} seconds; settle and after are not negative")
    chosen = [scenario for scenario in SCENARIOS if scenarios is None or scenario.id in scenarios]
    first, scenes = world.now + after, []
    for shop_id in served if shops is None else [shop_id for shop_id in served if shop_id in shops]:
        shop, start = served[shop_id], first
        faults = TRANSPORT | modules[shop.platform].FAULTS
        for scenario in chosen:
            why = unplayable(scenario, shop.platform, faults)
            scenes.append(Scene(scenario, shop, start, start if why else start + stretch, why))
            start = scenes[-1].end
    if not any(not scene.unplayable for scene in scenes):
        raise ValueError("nothing to play: no such scenario on any of these shops")
    play = Play(world, scenes, stretch, settle)
    world.rooms[ROOM] = play
    conductor = _Conductor(play, modules)
    for scene in scenes:
        if not scene.unplayable:
            conductor.schedule(scene)
    world.advance()
    return play


class _Conductor:
    """Turns the steps of a scene into events of the world."""

    def __init__(self, play: Play, modules: Mapping[str, ModuleType]):
        self._play, self._world, self._modules = play, play.world, modules

    def schedule(self, scene: Scene) -> None:
        for step in scene.scenario.steps:
            at = scene.start + int(step.at * self._play.stretch)
            if step.do == "make":
                self._schedule_orders(scene, step, at)
            else:
                self._at(at, lambda at, step=step: getattr(self, f"_{step.do}")(scene, step, at))
        # A careful system pulls windows that end in the past: it comes upon a scene's orders when the scene is over.
        self._at(scene.end + self._play.stretch, lambda at: _disarm(scene.armed))

    def _at(self, at: int, act: Callable[[int], object]) -> None:
        def unless_replaced(at: int) -> None:
            if current(self._world) is self._play:
                act(at)

        self._world.schedule(at, "do", unless_replaced)

    # ---- the steps

    def _schedule_orders(self, scene: Scene, step: Step, at: int) -> None:
        """Each order at its own moment, never in the past: what is dated back would be late for everybody."""
        wishes = dict(step.choice)
        n, spread, late = wishes.pop("n"), wishes.pop("spread", 0.0), wishes.pop("late", 0)
        if n == MORE_THAN_A_PAGE:
            n = largest_page(scene.shop.platform) + 20
        if wishes.pop("edges", False):
            moments = _edges(at, scene.end, n)
        else:
            moments = [at + int(spread * self._play.stretch * number / n) for number in range(n)]
        if HABITS[scene.shop.platform].country != "CN":
            wishes.pop("province", None)
        for moment in moments:
            self._at(moment, lambda at: self._late(scene, late, lambda: self._make(scene, step.group, wishes, at)))

    def _make(self, scene: Scene, group: str, wishes: dict[str, Any], at: int) -> None:
        order = self._world.make_by_hand(scene.shop.id, at, wishes)
        scene.orders.setdefault(group, []).append(order)
        self._play.of_order[scene.shop.id, order.no] = scene

    def _advance(self, scene: Scene, step: Step, at: int) -> None:
        choice = dict(step.choice)
        to, first, late = choice.pop("to"), choice.pop("first", None), choice.pop("late", 0)

        def act() -> None:
            for order in scene.orders.get(step.group, [])[:first]:
                self._attempt(scene, lambda order=order: life.advance(self._world, order, to, at, **choice))

        self._late(scene, late, act)

    def _deposit(self, scene: Scene, step: Step, at: int) -> None:
        for order in scene.orders.get(step.group, []):
            order.presale, order.deposit = True, max(1, order.payable // 5)
            self._attempt(scene, lambda order=order: life.deposit(self._world, order, at))

    def _readdress(self, scene: Scene, step: Step, at: int) -> None:
        for order in scene.orders.get(step.group, []):
            if self._attempt(scene, lambda order=order: life.readdress(self._world, order, at)):
                self._play.readdressed[scene.shop.id, order.no] = at

    def _show_status(self, scene: Scene, step: Step, at: int) -> None:
        for order in scene.orders.get(step.group, []):
            order.platform_status = STRANGE_STATUS.get(scene.shop.platform, "AWAITING_DRONE")
            self._world.touch(order, at)

    def _touch(self, scene: Scene, step: Step, at: int) -> None:
        for order in scene.orders.get(step.group, [])[step.choice["offset"] :: step.choice["every"]]:
            order.flag = order.flag % 5 + 1
            self._world.touch(order, at)

    def _expire(self, scene: Scene, step: Step, at: int) -> None:
        self._world.credentials.expire(scene.shop.id, at)

    def _arm(self, scene: Scene, step: Step, at: int) -> None:
        choice = dict(step.choice)
        kind, where, match = choice.pop("kind"), choice.pop("where", scene.shop.platform), choice.pop("match", None)
        if where in self._modules:
            scene.armed.append(self._world.faults.arm(where, kind, match=match and match.get(where), **choice))

    def _late(self, scene: Scene, seconds: int, act: Callable[[], object]) -> None:
        """Do it; the order list shows it so many seconds later."""
        if not seconds:
            act()
            return
        fault = self._world.faults.arm(scene.shop.platform, "late_commit", times=10_000, seconds=seconds)
        scene.armed.append(fault)
        act()
        _disarm([fault])

    def _attempt(self, scene: Scene, act: Callable[[], object]) -> bool:
        try:
            act()
        except life.Impossible:
            scene.overtaken += 1
            return False
        return True


def _disarm(faults: list[Fault]) -> None:
    for fault in faults:
        fault.times = fault.fired


def _edges(start: int, end: int, n: int) -> list[int]:
    """Moments on round seconds and one second to either side: whole minutes, or tens of seconds in a short stretch."""
    grid = 60 if end - start >= 240 else 10
    rounds = range(start - start % grid + grid, end - 1, grid)
    moments = [moment + side for moment in rounds for side in (-1, 0, 1)]
    return sorted(moments[number % len(moments)] for number in range(n))
