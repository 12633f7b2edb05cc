"""Hold before harm: which orders are instructed, each once, and what is stopped at the last moment."""

import pytest

from orderpipe import flow

# case: (platform, the order's state, cases as (minutes, status, line), hold, instructed)
CASES = {
    "a paid order": ("taobao", {}, [], None, True),
    "a paid order of another country's shop to China": ("shopify", {}, [], None, True),
    "an order not paid yet": ("taobao", {"status": "unpaid"}, [], None, False),
    "an order the platform holds": ("taobao", {"status": "held"}, [], "platform_hold", False),
    "a Shopify order on hold": ("shopify", {"status": "held"}, [], "platform_hold", False),
    "an order of a status nobody knows": ("taobao", {"status": "odd"}, [], "unknown_status", False),
    "a Shopify order of a status nobody knows": ("shopify", {"status": "odd"}, [], "unknown_status", False),
    "a test order": ("shopify", {"test": True}, [], "test_order", False),
    "an order from overseas": ("shopify", {"country": "US"}, [], "cross_border_review", False),
    "an order without phone and street": ("shopify", {"masked": True}, [], "missing_fields", False),
    "an order whose receiver stands behind a token": ("taobao", {"masked": True}, [], None, True),
    "an order with a line without goods code": ("taobao", {"lines": [(None, 1, "none")]}, [], "missing_fields", False),
    "an order of goods nobody knows": ("taobao", {"lines": [("NOT-IN-MASTER", 1, "none")]}, [], "unknown_goods", False),
    "an order that is partly shipped": ("taobao", {"status": "part_shipped"}, [], "partly_shipped", False),
    "an order that is shipped": ("taobao", {"status": "shipped"}, [], None, False),
    "an order that is closed": ("taobao", {"status": "closed"}, [], None, False),
    "an order with a refund asked for": ("taobao", {"lines": [("CUP-500-BL", 1, "requested")]}, [], None, False),
    "a line in a refund nobody knows": ("taobao", {"lines": [("CUP-500-BL", 1, "NEW")]}, [], None, False),
    "a Shopify order with a return": ("shopify", {"lines": [("CUP-500-BL", 1, "requested")]}, [], None, False),
    "an order whose case came before its own document": ("taobao", {}, [(2, "requested", 1)], None, False),
    "an order whose case is of a status nobody knows": ("taobao", {}, [(2, "ODD", 1)], None, False),
    "an order that was refunded as a whole": ("taobao", {}, [(2, "refunded", None)], None, False),
    "an order refunded in all lines": ("taobao", {"lines": [("CUP-500-BL", 1, "refunded")]}, [], None, False),
    "a line's refund granted before its own document says so": ("taobao", {}, [(2, "refunded", 1)], None, False),
    "an order that keeps one line of two": (
        "taobao", {"lines": [("CUP-500-BL", 1, "none"), ("GLS-WINE-2", 1, "refunded")]},
        [(2, "refunded", 2)], None, True,
    ),
    "a Shopify order that keeps one line of two": (
        "shopify", {"lines": [("CUP-500-BL", 1, "none"), ("GLS-WINE-2", 1, "refunded")]}, [], None, True,
    ),
    "an order whose refund was taken back": (
        "taobao", {"lines": [("CUP-500-BL", 1, "closed")]}, [(2, "requested", 1), (3, "closed", 1)], None, True,
    ),
}  # fmt: skip
NUMBERS = {case: str(2000 + n) for n, case in enumerate(CASES)}


@pytest.fixture(scope="module")
def decided(new_pool, write, state, line, refund):
    """All cases in one pool, decided three times."""
    pool = new_pool()
    for case, (platform, wishes, cases, _, _) in CASES.items():
        number, lines = NUMBERS[case], [line(*values) for values in wishes.get("lines", [("CUP-500-BL", 1, "none")])]
        documents = [write(platform, state(number, **{**wishes, "lines": tuple(lines)}))]
        documents += [refund(f"9{number}", number, minutes, status, of) for minutes, status, of in cases]
        pool.land(*documents)
    pool.pool()
    reports = [pool.decide()]
    for minute in (50, 60):  # the orders come again, changed in nothing that matters
        pool.take(*(write(p, state(NUMBERS[c], minute)) for c, (p, w, rs, *_) in CASES.items() if not w and not rs))
        reports.append(pool.decide())
    pool.reports = reports
    return pool


