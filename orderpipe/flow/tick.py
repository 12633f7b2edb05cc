"""A tick: one whole run of the flow in this process, from the platforms to the receivers."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from orderpipe.config import Settings
from orderpipe.dispatch.dispatcher import RECEIVERS, DispatchReport, dispatch
from orderpipe.flow.callbacks import CallbackReport, land_callbacks, unreadable
from orderpipe.flow.check import Check, check
from orderpipe.flow.decide import DecideReport, decide
from orderpipe.flow.guard import GuardReport, guard_stock
from orderpipe.flow.marts import build_marts
from orderpipe.flow.polling import PollReport, lost_parcels, poll_silent
from orderpipe.flow.pool import PoolReport, pool
from orderpipe.flow.pull import PullReport, behind, lanes, pull
from orderpipe.flow.run import open_run
from orderpipe.flow.ship_by import ship_by_alerts
from orderpipe.flow.stock import StockReport, pull_stock, stale_stock


@dataclass
class TickReport:
    """What a tick did, stage by stage; seconds are wall-clock per stage."""

    run_id: str
    pull: PullReport
    pool: PoolReport
    decide: DecideReport
    checks: list[Check]
    stock: StockReport = field(default_factory=StockReport)
    guard: GuardReport = field(default_factory=GuardReport)
    callbacks: CallbackReport = field(default_factory=CallbackReport)
    polled: PollReport = field(default_factory=PollReport)
    dispatch: list[DispatchReport] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """What a person should look at, one line each."""
        found = list(dict.fromkeys([*self.pull.errors, *self.stock.problems, *self.polled.problems]))
        found += [f"{c.name}: {c.detail}" for c in self.checks if not c.ok]
        found += [d.error for d in self.dispatch if d.error]
        found += [
            f"{d.receiver}: {d.rejected} refused, {d.dead} given up" for d in self.dispatch if d.rejected or d.dead
        ]
        return found

    @property
    def ok(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for --json."""
        return {"ok": self.ok, "problems": self.problems, **asdict(self)}


def tick(
    settings: Settings,
    shops: Iterable[str] | None = None,
    *,
    send: bool = True,
    say: Callable[[str], None] | None = None,
) -> TickReport:
    """Pull orders and stock, pool, decide, guard the stock, rebuild the marts, check and (unless send is False)
    dispatch. shops limits the pull of the shops, not what follows.

    Raises ConfigError for a shop that does not exist. A shop that fails is in the report's problems; the rest goes on.
    """
    chosen = lanes(settings, shops)
    seconds: dict[str, float] = {}
    with open_run(settings, say=say) as run:

        def timed(stage: str, work: Callable[[], Any]) -> Any:
            started = time.perf_counter()
            try:
                return work()
            finally:
                seconds[stage] = round(time.perf_counter() - started, 3)

        timed("open", lambda: run.lake)
        pulled = timed("pull", lambda: pull(run, chosen))
        stock = timed("stock", lambda: pull_stock(run))
        polled = timed("polling", lambda: poll_silent(run))
        landed = timed("callbacks", lambda: land_callbacks(run))
        pooled = timed("pool", lambda: pool(run))
        alerts = [*behind(run), *stale_stock(run), *alerts_of(pooled), *ship_by_alerts(run)]
        alerts += [*unreadable(run), *lost_parcels(polled)]
        decided = timed("decide", lambda: decide(run, alerts))
        guarded = timed("guard", lambda: guard_stock(run))
        timed("marts", lambda: build_marts(run))
        checks = timed("check", lambda: check(run))
        report = TickReport(run.id, pulled, pooled, decided, checks, stock, guarded, landed, polled, seconds=seconds)
        if send:
            report.dispatch = [timed(f"dispatch {name}", lambda name=name: dispatch(run, name)) for name in RECEIVERS]
    return report


def alerts_of(pooled: PoolReport) -> list[tuple[str, str]]:
    """What operators must hear of after a pool: values no map knows, and new quarantine, by rule."""
    alerts = [
        (f"unknown:{value}", f"出现未知取值，已原样保留并标记 unknown：{value}，请在 sql/staging 补充映射")
        for value in pooled.unknown
    ]
    for rule, seqs in pooled.quarantine.items():
        shown = "、".join(map(str, seqs[:5])) + ("…" if len(seqs) > 5 else "")
        alerts.append((f"quarantine:{rule}:{seqs[0]}", f"{len(seqs)} 条报文进入隔离区，规则 {rule}，报文序号 {shown}"))
    return alerts
