"""A pool in a temporary folder, and the documents that land in it."""

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orderpipe import config, flow
from orderpipe.lake.hashes import table_hashes
from orderpipe.lake.landing import PulledWindow, land
from tests.flow.documents import PEOPLE, SHOPS, START, Document, Line, State, shopify, taobao, taobao_refund
from tests.homes import empty_home

KEY = "5f" * 32


class Pool:
    """A home with an open run: land documents, pool, decide, look. `now` is when the run believes to have started."""

    def __init__(self, home: Path, config_dir: Path):
        self.settings = config.Settings(config.Home(home), config_dir, {"ORDERPIPE_PII_KEY": KEY})
        self._stack = contextlib.ExitStack()
        if not home.exists():
            empty_home(home)
        self.reopen()

    def reopen(self, config_dir: Path | None = None) -> None:
        """A new run, as the next tick's process would have; config_dir: with another configuration."""
        self.close()
        if config_dir:
            self.settings = config.Settings(self.settings.home, config_dir, self.settings.env)
        self.run = self._stack.enter_context(flow.open_run(self.settings, "run-1", say=lambda text: None))
        self.run.started_at = START

    def close(self) -> None:
        self._stack.close()

    def land(self, *documents: Document, known: datetime = START) -> int:
        """Land documents in this order, each in a window of its own moment; known: when. Gives how many are new."""
        windows = [
            PulledWindow(d.platform, SHOPS[d.platform], d.kind, START + n * timedelta(microseconds=1),
                         START + timedelta(hours=1), 1, [(d.source_id, d.updated, d.text)], 1, 1)
            for n, d in enumerate(documents)
        ]  # fmt: skip
        with self.run.writing("landing"):
            return sum(land(self.run.lake, self.settings, windows, run_id="run-1", now=known)) if windows else 0

    def land_together(self, *documents: Document) -> int:
        """Land documents in one window of each kind; their numbers follow from their content."""
        windows = []
        for platform, kind in sorted({(d.platform, d.kind) for d in documents}):
            rows = [(d.source_id, d.updated, d.text) for d in documents if (d.platform, d.kind) == (platform, kind)]
            windows.append(
                PulledWindow(platform, SHOPS[platform], kind, START, START + timedelta(hours=1), 1, rows, len(rows), 1)
            )
        with self.run.writing("landing"):
            return sum(land(self.run.lake, self.settings, windows, run_id="run-1", now=START))

    def pool(self, bite: int = 1000) -> flow.PoolReport:
        return flow.pool(self.run, bite)

    def decide(self) -> flow.DecideReport:
        return flow.decide(self.run)

    def take(self, *documents: Document, known: datetime = START) -> flow.DecideReport:
        """Land, pool and decide."""
        self.land(*documents, known=known)
        self.pool()
        return self.decide()

    def hashes(self) -> dict[str, tuple[int, str]]:
        return table_hashes(self.run.lake)

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """Rows of a query on both lakes."""
        cursor = self.run.lake.execute(query, values) if values else self.run.lake.execute(query)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def order(self, number: str) -> dict[str, Any]:
        (row,) = self.rows("FROM core.orders WHERE platform_order_no = $number", number=number)
        return row

    def failed_checks(self) -> list[str]:
        return [f"{check.name}: {check.detail}" for check in flow.check(self.run) if not check.ok]


# The orders of these tests share a few receivers: nothing merges them, nobody finds them odd.
CALM = (
    ("rules/routing.yaml", "merge_window_minutes: 60", "merge_window_minutes: 0"),
    ("rules/risk.yaml", "phone_buyers_90d: {gte: 4}", "phone_buyers_90d: {gte: 4000}"),
    ("rules/risk.yaml", "  - {facts: {phone_buyers_90d: 4, address_buyers_90d: 8}, rules: [one_phone_many_accounts, "
                        "one_address_many_buyers]}\n", ""),
)  # fmt: skip


@pytest.fixture(scope="session")
def calm_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped configuration, but for rules that look at more than one order."""
    return _changed(tmp_path_factory.mktemp("calm") / "config", CALM)


@pytest.fixture(scope="session")
def new_pool(tmp_path_factory: pytest.TempPathFactory, calm_config: Path) -> Iterator[Callable[..., Pool]]:
    """new_pool() opens a pool in a new home, new_pool(config_dir) with another configuration."""
    opened: list[Pool] = []

    def make(config_dir: Path = calm_config) -> Pool:
        opened.append(Pool(tmp_path_factory.mktemp("pool") / "home", config_dir))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def pool(new_pool) -> Iterator[Pool]:
    """A pool of the test's own."""
    one = new_pool()
    yield one
    one.close()


@pytest.fixture(scope="session")
def write() -> Callable[[str, State], Document]:
    """write(platform, state): the state as that platform's document."""
    return lambda platform, state: {"taobao": taobao, "shopify": shopify}[platform](state)


@pytest.fixture(scope="session")
def refund() -> Callable[..., Document]:
    """refund(number, of, minutes, status): a Taobao after-sale document."""
    return taobao_refund


@pytest.fixture(scope="session")
def state() -> type[State]:
    """State(number, …): one state of an order."""
    return State


@pytest.fixture(scope="session")
def line() -> type[Line]:
    """Line(sku, quantity, refund): an order line."""
    return Line


@pytest.fixture(scope="session")
def people() -> list[tuple[str, ...]]:
    """Receivers: name, phone, province, city, district, address, province code."""
    return PEOPLE


@pytest.fixture(scope="session")
def rules_config(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """rules_config(changes): the calm configuration with other rules: (file, old, new). Examples are left out, since
    they speak of the rules as shipped."""

    def make(changes: Iterable[tuple[str, str, str]] = ()) -> Path:
        folder = _changed(tmp_path_factory.mktemp("rules") / "config", (*CALM, *changes))
        for path in (folder / "rules").glob("*.yaml"):
            path.write_text(path.read_text("utf-8").split("\nexamples:")[0] + "\n", "utf-8")
        return folder

    return make


@pytest.fixture
def changed_config(tmp_path: Path) -> Callable[..., Path]:
    """changed_config(name, **texts): a copy of config/ with `file__yaml="text to append"` style changes."""

    def make(name: str, changes: Iterable[tuple[str, str, str]] = ()) -> Path:
        return _changed(tmp_path / name, (*CALM, *changes))

    return make


@pytest.fixture
def hub(new_pool, rules_config, sandbox):
    """hub(changes): a pool whose warehouse and courier are the sandbox's."""
    world = sandbox()

    def make(*changes):
        pool = new_pool(rules_config(changes))
        env = {**pool.settings.env, "ORDERPIPE_SANDBOX_URL": world.url, **world.credentials}
        pool.settings = config.Settings(pool.settings.home, pool.settings.config_dir, env)
        pool.reopen()
        pool.world = world
        return pool

    return make


def _changed(folder: Path, changes: Iterable[tuple[str, str, str]]) -> Path:
    """A copy of config/ in which texts are replaced: (file, old, new)."""
    shutil.copytree(config.ROOT / "config", folder)
    for file, old, new in changes:
        path = folder / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")
    return folder
