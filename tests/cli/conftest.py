"""The command line as an operator has it: processes of their own, on a home in a temporary folder."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orderpipe import cli, config, flow
from orderpipe.lake.landing import PulledWindow, land
from orderpipe.platforms import PLATFORMS

KEY = "5f" * 32
FIRST_KNOWN = datetime(2026, 11, 9, 3, 0, tzinfo=UTC)
LATER_KNOWN = datetime(2026, 11, 9, 5, 0, tzinfo=UTC)


class Terminal:
    """Runs `orderpipe` with an environment of its own."""

    def __init__(self, home: Path, **environment: str):
        self.home = home
        ours = ("ORDERPIPE_", "WMS_", "KUAIDI100_", "DINGTALK_", *(f"{platform.upper()}_" for platform in PLATFORMS))
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.env |= {"ORDERPIPE_HOME": str(home), "PYTHONPATH": str(config.ROOT), "COLUMNS": "300", **environment}

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command's entry point in this process; a process of its own costs a second."""
        out, err, umask = io.StringIO(), io.StringIO(), os.umask(0o077)
        try:
            with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
                for name in set(os.environ) - set(self.env):
                    patch.delenv(name)
                for name, value in {**self.env, **environment}.items():
                    patch.setenv(name, value)
                patch.setattr(sys, "argv", ["orderpipe", *arguments])
                code = 0
                try:
                    cli.main()
                except SystemExit as leaving:
                    code = leaving.code or 0
        finally:
            os.umask(umask)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def process(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command in a process of its own; given: its standard input."""
        return subprocess.run(
            [sys.executable, "-m", "orderpipe.cli", *arguments],
            cwd=config.ROOT, env=self.env, capture_output=True, text=True, timeout=120, input=given,
        )  # fmt: skip

    def json(self, *arguments: str, exit_code: int = 0) -> Any:
        """What a command prints with --json."""
        done = self(*arguments, "--json")
        assert done.returncode == exit_code, done.stderr
        return json.loads(done.stdout)


def trade(number: str, modified: str, phone: str, **fields: Any) -> tuple[str, datetime, str]:
    """A paid Taobao order, placed at 10:00 in Shanghai on 2026-11-09."""
    content = {
        "tid": int(number), "status": "WAIT_SELLER_SEND_GOODS", "created": "2026-11-09 10:00:00",
        "modified": modified, "pay_time": "2026-11-09 10:01:00", "total_fee": "89.00", "payment": "89.00",
        "receiver_name": "王小明", "receiver_mobile": phone, "receiver_state": "浙江省", "receiver_city": "杭州市",
        "receiver_district": "西湖区", "receiver_address": "文三路88号",
        "orders": {"order": [{"oid": int(number + "01"), "outer_sku_id": "CUP-500-BL", "price": "89.00", "num": 1,
                              "divide_order_fee": "89.00"}]},
        **fields,
    }  # fmt: skip
    at = datetime.strptime(modified, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) - timedelta(hours=8)
    return number, at, json.dumps(content, ensure_ascii=False)


def case(number: str, of: str, modified: str) -> tuple[str, datetime, str]:
    """A Taobao refund that was asked for."""
    at = datetime.strptime(modified, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) - timedelta(hours=8)
    content = {"refund_id": number, "tid": int(of), "status": "WAIT_SELLER_AGREE", "refund_fee": "89.00",
               "created": modified, "modified": modified}  # fmt: skip
    return number, at, json.dumps(content)


def fill(settings: config.Settings, known: datetime, kind: str, *documents: tuple[str, datetime, str]) -> None:
    """Land documents as known at a time, pool and decide."""
    window = PulledWindow("taobao", "taobao-hz", kind, known - timedelta(hours=1), known, 1, list(documents), 1, 1)
    with flow.open_run(settings, say=lambda text: None) as run:
        run.started_at = known
        with run.writing("landing"):
            land(run.lake, settings, [window], run_id=run.id, now=known)
        flow.pool(run)
        flow.decide(run)


@pytest.fixture(scope="session")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Terminal]:
    """terminal(NAME=value, …): a terminal on a new, empty home."""
    return lambda **environment: Terminal(tmp_path_factory.mktemp("cli") / "home", **environment)


@pytest.fixture(scope="session")
def orderpipe(terminal) -> Terminal:
    """A terminal on a home with three orders; 1001 was paid at first, and shipped and in refund two hours later."""
    one = terminal(ORDERPIPE_PII_KEY=KEY)
    settings = config.Settings(config.Home(one.home), config.ROOT / "config", {"ORDERPIPE_PII_KEY": KEY})
    fill(
        settings, FIRST_KNOWN, "order",
         trade("1001", "2026-11-09 10:05:00", "13812345678"),
         trade("1002", "2026-11-09 10:06:00", "0571-87654321"),
         trade("1003", "2026-11-09 10:07:00", "+86 571 8765 4321", buyer_message="请打 13812345678 找王小明"),
    )  # fmt: skip
    shipped = {"status": "WAIT_BUYER_CONFIRM_GOODS", "consign_time": "2026-11-09 12:00:00"}
    fill(settings, LATER_KNOWN, "order", trade("1001", "2026-11-09 12:30:00", "13812345678", **shipped))
    fill(settings, LATER_KNOWN, "refund", case("91", "1001", "2026-11-09 12:40:00"))
    return one


@pytest.fixture(scope="session")
def ruled(terminal, tmp_path_factory) -> Callable[[], tuple[Terminal, config.Settings]]:
    """ruled(): a terminal on a home and a configuration of its own, and its settings. Three orders were decided by the
    rules as shipped: 2001 by east_no_glass, 2002 with glass and a gift by fragile, 2003 held for its vague address."""

    def make() -> tuple[Terminal, config.Settings]:
        folder = tmp_path_factory.mktemp("ruled") / "config"
        shutil.copytree(config.ROOT / "config", folder)
        one = terminal(ORDERPIPE_PII_KEY=KEY, ORDERPIPE_CONFIG=str(folder))
        settings = config.Settings(config.Home(one.home), folder, {"ORDERPIPE_PII_KEY": KEY})
        fill(settings, FIRST_KNOWN, "order", *_RULED)
        return one, settings

    return make


def _line(number: str, sku: str, amount: str) -> dict[str, Any]:
    line = {"oid": int(number + "01"), "outer_sku_id": sku, "price": amount, "num": 1, "divide_order_fee": amount}
    return {"total_fee": amount, "payment": amount, "orders": {"order": [line]}}


_RULED = (
    trade("2001", "2026-11-09 10:05:00", "13812345678"),
    trade("2002", "2026-11-09 10:06:00", "13912345678", **_line("2002", "GLS-WINE-2", "500.00")),
    trade("2003", "2026-11-09 10:07:00", "13712345678", receiver_address="菜鸟驿站旁"),
)


@pytest.fixture
def shop(sandbox, configured, terminal) -> tuple[Terminal, Any]:
    """A terminal whose shops and receivers are a sandbox, and the sandbox."""
    world = sandbox()
    return (
        terminal(
            ORDERPIPE_PII_KEY=KEY,
            ORDERPIPE_CONFIG=str(configured("taobao-hz", "shopify-us")),
            ORDERPIPE_SANDBOX_URL=world.url,
            ORDERPIPE_CLOCK=f"{world.url}/_control/clock",
            **world.credentials,
        ),
        world,
    )


@pytest.fixture
def told(tmp_path) -> Callable[[dict[str, str]], config.Settings]:
    """told(environment): settings on a configuration of their own, with three orders decided. The goods of the second
    are in our goods master and in no warehouse."""

    def make(environment: dict[str, str]) -> config.Settings:
        folder = tmp_path / "config"
        shutil.copytree(config.ROOT / "config", folder)
        goods = folder / "goods.csv"
        (known,) = [row for row in goods.read_text("utf-8").splitlines() if row.startswith("CUP-500-BL,")]
        goods.write_text(goods.read_text("utf-8") + known.replace("CUP-500-BL", "NO-SUCH-SKU") + "\n", "utf-8")
        settings = config.Settings(config.Home(Path(environment["ORDERPIPE_HOME"])), folder, environment)
        line = {"oid": 300201, "outer_sku_id": "NO-SUCH-SKU", "price": "89.00", "num": 1, "divide_order_fee": "89.00"}
        fill(
            settings, FIRST_KNOWN, "order",
            trade("3001", "2026-11-09 10:05:00", "13812345678"),
            trade("3002", "2026-11-09 10:06:00", "13912345678", orders={"order": [line]}),
            trade("3003", "2026-11-09 10:07:00", "13712345678"),
        )  # fmt: skip
        return settings

    return make
