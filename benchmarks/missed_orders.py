"""Which orders are missed under faults: orderpipe and dlt's Shopify source, side by side on the same sandbox.

Every run is one seed: a Shopify shop with living customers, the same number of pulls by both, at the same moments, in
turn first and second; faults of the same kinds, as often, at the door each of them uses (GraphQL for orderpipe, REST
for dlt's source, which speaks nothing else). Then the faults end. Counted against the truth three times: after the last
pull under faults, after two quiet pulls more, and, for orderpipe, after the sweep it does every night. An order is lost
when it is not held, stale when it is held with an older modified time; only what changed well before is counted.

    python benchmarks/missed_orders.py [--seeds 30] [--dlt-python PYTHON --dlt-source FOLDER] [--only late_commits]

dlt-python: a Python with `dlt[duckdb]`, 1.25.0 or older: from 1.26 on dlt refuses this source outside of a scheduler.
dlt-source: the folder shopify_dlt of dlt's verified sources. Without them only orderpipe is measured.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
START = "2026-11-09T02:00:00Z"
SHOP = "shopify-us"
PULLS, EVERY = 6, 900  # pulls under faults, seconds between two
DUE_AFTER = 1200  # seconds an order must have been left alone to count
DOORS = {"orderpipe": "shopify", "dlt": "shopify_rest"}


@dataclass(frozen=True)
class Setting:
    """What is wrong in a run. door: faults at the doors, drawn each round. late: (probability, seconds) of changes that
    show late. lag: seconds the list trails the orders."""

    name: str
    text: str
    door: tuple[str, ...] = ()
    late: tuple[tuple[float, int], ...] = ()
    lag: int = 0


ANSWERS = ("throttle", "business_busy", "http_500", "http_429", "truncated_body", "http_502_html")
SETTINGS = (
    Setting("quiet", "no fault, the list shows a change at once"),
    Setting("moving_pages", "rows change between pages, rows come twice", ("shifted_page", "duplicate_rows")),
    Setting("bad_answers", "429, 500, 502, 503, half bodies", ANSWERS),
    Setting("late_commits", "one change in 20 shows 30 s to 10 min late", (), ((0.02, 30), (0.02, 180), (0.01, 600))),
    Setting("list_lag", "the list trails the orders by 60 s", (), (), 60),
    Setting(
        "everything", "all of it at once", ("shifted_page", "duplicate_rows", *ANSWERS),
        ((0.02, 30), (0.02, 180), (0.01, 600)), 60,
    ),
)  # fmt: skip


@dataclass
class Side:
    """The counts of one system over all runs. failed: pulls that reported a failure."""

    orders: int = 0
    pulls: int = 0
    failed: int = 0
    found: dict[str, Counter] = field(default_factory=dict)  # by moment
    healed: int = 0  # lost or stale after the pulls under faults, and neither after the quiet ones

    def count(self, moment: str, true: dict[str, float], held: list[tuple[str, float]]) -> set[str]:
        """Hold what is held against the truth, {number: modified}; gives the numbers lost or stale."""
        found = self.found.setdefault(moment, Counter())
        newest: dict[str, float] = {}
        for number, at in held:
            newest[number] = max(at, newest.get(number, 0))
        lost = true.keys() - newest.keys()
        stale = {number for number, at in true.items() if number in newest and int(newest[number]) < at}
        found["orders"] += len(true)
        found["duplicated"] += len(held) - len(newest)
        found["lost"] += len(lost)
        found["stale"] += len(stale)
        return lost | stale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30, help="runs of each setting (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=[one.name for one in SETTINGS], help="only this setting")
    parser.add_argument("--dlt-python", help="a Python that has dlt[duckdb]")
    parser.add_argument("--dlt-source", help="the folder shopify_dlt of dlt's verified sources")
    parser.add_argument("--json", type=Path, help="write the counts there as well")
    chosen = parser.parse_args()
    with_dlt = bool(chosen.dlt_python and chosen.dlt_source)
    if not with_dlt:
        print("dlt is not given (--dlt-python, --dlt-source): only orderpipe is measured")
    results = {}
    for setting in SETTINGS:
        if chosen.only and setting.name not in chosen.only:
            continue
        sides = {name: Side() for name in DOORS if name == "orderpipe" or with_dlt}
        started = time.perf_counter()
        for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
            versions = run(setting, seed, sides, chosen)
            print(f"{setting.name}: seed {seed} done", file=sys.stderr, flush=True)
            results[setting.name] = {name: vars(side) for name, side in sides.items()} | {"last_seed": seed}
            if chosen.json:
                chosen.json.write_text(json.dumps(results, indent=1))
        report(setting, chosen.seeds, sides, versions, time.perf_counter() - started)


def run(setting: Setting, seed: int, sides: dict[str, Side], chosen: argparse.Namespace) -> dict[str, str]:
    """One seed: live, pull under faults, then in peace; count. Gives dlt's versions."""
    chance = random.Random(f"{setting.name}/{seed}")
    with sandbox(seed) as world, tempfile.TemporaryDirectory() as folder:
        world.post("settings", index_lag={SHOP: setting.lag})
        systems: dict[str, Any] = {"orderpipe": Orderpipe(Path(folder) / "home", world)}
        if "dlt" in sides:
            systems["dlt"] = Dlt(Path(folder) / "dlt", world, chosen)
        order = list(systems)
        missed: dict[str, set[str]] = {}
        try:
            for number in range(PULLS):
                world.delete("faults")
                for probability, seconds in setting.late:
                    world.post("faults", where="shopify", kind="late_commit", probability=probability, seconds=seconds)
                world.post("clock", step=EVERY + chance.randint(-60, 60))
                for kind in chance.sample(setting.door, min(3, len(setting.door))):
                    times, after = chance.randint(1, 3), chance.randint(0, 2)
                    for name in systems:
                        world.post("faults", where=DOORS[name], kind=kind, times=times, after=after)
                order.reverse()
                for name in order:
                    sides[name].pulls += 1
                    sides[name].failed += not systems[name].pull()
                if number == PULLS - 1:
                    due = world.due(EVERY * 2)
                    for name in systems:
                        missed[name] = sides[name].count("under faults", due, systems[name].held())
            world.delete("faults")
            for _ in range(2):
                world.post("clock", step=EVERY)
                for name in order:
                    if not systems[name].pull():
                        raise SystemExit(f"{name} cannot pull even without faults: {systems[name].error}")
            due = world.due(DUE_AFTER)
            for name in systems:
                still = sides[name].count("two quiet pulls later", due, systems[name].held())
                sides[name].healed += len(missed[name] & due.keys() - still)
            systems["orderpipe"].sweep()
            sides["orderpipe"].count("after the nightly sweep", due, systems["orderpipe"].held())
            return systems["dlt"].versions if "dlt" in systems else {}
        finally:
            for system in systems.values():
                system.close()


