"""One click in Dagster sends again what was refused or given up, and keeps who and why."""

import pytest


@pytest.fixture
def stuck(outbox):
    """An outbox with two instructions that wait for somebody, and two that do not."""
    outbox("refused", status="rejected", attempts=1)
    outbox("given up", status="dead", attempts=8, target="courier", due_in=-9000)
    outbox("done", status="acknowledged", attempts=1)
    outbox("called back", status="intercepted")
    return outbox


def _statuses(outbox):
    return dict(outbox.con.execute("SELECT instruction_id, status FROM outbox.instructions").fetchall())


def _wishes(**config):
    return {"ops": {"send_again": {"config": config}}}


def test_one_click_sends_everything_again_that_waits(stuck, run_job):
    assert run_job("requeue").success
    assert _statuses(stuck) == {
        "refused": "pending", "given up": "pending", "done": "acknowledged", "called back": "intercepted",
    }  # fmt: skip
    kept = stuck.con.execute("SELECT instruction_id, act, actor, status_before FROM outbox.interventions ORDER BY 1")
    assert kept.fetchall() == [
        ("given up", "requeue", "Dagster UI", "dead"),
        ("refused", "requeue", "Dagster UI", "rejected"),
    ]
    assert run_job("requeue").success  # nothing waits now


@pytest.mark.parametrize("wish", [{"receiver": "courier"}, {"instructions": ["given up"]}])
def test_the_launchpad_may_name_a_receiver_or_instructions(stuck, run_job, wish):
    assert run_job("requeue", _wishes(**wish, by="李雷", reason="快递恢复")).success
    assert _statuses(stuck) == {
        "refused": "rejected", "given up": "pending", "done": "acknowledged", "called back": "intercepted",
    }  # fmt: skip
    kept = stuck.con.execute("SELECT actor, reason FROM outbox.interventions").fetchall()
    assert kept == [("李雷", "快递恢复")]


@pytest.mark.parametrize("wish", [{"receiver": "nobody"}, {"instructions": ["done"]}, {"reason": " "}])
def test_what_makes_no_sense_changes_nothing(stuck, run_job, wish):
    before = _statuses(stuck)
    assert not run_job("requeue", _wishes(**wish)).success
    assert _statuses(stuck) == before
