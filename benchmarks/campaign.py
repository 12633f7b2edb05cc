"""A thousand seeded lives with faults: is an order ever lost, doubled or left in an old state?

Every run is a world of its own: one or two shops, orders that are born and age, and faults drawn from the seed: pages
that shift while they are read, late commits, duplicate deliveries, silent truncation, storms of 429, tokens that end
mid-walk, changes on the very second where two windows meet, a clock that runs ahead or behind, answers cut short, and a
process that dies between a page and its commit. It pulls as ticks do, over real HTTP against the real sandbox; then the
faults end, one more tick follows, and what landed is held against the truth. Every fifth life, and every one in which
something is amiss by then, goes on: pool, sweep, the checks of a tick, and the order pool is held against the truth.

    python benchmarks/campaign.py [--runs 1000] [--first 0] [--json FILE]

Exit code 0 only when nothing was lost, doubled or stale in any run. Gaps that were there before the sweep are counted:
the sweep named and repaired them.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
KEY = "ca" * 32
START = "2026-11-09T02:00:00Z"
SHOPS = ("taobao-hz", "pinduoduo-hz", "douyin-hz", "jd-hz", "shopee-sg", "lazada-my", "shopify-us")
# Kinds of faults and how they are armed; what a platform cannot play is left out for it. Probabilities are per call.
FAULTS: dict[str, dict[str, Any]] = {
    "shifted_page": {"probability": 0.3},
    "late_commit": {"probability": 0.05, "seconds": 90},
    "duplicate_rows": {"probability": 0.3},
    "wrong_count": {"probability": 0.15, "delta": 3},
    "short_page": {"probability": 0.1},
    "throttle": {"times": 3},
    "http_429": {"times": 6},
    "http_502_html": {"times": 3},
    "truncated_body": {"times": 3},
    "malformed_json": {"times": 2},
    "business_busy": {"times": 4},
    "expired_token": {"times": 1, "after": 3},
    "missing_field": {"times": 2, "after": 2},
}
SWEPT = 5  # every so many lives go through pool and sweep, whatever was found
DIES = ("before landing", "while landing", "after landing")


class Died(BaseException):
    """The process is gone at this point: no handler may catch it."""


@dataclass
class Outcome:
    """What one run found. lost: orders of the truth that are not there; stale: there in an old state only; doubled:
    documents landed twice, and orders with two rows; after the sweep where there was one. gaps: what the sweep found
    and repaired; swept: whether the life went through pool and sweep."""

    seed: int
    shops: tuple[str, ...]
    orders: int = 0
    documents: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    deaths: int = 0
    failed_windows: int = 0
    swept: bool = False
    gaps: int = 0
    lost: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.stale or self.doubled or self.broken)


@contextmanager
def sandbox(pace: float = 30) -> Iterator[str]:
    """A sandbox process whose clock is stepped; gives its URL. pace: how much faster orders age."""
    process = subprocess.Popen(
        [sys.executable, "-m", "orderpipe.sandbox", "--port", "0", "--rate", "0", "--history", "0",
         "--orders-per-hour", "60", "--pace", str(pace), "--start", START],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.wait()


def live(seed: int, url: str) -> Outcome:
    """Live one life against a sandbox of `sandbox()`, which becomes the seed's world, in a home that is thrown away."""
    rng = Random(f"campaign/{seed}")
    others = [shop for shop in SHOPS if shop != SHOPS[seed % len(SHOPS)]]
    outcome = Outcome(seed, (SHOPS[seed % len(SHOPS)], *rng.sample(others, rng.choice((0, 1, 1)))))
    with httpx.Client(base_url=f"{url}/_control", timeout=60, trust_env=False) as control:
        control.post("/reset", json={"seed": seed}).raise_for_status()
        control.post("/settings", json={"orders_per_hour": rng.choice((20, 40, 80))}).raise_for_status()
        with tempfile.TemporaryDirectory(prefix="campaign-") as folder, _environment(url, folder, control):
            _Life(outcome, rng, control).run()
    return outcome