# ---- the two systems


class Orderpipe:
    """A fresh home; a pull is what a tick does before it decides: pull, then pool."""

    def __init__(self, home: Path, world: "World"):
        from orderpipe import config

        os.environ |= world.get("credentials") | {
            "ORDERPIPE_HOME": str(home),
            "ORDERPIPE_CONFIG": str(ROOT / "config"),
            "ORDERPIPE_PII_KEY": "be" * 32,
            "ORDERPIPE_SANDBOX_URL": world.url,
            "ORDERPIPE_CLOCK": f"{world.url}/_control/clock",
        }
        self._settings = config.load()

    def pull(self) -> bool:
        from orderpipe import flow

        with flow.open_run(self._settings) as run:
            report = flow.pull(run, [lane for lane in flow.lanes(self._settings, [SHOP]) if lane.kind == "order"])
            flow.pool(run)
        self.error = "; ".join(report.errors)
        return not report.errors

    def sweep(self) -> None:
        """What it does every night: list the last day by a walk of its own, pull what is missing."""
        from orderpipe import flow
        from orderpipe.flow.verify import sweep

        with flow.open_run(self._settings) as run:
            lanes = [lane for lane in flow.lanes(self._settings, [SHOP]) if lane.kind == "order"]
            sweep(run, run.started_at - timedelta(hours=24), lanes)

    def held(self) -> list[tuple[str, float]]:
        from orderpipe.lake import reader

        with reader(self._settings) as con:
            return con.execute("SELECT platform_order_no, epoch(updated_at) FROM core.orders").fetchall()

    def close(self) -> None:
        pass


