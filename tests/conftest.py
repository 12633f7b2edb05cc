"""Fixtures for every test: a real sandbox process, started on demand and stopped with the test, and a configuration."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parent.parent
START = "2026-11-09T02:00:00Z"
TWO = ("taobao-hz", "shopify-us")
SHOPS = (ROOT / "config" / "shops.yaml").read_text("utf-8").split("- id: ")[1:]


class Sandbox:
    """A running sandbox. `url` is its root, `http` an open client, `credentials` what it accepts by variable name."""

    def __init__(self, process: subprocess.Popen[str], url: str):
        self.process, self.url = process, url
        self.http = httpx.Client(timeout=30, trust_env=False)
        self.credentials: dict[str, str] = self.control("GET", "credentials")

    def control(self, verb: str, path: str, **body: Any) -> Any:
        """Call a control endpoint; an error status raises httpx.HTTPStatusError."""
        answer = self.http.request(verb, f"{self.url}/_control/{path}", json=body if verb != "GET" else None)
        return answer.raise_for_status().json()

    def now(self) -> str:
        return self.control("GET", "clock")["now"]

    def step(self, seconds: float) -> str:
        """Let simulated seconds pass; returns the new time."""
        return self.control("POST", "clock", step=seconds)["now"]

    def orders(self, shop: str, n: int = 1, **wishes: Any) -> list[str]:
        """Make orders by hand; returns their platform order numbers."""
        return self.control("POST", "orders", shop=shop, n=n, **wishes)["ids"]

    def advance(self, order: str, to: str, **choice: Any) -> dict[str, Any]:
        """Take an order to a state; returns the truth about it."""
        return self.control("POST", f"orders/{order}/advance", to=to, **choice)

    def fault(self, where: str, kind: str, **choice: Any) -> dict[str, Any]:
        """Arm a fault."""
        return self.control("POST", "faults", where=where, kind=kind, **choice)

    def truth(self, shop: str | None = None) -> list[dict[str, Any]]:
        """Every order as it truly is."""
        return self.control("GET", "truth/orders" + (f"?shop={shop}" if shop else ""))

    def receipts(self) -> dict[str, Any]:
        """What the receivers got: effects by receiver, and counts."""
        return self.control("GET", "receipts")

    def personal(self) -> dict[str, list[str]]:
        """All planted personal data, by kind."""
        return self.control("GET", "personal")

    def stop(self) -> int:
        """Ask the process to end; returns its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=10)

    def close(self) -> None:
        """End the process for certain; it keeps nothing that would be lost."""
        self.http.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Path]:
    """configured("taobao-hz", …): the path of a copy of config/ whose shops.yaml holds only these shops."""

    def make(*shops: str) -> Path:
        folder = tmp_path / "config"
        shutil.copytree(ROOT / "config", folder, dirs_exist_ok=True)
        kept = [text for text in SHOPS if text.split()[0] in shops]
        assert len(kept) == len(shops), f"not all of these are in shops.yaml: {shops}"
        (folder / "shops.yaml").write_text("".join(f"- id: {text}" for text in kept), "utf-8")
        return folder

    return make


@pytest.fixture
def sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes: `sandbox(rate=0, orders_per_hour=0, …)`, any option of `python -m orderpipe.sandbox`.

    Unless told otherwise the clock is stepped, starts at START, no order appears by itself, and there are two shops.
    """
    running: list[Sandbox] = []

    def start(**options: Any) -> Sandbox:
        chosen = {
            "port": 0, "rate": 0, "history": 0, "orders_per_hour": 0, "start": START, "shops": ",".join(TWO),
            **options,
        }  # fmt: skip
        arguments = [part for name, value in chosen.items() for part in (f"--{name.replace('_', '-')}", str(value))]
        process = subprocess.Popen(
            [sys.executable, "-m", "orderpipe.sandbox", *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        ready = process.stdout.readline()
        assert ready.startswith("sandbox ready on "), f"the sandbox did not start: {ready!r}"
        running.append(Sandbox(process, ready.split()[-1]))
        return running[-1]

    yield start
    for one in running:
        one.close()
