"""A thousand ticks, each told to die by kill -9 at a point where it could hurt: is a parcel ever sent twice, lost, or
sent after its refund?

Every run is a tick in a process of its own that kills itself when it passes one of the points of
orderpipe/failpoint.py, sometimes for the second or third time (one that passes it less often lives), while orders come,
buyers ask their money back or move, and warehouse and courier lose answers, fail and stall. Ten runs make a life, on
one world and one home; then the faults end, quiet ticks follow, and what warehouse and courier hold by their own books
is held against the outbox and against what the buyers want.

    python benchmarks/dispatch_campaign.py [--runs 1000] [--first 0] [--json FILE]

Exit code 0 only when nothing was doubled or lost, no parcel left after its refund without being listed with the
reason, and every chain of receipts is whole.
"""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.campaign import KEY, sandbox  # noqa: E402
from orderpipe.failpoint import POINTS  # noqa: E402

SHOP = "taobao-hz"
RUNS = 10  # ticks of one life
ASKED_AFTER = 7 * 3600  # seconds of silence after which the warehouse is asked what became of a parcel
PACE = 4  # an order is picked ten minutes after it came, and handed over after half an hour
# What warehouse and courier do besides, a call in so many; the answer is lost after the work, or there is no work.
FAULTS = ("timeout_after_write", "truncated_body", "malformed_json", "http_500", "http_502_html", "business_busy")
# Points a tick passes: the console's callbacks have a test of their own.
TICKED = tuple(point for point in POINTS if not point.startswith("callbacks."))
REPEATED = ("claim.", "send.", "record.")  # points that a tick passes for every receiver, or every instruction

# Children come from a server that has everything imported and nothing open.
_CLEAN = multiprocessing.get_context("forkserver")
_CLEAN.set_forkserver_preload(["orderpipe.flow", "orderpipe.platforms", "pyarrow", "sqlglot"])


@dataclass
class Outcome:
    """What one life came to. kills: deaths by point. parcels: those the warehouse heard of. stopped, too_late: parcels
    called back. lost: orders that should have left and did not; doubled: orders with more than one parcel alive, and
    receivers' own complaints; after_refund: parcels handed over whose refund was there before, and that nobody lists
    as too late; listed: those that are; differences: between the outbox and the receivers' word; broken: chains and
    checks."""

    seed: int
    kills: dict[str, int] = field(default_factory=dict)
    faults: int = 0
    orders: int = 0
    parcels: int = 0
    handed_over: int = 0
    stopped: int = 0
    too_late: int = 0
    listed: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    after_refund: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.after_refund or self.differences or self.broken)


def points_of(seed: int) -> tuple[str, ...]:
    """Where the ticks of a life die, one each: lives pass all points in turn."""
    return tuple(TICKED[(seed * RUNS + n) % len(TICKED)] for n in range(RUNS))


def live(seed: int, url: str) -> Outcome:
    """Live one life against a sandbox of `campaign.sandbox(PACE)`, in a home that is thrown away."""
    rng = Random(f"dispatch/{seed}")
    with httpx.Client(base_url=f"{url}/_control", timeout=60, trust_env=False) as control:
        control.post("/reset", json={"seed": seed}).raise_for_status()
        control.post("/settings", json={"orders_per_hour": 0}).raise_for_status()
        with tempfile.TemporaryDirectory(prefix="dispatch-") as folder, _environment(url, folder, control) as env:
            return _Life(seed, rng, control, env).run(points_of(seed))


@contextmanager
def _environment(url: str, folder: str, control: httpx.Client) -> Iterator[dict[str, str]]:
    config_dir = Path(folder) / "config"
    _configure(config_dir)
    env = {
        **control.get("/credentials").json(),
        "ORDERPIPE_HOME": f"{folder}/home",
        "ORDERPIPE_CONFIG": str(config_dir),
        "ORDERPIPE_PII_KEY": KEY,
        "ORDERPIPE_SANDBOX_URL": url,
        "ORDERPIPE_CLOCK": f"{url}/_control/clock",
    }
    before = dict(os.environ)
    os.environ.update(env)
    try:
        yield env
    finally:
        os.environ.clear()
        os.environ.update(before)


def _configure(folder: Path) -> None:
    """The shipped configuration with one shop, whose first pull reaches an hour back."""
    import shutil

    shutil.copytree(ROOT / "config", folder)
    head, *shops = (folder / "shops.yaml").read_text("utf-8").split("- id: ")
    (folder / "shops.yaml").write_text(head + "".join(f"- id: {s}" for s in shops if s.startswith(SHOP)), "utf-8")


