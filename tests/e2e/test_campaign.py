"""Lives of the campaign, ten here and fifty with the long tests (benchmarks/campaign.py lives a thousand): nothing
lost, doubled or stale."""

import pytest

from benchmarks import campaign

RUNS, PORTIONS = 50, 10


@pytest.fixture(scope="module")
def url():
    with campaign.sandbox() as url:
        yield url


@pytest.mark.parametrize("portion", [pytest.param(n, marks=pytest.mark.long) if n > 1 else n for n in range(PORTIONS)])
def test_seeded_lives_with_faults_lose_and_double_nothing(url, portion):
    outcomes = [campaign.live(seed, url) for seed in range(portion, RUNS, PORTIONS)]
    assert [outcome for outcome in outcomes if not outcome.clean] == []
    assert all(outcome.orders > 0 for outcome in outcomes)
    assert sum(sum(outcome.faults.values()) for outcome in outcomes) > 0


def test_the_campaign_notices_an_order_that_is_lost_and_one_that_is_doubled(url, monkeypatch):
    """A pull that forgets a document and a landing that repeats one: the judge must see both."""
    import importlib

    pulling, landing = (importlib.import_module(f"orderpipe.{name}") for name in ("flow.pull", "lake.landing"))
    true_land = pulling.land
    lost = []

    def forgetful(con, settings, windows, **choices):
        windows = list(windows)
        for window in windows:
            for document in window.documents:
                if window.kind == "order" and not lost:
                    lost.append(document[0])
            window.documents = [document for document in window.documents if document[0] not in lost]
        return true_land(con, settings, windows, **choices)

    monkeypatch.setattr(pulling, "land", forgetful)
    outcome = campaign.live(7, url)
    assert not outcome.clean and any(lost[0] in name for name in outcome.lost)
    monkeypatch.undo()

    monkeypatch.setattr(landing, "_drop_held", lambda con: None)
    outcome = campaign.live(7, url)
    assert not outcome.clean and outcome.doubled