class Dlt:
    """dlt's Shopify source in a child process of a Python that has dlt."""

    def __init__(self, folder: Path, world: "World", chosen: argparse.Namespace):
        folder.mkdir()
        credentials = world.get("credentials")
        grant = {
            "client_id": credentials["SHOPIFY_CLIENT_ID"], "client_secret": credentials["SHOPIFY_CLIENT_SECRET"],
            "grant_type": "client_credentials",
        }  # fmt: skip
        answer = httpx.post(f"{world.url}/shopify/demo/admin/oauth/access_token", data=grant, trust_env=False)
        child = Path(__file__).with_name("missed_orders_dlt.py")
        env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        env |= {"SHOPIFY_TOKEN": answer.raise_for_status().json()["access_token"], "NO_PROXY": "*"}
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            [chosen.dlt_python, str(child), chosen.dlt_source, str(folder), world.url], cwd=folder,
            env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        self.versions = self._answer()

    def pull(self) -> bool:
        done = self._ask("pull")
        self.error = done.get("error", "")
        return done["ok"]

    def held(self) -> list[tuple[str, float]]:
        return [(number, at) for number, at in self._ask("held")]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _ask(self, command: str) -> Any:
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        for line in self._process.stdout:
            if line.startswith("\x1e"):
                return json.loads(line[1:])
        raise SystemExit(f"the dlt child ended: {Path(self._log.name).read_text()[-2000:]}")


# ---- the sandbox


class World:
    """A running sandbox on a stepped clock."""

    def __init__(self, url: str):
        self.url = url
        self._http = httpx.Client(timeout=120, trust_env=False)

    def get(self, path: str) -> Any:
        return self._http.get(f"{self.url}/_control/{path}").raise_for_status().json()

    def post(self, path: str, **body: Any) -> Any:
        return self._http.post(f"{self.url}/_control/{path}", json=body).raise_for_status().json()

    def delete(self, path: str) -> None:
        self._http.delete(f"{self.url}/_control/{path}").raise_for_status()

    def due(self, seconds: int) -> dict[str, float]:
        """Number and modified time of every order that the list shows and nobody touched for so many seconds."""
        horizon = datetime.fromisoformat(self.get("clock")["now"]).timestamp() - seconds
        true = {}
        for order in self.get(f"truth/orders?shop={SHOP}"):
            modified = datetime.fromisoformat(order["modified"]).timestamp()
            if order["visible"] and modified <= horizon:
                true[order["platform_order_no"]] = modified
        return true


@contextmanager
def sandbox(seed: int) -> Iterator[World]:
    options = {
        "port": 0, "rate": 0, "history": 1, "orders-per-hour": 120, "pace": 6, "start": START, "shops": SHOP,
        "seed": seed,
    }  # fmt: skip
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    process = subprocess.Popen(
        [sys.executable, "-m", "orderpipe.sandbox", *arguments], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield World(process.stdout.readline().split()[-1])
    finally:
        process.terminate()
        process.wait()


def report(setting: Setting, seeds: int, sides: dict[str, Side], versions: dict[str, str], seconds: float) -> None:
    """One block per setting."""
    named = f", dlt {versions['dlt']} with DuckDB {versions['duckdb']}" if versions else ""
    print(f"\n{setting.name}: {setting.text}; {seeds} seeds, {PULLS} + 2 pulls each, {seconds:.0f} s{named}")
    print(f"  {'':<12}{'counted':<26}{'orders':>8}{'lost':>7}{'stale':>7}{'twice':>7}")
    for name, side in sides.items():
        for moment, found in side.found.items():
            numbers = "".join(f"{found[what]:>{width}}" for what, width in _COLUMNS)
            print(f"  {name:<12}{moment:<26}{numbers}")
        print(
            f"  {'':<12}{side.failed} of {side.pulls} pulls under faults reported a failure; {side.healed} healed",
            flush=True,
        )


_COLUMNS = (("orders", 8), ("lost", 7), ("stale", 7), ("duplicated", 7))


if __name__ == "__main__":
    main()
