"""One writer at a time: the second waits or hears who is at it; a dead holder holds nothing."""

import os
import signal
import subprocess
import sys

import pytest

from orderpipe.config import ROOT
from orderpipe.errors import LeaseTimeout
from orderpipe.lake import lease

HOLD = """
import sys, time
from pathlib import Path
from orderpipe.lake import lease
with lease(Path(sys.argv[1]), "hourly maintenance"):
    print("held", flush=True)
    sys.stdin.read(1)
"""


@pytest.fixture
def other_process(holder):
    """A process that holds the lease until a byte comes in."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(holder)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_second_writer_hears_who_holds_the_lease(holder, other_process):
    with pytest.raises(LeaseTimeout) as refused, lease(holder, "tick", timeout=0):
        raise AssertionError("two writers at once")
    assert "hourly maintenance" in str(refused.value)
    assert str(other_process.pid) in str(refused.value)
    assert "wait" in refused.value.remedy


def test_a_second_writer_gets_its_turn_when_the_first_is_done(holder, other_process):
    other_process.stdin.write("x")
    other_process.stdin.flush()
    with lease(holder, "tick", timeout=30):
        assert other_process.wait(timeout=30) == 0


def test_a_killed_writer_frees_the_lease(holder, other_process):
    os.kill(other_process.pid, signal.SIGKILL)
    other_process.wait()
    with lease(holder, "tick", timeout=0):
        pass


def test_a_writer_that_fails_frees_the_lease(holder):
    with pytest.raises(ZeroDivisionError), lease(holder, "tick"):
        raise ZeroDivisionError
    with lease(holder, "tick", timeout=0):
        pass


def test_the_lock_is_for_its_owner_only(holder):
    with lease(holder, "tick"):
        assert holder.stat().st_mode & 0o077 == 0
