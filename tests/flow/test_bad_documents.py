"""One bad document stops nothing: it waits in quarantine with its reason and is pooled when the fault is mended."""

import contextlib
import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderpipe.flow.run import Run

few = hypothesis_settings(
    max_examples=2, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck)
)
BROKEN = [
        None, "", "abc", "***", "0", "-1", "1e30", "99999999999999999999.99", "9999999999999999.99", "NaN", "Infinity",
        "1969-12-31 23:59:59", "1969-12-31T23:59:59Z", "9999-12-31 00:00:00", "9999-12-31T00:00:00Z", "infinity",
        "294247-01-10T00:00:00Z", "2147483647", "gid://shopify/Order/", "\u0000", "💥", [], {}, [None], [[]], [{}],
        {"order": None}, {"order": [None]}, {"nodes": [{}]}, {"shopMoney": {"amount": "9999999999999999.99"}}, True,
        -1, 0.5, 10**30,
]  # fmt: skip
JUNK = st.one_of(st.sampled_from(BROKEN), st.text(st.characters(exclude_categories=["Cs"]), max_size=5))


def leaves(value, path=()):
    """The path of every value within a document, containers included."""
    if path:
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from leaves(inner, (*path, key))


def spoilt(document, picks):
    """The document with junk at the picked places."""
    content = json.loads(document.text)
    for place, junk in picks:
        paths = list(leaves(content))
        if not paths:
            break
        *parents, last = paths[place % len(paths)]
        inner = content
        for key in parents:
            inner = inner[key]
        inner[last] = junk
    return replace(document, text=json.dumps(content, ensure_ascii=False))


@pytest.fixture(scope="session")
def rich(write, state, line, refund):
    """rich(number): an order of either platform with something in every field, or a case, by turns."""
    lines = (line(quantity=3), line("GLS-WINE-2", 2, refund="refunded"))

    def make(number: int):
        one = state(str(number), lines=lines, status="completed", message="谢谢")
        return [write("taobao", one), write("shopify", one), refund(f"9{number}", "1", 5, "closed")][number % 3]

    return make


def test_no_field_however_broken_stops_the_others(pool, write, state, rich):
    numbers = itertools.count(1000)
    bad = [
        spoilt(rich(number), [(place, junk)])
        for like in range(3)
        for place in range(len(list(leaves(json.loads(rich(like).text)))))
        for junk in BROKEN
        for number in [next(n for n in numbers if n % 3 == like)]
    ]
    pool.land_together(*bad, write("taobao", state("1")), write("shopify", state("2")))
    report = pool.pool()
    pool.decide()
    assert report.read == len(bad) + 2 == report.pooled + report.superseded + report.quarantined
    assert pool.failed_checks() == []
    assert {pool.order(number)["status"] for number in "12"} == {"paid"}


@few
@given(
    spoilings=st.lists(st.lists(st.tuples(st.integers(0, 999), JUNK), min_size=1, max_size=3), min_size=90, max_size=90)
)
def test_no_document_however_broken_stops_the_others(new_pool, write, state, rich, refund, spoilings):
    pool = new_pool()
    good = [write("taobao", state("1")), write("shopify", state("2")), refund("91", "1", 5, "requested")]
    bad = [spoilt(rich(number), picks) for number, picks in enumerate(spoilings, 1000)]
    bad += [replace(good[0], source_id=text, text=text) for text in ('{"tid": 1, "status": "WAIT', "[]")]
    landed = pool.land_together(*bad[:45], *good, *bad[45:])
    report = pool.pool()
    pool.decide()
    assert report.read == landed == report.pooled + report.superseded + report.quarantined
    assert pool.failed_checks() == []
    assert pool.order("1")["status"] == "paid"
    assert pool.order("2")["status"] == "paid"
    assert pool.rows("SELECT status FROM core.refunds WHERE platform_refund_no = '91'") == [{"status": "requested"}]
    reasons = pool.rows("SELECT DISTINCT seq, reason FROM vault.raw.quarantine WHERE resolved_at IS NULL")
    assert len({row["seq"] for row in reasons}) == report.quarantined >= 2
    assert all(row["reason"] for row in reasons)
    pool.close()


@pytest.mark.parametrize("created", ["1969-12-31 23:59:59", "9999-12-31 00:00:00", "not a time"])
def test_an_order_of_an_impossible_time_waits_and_the_rest_goes_on(pool, write, state, created):
    odd = write("taobao", state("1")).changed(created=created)
    pool.take(odd, write("taobao", state("2")))
    assert [row["platform_order_no"] for row in pool.rows("FROM core.orders")] == ["2"]
    assert pool.rows("SELECT DISTINCT seq FROM vault.raw.quarantine") == [{"seq": 1}]


STRICT = [("quality/orders.yaml", "column: paid_amount, min_value: 0}", "column: paid_amount, min_value: 100}")]


@pytest.fixture
def strict(new_pool, changed_config):
    """A pool whose suite refuses orders of less than 100 yuan, and the configuration that does not."""
    return new_pool(changed_config("strict", STRICT)), changed_config("mended")


@contextlib.contextmanager
def crash(monkeypatch, catalog: str, message: str):
    """The process dies when it comes to this transaction."""
    real = Run.transaction

    def transaction(self, name, said):
        if (name, said) == (catalog, message):
            raise KeyboardInterrupt("killed")
        return real(self, name, said)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Run, "transaction", transaction)
        yield


def open_cases(pool) -> list[int]:
    rows = pool.rows("SELECT DISTINCT seq FROM vault.raw.quarantine WHERE resolved_at IS NULL ORDER BY seq")
    return [row["seq"] for row in rows]


