"""Pull: every lane (shop and kind) asks its platform what changed; payloads and windows land in the vault.

Shops pull side by side; one that is slow, dead or locked out holds up none of the others.
"""

import queue
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orderpipe.config import Settings, Shop
from orderpipe.errors import ConfigError, PlatformError
from orderpipe.flow.run import Run
from orderpipe.lake.landing import PulledWindow, land
from orderpipe.lake.windows import DueWindow, Progress, due, progress
from orderpipe.platforms import PLATFORMS, Client, TokenStore, Window, open_client

SHOPS_AT_ONCE = 8
LAND_AT = 5_000  # documents held in memory before they land
LAND_AFTER = 2.0  # seconds of silence after which what is there lands: a slow shop holds up nobody's documents
FIRST_PULL_HOURS = 72
TICK = timedelta(minutes=15)
PATIENCE = 2  # ticks in a row without success before people are told


@dataclass(frozen=True, order=True)
class Lane:
    """What one shop offers of one kind."""

    shop_id: str
    kind: str
    platform: str = field(compare=False)


@dataclass
class LaneReport:
    """What a pull brought for one lane. errors say cause and remedy, without personal data."""

    shop_id: str
    platform: str
    kind: str
    windows: int = 0
    pages: int = 0
    reported: int = 0
    landed: int = 0
    new: int = 0
    open_windows: int = 0
    errors: list[str] = field(default_factory=list)
    watermark: datetime | None = None


@dataclass
class PullReport:
    """What a pull brought, lane by lane."""

    lanes: list[LaneReport]

    @property
    def new(self) -> int:
        return sum(lane.new for lane in self.lanes)

    @property
    def errors(self) -> list[str]:
        return [error for lane in self.lanes for error in lane.errors]


def lanes(settings: Settings, shops: Iterable[str] | None = None) -> list[Lane]:
    """Every lane of config/shops.yaml, or those of some shops. Raises ConfigError for a platform that has no client,
    and for a shop that does not exist."""
    wanted = settings.shops.keys() if shops is None else set(shops)
    if unknown := wanted - settings.shops.keys():
        known = ", ".join(settings.shops)
        raise ConfigError(f"no shop {', '.join(sorted(unknown))}", where="shops.yaml", remedy=f"use one of {known}")
    found = []
    for shop in (settings.shops[shop_id] for shop_id in settings.shops if shop_id in wanted):
        if shop.platform not in PLATFORMS:
            raise ConfigError(
                f"no client for platform {shop.platform!r}",
                where=shop.id,
                remedy=f"use one of {', '.join(sorted(PLATFORMS))}",
            )
        found += [Lane(shop.id, kind, shop.platform) for kind in PLATFORMS[shop.platform].kinds]
    return found


def pull(run: Run, chosen: Iterable[Lane] | None = None, window: tuple[datetime, datetime] | None = None) -> PullReport:
    """Pull the chosen lanes (default all): their open windows, then what came since; land everything.

    window forces one [from, to) in UTC instead, for looking again at a stretch of time; it is recorded like any other.
    A lane that fails keeps its window open and says why in the report; the next pull tries it again.
    """
    chosen = sorted(chosen if chosen is not None else lanes(run.settings))
    reports = {lane: LaneReport(lane.shop_id, lane.platform, lane.kind) for lane in chosen}
    pullers = _pullers(run, chosen, window)
    results: queue.SimpleQueue[PulledWindow | None] = queue.SimpleQueue()
    with ThreadPoolExecutor(max_workers=SHOPS_AT_ONCE, thread_name_prefix="pull") as pool:
        tasks = [pool.submit(puller.run, results) for puller in pullers]
        _land_as_they_come(run, results, len(tasks), reports)
        for task in tasks:
            task.result()
    with run.writing("reading watermarks"):
        reached = progress(run.lake)
    for lane, report in reports.items():
        report.watermark = reached.get((lane.shop_id, lane.kind), Progress()).watermark
    return PullReport(list(reports.values()))


