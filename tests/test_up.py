"""`orderpipe up` as an operator lives with it: one command starts everything, Ctrl-C leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from orderpipe import config, lake
from orderpipe.config import ROOT
from orderpipe.supervise import free
from orderpipe.up import EVERY_MINUTE, QUARTER_HOURLY, beside_sandbox, sandbox_shops, tick_cron

OUR_SECRETS = ("ORDERPIPE_", "TAOBAO_", "SHOPIFY_", "WMS_", "KUAIDI100_", "DINGTALK_")
SUCCESSES = '{runsOrError(filter: {pipelineName: "tick", statuses: [SUCCESS]}) {... on Runs {results {runId}}}}'


class Up:
    """`orderpipe up` on a home of its own; started as often as asked."""

    def __init__(self, home):
        self.home, self.port, self.sandbox_port = home, unused_port(), unused_port()
        self.console_port = unused_port()
        self.said = ""

    def start(self, *options):
        env = {name: value for name, value in os.environ.items() if not name.startswith(OUR_SECRETS)}
        ports = ["--port", str(self.port), "--sandbox-port", str(self.sandbox_port)]
        ports += ["--console-port", str(self.console_port)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orderpipe.cli", "up", *ports, *options],
            cwd=ROOT,
            env={**env, "ORDERPIPE_HOME": str(self.home), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def wait_until_it_says(self, text):
        for line in self.process.stdout:
            self.said += line
            if text in line:
                return
        pytest.fail(f"it stopped without saying {text!r}:\n{self.said}")

    def finish(self):
        """Wait for the end; the exit code."""
        self.said += self.process.communicate(timeout=60)[0]
        return self.process.returncode

    def ask(self, query):
        url = f"http://127.0.0.1:{self.port}/graphql"
        return httpx.post(url, json={"query": query}, trust_env=False, timeout=60).raise_for_status().json()["data"]

    def control(self, path):
        url = f"http://127.0.0.1:{self.sandbox_port}/_control/{path}"
        return httpx.get(url, trust_env=False, timeout=60).raise_for_status().json()

    def family(self):
        """Every process that works for this home."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("ORDERPIPE_HOME") == str(self.home):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def orders(self):
        with lake.reader(config.load(self.home)) as con:
            return {no for (no,) in con.execute("SELECT platform_order_no FROM core.orders").fetchall()}


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def up(tmp_path):
    up = Up(tmp_path / "home")
    yield up
    for process in up.family():
        process.kill()


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.3)


@pytest.mark.slow
def test_everything_starts_works_and_stops_and_starts_again_in_the_same_world(up):
    up.start().wait_until_it_says("Ctrl-C")
    assert f"http://127.0.0.1:{up.port}" in up.said and f"http://127.0.0.1:{up.sandbox_port}" in up.said
    wait_for(lambda: up.ask(SUCCESSES)["runsOrError"]["results"])
    first = up.orders()
    assert first and first <= {order["platform_order_no"] for order in up.control("truth/orders")}

    second = Up(up.home).start()
    assert second.finish() == 1 and "orderpipe up" in second.said  # a second daemon would do every tick twice

    up.process.send_signal(signal.SIGINT)
    assert up.finish() == 0
    assert up.family() == [] and free(up.port) and free(up.sandbox_port)

    env = (up.home / "env").read_text()
    assert (up.home / "env").stat().st_mode & 0o077 == 0 and up.home.stat().st_mode & 0o077 == 0
    assert env.count("ORDERPIPE_PII_KEY=") == 1 and "TAOBAO_SESSION=" in env

    up.start().wait_until_it_says("Ctrl-C")
    assert (up.home / "env").read_text() == env
    assert first <= {order["platform_order_no"] for order in up.control("truth/orders")}

    (sandbox,) = (process for process in up.family() if "orderpipe.sandbox" in process.cmdline())
    sandbox.kill()
    assert up.finish() == 1 and "sandbox: stopped by itself" in up.said
    assert up.family() == [] and free(up.port)


@pytest.mark.slow
def test_a_port_that_is_taken_is_named_and_nothing_is_left_running(up):
    with socket.create_server(("127.0.0.1", up.port)):
        assert up.start().finish() == 1
    assert f"port {up.port} is in use" in up.said and up.family() == [] and free(up.sandbox_port)


def test_a_lake_that_has_lost_its_key_is_not_given_another(up):
    (up.home / "vault").mkdir(parents=True)
    assert up.start().finish() == 1
    assert "restore it from your backup" in up.said and not (up.home / "env").exists()


@pytest.mark.parametrize(
    ("real", "pretending", "cron"),
    [([], ["a", "b"], EVERY_MINUTE), (["a"], ["b"], QUARTER_HOURLY), (["a", "b"], [], QUARTER_HOURLY)],
)
def test_real_shops_are_pulled_every_quarter_of_an_hour_and_never_mistaken_for_the_sandbox(
    tmp_path, monkeypatch, real, pretending, cron
):
    monkeypatch.delenv("ORDERPIPE_SANDBOX_URL", raising=False)
    lines = [_shop(shop, "https://gw.api.taobao.com") for shop in real]
    lines += [_shop(shop, "${ORDERPIPE_SANDBOX_URL}/taobao") for shop in pretending]
    (tmp_path / "shops.yaml").write_text("\n".join(lines))
    url = "http://127.0.0.1:8790"
    settings = beside_sandbox(config.load(tmp_path / "home", tmp_path), url)
    assert sandbox_shops(settings, url) == pretending and tick_cron(settings, url) == cron


def _shop(name, url):
    rest = "platform: taobao, timezone: Asia/Shanghai, currency: CNY"
    return f"- {{id: {name}, name: {name}, base_url: '{url}', {rest}}}"