@pytest.mark.parametrize("case", CASES)
def test_this_order_is_instructed_or_held(decided, case):
    *_, hold, instructed = CASES[case]
    order = decided.order(NUMBERS[case])
    assert order["hold_status"] == hold
    rows = decided.rows(
        "SELECT kind, target, status, idempotency_key FROM outbox.instructions WHERE order_id = $id ORDER BY kind",
        id=order["order_id"],
    )
    expected = [("pick_order", "wms"), ("waybill", "courier")] if instructed else []
    assert [(row["kind"], row["target"]) for row in rows] == expected
    assert all(row["status"] == "pending" for row in rows)


def test_nothing_is_instructed_twice_and_nothing_personal_is_in_an_instruction(decided, people):
    assert sum(CASES[case][-1] for case in CASES) == decided.reports[0].instructions["pick_order"]
    assert [report.instructions for report in decided.reports[1:]] == [{}, {}]
    assert decided.failed_checks() == []
    told = str(decided.rows("SELECT params, idempotency_key FROM outbox.instructions"))
    assert not any(secret in told for person in people for secret in (person[0], person[1], person[5]))


def test_an_order_that_is_paid_at_last_is_routed_and_instructed(pool, write, state):
    pool.take(write("taobao", state("1", 1, status="unpaid")))
    assert pool.order("1")["warehouse_id"] is None
    pool.take(write("taobao", state("1", 2)))
    assert pool.order("1")["warehouse_id"] == "HZ"
    assert [row["status"] for row in pool.rows("FROM outbox.instructions")] == ["pending", "pending"]


def test_a_platform_hold_is_lifted_by_the_platform(pool, write, state):
    pool.take(write("taobao", state("1", 1, status="held")))
    assert pool.rows("FROM outbox.instructions") == []
    pool.take(write("taobao", state("1", 2)))
    assert pool.order("1")["hold_status"] is None
    assert len(pool.rows("FROM outbox.instructions")) == 2


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


def test_a_refund_stops_a_parcel_at_the_last_moment_and_its_end_lets_it_go(connected, write, state, refund):
    pool, world = connected
    pool.take(write("taobao", state("1", 1)), write("taobao", state("2", 1)))
    pool.land(refund("91", "1", 5, "requested"))
    pool.pool()  # not decided on yet: the check at the moment of sending must see it
    report = flow.dispatch(pool.run, "wms")
    assert (report.sent, report.acknowledged, report.intercepted, report.pending_left) == (1, 1, 1, 0)
    order, other = pool.order("1")["order_id"], pool.order("2")["order_id"]
    assert [effect["key"] for effect in world.receipts()["qimen"]] == [f"OP{other}"]
    statuses = "SELECT status, attempts FROM outbox.instructions WHERE kind = 'pick_order' AND order_id = $id"
    assert pool.rows(statuses, id=order) == [{"status": "intercepted", "attempts": 0}]

    pool.decide()
    assert flow.dispatch(pool.run, "wms").sent == 0
    pool.take(refund("91", "1", 6, "closed"))
    assert pool.rows(statuses, id=order) == [{"status": "pending", "attempts": 0}]
    assert flow.dispatch(pool.run, "wms").acknowledged == 1
    assert {effect["key"] for effect in world.receipts()["qimen"]} == {f"OP{order}", f"OP{other}"}
    pool.take(refund("91", "1", 7, "requested"), refund("91", "1", 8, "closed"))
    assert pool.rows(statuses, id=order) == [{"status": "acknowledged", "attempts": 1}], "what went out stays out"
    assert flow.dispatch(pool.run, "wms").sent == 0


def test_what_is_sent_is_the_newest_address_and_only_what_still_ships(connected, write, state, line):
    pool, world = connected
    lines = (line(quantity=2), line("GLS-WINE-2"))
    pool.take(write("taobao", state("1", 1, lines=lines)))
    lines = (line(quantity=2), line("GLS-WINE-2", refund="refunded"))
    pool.take(write("taobao", state("1", 2, receiver=1, lines=lines)))
    assert flow.dispatch(pool.run, "wms").acknowledged == 1
    sent = str(world.receipts()["qimen"])
    assert "CUP-500-BL" in sent and "GLS-WINE-2" not in sent
    (attempt,) = pool.rows("FROM outbox.attempts")
    assert attempt["status"] == "acknowledged"
    assert "体育东路" not in attempt["body_masked"] and "13987654321" not in attempt["body_masked"]


def test_an_absurd_quantity_stops_only_its_own_parcel(connected, write, state, line):
    pool, _ = connected
    pool.take(write("taobao", state("1", lines=(line("GLS-JAR-6", 2_000_000_000),))), write("taobao", state("2")))
    assert flow.dispatch(pool.run, "wms").acknowledged >= 1
