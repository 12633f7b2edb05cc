"""Hours of simulated life, with faults on: the pool is the truth, the receivers got everything once."""

import random

import pytest

READ_FAULTS = [
    ("taobao", "http_500", {}),
    ("taobao", "http_429", {}),
    ("taobao", "business_busy", {}),
    ("taobao", "truncated_body", {}),
    ("taobao", "shifted_page", {}),
    ("taobao", "duplicate_rows", {}),
    ("taobao", "expired_token", {}),
    ("taobao", "http_502_html", {}),
    ("shopify", "http_500", {}),
    ("shopify", "throttle", {}),
    ("shopify", "truncated_body", {}),
    ("shopify", "partial_data", {}),
    ("shopify", "shifted_page", {}),
    ("shopify", "expired_token", {}),
]
WRITE_FAULTS = [
    ("qimen", "timeout_after_write", {}),
    ("qimen", "http_502_html", {}),
    ("qimen", "business_busy", {}),
    ("kuaidi100", "timeout_after_write", {}),
    ("kuaidi100", "http_500", {}),
    ("kuaidi100", "business_busy", {}),
]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("seed", [11])
def test_after_hours_of_life_with_faults_nothing_is_missing_wrong_or_twice(hub, seed):
    hub = hub(seed=seed, orders_per_hour=30, history=3, pace=4)
    chance = random.Random(seed)
    for _ in range(10):
        for where, kind, choice in chance.sample(READ_FAULTS, 3) + chance.sample(WRITE_FAULTS, 2):
            hub.sandbox.fault(where, kind, times=chance.randint(1, 3), after=chance.randint(0, 4), **choice)
        hub.sandbox.step(900 + chance.randint(-60, 60))
        hub.tick()
        hub.sandbox.control("DELETE", "faults")
    hub.sandbox.step(3700)  # longer than the longest pause between two attempts
    assert hub.tick().problems == []
    assert hub.differences() == []
    assert len(hub.settled()) > 300

    hub.assert_the_world_holds_everything_once()


def test_a_tick_without_change_emits_nothing_and_writes_no_data_file(hub):
    hub = hub(seed=5, history=1, orders_per_hour=20)
    hub.sandbox.control("POST", "settings", orders_per_hour=0)
    hub.tick()
    hub.sandbox.step(1)
    assert hub.tick().ok
    files, receipts = hub.data_files(), hub.sandbox.receipts()
    windows = hub.value("SELECT count(*) FROM vault.raw.pull_windows", vault=True)
    hub.sandbox.step(2)
    report = hub.tick()
    assert report.ok
    assert report.pull.new == 0
    assert hub.data_files() == files
    assert hub.sandbox.receipts() == receipts
    assert hub.value("SELECT count(*) FROM vault.raw.pull_windows", vault=True) > windows, "empty windows advance"


def test_a_second_reading_of_the_same_stretch_changes_nothing(hub):
    from orderpipe import flow

    hub = hub(seed=6, history=1, orders_per_hour=20)
    hub.tick()
    files = hub.data_files()
    with flow.open_run(hub.settings) as run:
        end = run.started_at.replace(microsecond=0)
        start = end.replace(minute=0, second=0)
        report = flow.pull(
            run, [lane for lane in flow.lanes(run.settings) if lane.shop_id == "shopify-us"], (start, end)
        )
        assert report.errors == []
        flow.pool(run)
    assert hub.data_files() == files
