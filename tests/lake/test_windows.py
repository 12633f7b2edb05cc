"""Which windows a lane pulls: everything from the first moment to almost now, whatever was tried before."""

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderpipe.lake.landing import PulledWindow, land
from orderpipe.lake.windows import Progress, due, progress

NOW = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
shops = (f"shop-{number}" for number in itertools.count())
some = hypothesis_settings(max_examples=15, deadline=None)
POLICY = st.fixed_dictionaries(
    {"span": st.integers(10, 400), "overlap": st.integers(0, 9), "lag": st.integers(0, 9)}
).map(lambda minutes: {name: value * MINUTE for name, value in minutes.items()})


def record(con, settings, shop: str, windows: list[tuple[datetime, datetime, str]]) -> None:
    """Note attempts at windows, (from, to, error or nothing), as a pull does."""
    pulled = [PulledWindow("taobao", shop, "order", start, end, 1, error=error) for start, end, error in windows]
    land(con, settings, pulled, run_id="r", now=NOW)


def lane(con, shop: str) -> Progress:
    """How far the shop's orders were pulled."""
    return progress(con).get((shop, "order"), Progress())


def uncovered(
    windows: list[tuple[datetime, datetime]], start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """The stretches of [start, end) that no window covers."""
    holes, reached = [], start
    for first, last in sorted(windows):
        if first > reached:
            holes.append((reached, min(first, end)))
        reached = max(reached, last)
    return holes + ([(reached, end)] if reached < end else [])


@some
@given(policy=POLICY, first=st.integers(10, 3000), later=st.lists(st.integers(0, 700), max_size=4), fails=st.data())
def test_windows_cover_everything_from_the_first_moment_to_almost_now(con, settings, policy, first, later, fails):
    shop, now, first = next(shops), NOW, first * MINUTE
    began = (now - first).replace(microsecond=0)
    closed: list[tuple[datetime, datetime]] = []
    for pause in [0, *later]:
        now += pause * MINUTE
        windows = due(lane(con, shop), now=now, first=first, **policy)
        still_open = {(w.start, w.end) for w in windows if w.attempts}
        assert still_open.isdisjoint(closed)
        assert [w for w in windows if w.attempts] == windows[: len(still_open)], "those left open come first"
        fresh = [(w.start, w.end) for w in windows[len(still_open) :]]
        for start, end in fresh:
            assert timedelta(0) < end - start <= policy["span"]
            assert end <= now - policy["lag"]
        for (_, end), (start, _) in itertools.pairwise(fresh):
            assert start == end - policy["overlap"]
        if closed and fresh and not still_open:
            assert fresh[0][0] == max(end for _, end in closed) - policy["overlap"]
        if began < now - policy["lag"]:
            assert uncovered(closed + [(w.start, w.end) for w in windows], began, now - policy["lag"]) == []
        outcome = [(w.start, w.end, fails.draw(st.sampled_from(["", "", "refused"]))) for w in windows]
        if outcome:
            record(con, settings, shop, outcome)
        closed += [(start, end) for start, end, error in outcome if not error]


def test_an_open_window_is_tried_again_with_its_count_of_attempts(con, settings):
    shop = next(shops)
    record(con, settings, shop, [(NOW - 20 * MINUTE, NOW - 10 * MINUTE, "refused")])
    (left, _) = due(lane(con, shop), span=60 * MINUTE, overlap=MINUTE, lag=MINUTE, now=NOW, first=60 * MINUTE)
    assert (left.start, left.end, left.attempts) == (NOW - 20 * MINUTE, NOW - 10 * MINUTE, 1)


def test_a_window_asked_for_by_hand_leaves_no_hole_behind_it(con, settings):
    shop = next(shops)
    record(con, settings, shop, [(NOW - 300 * MINUTE, NOW - 240 * MINUTE, "")])
    record(con, settings, shop, [(NOW - 60 * MINUTE, NOW - 30 * MINUTE, "")])
    windows = due(lane(con, shop), span=60 * MINUTE, overlap=5 * MINUTE, lag=MINUTE, now=NOW, first=60 * MINUTE)
    held = [(NOW - 300 * MINUTE, NOW - 240 * MINUTE), (NOW - 60 * MINUTE, NOW - 30 * MINUTE)]
    assert uncovered(held + [(w.start, w.end) for w in windows], NOW - 300 * MINUTE, NOW - MINUTE) == []
    assert lane(con, shop).watermark == NOW - 240 * MINUTE


def test_the_watermark_is_where_the_first_open_window_begins(con, settings):
    shop = next(shops)
    assert lane(con, shop).watermark is None
    record(
        con, settings, shop, [(NOW - 60 * MINUTE, NOW - 40 * MINUTE, ""), (NOW - 40 * MINUTE, NOW - 20 * MINUTE, "")]
    )
    assert lane(con, shop).watermark == NOW - 20 * MINUTE
    record(con, settings, shop, [(NOW - 40 * MINUTE, NOW - 20 * MINUTE, "refused")])
    assert lane(con, shop).watermark == NOW - 40 * MINUTE


def test_lanes_do_not_see_each_others_windows(con, settings):
    shop, other = next(shops), next(shops)
    record(con, settings, other, [(NOW - 60 * MINUTE, NOW - MINUTE, "")])
    (window,) = due(lane(con, shop), span=90 * MINUTE, overlap=MINUTE, lag=MINUTE, now=NOW, first=60 * MINUTE)
    assert (window.start, window.end) == (NOW - 60 * MINUTE, NOW - MINUTE)
    assert due(lane(con, other), span=90 * MINUTE, overlap=MINUTE, lag=MINUTE, now=NOW, first=60 * MINUTE) == []
