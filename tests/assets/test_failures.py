"""A failed run calls a person, in words that help and leak nothing; a long streak does not ring without end."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    Definitions,
    MaterializeResult,
    asset,
    build_run_status_sensor_context,
    define_asset_job,
)

from assets.resources import Hub
from orderpipe.errors import BadResponse
from sensors.failure import CALLS, failure_sensor

PHONE = "13812345678"


@pytest.fixture
def group(tmp_path, monkeypatch, home):
    """A DingTalk robot on this machine; the list of texts it was sent."""
    texts = []

    class Robot(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            texts.append(body["markdown"]["text"])
            answer = b'{"errcode": 0, "errmsg": "ok"}'
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Robot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "receivers.yaml").write_text(
        f"dingtalk: {{base_url: 'http://127.0.0.1:{server.server_port}/dingtalk', "
        "credentials: {access_token: token, secret: SECret}}"
    )
    monkeypatch.setenv("ORDERPIPE_CONFIG", str(tmp_path / "config"))
    yield texts
    server.shutdown()
    server.server_close()


def fail(instance, error: Exception):
    """Run a job whose step raises inside the flow; the finished run."""

    @asset
    def step(hub: Hub) -> None:
        with hub.stage("pull"):
            raise error

    defs = Definitions([step], jobs=[define_asset_job("tick", [step])], resources={"hub": Hub()})
    return defs.resolve_job_def("tick").execute_in_process(instance=instance, raise_on_error=False)


def notice(instance, result):
    event = next(event for event in result.all_events if event.is_run_failure)
    context = build_run_status_sensor_context(
        sensor_name="failure_sensor", dagster_instance=instance, dagster_run=result.dagster_run, dagster_event=event
    )
    failure_sensor(context.for_run_failure())


def test_the_group_learns_what_failed_where_and_what_to_do(instance, group):
    notice(instance, fail(instance, BadResponse("half an answer", where="taobao-hz", remedy="pull the window again")))
    (text,) = group
    assert "tick" in text and "taobao-hz: half an answer — pull the window again" in text


def test_values_that_an_unexpected_error_quotes_reach_neither_the_group_nor_the_run(instance, group, home):
    result = fail(instance, ValueError(f"could not convert {PHONE}"))
    notice(instance, result)
    assert "ValueError" in group[0] and PHONE not in group[0]
    logged = instance.all_logs(result.run_id)
    assert logged and PHONE not in "".join(str(entry) for entry in logged)
    record = home / "logs" / "errors.log"
    assert PHONE in record.read_text() and record.stat().st_mode & 0o077 == 0


def test_a_check_that_stops_the_run_is_named(instance, group):
    @asset(check_specs=[AssetCheckSpec("one_row_per_order", asset="orders", blocking=True)])
    def orders():
        return MaterializeResult(check_results=[AssetCheckResult(passed=False, description=PHONE)])

    defs = Definitions([orders], jobs=[define_asset_job("tick", [orders])])
    notice(instance, defs.resolve_job_def("tick").execute_in_process(instance=instance, raise_on_error=False))
    assert "orders: one_row_per_order" in group[0] and PHONE not in group[0]


def test_a_streak_of_failures_is_told_ever_more_rarely(instance, group):
    error = BadResponse("half an answer", where="taobao-hz")
    for _ in range(5):
        notice(instance, fail(instance, error))
    assert [f"连续失败：{count} 次" in text for count, text in zip(CALLS, group, strict=False)] == [True, True]
