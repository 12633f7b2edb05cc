"""By when orders must be handed over: promises, holidays, the clock, and the alarm before it is too late."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from orderpipe import flow
from orderpipe.errors import ConfigError
from orderpipe.lake.landing import PulledWindow, land
from orderpipe.lake.reference import load_reference

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 11, 9, 4, 0, tzinfo=UTC)  # Monday 12:00 in Shanghai
HOLIDAYS = tuple(date(2026, 11, day) for day in (3, 4, 5, 7, 11, 12, 13, 15))
# Hours by the hour of payment, so that one rule file promises different times; holidays count in the last rule only.
RULES = """rules:
  - id: night
    when: {all: [{paid_hour: {lt: 8}}]}
    then: {hours: 1, warn_hours: 1, skip_holidays: true, use_platform: true}
    note: x
  - id: morning
    when: {all: [{paid_hour: {lt: 14}}]}
    then: {hours: 24, warn_hours: 4, skip_holidays: true, use_platform: true}
    note: x
  - id: afternoon
    when: {all: [{paid_hour: {lt: 18}}]}
    then: {hours: 100, warn_hours: 4, skip_holidays: true, use_platform: false}
    note: x
  - id: evening
    when: {all: [{paid_hour: {lt: 23}}]}
    then: {hours: 48, warn_hours: 4, skip_holidays: false, use_platform: true}
    note: x
"""
HOURS = {"night": 1, "morning": 24, "afternoon": 100, "evening": 48}


def shanghai(text):
    """2026-11-09 16:00 in Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.fixture(scope="module")
def own_rules(rules_config):
    """A configuration with RULES and HOLIDAYS; Foshan rests on weekends but for a make-up workday."""
    folder = rules_config([("warehouses.yaml", '  cutoff: "16:00"\n  weekends: true\n  sender: {name: 佛',
                            '  cutoff: "09:30"\n  weekends: false\n  sender: {name: 佛')])  # fmt: skip
    (folder / "rules" / "ship_by.yaml").write_text(RULES, "utf-8")
    days = [f"{day},holiday,休" for day in HOLIDAYS] + ["2026-11-22,workday,补班"]
    (folder / "holidays.csv").write_text("\n".join(["day,kind,note", *days]) + "\n", "utf-8")
    return folder


@pytest.fixture
def own(new_pool, own_rules):
    """A pool of the test's own under RULES."""
    pool = new_pool(own_rules)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def shared(new_pool, own_rules):
    """A pool under RULES for tests that look at one order of theirs."""
    return new_pool(own_rules)


def promise(pool, number):
    """decision.ship_by of an order, with its number of hours from payment to deadline in `hours`."""
    (row,) = pool.rows(
        """SELECT s.*, o.paid_at, epoch(s.promised_at - coalesce(o.paid_at, o.ordered_at)) / 3600 AS hours
           FROM decision.ship_by s JOIN core.orders o USING (order_id) WHERE o.platform_order_no = $number""",
        number=number,
    )
    return row


def test_the_shipped_rules_promise_48_hours_and_72_in_the_own_store(pool, write, state):
    """Orders that are paid, or paid on delivery; the others have no promise."""
    ordered = NOON - timedelta(seconds=30)
    cod = write("taobao", state("3", ordered=ordered)).changed(type="cod", pay_time=None)
    pool.take(
        write("taobao", state("1", ordered=ordered)),
        write("shopify", state("2", ordered=ordered)),
        cod,
        write("taobao", state("4", status="unpaid", ordered=ordered)),
    )
    rows = pool.rows(
        """SELECT platform_order_no AS number FROM core.orders
           SEMI JOIN decision.ship_by USING (order_id) ORDER BY number"""
    )
    assert [row["number"] for row in rows] == ["1", "2", "3"]
    taobao, shopify = promise(pool, "1"), promise(pool, "2")
    assert (taobao["hours"], taobao["source"], taobao["rule_id"]) == (48, "rule", "everything_else")
    assert (shopify["hours"], shopify["rule_id"]) == (72, "own_store")
    assert promise(pool, "3")["hours"] == 48, "on delivery the clock starts with the order"
    assert taobao["promised_at"] - taobao["warn_at"] == timedelta(hours=6)
    assert json.loads(taobao["facts"])["platform"] == "taobao"
    (route,) = pool.rows("FROM decision.routes WHERE order_id = $id", id=taobao["order_id"])
    assert (taobao["decided_at"], taobao["source_seq"]) == (route["decided_at"], route["source_seq"])
    pool.take(write("taobao", state("1", minutes=30, status="shipped", ordered=ordered)))
    assert promise(pool, "1")["hours"] == 48, "what was promised stays known"