@contextmanager
def _environment(url: str, folder: str, control: httpx.Client) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(
        control.get("/credentials").json(),
        ORDERPIPE_HOME=f"{folder}/home",
        ORDERPIPE_CONFIG=str(ROOT / "config"),
        ORDERPIPE_PII_KEY=KEY,
        ORDERPIPE_SANDBOX_URL=url,
        ORDERPIPE_CLOCK=f"{url}/_control/clock",
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class _Life:
    def __init__(self, outcome: Outcome, rng: Random, control: httpx.Client):
        from orderpipe import clock, config, flow

        self._open, self.clock = None, clock.from_environment()
        self.outcome, self.rng, self.control, self.flow = outcome, rng, control, flow
        self.settings = config.load()
        for shop_id in outcome.shops:
            self.settings.shops[shop_id].settings.update(first_pull_hours=1, page_size=10)
        self.lanes = flow.lanes(self.settings, outcome.shops)
        self.began = datetime.fromisoformat(control.get("/clock").json()["now"]) - timedelta(minutes=1)

    def run(self) -> None:
        """The whole life."""
        try:
            self._live()
        finally:
            self._close()

    def _live(self) -> None:
        self._step(rng_minutes(self.rng, 10, 40))
        self._arm()
        for _ in range(2):
            self._tick(skew=self.rng.choice((0, 0, 0, 60, -60, 150)), dies=self.rng.random() < 0.3)
            self._on_the_edge()
            self._step(rng_minutes(self.rng, 3, 20))
        self.outcome.faults = _fired(self.control.get("/faults").json())
        self.control.delete("/faults")
        self._step(timedelta(minutes=20))
        self._tick()
        self._compare(
            "SELECT shop_id, source_id, max(source_updated_at) FROM vault.raw.payloads "
            "WHERE kind = 'order' GROUP BY ALL"
        )
        if not self.outcome.clean or self.outcome.seed % SWEPT == 0:
            self._sweep()
            self._compare("SELECT shop_id, platform_order_no, updated_at FROM core.orders")

    def _arm(self) -> None:
        kinds = self.rng.sample(sorted(FAULTS), self.rng.randint(2, 5))
        for platform in {self.settings.shops[shop_id].platform for shop_id in self.outcome.shops}:
            for kind in kinds:
                answer = self.control.post("/faults", json={"where": platform, "kind": kind, **FAULTS[kind]})
                assert answer.status_code in (200, 400), answer.text  # 400: not a fault of this platform

    def _tick(self, skew: int = 0, dies: bool = False) -> None:
        with self._run(skew) as run:
            try:
                if dies:
                    self.outcome.deaths += 1
                    with _dying(self.rng.choice(DIES), self.rng.randint(1, 2)):
                        report = self.flow.pull(run, self.lanes)
                else:
                    report = self.flow.pull(run, self.lanes)
            except Died:
                self._close()
                return
            self.outcome.failed_windows += sum(lane.open_windows for lane in report.lanes)

    def _on_the_edge(self) -> None:
        """Touch an order on the second where the last window of its shop ended, as far as the clock allows."""
        shop_id = self.rng.choice(self.outcome.shops)
        self.control.post("/orders", json={"shop": shop_id, "n": 1, "state": "paid"}).raise_for_status()
        step = self.rng.choice((0, 1, 60, 180, 300))
        if step:
            self._step(timedelta(seconds=step))
        self.control.post("/orders", json={"shop": shop_id, "n": 1, "state": "paid"}).raise_for_status()

    def _sweep(self) -> None:
        with self._run() as run:
            self.outcome.swept = True
            self.flow.pool(run)
            found = self.flow.sweep(run, self.began, self.lanes)
            self.outcome.gaps = sum(len(lane.gaps) for lane in found)
            self.outcome.broken += [lane.error for lane in found if lane.error]
            self.outcome.broken += [f"{check.name}: {check.detail}" for check in self.flow.check(run) if not check.ok]

    def _compare(self, held: str) -> None:
        """Hold against the truth what `held` gives: shop, order number, modified time."""
        with self._run() as run:
            reached = dict(
                run.lake.execute(
                    "SELECT shop_id, max(window_to) FROM vault.raw.pull_windows WHERE kind = 'order' GROUP BY 1"
                ).fetchall()
            )
            rows = run.lake.execute(held).fetchall()
            twice = run.lake.execute(
                """SELECT concat_ws(' ', shop_id, kind, source_id) FROM vault.raw.payloads WHERE kind <> 'product'
                   GROUP BY shop_id, kind, source_id, payload_hash HAVING count(*) > 1"""
            ).fetchall()
            (self.outcome.documents,) = run.lake.execute("SELECT count(*) FROM vault.raw.payloads").fetchone()
        self.outcome.doubled = [text for (text,) in twice]
        counts = Counter((shop_id, number) for shop_id, number, _ in rows)
        self.outcome.doubled += [f"{shop_id} {number}" for (shop_id, number), n in counts.items() if n > 1]
        self.outcome.orders, self.outcome.lost, self.outcome.stale = 0, [], []
        pooled = {(shop_id, number): at for shop_id, number, at in rows}
        for shop_id in self.outcome.shops:
            for order in self.control.get("/truth/orders", params={"shop": shop_id}).json():
                modified = datetime.fromisoformat(order["modified"]).astimezone(UTC)
                if not order["listed"] or modified >= reached[shop_id]:
                    continue
                self.outcome.orders += 1
                name, at = f"{shop_id} {order['platform_order_no']}", pooled.get((shop_id, order["platform_order_no"]))
                if at is None:
                    self.outcome.lost.append(name)
                elif at < modified:
                    self.outcome.stale.append(name)

    def _wait(self, seconds: float) -> None:
        """What a client waits, the world lives through."""
        self._step(timedelta(seconds=seconds))

    def _step(self, by: timedelta) -> None:
        self.control.post("/clock", json={"step": by.total_seconds()}).raise_for_status()

    @contextmanager
    def _run(self, skew: int = 0) -> Iterator[Any]:
        """A run with a new clock reading. Its connection stays open for the next one, unless the process died."""
        if self._open is None:
            self._open = self.flow.open_run(self.settings, say=lambda text: None)
            self._kept = self._open.__enter__()
            self._kept.sleep = self._wait
        self._kept.clock = self.clock.frozen()
        self._kept.started_at = self._kept.clock.now() + timedelta(seconds=skew)
        yield self._kept

    def _close(self) -> None:
        if self._open is not None:
            self._open.__exit__(None, None, None)
            self._open = None


def rng_minutes(rng: Random, low: int, high: int) -> timedelta:
    """Whole seconds between so many minutes."""
    return timedelta(seconds=rng.randint(low * 60, high * 60))


@contextmanager
def _dying(when: str, nth: int) -> Iterator[None]:
    """Die at the n-th landing: before it, inside its transaction, or right after its commit."""
    pull = importlib.import_module("orderpipe.flow.pull")  # the package's own `pull` is the function
    landing = importlib.import_module("orderpipe.lake.landing")
    count, true_land, true_transaction = 0, pull.land, landing.transaction

    def land(*arguments: Any, **choices: Any) -> list[int]:
        nonlocal count
        count += 1
        if count != nth:
            return true_land(*arguments, **choices)
        if when == "before landing":
            raise Died
        if when == "while landing":
            landing.transaction = torn
        true_land(*arguments, **choices)
        raise Died

    @contextmanager
    def torn(*arguments: Any, **choices: Any) -> Iterator[None]:
        with true_transaction(*arguments, **choices):
            yield
            raise Died

    pull.land = land
    try:
        yield
    finally:
        pull.land, landing.transaction = true_land, true_transaction


def _fired(armed: list[dict[str, Any]]) -> dict[str, int]:
    fired: Counter[str] = Counter()
    for fault in armed:
        fired[fault["kind"]] += fault["fired"]
    return dict(fired)


def report(outcomes: list[Outcome], seconds: float) -> str:
    """The campaign in a few lines."""
    faults: Counter[str] = Counter()
    for outcome in outcomes:
        faults.update(outcome.faults)
    total = {
        "runs": len(outcomes),
        "orders compared": sum(o.orders for o in outcomes),
        "documents landed": sum(o.documents for o in outcomes),
        "faults fired": sum(faults.values()),
        "deaths between page and commit": sum(o.deaths for o in outcomes),
        "windows that failed and stayed open": sum(o.failed_windows for o in outcomes),
        "lives swept": sum(o.swept for o in outcomes),
        "gaps the sweep named and repaired": sum(o.gaps for o in outcomes),
        "orders lost": sum(len(o.lost) for o in outcomes),
        "orders stale": sum(len(o.stale) for o in outcomes),
        "doubled": sum(len(o.doubled) for o in outcomes),
        "runs with a broken check": sum(bool(o.broken) for o in outcomes),
    }
    lines = [f"{name:<40}{value:>9,}" for name, value in total.items()]
    lines.append("faults: " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(faults.items())))
    for outcome in (outcome for outcome in outcomes if not outcome.clean):
        found = (*outcome.lost, *outcome.stale, *outcome.doubled, *outcome.broken)
        lines.append(f"seed {outcome.seed}: {', '.join(found)}")
    return "\n".join([*lines, f"{seconds / max(len(outcomes), 1):.1f} s a run on this machine"])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=1000)
    options.add_argument("--first", type=int, default=0, help="first seed")
    options.add_argument("--json", type=Path, help="write every outcome here, one a line")
    chosen = options.parse_args()
    outcomes, began = [], time.monotonic()
    with sandbox() as url:
        for seed in range(chosen.first, chosen.first + chosen.runs):
            outcomes.append(live(seed, url))
            if chosen.json:
                with chosen.json.open("a") as file:
                    file.write(json.dumps(asdict(outcomes[-1]), ensure_ascii=False) + "\n")
            if sys.stderr.isatty() or (seed + 1) % 50 == 0:
                print(f"{seed + 1 - chosen.first} of {chosen.runs}", file=sys.stderr)
    print(report(outcomes, time.monotonic() - began))
    raise SystemExit(0 if all(outcome.clean for outcome in outcomes) else 1)


if __name__ == "__main__":
    main()
