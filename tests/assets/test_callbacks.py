"""A callback in the spool starts a run, and the run takes it in."""

from datetime import UTC, datetime

from dagster import RunRequest, build_sensor_context

from orderpipe import config, spool
from orderpipe.lake import reader
from sensors.callbacks import callbacks_sensor

STRANGER = """<request><order><orderCode>DO-1</orderCode></order>
<process><processStatus>PICK</processStatus><operateTime>2026-11-09 10:00:00</operateTime></process></request>"""


def look(instance):
    with build_sensor_context(instance=instance) as context:
        return callbacks_sensor(context)


def keep(body=STRANGER):
    callback = spool.Callback("qimen", "orderprocess.report", body, datetime(2026, 11, 9, 2, tzinfo=UTC))
    return spool.keep(config.load(), callback)


def test_nothing_starts_until_something_has_come_in_and_each_arrival_starts_once(instance, home):
    assert look(instance).skip_message == "nothing has come in"
    keep()
    first = look(instance)
    assert isinstance(first, RunRequest) and look(instance).run_key == first.run_key
    keep()
    assert look(instance).run_key != first.run_key


def test_a_run_lands_what_came_shows_what_cannot_be_read_and_goes_on(instance, world, run_job):
    keep()
    keep("<request>")
    result = run_job("callbacks")
    assert result.success
    (check,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "readable"]
    assert not check.passed and "callbacks/bad/" in check.description
    settings = config.load()
    assert spool.waiting(settings) == [] and len(spool.set_aside_names(settings)) == 1
    with reader(settings, vault=True) as con:
        assert con.execute("SELECT kind FROM vault.raw.payloads").fetchall() == [("wms_callback",)]
        assert con.execute("SELECT rule FROM vault.raw.quarantine").fetchall() == [("unknown_parcel",)]
        told = con.execute("SELECT params->>'text' FROM outbox.instructions WHERE kind = 'alert'").fetchall()
    assert [text for (text,) in told if "callbacks/bad" in text] and [text for (text,) in told if "隔离区" in text]
