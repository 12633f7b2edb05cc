"""The doors of the receivers, over real HTTP: what is answered with success is on disk, whatever happens next."""

import hashlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from urllib.parse import urlencode

import httpx
import pytest

from orderpipe import config, flow, spool
from orderpipe.config import ROOT

SECRETS = {
    "ORDERPIPE_PII_KEY": "5f" * 32,
    "WMS_APP_KEY": "23000001",
    "WMS_SECRET": "wms-secret-0123456789",
    "WMS_CUSTOMER_ID": "c1",
    "KUAIDI100_KEY": "key",
    "KUAIDI100_SECRET": "secret",
    "KUAIDI100_SALT": "pinch-of-salt",
    "DINGTALK_ACCESS_TOKEN": "t",
    "DINGTALK_SECRET": "s",
}
PROCESS = """<?xml version="1.0" encoding="utf-8"?>
<request><order><orderCode>OP2962032788482347268</orderCode><warehouseCode>WH-HZ</warehouseCode></order>
<process><processStatus>PICK</processStatus><operateTime>2026-11-09 11:00:00</operateTime>
<operateInfo>王小明 13812345678 &amp; co</operateInfo></process></request>"""
PUSH = json.dumps(
    {"status": "polling", "lastResult": {"state": "3", "com": "shunfeng", "nu": "SF1", "data": [
        {"time": "2026-11-09 12:00:00", "context": "已签收，签收人：王小明 13812345678", "status": "签收"}]}},
    ensure_ascii=False,
)  # fmt: skip


class Console:
    """`orderpipe console` on a home of its own."""

    def __init__(self, home, **env):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url, self.home = f"http://127.0.0.1:{port}", home
        self.settings = config.Settings(config.Home(home), ROOT / "config", SECRETS)
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("WMS_", "KUAIDI100_"))}
        env = {**ours, **SECRETS, "ORDERPIPE_HOME": str(home), "PYTHONPATH": str(ROOT), **env}
        argv = [sys.executable, "-m", "orderpipe.cli", "console", "--port", str(port)]
        self.process = subprocess.Popen(argv, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
        self.http = httpx.Client(trust_env=False, timeout=30)
        deadline = time.monotonic() + 30
        while True:
            try:
                assert self.http.get(f"{self.url}/healthz").json()["ok"]
                return
            except httpx.TransportError:
                assert self.process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)

    def warehouse(
        self, body=PROCESS, method="taobao.qimen.orderprocess.report", secret=None, sign_method="md5", **more
    ):
        """Post as the warehouse does; more: further parameters. The answer's text."""
        params = {
            "method": method, "app_key": SECRETS["WMS_APP_KEY"], "v": "3.0", "sign_method": sign_method,
            "format": "xml", "timestamp": "2026-11-09 11:00:00", "customerId": "c1", **more,
        }  # fmt: skip
        body = body.encode() if isinstance(body, str) else body
        secret = secret or SECRETS["WMS_SECRET"]
        text = "".join(name + params[name] for name in sorted(params) if params[name]).encode()
        params["sign"] = hashlib.md5(secret.encode() + text + body + secret.encode()).hexdigest().upper()
        answer = self.http.post(f"{self.url}/callbacks/qimen", params=params, content=body)
        assert answer.status_code == 200
        return answer.text

    def courier(self, param=PUSH, salt=SECRETS["KUAIDI100_SALT"]):
        """Post as the courier does. The answer."""
        sign = hashlib.md5((param + salt).encode()).hexdigest().upper()
        answer = self.http.post(f"{self.url}/callbacks/kuaidi100", data={"param": param, "sign": sign})
        assert answer.status_code == 200
        return answer.json()

    def kept(self):
        return [spool.read(path) for path in spool.waiting(self.settings)]

    def close(self):
        self.http.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()


@pytest.fixture
def console(tmp_path):
    """console(**env) starts a console on the test's home."""
    opened = []

    def start(**env):
        opened.append(Console(tmp_path / "home", **env))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_what_is_signed_is_kept_as_it_came_and_what_is_not_is_refused(console):
    door = console()
    for method in ("taobao.qimen.orderprocess.report", "orderprocess.report"):
        assert "<flag>success</flag>" in door.warehouse(method=method)
    assert "<flag>success</flag>" in door.warehouse(t="1762653600", routeKey="仓 A&b", empty="")
    assert door.courier() == {"result": True, "returnCode": "200", "message": "成功"}
    assert [(kept.sender, kept.method, kept.body) for kept in door.kept()] == [
        *[("qimen", "orderprocess.report", PROCESS)] * 3,
        ("kuaidi100", "", PUSH),
    ]
    for path in (spool.folder(door.settings), *spool.waiting(door.settings)):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)

    illegal = "<flag>failure</flag><code>sign-check-failure</code><message>Illegal request</message>"
    assert illegal in door.warehouse(secret="another")
    assert illegal in door.warehouse(app_key="another")
    assert illegal in door.warehouse(sign_method="none")
    params = {"method": "orderprocess.report", "app_key": SECRETS["WMS_APP_KEY"]}
    assert illegal in door.http.post(f"{door.url}/callbacks/qimen", params=params, content=PROCESS).text
    assert door.courier(salt="another")["result"] is False
    body = urlencode({"param": PUSH, "sign": ""})
    assert door.http.post(f"{door.url}/callbacks/kuaidi100", content=body).json()["result"] is False
    assert len(door.kept()) == 4