def pinduoduo(pool, number, paid, deadline):
    """Land a Pinduoduo order with the platform's own deadline (both in Shanghai), pool and decide."""
    text = "%Y-%m-%d %H:%M:%S"
    cup = {"goods_id": 1, "goods_name": "杯", "goods_price": 89, "goods_count": 1, "outer_id": "CUP-500-BL"}
    order = {
        "order_sn": f"261109-{number:015d}", "confirm_status": 1, "group_status": 1, "order_status": 1,
        "refund_status": 1, "created_time": paid.strftime(text), "pay_time": paid.strftime(text),
        "updated_at": paid.strftime(text), "last_ship_time": deadline.strftime(text), "goods_amount": 89, "postage": 0,
        "pay_amount": 89, "province": "浙江省", "item_list": [cup],
    }  # fmt: skip
    rows = [(order["order_sn"], paid, json.dumps(order, ensure_ascii=False))]
    with pool.run.writing("landing"):
        window = PulledWindow("pinduoduo", "pinduoduo-hz", "order", paid, paid + timedelta(hours=1), 1, rows, 1, 1)
        land(pool.run.lake, pool.settings, [window], run_id="run-1", now=paid)
    pool.pool()
    pool.decide()
    return promise(pool, order["order_sn"])


def test_the_platforms_own_deadline_counts_where_the_rule_takes_it(shared):
    deadline = shanghai("2026-11-11 09:00")
    taken = pinduoduo(shared, 1, shanghai("2026-11-09 09:00"), deadline)
    assert (taken["rule_id"], taken["source"], taken["promised_at"]) == ("morning", "platform", deadline)
    assert taken["warn_at"] == deadline - timedelta(hours=4)
    left = pinduoduo(shared, 2, shanghai("2026-11-06 15:00"), deadline)
    assert (left["rule_id"], left["source"]) == ("afternoon", "rule")
    unruled = pinduoduo(shared, 3, shanghai("2026-11-08 23:30"), deadline)
    assert (unruled["rule_id"], unruled["source"], unruled["promised_at"]) == ("unmatched", "platform", deadline)


def ends(started, hours, holidays):
    """When so many hours have gone by, midnight by midnight, days of `holidays` left out. started: aware."""
    now, left = started.astimezone(SHANGHAI), timedelta(hours=hours)
    while True:
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), SHANGHAI)
        if now.date() not in holidays:
            if left <= midnight - now:
                return now + left
            left -= midnight - now
        now = midnight


def test_holidays_do_not_count(own, write, state):
    """Every promise of a pool, paid on any second of eleven days, against a walk over the calendar in Python."""
    first, rng = shanghai("2026-10-30 00:00"), Random(11)
    midnights = [n * 86400 + off for n in range(11) for off in (-1, 0, 1)][1:]
    seconds = sorted({*midnights, *(rng.randrange(10 * 86400) for _ in range(300))})
    # Paid thirty seconds after it was ordered.
    own.land_together(*(
        write("taobao", state(f"{n}", buyer=f"B{n}", ordered=first + timedelta(seconds=s - 30)))
        for n, s in enumerate(seconds, 1)
    ))  # fmt: skip
    own.pool()
    own.decide()
    rows = own.rows("SELECT s.*, o.paid_at FROM core.orders o LEFT JOIN decision.ship_by s USING (order_id)")
    assert len(rows) == len(seconds)
    ruled = set()
    for row in rows:
        hour = row["paid_at"].astimezone(SHANGHAI).hour
        rule = next((r for r, until in zip(HOURS, (8, 14, 18, 23), strict=True) if hour < until), None)
        if rule is None:
            assert row["promised_at"] is None, "no rule, no promise"
            continue
        ruled.add(rule)
        expected = ends(row["paid_at"], HOURS[rule], () if rule == "evening" else HOLIDAYS)
        assert (row["rule_id"], row["promised_at"]) == (rule, expected)
    assert ruled == HOURS.keys()


