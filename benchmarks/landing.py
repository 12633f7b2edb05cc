"""How fast orders of seven shops are pulled and landed, the network's share apart.

A sandbox lives through some hours in seven shops. One process pulls everything over real HTTP and keeps every answer;
then, round by round, a fresh process with a fresh home pulls the same again from the answers kept, so that what is left
is work of this process. The CPU that the HTTP client spends on requests and answers counts to the network and is shown
apart; signing, paging, reading, reconciling and landing are our own. Medians of this machine, now.

    python benchmarks/landing.py [--orders 9000] [--rounds 3]
"""

import argparse
import functools
import json
import os
import pickle
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx

ROOT = Path(__file__).resolve().parent.parent
SHOPS, HOURS = 7, 4
# What differs between two requests for the same thing: time stamps, signatures, nonces.
VOLATILE = {"sign", "timestamp", "t", "sign_method", "_aop_timestamp"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--orders", type=int, default=9000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--child", choices=("record", "replay"), help=argparse.SUPPRESS)
    options.add_argument("--cassette", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.child:
        print(json.dumps(pull(chosen.child, chosen.cassette)))
        return
    rate = chosen.orders / SHOPS / HOURS
    sandbox = subprocess.Popen(
        [sys.executable, "-m", "orderpipe.sandbox", "--port", "0", "--rate", "0", "--history", str(HOURS),
         "--orders-per-hour", str(rate), "--start", "2026-11-09T06:00:00Z"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        url = sandbox.stdout.readline().split()[-1]
        with tempfile.TemporaryDirectory() as folder:
            over_http = child("record", Path(folder), url)
            rounds = [child("replay", Path(folder), url) for _ in range(chosen.rounds)]
    finally:
        sandbox.terminate()
    print_report(over_http, rounds)


def child(mode: str, folder: Path, url: str) -> dict:
    """One pull in a process of its own; its measurements."""
    credentials = httpx.get(f"{url}/_control/credentials", trust_env=False).json()
    with tempfile.TemporaryDirectory() as home:
        env = {
            **os.environ, **credentials, "PYTHONPATH": str(ROOT), "ORDERPIPE_HOME": f"{home}/home",
            "ORDERPIPE_PII_KEY": "be" * 32, "ORDERPIPE_SANDBOX_URL": url,
            "ORDERPIPE_CLOCK": f"{url}/_control/clock",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, __file__, "--child", mode, "--cassette", str(folder / "cassette")],
            env=env, capture_output=True, text=True, check=True,
        )  # fmt: skip
    return json.loads(done.stdout)


class Cassette(httpx.BaseTransport):
    """Answers kept from a real exchange, by what was asked; recording when it has a transport of its own."""

    def __init__(self, kept: dict, through: httpx.BaseTransport | None = None):
        self._kept, self._through, self._lock = kept, through, threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = _asked(request)
        if self._through is None:
            with self._lock:
                answers = self._kept[asked]
                status, headers, content = answers.popleft() if len(answers) > 1 else answers[0]
            return httpx.Response(status, headers=headers, content=content)
        response = self._through.handle_request(request)
        content = response.read()
        headers = [(k, v) for k, v in response.headers.raw if k.lower() not in (b"content-encoding", b"content-length")]
        with self._lock:
            self._kept[asked].append((response.status_code, headers, content))
        return httpx.Response(response.status_code, headers=headers, content=content)


def _asked(request: httpx.Request) -> tuple:
    content = request.read()
    form = parse_qsl(content.decode()) if b"=" in content[:200] and not content.startswith(b"{") else []
    pairs = [*request.url.params.multi_items(), *form]
    return (
        request.url.path,
        tuple(sorted(pair for pair in pairs if pair[0] not in VOLATILE)),
        content if not form else b"",
    )


class Meter:
    """CPU seconds of the HTTP client, over all threads: inside its functions, but outside of ours that it calls."""

    def __init__(self) -> None:
        self.seconds, self._lock, self._here = 0.0, threading.Lock(), threading.local()

    def http(self, function: Callable) -> Callable:
        """A function of the HTTP client."""
        return self._measured(function, True)

    def own(self, function: Callable) -> Callable:
        """A function of ours that the HTTP client calls."""
        return self._measured(function, False)

    def _measured(self, function: Callable, counts: bool) -> Callable:
        @functools.wraps(function)
        def measured(*arguments: Any, **choices: Any) -> Any:
            outer = getattr(self._here, "counts", False)
            self._turn(outer, counts)
            try:
                return function(*arguments, **choices)
            finally:
                self._turn(counts, outer)

        return measured

    def _turn(self, before: bool, after: bool) -> None:
        """From now on time counts, or not; what passed since the last turn is added where it did."""
        now = time.thread_time()
        if before:
            with self._lock:
                self.seconds += now - self._here.since
        self._here.counts, self._here.since = after, now


def pull(mode: str, cassette: Path) -> dict:
    """Pull everything into this process's home; measurements of the pull alone, imports and the empty lake apart."""
    from orderpipe import config, flow
    from orderpipe.platforms import client
    from orderpipe.platforms.authorisation import RenewedAuth

    began, kept = (None, defaultdict(deque)) if mode == "record" else pickle.loads(cassette.read_bytes())
    through = httpx.HTTPTransport() if mode == "record" else None
    client.new_client = lambda **choices: httpx.Client(transport=Cassette(kept, through), trust_env=False)
    network = Meter()
    httpx.Client.send = network.http(httpx.Client.send)
    httpx.Client.build_request = network.http(httpx.Client.build_request)
    httpx.Request.__init__ = network.http(httpx.Request.__init__)
    for auth in RenewedAuth.__subclasses__():  # signing happens inside of sending, and is our own
        auth.signed, auth.expired = network.own(auth.signed), network.own(auth.expired)
    clock_url = os.environ["ORDERPIPE_CLOCK"]

    def wait(seconds: float) -> None:
        httpx.post(clock_url, json={"step": seconds}, trust_env=False)

    with flow.open_run(config.load(), say=lambda text: None) as run:
        run.sleep = wait if mode == "record" else lambda seconds: None
        if began is not None:
            run.started_at = began
            run.clock.now = lambda: began
        assert run.lake is not None
        network.seconds = 0.0
        wall, cpu = time.perf_counter(), time.process_time()
        report = flow.pull(run)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        (orders,) = run.lake.execute("SELECT count(*) FROM vault.raw.payloads WHERE kind = 'order'").fetchone()
        (documents,) = run.lake.execute("SELECT count(*) FROM vault.raw.payloads").fetchone()
    assert not report.errors, report.errors[:3]
    if mode == "record":
        cassette.write_bytes(pickle.dumps((run.started_at, kept)))
    return {
        "orders": orders,
        "documents": documents,
        "requests": sum(map(len, kept.values())) if mode == "record" else None,
        "wall": wall,
        "cpu": cpu,
        "network": network.seconds,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def print_report(over_http: dict, rounds: list[dict]) -> None:
    """The figures, medians over the rounds."""
    cpu, http, wall, memory = (
        statistics.median(r[name] for r in rounds) for name in ("cpu", "network", "wall", "memory_mb")
    )
    own = statistics.median(r["cpu"] - r["network"] for r in rounds)
    orders = over_http["orders"]
    print(f"{orders} orders, {over_http['documents']} documents of seven shops, {over_http['requests']} requests")
    print(f"over HTTP      {over_http['wall']:6.1f} s wall, {over_http['cpu']:.1f} s of CPU, the sandbox apart")
    print(f"from answers   {wall:6.2f} s wall, {cpu:.2f} s of CPU, of which the HTTP client {http:.2f} s (medians)")
    print(f"our own work   {own:6.2f} s of CPU: {orders / own:,.0f} orders/s")
    print(f"peak memory    {memory:6.0f} MB")


if __name__ == "__main__":
    main()