class _Life:
    def __init__(self, seed: int, rng: Random, control: httpx.Client, env: dict[str, str]):
        self.outcome, self.rng, self.control, self.env = Outcome(seed), rng, control, env
        self.numbers: list[str] = []

    def run(self, points: tuple[str, ...]) -> Outcome:
        kills: Counter[str] = Counter()
        for point in points:
            self._happen()
            self._arm()
            often = self.rng.choice((1, 1, 2, 3)) if point.startswith(REPEATED) else 1
            if self._tick(f"{point}:{often}"):
                kills[point] += 1
            self._step(self.rng.choice((30, 120, 900, 1800)))
        self.outcome.kills = dict(kills)
        self.outcome.faults = sum(fault["fired"] for fault in self.control.get("/faults").json())
        self.control.delete("/faults")
        for seconds in (1200, 1200, ASKED_AFTER, 1200):
            self._step(seconds)
            self._tick()
        self._judge()
        return self.outcome

    def _happen(self) -> None:
        """Orders come, and some that came before are asked back, moved, or taken back from being asked back."""
        made = self.control.post("/orders", json={"shop": SHOP, "n": self.rng.randint(1, 3), "state": "paid"})
        fresh = made.raise_for_status().json()["ids"]
        for number in self.rng.sample(self.numbers, min(len(self.numbers), 2)):
            act = self.rng.choice(("refund_requested", "refunded", "readdress", "nothing"))
            if act == "readdress":
                self.control.post(f"/orders/{number}/address", json={})  # 409 where it has gone too far
            elif act != "nothing":
                self.control.post(f"/orders/{number}/advance", json={"to": act})
        self.numbers += fresh

    def _arm(self) -> None:
        for where in ("qimen", "kuaidi100"):
            if self.rng.random() < 0.5:
                fault = {"where": where, "kind": self.rng.choice(FAULTS), "times": self.rng.randint(1, 3)}
                self.control.post("/faults", json=fault).raise_for_status()

    def _step(self, seconds: float) -> None:
        self.control.post("/clock", json={"step": seconds}).raise_for_status()

    def _tick(self, fail_point: str | None = None) -> bool:
        """A tick in a process of its own; whether it was killed."""
        env = {**self.env, **({"ORDERPIPE_FAIL_POINT": fail_point} if fail_point else {})}
        child = _CLEAN.Process(target=_tick_once, args=(env,))
        child.start()
        child.join()
        if child.exitcode not in (0, -signal.SIGKILL):
            self.outcome.broken.append(f"a tick ended with {child.exitcode}")
        return child.exitcode == -signal.SIGKILL

    def _judge(self) -> None:
        from orderpipe import config, flow
        from orderpipe.flow.verify_dispatch import lines, verify_dispatch

        with flow.open_run(config.load(), say=lambda text: None) as run:
            rows = _Rows(run.lake)
            verified = verify_dispatch(run, datetime.fromisoformat("2026-01-01T00:00:00+00:00"))
            checks = [f"{check.name}: {check.detail}" for check in flow.check(run) if not check.ok]
        self.outcome.broken += checks
        if not verified.ok:
            self.outcome.differences += list(lines(verified))
        truth = {order["platform_order_no"]: order for order in self.control.get("/truth/orders").json()}
        receipts = self.control.get("/receipts").json()
        self._judge_world(rows, truth, receipts)

    def _judge_world(self, rows: "_Rows", truth: dict[str, Any], receipts: dict[str, Any]) -> None:
        out = self.outcome
        orders = [effect for effect in receipts["qimen"] if effect["kind"] == "delivery_order"]
        labels = {effect["key"]: effect for effect in receipts["kuaidi100"] if effect["kind"] == "waybill"}
        out.orders, out.parcels = len(truth), len(orders)
        out.doubled += [f"{e['kind']} {e['key']}" for e in (*orders, *labels.values()) if e["duplicates"]]
        alive: Counter[str] = Counter()
        for effect in orders:
            label = labels.get(effect["key"])
            carried = label is not None and set(label["numbers"]) - set(label.get("cancelled", ()))
            if effect.get("handed_over_at"):
                out.handed_over += 1
            elif effect.get("cancelled_at") or not carried:
                continue
            alive.update(effect["platform_orders"])
        out.doubled += [f"order {number} is in {count} parcels" for number, count in alive.items() if count > 1]
        states = rows.recalls
        out.stopped, out.too_late = (sum(s == name for s in states.values()) for name in ("stopped", "too_late"))
        for number, order in truth.items():
            if _owed(order) and not alive[number] and rows.holds.get(number) != "review":
                out.lost.append(f"{number} ({rows.holds.get(number)})")
        for effect in orders:
            refunded = effect.get("refund_landed_before_handover") or {}
            known = [number for number in refunded if rows.knew(number, effect["handed_over_at"])]
            listed = states.get(effect["key"].removeprefix("OP")) == "too_late"
            out.listed += bool(refunded and listed)
            if refunded and not listed:
                out.after_refund.append(f"{effect['key']} with {known or 'a refund we learned of later'}")


