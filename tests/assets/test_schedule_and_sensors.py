"""When work starts, and when it does not: ticks never pile up, dispatch runs only for what is due."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from dagster import (
    DagsterRun,
    DagsterRunStatus,
    RunRequest,
    SkipReason,
    build_schedule_context,
    build_sensor_context,
)
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.utils import make_new_run_id

from assets.core import SEQ_FROM, SEQ_TO
from orderpipe.dispatch.dispatcher import RECEIVERS
from sensors.dispatch import BATCH, dispatch_sensors
from sensors.quality import LARGEST, quality_sensor
from sensors.runs import GIVE_UP
from sensors.schedules import tick_schedule

SCHEDULED = datetime(2026, 11, 11, 0, 15, tzinfo=UTC)


def add_run(instance, job_name, status, **tags):
    location = RegisteredCodeLocationOrigin("orderpipe")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job_name)
    run = DagsterRun(job_name, make_new_run_id(), status=status, tags=tags, remote_job_origin=origin)
    return instance.add_run(run)


def evaluate_schedule(instance):
    with build_schedule_context(instance=instance, scheduled_execution_time=SCHEDULED) as context:
        return tick_schedule(context)


def test_a_tick_starts_when_none_is_under_way(instance):
    add_run(instance, "tick", DagsterRunStatus.SUCCESS)
    add_run(instance, "dispatch_wms", DagsterRunStatus.STARTED)
    assert evaluate_schedule(instance).run_key == SCHEDULED.isoformat()


@pytest.mark.parametrize("status", ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_ticks_never_pile_up(instance, status):
    run = add_run(instance, "tick", DagsterRunStatus(status))
    answer = evaluate_schedule(instance)
    assert isinstance(answer, SkipReason) and run.run_id in answer.skip_message


def look(instance, receiver="wms"):
    (sensor,) = (each for each in dispatch_sensors if each.name == f"dispatch_{receiver}_sensor")
    return sensor(build_sensor_context(instance=instance))


def test_every_receiver_has_its_sensor_and_its_job():
    assert [sensor.job_name for sensor in dispatch_sensors] == [f"dispatch_{receiver}" for receiver in RECEIVERS]


def test_no_lake_yet_is_no_error(instance, home):
    assert "no lake here yet" in look(instance).skip_message


def test_dispatch_starts_when_an_instruction_is_due(instance, outbox):
    assert isinstance(look(instance), SkipReason)
    outbox("later", due_in=3600)
    outbox("done", status="acknowledged")
    outbox("another receiver", target="courier")
    assert isinstance(look(instance), SkipReason)
    outbox("now")
    assert isinstance(look(instance), RunRequest)


def test_an_instruction_left_by_a_dispatcher_that_died_is_due_again(instance, outbox):
    outbox("left", status="sending", attempts=1)
    assert isinstance(look(instance), RunRequest)


def test_one_dispatch_run_at_a_time_per_receiver(instance, outbox):
    outbox("now")
    outbox("label", target="courier")
    run = add_run(instance, "dispatch_wms", DagsterRunStatus.QUEUED)
    assert run.run_id in look(instance).skip_message
    assert isinstance(look(instance, "courier"), RunRequest)


def test_a_batch_that_failed_is_asked_for_again_under_a_new_key(instance, outbox):
    outbox("now")
    first = look(instance)
    assert look(instance).run_key == first.run_key  # asked twice, started once
    add_run(instance, "dispatch_wms", DagsterRunStatus.FAILURE, **first.tags)
    second = look(instance)
    assert second.run_key != first.run_key and second.tags[BATCH] == first.tags[BATCH]
    add_run(instance, "dispatch_wms", DagsterRunStatus.SUCCESS, **second.tags)
    outbox("one more")
    assert look(instance).tags[BATCH] != first.tags[BATCH]


def test_after_repeated_failures_dispatch_pauses_and_then_tries_again(instance, outbox, monkeypatch):
    outbox("now")
    for _ in range(GIVE_UP):
        answer = look(instance)
        run = add_run(instance, "dispatch_wms", DagsterRunStatus.STARTED, **answer.tags)
        instance.report_run_failed(run)
    assert f"the last {GIVE_UP} runs failed" in look(instance).skip_message
    monkeypatch.setattr("sensors.runs.PAUSE", 0)
    assert isinstance(look(instance), RunRequest)


def test_a_look_at_the_outbox_never_holds_up_the_writer(instance, outbox):
    outbox("now")
    look(instance)
    outbox.con.execute("BEGIN; DELETE FROM lake.outbox.instructions; COMMIT")
    assert isinstance(look(instance), SkipReason)


def examine(instance, cursor=None):
    context = build_sensor_context(instance=instance, cursor=cursor)
    return quality_sensor(context), context.cursor


def batch_of(request):
    return request.run_config["ops"]["expectations"]["config"]


def test_quality_follows_a_tick_that_pooled_something(instance):
    add_run(instance, "tick", DagsterRunStatus.SUCCESS)
    assert isinstance(examine(instance)[0], SkipReason)
    add_run(instance, "tick", DagsterRunStatus.SUCCESS, **{SEQ_FROM: "1", SEQ_TO: "40"})
    request, cursor = examine(instance)
    assert batch_of(request) == {"seq_from": 1, "seq_to": 40}
    assert isinstance(examine(instance, cursor)[0], SkipReason)


def test_batches_that_queue_up_are_examined_together_and_none_twice(instance):
    add_run(instance, "tick", DagsterRunStatus.SUCCESS, **{SEQ_FROM: "1", SEQ_TO: "40"})
    _, cursor = examine(instance)
    add_run(instance, "tick", DagsterRunStatus.SUCCESS, **{SEQ_FROM: "41", SEQ_TO: "60"})
    add_run(instance, "tick", DagsterRunStatus.FAILURE, **{SEQ_FROM: "61", SEQ_TO: "75"})
    running = add_run(instance, "quality", DagsterRunStatus.STARTED)
    assert isinstance(examine(instance, cursor)[0], SkipReason)
    instance.report_run_failed(running)
    assert batch_of(examine(instance, cursor)[0]) == {"seq_from": 41, "seq_to": 75}


def test_a_huge_batch_is_examined_in_bites(instance):
    add_run(instance, "tick", DagsterRunStatus.SUCCESS, **{SEQ_FROM: "1", SEQ_TO: str(LARGEST + 10)})
    request, cursor = examine(instance)
    assert batch_of(request) == {"seq_from": 1, "seq_to": LARGEST}
    assert batch_of(examine(instance, cursor)[0]) == {"seq_from": LARGEST + 1, "seq_to": LARGEST + 10}
    assert json.loads(cursor) == LARGEST


def test_housekeeping_forgets_old_runs_and_none_that_is_under_way(instance, run_job, monkeypatch):
    old = add_run(instance, "tick", DagsterRunStatus.SUCCESS)
    working = add_run(instance, "tick", DagsterRunStatus.STARTED)
    assert run_job("housekeeping").success
    assert instance.get_run_by_id(old.run_id)  # not old enough yet
    monkeypatch.setattr("sensors.housekeeping.KEEP", timedelta(0))
    assert run_job("housekeeping").success
    assert instance.get_run_by_id(old.run_id) is None and instance.get_run_by_id(working.run_id)