def test_a_refused_document_is_pooled_once_the_suite_is_mended(strict, write, state):
    pool, mended = strict
    pool.take(write("taobao", state("1")), write("taobao", state("2", lines=state("2").lines * 2)))
    assert open_cases(pool) == [1]
    assert pool.failed_checks() == []
    assert pool.pool().read == 0, "nothing changed, nothing is tried again"

    pool.reopen(mended)
    report = pool.pool()
    assert (report.read, report.repaired, report.pooled) == (1, 1, 1)
    pool.decide()
    assert open_cases(pool) == []
    assert pool.failed_checks() == []
    assert pool.order("1")["warehouse_id"] == "HZ"
    assert pool.rows("SELECT pooled, quarantined FROM flow.cursors") == [{"pooled": 2, "quarantined": 0}]


def test_a_document_that_is_refused_again_stays_and_is_counted_once(strict, write, state, changed_config):
    pool, _ = strict
    pool.take(write("taobao", state("1")))
    other = [("quality/orders.yaml", "column: paid_amount, min_value: 0}", "column: paid_amount, min_value: 101}")]
    pool.reopen(changed_config("other", other))
    assert pool.pool().quarantined == 1
    assert open_cases(pool) == [1]
    assert pool.failed_checks() == []
    assert pool.pool().read == 0


@pytest.mark.parametrize("where", [("vault", "contacts"), ("lake", "pool"), ("vault", "repaired")])
def test_a_repair_that_is_killed_half_way_is_finished_by_the_next_run(strict, write, state, monkeypatch, where):
    pool, mended = strict
    pool.take(write("taobao", state("1")), write("taobao", state("2", lines=state("2").lines * 2)))
    pool.reopen(mended)
    with crash(monkeypatch, *where):
        pool.pool()
    pool.reopen()
    pool.pool()
    pool.decide()
    assert open_cases(pool) == []
    assert pool.failed_checks() == []
    assert pool.rows("SELECT count(*) AS n FROM core.order_versions") == [{"n": 2}]
    assert pool.rows("SELECT pooled, superseded, quarantined FROM flow.cursors") == [
        {"pooled": 2, "superseded": 0, "quarantined": 0}
    ]


def test_a_repaired_document_that_brought_nothing_new_is_counted_once_though_the_run_died(
    new_pool, changed_config, write, state, refund, monkeypatch
):
    strict = [("quality/refunds.yaml", "arguments: {column: platform}", "arguments: {column: reason}")]
    pool = new_pool(changed_config("reasons", strict))
    case = refund("9001", "1", 20, "requested")
    pool.take(write("taobao", state("1")), case.changed(reason=None), case)
    assert open_cases(pool) == [2]
    pool.reopen(changed_config("no reasons"))
    with crash(monkeypatch, "vault", "repaired"):
        pool.pool()
    pool.reopen()
    pool.pool()
    assert open_cases(pool) == []
    assert pool.failed_checks() == []
    assert pool.rows("SELECT pooled, superseded, quarantined FROM flow.cursors") == [
        {"pooled": 2, "superseded": 1, "quarantined": 0}
    ]


def test_a_run_killed_between_the_two_lakes_starts_again_as_if_nothing_was(
    pool, new_pool, write, state, refund, monkeypatch
):
    documents = [
        write("taobao", state("1", 5, masked=True)),
        write("taobao", state("1", 2)),
        write("shopify", state("2")),
        refund("91", "1", 6, "requested"),
        write("taobao", state("3")).changed(modified=None),
    ]
    pool.land(*documents)
    with crash(monkeypatch, "lake", "pool"):
        pool.pool()
    assert pool.rows("SELECT count(*) AS n FROM vault.pii.contacts") == [{"n": 2}], "the vault has committed"
    assert pool.rows("FROM core.orders") == []
    pool.reopen()
    pool.pool()
    pool.decide()
    calm = new_pool()
    calm.take(*documents)
    assert pool.hashes() == calm.hashes()
    assert pool.failed_checks() == []


def test_a_run_killed_between_the_two_lakes_and_a_new_version_after_it_lose_no_count(strict, write, state, monkeypatch):
    pool, mended = strict
    pool.land(write("taobao", state("1")))
    with crash(monkeypatch, "lake", "pool"):
        pool.pool()
    assert open_cases(pool) == [1]
    pool.reopen(mended)
    pool.pool()
    assert open_cases(pool) == []
    assert pool.failed_checks() == []
    assert pool.rows("SELECT pooled, quarantined FROM flow.cursors") == [{"pooled": 1, "quarantined": 0}]


def test_two_orders_whose_ids_collide_are_never_taken_for_one(pool, write, state):
    first, second = pool.run.lake.execute(
        """SELECT min(n::VARCHAR), max(n::VARCHAR) FROM range(100000000, 100400000) t(n)
           GROUP BY md5_number_lower('taobao:' || n::VARCHAR) & 4294967295 HAVING count(*) > 1
           ORDER BY 1 LIMIT 1"""
    ).fetchone()
    pool.land(write("taobao", state(first)), write("taobao", state(second)))
    assert pool.pool().quarantine == {"order_id_collision": [2]}
    pool.land(write("taobao", state(second, 7)), write("taobao", state(first, 8, status="shipped")))
    assert pool.pool().quarantine == {"order_id_collision": [3]}
    assert [row["platform_order_no"] for row in pool.rows("FROM core.orders")] == [first]
    assert pool.order(first)["status"] == "shipped"
    later = state(second, ordered=state(second).ordered + timedelta(seconds=1))
    pool.land(write("taobao", later))
    assert pool.pool().quarantined == 0, "a second later there is room for both"
    assert pool.failed_checks() == []