class _Rows:
    """What the lake says, read once."""

    def __init__(self, con):
        self.recalls = dict(con.execute("SELECT parcel_id, state FROM decision.recalls").fetchall())
        self.holds = dict(con.execute("SELECT platform_order_no, hold_status FROM core.orders").fetchall())
        self._refunds = dict(
            con.execute("SELECT platform_order_no, min(known_at) FROM core.refund_versions GROUP BY ALL").fetchall()
        )

    def knew(self, number: str, moment: str) -> bool:
        """Whether a refund of the order had landed with us by then."""
        known = self._refunds.get(number)
        return known is not None and known < datetime.fromisoformat(moment)


def _owed(order: dict[str, Any]) -> bool:
    return (
        order["status"] == "paid"
        and order["receiver"]["country"] == "CN"
        and not order["hold"]
        and not order["is_test"]
        and not [refund for refund in order["refunds"] if refund["status"] in ("requested", "returning", "refunded")]
    )


def _tick_once(env: dict[str, str]) -> None:
    os.environ.update(env)
    from orderpipe import config, flow

    flow.tick(config.load(), say=lambda text: None)


def report(outcomes: list[Outcome], seconds: float) -> str:
    """The campaign in a few lines."""
    kills: Counter[str] = Counter()
    for outcome in outcomes:
        kills.update(outcome.kills)
    total = {
        "ticks killed": sum(kills.values()),
        "faults of the receivers fired": sum(o.faults for o in outcomes),
        "orders": sum(o.orders for o in outcomes),
        "parcels the warehouse heard of": sum(o.parcels for o in outcomes),
        "handed over": sum(o.handed_over for o in outcomes),
        "called back and stopped": sum(o.stopped for o in outcomes),
        "called back too late": sum(o.too_late for o in outcomes),
        "lost": sum(len(o.lost) for o in outcomes),
        "doubled": sum(len(o.doubled) for o in outcomes),
        "handed over after a refund, and listed as too late": sum(o.listed for o in outcomes),
        "handed over after a refund, and not listed": sum(len(o.after_refund) for o in outcomes),
        "lives with a difference between outbox and receivers": sum(bool(o.differences) for o in outcomes),
        "lives with a broken chain or check": sum(bool(o.broken) for o in outcomes),
    }
    lines = [f"{name:<56}{value:>9,}" for name, value in total.items()]
    lines += [f"  killed at {point:<44}{kills[point]:>9,}" for point in TICKED]
    for outcome in (outcome for outcome in outcomes if not outcome.clean):
        found = (*outcome.lost, *outcome.doubled, *outcome.after_refund, *outcome.differences, *outcome.broken)
        lines.append(f"seed {outcome.seed}: {', '.join(found)}")
    return "\n".join([*lines, f"{seconds / max(len(outcomes), 1):.1f} s a life of {RUNS} ticks on this machine"])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=1000, help="killed ticks, ten a life")
    options.add_argument("--first", type=int, default=0, help="first seed")
    options.add_argument("--json", type=Path, help="write every outcome here, one a line")
    chosen = options.parse_args()
    outcomes, began, lives = [], time.monotonic(), -(-chosen.runs // RUNS)
    with sandbox(PACE) as url:
        for seed in range(chosen.first, chosen.first + lives):
            outcomes.append(live(seed, url))
            if chosen.json:
                with chosen.json.open("a") as file:
                    file.write(json.dumps(asdict(outcomes[-1]), ensure_ascii=False) + "\n")
            if sys.stderr.isatty() or (seed + 1) % 10 == 0:
                print(f"{seed + 1 - chosen.first} of {lives} lives", file=sys.stderr)
    print(report(outcomes, time.monotonic() - began))
    raise SystemExit(0 if all(outcome.clean for outcome in outcomes) else 1)


if __name__ == "__main__":
    main()
