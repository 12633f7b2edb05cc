"""kill -9 at any moment: nothing lost, nothing twice. And readers never notice a writer."""

import multiprocessing
import os
import random
import runpy
import signal
import time
from pathlib import Path

import pytest

KILLS = 12

# Children come from a server that has everything imported and nothing open, so that a kill finds a tick at work
# and not Python at its imports.
_CLEAN = multiprocessing.get_context("forkserver")
_CLEAN.set_forkserver_preload(["orderpipe.flow", "orderpipe.platforms", "pyarrow", "sqlglot"])


CHILDREN = Path(__file__).parent / "children"


def _child(script: str, **given) -> multiprocessing.Process:
    """A process that runs a script of children/ with the given names set."""
    return _CLEAN.Process(target=runpy.run_path, args=(str(CHILDREN / script), given))


@pytest.mark.long  # test_dispatch_campaign kills ticks where it hurts most
def test_a_tick_killed_at_any_moment_loses_nothing_and_doubles_nothing(hub):
    hub = hub(seed=41, history=0.5, orders_per_hour=60, pace=4)
    chance = random.Random(41)
    started = time.monotonic()
    assert hub.tick().problems == []
    longest = time.monotonic() - started
    killed = attempts = 0
    while killed < KILLS:
        attempts += 1
        assert attempts < 3 * KILLS, "kills come too late: ticks end before them"
        hub.sandbox.step(300)
        child = _child("one_tick.py", environment=hub.env)
        child.start()
        child.join(chance.uniform(0.05, longest))
        if child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
            killed += 1
        child.join()
        started = time.monotonic()
        report = hub.tick()
        longest = time.monotonic() - started
        assert [check for check in report.checks if not check.ok] == []
    hub.sandbox.step(3700)
    assert hub.tick().problems == []
    assert hub.differences() == []
    hub.assert_the_world_holds_everything_once()


@pytest.mark.long
def test_readers_see_whole_states_and_no_error_while_ticks_write(hub):
    hub = hub(seed=43, history=1, orders_per_hour=120, pace=4)
    hub.tick()
    stop, results = _CLEAN.Event(), _CLEAN.Queue()
    readers = [_child("read_in_a_loop.py", environment=hub.env, stop=stop, results=results) for _ in range(2)]
    for one in readers:
        one.start()
    for _ in range(3):
        hub.sandbox.step(600)
        assert hub.tick().problems == []
    stop.set()
    for reads, errors, halves, states in [results.get(timeout=60) for _ in readers]:
        assert errors == []
        assert halves == []
        assert reads > 10
        assert states > 1, "the readers saw the pool grow"
    for one in readers:
        one.join()


# Nobody reviews here, the rules as shipped split no order, no statement is imported and no receiver calls back.
_QUIET = {
    "decision.reviews", "decision.route_lines", "core.settlements", "core.wms_reports", "core.fulfilments",
    "core.fulfilment_lines", "core.packages", "core.package_items", "core.goods_returns", "core.tracking",
    "core.tracking_reports", "core.stock_changes",
}  # fmt: skip


@pytest.mark.long
def test_replaying_raw_into_an_empty_lake_gives_identical_tables(hub, tmp_path):
    from orderpipe.flow.replay import replay

    hub = hub(seed=44, history=1, orders_per_hour=60, pace=6)
    for _ in range(3):
        hub.sandbox.step(900)
        assert hub.tick().problems == []
    for bite in (20_000, 101):
        tables = replay(hub.settings, tmp_path / f"bite-{bite}", bite=bite)
        assert [table.table for table in tables if not table.same] == []
        assert {table.table for table in tables if not table.rows} <= _QUIET
