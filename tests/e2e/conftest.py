"""A hub against a sandbox: real lake in a temporary home, real HTTP, a clock that is stepped."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from orderpipe import config, flow
from orderpipe.lake import reader
from tests.homes import empty_home

ROOT = Path(__file__).resolve().parents[2]
KEY = "5f" * 32


class Hub:
    """An orderpipe home that lives against one sandbox."""

    def __init__(self, home: Path, config_dir: Path, sandbox: Any):
        self.home, self.sandbox = home, sandbox
        self.env = {
            "ORDERPIPE_HOME": str(home),
            "ORDERPIPE_CONFIG": str(config_dir),
            "ORDERPIPE_PII_KEY": KEY,
            "ORDERPIPE_SANDBOX_URL": sandbox.url,
            "ORDERPIPE_CLOCK": f"{sandbox.url}/_control/clock",
            **sandbox.credentials,
        }

    @property
    def settings(self) -> config.Settings:
        return config.load(self.home, self.env["ORDERPIPE_CONFIG"])

    def tick(self, *shops: str, send: bool = True) -> flow.TickReport:
        """One tick in this process."""
        return flow.tick(self.settings, shops or None, send=send)

    def command(self, *arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        """Run the `orderpipe` command in a process of its own; an environment value of None unsets the variable."""
        env = {**os.environ, **self.env, "PYTHONPATH": str(ROOT)} | {
            k: v for k, v in environment.items() if v is not None
        }
        for name in (k for k, v in environment.items() if v is None):
            env.pop(name, None)
        return subprocess.run(
            [sys.executable, "-m", "orderpipe.cli", *arguments],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the `orderpipe` command and leave it running."""
        env = {**os.environ, **self.env, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, "-m", "orderpipe.cli", *arguments],
            cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def rows(self, query: str, *, vault: bool = False) -> list[dict[str, Any]]:
        """Rows of a query on the lake (and the vault), as dictionaries."""
        with reader(self.settings, vault=vault) as con:
            cursor = con.execute(query)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def value(self, query: str, *, vault: bool = False) -> Any:
        """The first value of the first row."""
        return next(iter(self.rows(query, vault=vault)[0].values()))

    def reported(self) -> dict[str, Any]:
        """Wait until everything the sandbox had to report has been delivered, or has been given up."""
        deadline = time.monotonic() + 60
        while (told := self.sandbox.control("GET", "callbacks"))["pending"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return told

    def data_files(self) -> set[str]:
        """Every Parquet file of both lakes."""
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*.parquet")}

    def settled(self) -> list[dict[str, Any]]:
        """The truth about every order whose last change lies before the end of its shop's last pull window."""
        reached = {
            row["shop_id"]: row["reached"]
            for row in self.rows(
                """SELECT shop_id, max(window_to) AS reached
                   FROM vault.raw.pull_windows WHERE kind = 'order' GROUP BY shop_id""",
                vault=True,
            )
        }
        return [order for order in self.sandbox.truth() if moment(order["modified"]) < reached[order["shop_id"]]]

    def differences(self) -> list[str]:
        """Where the pool is not what the platforms' orders truly are, field by field, for settled orders."""
        orders = {row["platform_order_no"]: row for row in self.rows("FROM core.orders")}
        items: dict[int, list[dict[str, Any]]] = {}
        for row in self.rows("FROM core.order_items ORDER BY order_id, line_no"):
            items.setdefault(row["order_id"], []).append(row)
        contacts = {row["order_id"]: row for row in self.rows("FROM vault.pii.contacts", vault=True)}
        refunds: dict[int, dict[str, dict[str, Any]]] = {}
        for row in self.rows("FROM core.refunds"):
            refunds.setdefault(row["order_id"], {})[row["platform_refund_no"]] = row
        found = []
        for true in self.settled():
            number = true["platform_order_no"]
            if number not in orders:
                found.append(f"{number}: missing")
                continue
            ours = orders[number]
            order_id = ours["order_id"]
            for field, (is_, ought) in _pairs(true, ours, contacts[order_id]).items():
                if is_ != ought:
                    found.append(f"{number} {field}: {is_!r}, truly {ought!r}")
            lines = [_line(line) for line in items.get(order_id, [])]
            true_lines = [_true_line(line) for line in true["lines"]]
            if lines != true_lines:
                found.append(f"{number} lines: {lines}, truly {true_lines}")
            known = {no: (row["status"], row["amount"]) for no, row in refunds.get(order_id, {}).items()}
            if known != {r["platform_refund_id"]: (r["status"], Decimal(r["amount"])) for r in _visible_refunds(true)}:
                found.append(f"{number} refunds: {known}, truly {true['refunds']}")
        return found

    def assert_the_world_holds_everything_once(self) -> None:
        """Nothing twice, nothing missing, nothing the ledger does not know of."""
        receipts = self.sandbox.receipts()
        parcel, back = "'OP' || (params->>'parcel_id')", "'RO' || (params->>'return_id')"
        for receiver, effect, kind, key in (
            ("qimen", "delivery_order", "pick_order", parcel), ("kuaidi100", "waybill", "waybill", parcel),
            ("qimen", "return_order", "return_order", back),
        ):  # fmt: skip
            effects = [one for one in receipts[receiver] if one["kind"] == effect]
            assert sum(one["duplicates"] for one in effects) == 0
            ledger = self.rows(f"SELECT {key} AS key, status, attempts FROM outbox.instructions WHERE kind = '{kind}'")
            held = {one["key"] for one in effects}
            acknowledged = {row["key"] for row in ledger if row["status"] == "acknowledged"}
            # Stopped after an attempt whose answer was lost: it may be there, and an operator was told so.
            doubtful = {row["key"] for row in ledger if row["status"] == "intercepted" and row["attempts"] > 0}
            assert acknowledged <= held <= acknowledged | doubtful
            assert {row["status"] for row in ledger} <= {"acknowledged", "intercepted"}
        assert self.owed() == set()

    def owed(self) -> set[str]:
        """Paid, unheld domestic orders of the truth that have no acknowledged pick order."""
        sent = {
            row["platform_order_no"]
            for row in self.rows(
                """SELECT o.platform_order_no FROM outbox.instructions i
                   JOIN decision.parcels p ON p.parcel_id = (i.params->>'parcel_id')
                   JOIN core.orders o ON o.order_id = p.order_id
                   WHERE i.kind = 'pick_order' AND i.status = 'acknowledged'"""
            )
        }
        waiting = {  # for a person, because a rule says so
            row["platform_order_no"]
            for row in self.rows(
                """SELECT o.platform_order_no FROM core.orders o JOIN decision.risk_flags f USING (order_id)
                   WHERE o.hold_status = 'review' AND f.action = 'review'"""
            )
        }
        return {order["platform_order_no"] for order in self.settled() if _may_ship(order)} - sent - waiting


def _may_ship(order: dict[str, Any]) -> bool:
    open_cases = [refund for refund in order["refunds"] if refund["status"] in ("requested", "returning")]
    return (
        order["status"] == "paid"
        and order["receiver"]["country"] == "CN"
        and not order["hold"]
        and not order["is_test"]
        and not open_cases
        and not any(line["shipped"] for line in order["lines"])
    )


def moment(text: str | None) -> datetime | None:
    """A time of the sandbox as aware UTC."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _pairs(true: dict[str, Any], ours: dict[str, Any], contact: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    pairs: dict[str, tuple[Any, Any]] = {
        name: (ours[name], true[name]) for name in ("platform", "shop_id", "status", "currency", "is_test")
    }
    times = {"ordered_at": "created", "paid_at": "paid", "shipped_at": "shipped", "completed_at": "completed"}
    for name, theirs in {**times, "updated_at": "modified"}.items():
        pairs[name] = ours[name], moment(true[theirs])
    for name in ("goods_amount", "discount_amount", "shipping_fee", "tax_amount", "payable_amount", "paid_amount"):
        pairs[name] = ours[name], Decimal(true[name])
    receiver = true["receiver"]
    for name in ("country", "province", "city"):
        pairs[name] = ours[name] or None, receiver[name] or None
    if true["platform"] == "taobao":
        pairs["platform_status"] = ours["platform_status"], true["platform_status"]
        pairs["oaid"] = contact["oaid"], receiver["oaid"]
        pairs["district"] = ours["district"], receiver["district"]
        pairs["platform hold"] = ours["hold_status"] == "platform_hold", true["hold"]
    else:
        pairs["ip"] = contact["ip"], true["ip"]
        if receiver["name"]:
            pairs["name"] = contact["name"], receiver["name"]
    pairs["buyer_message"] = contact["buyer_message"] or "", true["buyer_message"] or ""
    return pairs


def _line(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(line[name] for name in ("platform_line_id", "sku", "quantity", "unit_price", "line_amount", "is_gift"))


def _true_line(line: dict[str, Any]) -> tuple[Any, ...]:
    money = Decimal(line["unit_price"]), Decimal(line["line_amount"])
    return (line["platform_line_id"], line["sku"], line["quantity"], *money, line["is_gift"])


def _visible_refunds(true: dict[str, Any]) -> list[dict[str, Any]]:
    """Shopify knows refunds that were paid back only; a request shows as a return."""
    return [r for r in true["refunds"] if true["platform"] != "shopify" or r["status"] == "refunded"]


@pytest.fixture
def hub(sandbox, configured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Hub]]:
    """Starts a sandbox with the given options and gives a hub that lives against its shops."""

    def start(shops: str = "taobao-hz,shopify-us", **options: Any) -> Hub:
        if not (tmp_path / "home").exists():
            empty_home(tmp_path / "home")
        made = Hub(tmp_path / "home", configured(*shops.split(",")), sandbox(shops=shops, **options))
        for name, value in made.env.items():
            monkeypatch.setenv(name, value)
        return made

    yield start


@pytest.fixture
def loop(hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Hub]]:
    """loop(shops, **options): a hub whose console listens, and whose sandbox reports to it."""
    started = []

    def make(shops: str = "taobao-hz", **options: Any) -> Hub:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        monkeypatch.setenv("KUAIDI100_SALT", "e2e-salt")
        monkeypatch.setenv("ORDERPIPE_CONSOLE_URL", url)
        made = hub(shops, callback_url=url, **options)
        console = made.start("console", "--port", url.rpartition(":")[2])
        started.append(console)
        deadline = time.monotonic() + 30
        while not _listens(url):
            assert console.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        return made

    yield make
    for console in started:
        console.kill()
        console.wait()


def _listens(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).is_success
    except httpx.TransportError:
        return False
