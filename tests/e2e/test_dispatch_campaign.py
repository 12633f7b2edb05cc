"""Fifty ticks, each told to die by kill -9 (benchmarks/dispatch_campaign.py for a thousand): nothing sent twice, lost,
or after its refund. Every point at which a tick may die is marked in the code, listed, and died at."""

import re
from pathlib import Path

import pytest

from benchmarks import dispatch_campaign
from benchmarks.campaign import sandbox
from orderpipe.failpoint import POINTS

LIVES = 5
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def url():
    with sandbox(dispatch_campaign.PACE) as url:
        yield url


def test_every_fail_point_is_in_the_code_and_every_one_in_the_code_is_listed():
    marked = [
        name
        for path in (ROOT / "orderpipe").rglob("*.py")
        for name in re.findall(r'\breach\("([a-z_.]+)"\)', path.read_text("utf-8"))
    ]
    assert sorted(set(marked)) == sorted(POINTS)
    lives = [dispatch_campaign.points_of(seed) for seed in range(LIVES)]
    assert {point for life in lives for point in life} == set(dispatch_campaign.TICKED)


@pytest.mark.parametrize("seed", range(LIVES))
def test_ticks_killed_at_every_point_send_nothing_twice_and_lose_nothing(url, seed):
    outcome = dispatch_campaign.live(seed, url)
    assert outcome.clean, outcome
    assert outcome.kills and outcome.parcels and outcome.handed_over
