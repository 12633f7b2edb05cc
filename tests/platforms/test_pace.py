"""The pace of calls: what one receiver may get a second, on a clock that only waiting moves."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderpipe.config import Receiver
from orderpipe.platforms import pace as module
from orderpipe.platforms.pace import Pace, paced_client


class Seconds:
    """A clock that moves when somebody waits, and by hand."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture(autouse=True)
def seconds(monkeypatch):
    seconds = Seconds()
    monkeypatch.setattr(module, "time", seconds)
    return seconds


@given(
    rate=st.integers(1, 50), pauses=st.lists(st.floats(0, 3), max_size=60), answers=st.lists(st.booleans(), min_size=60)
)
def test_no_second_sees_more_than_twice_the_rate(rate, pauses, answers):
    seconds = Seconds()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "time", seconds)
        pace, left = Pace(rate, most=rate, sleep=seconds.sleep), []
        for pause, too_fast in zip([*pauses, *[0.0] * 60], answers, strict=False):
            seconds.now += pause
            pace.wait()
            left.append(seconds.now)
            pace.heard(too_fast=too_fast)
    for first in left:
        assert sum(first <= at < first + 1 for at in left) <= 2 * rate + 1


def test_too_fast_halves_and_answers_raise_it_again(seconds):
    pace = Pace(8, most=8, sleep=seconds.sleep)

    def spent(calls):
        for _ in range(20):  # what may go at once is used up
            pace.wait()
        begun = seconds.now
        for _ in range(calls):
            pace.wait()
        return seconds.now - begun

    assert spent(8) == pytest.approx(1)
    pace.heard(too_fast=True)
    assert spent(8) == pytest.approx(2)
    for _ in range(10):
        pace.heard(too_fast=False)
    assert spent(8) == pytest.approx(1)


def test_a_receiver_is_called_as_its_setting_says(seconds, monkeypatch):
    answers = iter([200] * 12 + [429, 429])
    transport = httpx.MockTransport(lambda request: httpx.Response(next(answers)))
    monkeypatch.setattr(module, "new_client", lambda **_: httpx.Client(transport=transport))
    monkeypatch.setattr(Pace.__init__, "__kwdefaults__", {"sleep": seconds.sleep})
    receiver = Receiver(name="wms", base_url="http://receiver.test", settings={"calls_per_second": 4})
    with paced_client(receiver, 5) as http:
        begun = seconds.now
        for _ in range(12):
            http.get("http://receiver.test")
        assert seconds.now - begun == pytest.approx(2), "four at once, then four a second"
        for _ in range(2):
            http.get("http://receiver.test")
        begun = seconds.now
        with pytest.raises(StopIteration):
            http.get("http://receiver.test")
        assert seconds.now - begun == pytest.approx(1), "two refusals: one call a second"


def test_without_the_setting_nothing_waits(seconds):
    with paced_client(Receiver(name="wms", base_url="http://receiver.test"), 5) as http:
        assert not http.event_hooks["request"]