def allowed_behind(settings: Settings, lane: Lane) -> timedelta:
    """How far behind a lane is when all is well: the platform's delay, the time between two pulls, and two ticks."""
    policy = PLATFORMS[lane.platform].policy_of(settings.shops[lane.shop_id], lane.kind)
    return policy.lag + policy.every + PATIENCE * TICK


def behind(run: Run) -> list[tuple[str, str]]:
    """What operators must hear of after a pull, (key, Chinese text): shops with a window that failed twice and more.
    One failure heals itself more often than not; a shop is told of once a day."""
    rows = run.lake.execute(
        """SELECT shop_id, max(attempts), arg_max(error, attempts) FROM vault.raw.pull_windows
           WHERE status = 'open' AND attempts >= $patience GROUP BY shop_id ORDER BY shop_id""",
        {"patience": PATIENCE},
    ).fetchall()
    return [
        (f"behind:{shop}:{run.started_at:%Y-%m-%d}", f"店铺 {shop} 拉单连续 {attempts} 次失败，窗口未关闭：{error}")
        for shop, attempts, error in rows
    ]


def _pullers(run: Run, chosen: list[Lane], window: tuple[datetime, datetime] | None) -> list["_ShopPull | _NotPulled"]:
    """A puller for every shop; one that cannot be called notes that it was tried, and why not."""
    tokens, reached = TokenStore(run.settings.home.tokens), progress(run.lake)
    pullers = []
    for shop_id in dict.fromkeys(lane.shop_id for lane in chosen):
        shop = run.settings.shops[shop_id]
        plan = [
            (
                lane,
                _asked(run, shop, lane, window)
                if window
                else _due(run, shop, lane, reached.get((shop_id, lane.kind), Progress())),
            )
            for lane in chosen
            if lane.shop_id == shop_id
        ]
        try:
            client = open_client(shop, tokens=tokens, clock=run.clock, sleep=run.sleep)
        except ConfigError as error:
            pullers.append(_NotPulled(plan, str(error)))
        else:
            pullers.append(_ShopPull(run, client, plan))
    return pullers


def _due(run: Run, shop: Shop, lane: Lane, reached: Progress) -> list[DueWindow]:
    policy = PLATFORMS[shop.platform].policy_of(shop, lane.kind)
    first = policy.first or timedelta(hours=float(shop.settings.get("first_pull_hours", FIRST_PULL_HOURS)))
    return due(
        reached,
        span=policy.span,
        overlap=policy.overlap,
        lag=policy.lag,
        now=run.started_at,
        first=first,
        every=policy.every,
    )


def _asked(run: Run, shop: Shop, lane: Lane, window: tuple[datetime, datetime]) -> list[DueWindow]:
    """A window asked for by hand, up to where the platform shows its changes: later ones would never be pulled."""
    start, end = window
    lag = PLATFORMS[shop.platform].policy_of(shop, lane.kind).lag
    end = min(end, (run.started_at - lag).replace(microsecond=0))
    return [DueWindow(start, end)] if start < end else []


def _land_as_they_come(run: Run, results: queue.SimpleQueue, shops: int, reports: dict[Lane, LaneReport]) -> None:
    waiting: list[PulledWindow] = []
    while shops or waiting:
        silent = False
        try:
            result = results.get(timeout=LAND_AFTER) if shops else None
        except queue.Empty:
            silent = True
        else:
            if result is not None:
                waiting.append(result)
            else:
                shops = max(shops - 1, 0)
        if waiting and (silent or not shops or sum(len(window.documents) for window in waiting) >= LAND_AT):
            with run.writing("landing"):
                fresh = land(run.lake, run.settings, waiting, run_id=run.id, now=run.started_at)
            for pulled, new in zip(waiting, fresh, strict=True):
                _count(reports[Lane(pulled.shop_id, pulled.kind, pulled.platform)], pulled, new)
            waiting = []