def clock(pool, now, number=None):
    """Rows of the clock at a moment, by order number."""
    pool.run.started_at = now
    flow.build_marts(pool.run, ["ship_by_clock"])
    rows = pool.rows(
        """SELECT c.*, o.platform_order_no
           FROM mart.ship_by_clock c JOIN core.orders o USING (order_id, platform, shop_id)"""
    )
    found = {row["platform_order_no"]: row for row in rows}
    return found[number] if number else found


def test_the_clock_goes_from_on_time_to_breached_and_ends_with_the_parcel(shared, write, state):
    shared.take(write("taobao", state("1", ordered=shanghai("2026-11-09 12:00") - timedelta(seconds=30))))
    row = clock(shared, shanghai("2026-11-09 12:30"), "1")
    assert (row["state"], row["warehouse_id"], row["hold_status"]) == ("on_time", "HZ", None)
    assert row["promised_at"] == shanghai("2026-11-10 12:00")
    assert row["expected_handover_at"] == shanghai("2026-11-09 16:00")
    assert row["business_date"] == date(2026, 11, 9)
    row = clock(shared, shanghai("2026-11-09 16:00"), "1")  # the courier has left; the next one is too late
    assert (row["state"], row["expected_handover_at"]) == ("at_risk", shanghai("2026-11-10 16:00"))
    assert clock(shared, shanghai("2026-11-10 07:59"), "1")["state"] == "at_risk"
    assert clock(shared, shanghai("2026-11-10 08:00"), "1")["state"] == "warned"
    row = clock(shared, shanghai("2026-11-10 12:00"), "1")
    assert row["state"] == "breached"
    # Three holidays follow: the warehouse works again on the fourteenth.
    assert clock(shared, shanghai("2026-11-10 18:00"), "1")["expected_handover_at"] == shanghai("2026-11-14 16:00")
    shared.take(write("taobao", state("1", minutes=2000, status="shipped", ordered=NOON - timedelta(seconds=30))))
    assert "1" not in clock(shared, shanghai("2026-11-10 18:10"))


def test_a_warehouse_rests_on_weekends_when_it_says_so(shared, write, state, line):
    fragile = state("2", lines=(line("GLS-WINE-2"),), receiver=1, ordered=shanghai("2026-11-20 15:00"))
    shared.take(write("taobao", fragile), known=fragile.ordered)
    row = clock(shared, shanghai("2026-11-20 15:30"), "2")  # Friday; Sunday is a make-up workday
    assert (row["warehouse_id"], row["expected_handover_at"]) == ("FS", shanghai("2026-11-22 09:30"))
    assert clock(shared, shanghai("2026-11-22 10:00"), "2")["expected_handover_at"] == shanghai("2026-11-23 09:30")
    assert clock(shared, shanghai("2026-11-27 10:00"), "2")["expected_handover_at"] == shanghai("2026-11-30 09:30")


def test_a_held_order_has_no_forecast_but_a_deadline(shared, write, state):
    shared.take(write("taobao", state("3", status="held", ordered=shanghai("2026-11-09 12:00"))))
    row = clock(shared, shanghai("2026-11-09 17:00"), "3")
    assert (row["hold_status"], row["expected_handover_at"], row["state"]) == ("platform_hold", None, "on_time")
    assert clock(shared, shanghai("2026-11-10 13:00"), "3")["state"] == "breached"


def test_a_clock_that_says_what_it_said_writes_nothing(shared, write, state):
    shared.take(write("taobao", state("4", ordered=shanghai("2026-11-09 12:00"))))
    clock(shared, shanghai("2026-11-09 12:30"))
    (before,) = shared.rows("SELECT max(snapshot_id) AS id FROM lake.snapshots()")
    clock(shared, shanghai("2026-11-09 15:45"))
    assert shared.rows("SELECT max(snapshot_id) AS id FROM lake.snapshots()") == [before]


@pytest.fixture
def connected(sandbox, new_pool, own_rules, monkeypatch):
    """A pool under RULES whose receivers are those of a sandbox, and the sandbox."""
    world = sandbox()
    monkeypatch.setenv("ORDERPIPE_CLOCK", f"{world.url}/_control/clock")
    pool = new_pool(own_rules)
    env = {**pool.settings.env, "ORDERPIPE_SANDBOX_URL": world.url, **world.credentials}
    pool.settings = type(pool.settings)(pool.settings.home, pool.settings.config_dir, env)
    pool.reopen()
    yield pool, world
    pool.close()


