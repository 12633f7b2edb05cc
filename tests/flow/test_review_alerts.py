"""Many orders that wait at once are told to the group within its robot's limit, and none is lost."""

import pytest

from orderpipe import flow

ORDERS = 400  # twenty messages of twenty: two more than leave in a minute


@pytest.fixture
def connected(sandbox, new_pool, monkeypatch):
    """A pool whose receivers are those of a sandbox, and the sandbox."""
    world = sandbox()
    monkeypatch.setenv("ORDERPIPE_CLOCK", f"{world.url}/_control/clock")
    pool = new_pool()
    env = {**pool.settings.env, "ORDERPIPE_SANDBOX_URL": world.url, **world.credentials}
    pool.settings = type(pool.settings)(pool.settings.home, pool.settings.config_dir, env)
    pool.reopen()
    yield pool, world
    pool.close()


def test_four_hundred_new_reviews_arrive_within_the_limit(connected, write, state):
    pool, world = connected
    pool.land_together(
        *(write("taobao", state(str(70_000_000 + n))).changed(receiver_address="万达广场附近") for n in range(ORDERS))
    )
    pool.pool()
    assert pool.decide().held == {"review": ORDERS}
    first = flow.dispatch(pool.run, "dingtalk")
    assert (first.acknowledged, first.pending_left, first.dead) == (360, 40, 0)
    world.step(120)
    pool.reopen()
    assert flow.dispatch(pool.run, "dingtalk").acknowledged == 40
    told = " ".join(message["body"] for message in world.receipts()["dingtalk"])
    ids = [row["order_id"] for row in pool.rows("SELECT order_id FROM core.orders")]
    assert len(ids) == ORDERS
    assert [order_id for order_id in ids if told.count(f"/reviews/{order_id}") != 1] == []
    assert pool.decide().alerts == 0