def _count(report: LaneReport, pulled: PulledWindow, new: int) -> None:
    report.windows += 1
    report.pages += pulled.pages
    report.reported += pulled.reported or 0
    report.landed += pulled.landed
    report.new += new
    report.open_windows += not pulled.closed
    if pulled.error:
        report.errors.append(pulled.error)


class _NotPulled:
    """A shop that cannot be called at all: the first window of each of its lanes stays open, with the reason."""

    def __init__(self, plan: list[tuple[Lane, list[DueWindow]]], error: str):
        self._plan, self._error = plan, error

    def run(self, results: queue.SimpleQueue) -> None:
        """Note the attempts, then None."""
        for pulled in _untried(self._plan, self._error):
            results.put(pulled)
        results.put(None)


class _ShopPull:
    """One shop's lanes, one after the other, on one client: its token and its rate limit are shared."""

    def __init__(self, run: Run, client: Client, plan: list[tuple[Lane, list[DueWindow]]]):
        self._run, self._client, self._plan = run, client, plan

    def run(self, results: queue.SimpleQueue) -> None:
        """Pull everything planned; every attempt goes to results, then None."""
        try:
            for pulled in self._pull():
                results.put(pulled)
        finally:
            self._client.close()
            results.put(None)

    def _pull(self) -> Iterator[PulledWindow]:
        for number, (lane, windows) in enumerate(self._plan):
            for window in windows:
                pulled, shop_failed = self._window(lane, window)
                yield pulled
                if shop_failed:  # no other call of this shop can work now
                    yield from _untried(self._plan[number + 1 :], pulled.error)
                    return
            self._run.say(f"{lane.shop_id} {lane.kind}: {len(windows)} windows pulled")

    def _window(self, lane: Lane, window: DueWindow) -> tuple[PulledWindow, bool]:
        pulled = _attempt(lane, window)
        asked = Window(window.start, window.end)
        try:
            for page in self._client.pull(lane.kind, asked):
                pulled.pages += 1
                pulled.documents += [(p.source_id, p.source_updated_at, p.payload) for p in page.payloads]
                if page.reported is not None:
                    pulled.reported = page.reported
            pulled.error = self._reconcile(lane, asked, pulled)
        except PlatformError as error:
            pulled.error = str(error)
            return pulled, error.scope == "shop"
        except ConfigError as error:
            pulled.error = str(error)
            return pulled, True
        except Exception as error:  # a fault of ours: recorded with its place, never with its values
            pulled.error = _fault(lane, error)
        return pulled, False

    def _reconcile(self, lane: Lane, asked: Window, pulled: PulledWindow) -> str:
        """Why the window must stay open, or nothing. Where the platform gives no count, a second walk is the count."""
        held = {source_id for source_id, _, _ in pulled.documents}
        if pulled.reported is None:
            census = self._client.census(lane.kind, asked)
            pulled.reported = len(census)
            missing = len(census.keys() - held)
        else:
            missing = max(pulled.reported - len(held), 0)
        if not missing:
            return ""
        return (
            f"{lane.shop_id}: {lane.kind} window {asked.start:%m-%d %H:%M:%S}–{asked.end:%H:%M:%S} UTC reports "
            f"{pulled.reported} documents, {missing} did not come — the window stays open and is pulled again next time"
        )


def _untried(plan: list[tuple[Lane, list[DueWindow]]], error: str) -> Iterator[PulledWindow]:
    for lane, windows in plan:
        for first in windows[:1]:
            yield replace(_attempt(lane, first), error=error)


def _attempt(lane: Lane, window: DueWindow) -> PulledWindow:
    return PulledWindow(lane.platform, lane.shop_id, lane.kind, window.start, window.end, window.attempts + 1)


def _fault(lane: Lane, error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{lane.shop_id}: unexpected {type(error).__name__} at {frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} "
        f"— the window stays open; report this place to the developers"
    )