def test_the_forecast_stands_once_the_warehouse_has_the_order(connected, write, state):
    pool, world = connected
    now = datetime.fromisoformat(world.now()).astimezone(SHANGHAI)
    pool.take(write("taobao", state("1", ordered=now - timedelta(minutes=5))), known=now)
    assert flow.dispatch(pool.run, "wms").acknowledged == 1
    (acked,) = pool.rows("SELECT acked_at FROM outbox.instructions WHERE kind = 'pick_order'")
    local = acked["acked_at"].astimezone(SHANGHAI)
    cutoff = local.replace(hour=16, minute=0, second=0, microsecond=0)
    cutoff += timedelta(days=local >= cutoff)
    while cutoff.date() in HOLIDAYS:
        cutoff += timedelta(days=1)
    for later in (timedelta(minutes=1), timedelta(days=3)):
        assert clock(pool, now + later, "1")["expected_handover_at"] == cutoff


def alerts(pool, now):
    """What is said at a moment, after it was written down: (key, text)."""
    pool.run.started_at = now
    said = flow.ship_by_alerts(pool.run)
    flow.decide(pool.run, said)
    return said


def test_each_order_is_told_of_once_a_level_in_one_message_an_hour(own, write, state):
    ordered = shanghai("2026-11-09 12:00") - timedelta(seconds=30)
    many = [state(f"88{n:06}", buyer=f"B{n}", ordered=ordered + timedelta(seconds=n)) for n in range(40)]
    own.land_together(*(write("taobao", each) for each in many))
    own.pool()
    own.decide()
    assert alerts(own, shanghai("2026-11-10 07:30")) == []
    ((key, text),) = alerts(own, shanghai("2026-11-10 08:00:20"))
    assert key == "ship_by:warn:taobao-hz:2026-11-10T08"
    assert " 21 个订单" in text and "11-10 12:00" in text and "000000、000001" in text and "订单" in text
    assert "88000000" not in text and "王小明" not in text
    assert alerts(own, shanghai("2026-11-10 08:15")) == [], "one message an hour"
    ((key, text),) = alerts(own, shanghai("2026-11-10 09:00"))
    assert key.endswith("T09") and " 19 个订单" in text
    assert alerts(own, shanghai("2026-11-10 10:00")) == [], "each once"
    own.take(*(write("taobao", replace(each, minutes=900, status="shipped")) for each in many[:30]))
    ((key, text),) = alerts(own, shanghai("2026-11-10 12:05"))
    assert key == "ship_by:breached:taobao-hz:2026-11-10T12" and " 10 个订单" in text
    assert alerts(own, shanghai("2026-11-11 12:05")) == []
    assert len(own.rows("FROM outbox.instructions WHERE kind = 'alert'")) == 3


def test_an_alert_that_was_never_written_down_is_made_again_and_later_ones_once(own, write, state):
    own.take(write("taobao", state("1", status="held", ordered=shanghai("2026-11-09 12:00"))))
    own.run.started_at = shanghai("2026-11-10 08:10")
    first = flow.ship_by_alerts(own.run)  # and then the process dies
    assert len(first) == 1 and "其中 1 个被拦截" in first[0][1]
    assert alerts(own, shanghai("2026-11-10 08:20")) == first
    assert alerts(own, shanghai("2026-11-10 09:20")) == []
    # One that is late already when it comes is told of as late only.
    own.take(write("taobao", state("2", ordered=shanghai("2026-11-02 12:00"))))
    assert [key for key, _ in alerts(own, shanghai("2026-11-10 09:40"))] == ["ship_by:breached:taobao-hz:2026-11-10T09"]


WRONG_HOLIDAYS = {
    "2026-02-30,holiday,x": r"holidays\.csv:2",
    "2026-01-01,feast,x": "holiday, workday",
    "2026-01-01,holiday,x\n2026-01-01,workday,x": r"holidays\.csv:3.*line 2",
    ",holiday,x": "empty",
}


def test_a_wrong_holiday_is_refused_with_its_line(own, changed_config):
    folder = changed_config("wrong")
    own.reopen(folder)
    for lines, words in WRONG_HOLIDAYS.items():
        (folder / "holidays.csv").write_text(f"day,kind,note\n{lines}\n", "utf-8")
        with pytest.raises(ConfigError, match=words):
            load_reference(own.run.lake, own.settings)