def test_what_is_too_large_or_no_plain_document_is_refused(console):
    door = console()
    bomb = '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaa">]><request><order>&a;</order></request>'
    assert "<flag>failure</flag>" in door.warehouse(bomb)
    assert "<flag>failure</flag>" in door.warehouse(PROCESS + " " * 1_000_000)
    assert "<flag>failure</flag>" in door.warehouse(b"\xff\xfe<request/>")
    assert door.courier("x" * 1_000_001)["result"] is False
    assert door.http.get(f"{door.url}/callbacks/qimen").status_code == 405
    assert door.kept() == []


def test_a_callback_that_was_answered_survives_the_server_and_lands_once(console):
    door = console()
    assert "<flag>success</flag>" in door.warehouse()
    os.kill(door.process.pid, signal.SIGKILL)
    door.process.wait()
    door = console()
    assert "<flag>success</flag>" in door.warehouse()  # the sender repeats what it knows to have arrived
    door.courier()
    (spool.folder(door.settings) / "00000000T000000000000-half.json").write_text('{"sender": "qimen"')
    keep = spool.Callback("qimen", "deliveryorder.confirm", "<request><deliveryOrder>", datetime.now(UTC))
    spool.keep(door.settings, keep)
    with flow.open_run(door.settings, say=lambda text: None) as run:
        report = flow.land_callbacks(run)
        assert (report.received, report.landed, report.set_aside) == (5, 2, 2)
        assert spool.waiting(door.settings) == [] and len(flow.unreadable(run)) == 2
        rows = run.lake.execute(
            "SELECT platform, shop_id, kind, source_id, payload FROM vault.raw.payloads ORDER BY kind DESC"
        ).fetchall()
    assert [row[:3] for row in rows] == [
        ("wms", "wms", "wms_callback"),
        ("kuaidi100", "courier", "courier_callback"),
    ]
    assert json.loads(rows[0][4]) == {
        "method": "orderprocess.report",
        "request": {
            "order": {"orderCode": "OP2962032788482347268", "warehouseCode": "WH-HZ"},
            "process": {
                "processStatus": "PICK",
                "operateTime": "2026-11-09 11:00:00",
                "operateInfo": "王小明 13812345678 & co",
            },
        },
    }
    assert rows[1][4] == PUSH


def test_a_crash_between_disk_and_answer_loses_nothing_and_the_repeat_doubles_nothing(console):
    door = console(ORDERPIPE_FAIL_POINT="callbacks.spooled")
    with pytest.raises(httpx.TransportError):
        door.warehouse()
    assert door.process.wait() == -signal.SIGKILL
    door = console()
    assert "<flag>success</flag>" in door.warehouse()
    program = "from orderpipe import config, flow\nwith flow.open_run(config.load()) as run: flow.land_callbacks(run)"
    env = {**os.environ, **SECRETS, "ORDERPIPE_HOME": str(door.home), "PYTHONPATH": str(ROOT)}
    dying = {**env, "ORDERPIPE_FAIL_POINT": "callbacks.landed"}
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=dying).returncode == -signal.SIGKILL
    assert len(spool.waiting(door.settings)) == 2, "it died before the files went"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=env).returncode == 0
    assert spool.waiting(door.settings) == []
    with flow.open_run(door.settings) as run:
        assert run.lake.execute("SELECT count(*) FROM vault.raw.payloads").fetchone() == (1,)


def test_a_callback_that_cannot_be_kept_is_not_answered_with_success(console):
    door = console()
    spool.folder(door.settings).rename(door.home / "elsewhere")
    (door.home / "callbacks").write_text("not a folder")
    assert "<flag>failure</flag>" in door.warehouse() and door.courier()["result"] is False


def test_without_a_salt_no_push_is_believed(console):
    door = console(KUAIDI100_SALT="")
    assert door.courier(salt="")["result"] is False and door.kept() == []
