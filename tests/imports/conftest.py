"""Exports as the platforms' back offices write them, and a home to import them into."""

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orderpipe import config, flow
from orderpipe.imports.importing import ImportReport, import_file
from orderpipe.lake.landing import PulledWindow, land
from tests.homes import empty_home

KEY = "5f" * 32
NOW = datetime(2026, 11, 9, 12, 0, tzinfo=UTC)
SHOPS = """
- {id: douyin-hz, platform: douyin, name: D, timezone: Asia/Shanghai, currency: CNY, base_url: http://127.0.0.1:1}
- {id: taobao-hz, platform: taobao, name: T, timezone: Asia/Shanghai, currency: CNY, base_url: http://127.0.0.1:1}
- {id: pinduoduo-hz, platform: pinduoduo, name: P, timezone: Asia/Shanghai, currency: CNY, base_url: http://127.0.0.1:1}
- {id: lazada-my, platform: lazada, name: L, timezone: Asia/Kuala_Lumpur, currency: MYR, base_url: http://127.0.0.1:1}
- {id: shopify-us, platform: shopify, name: S, timezone: America/New_York, currency: USD, base_url: http://127.0.0.1:1}
"""
ORDER_NO = "6917750000000000001"
DOUYIN = {
    "主订单编号": f"\t{ORDER_NO}", "子订单编号": f"\t{ORDER_NO}", "选购商品": "不锈钢保温杯",
    "商品规格": "容量:500ml;颜色:黑色", "商品数量": "2", "商品ID": "\t3600000000000000001", "商家编码": "CUP-500-BL",
    "商品单价": "69.90", "订单应付金额": "132.80",
    "运费": "0.00", "收件人": "王小明", "收件人手机号": "13812345678", "省": "浙江省", "市": "杭州市", "区": "西湖区",
    "街道": "仓前街道", "详细地址": "文三路88号", "订单提交时间": "2026-11-09 10:00:00",
    "支付完成时间": "2026-11-09 10:01:00",
    "发货时间": "-", "订单完成时间": "-", "订单状态": "待发货", "售后状态": "-", "流量来源": "直播",
}  # fmt: skip


def douyin(**cells: str) -> dict[str, str]:
    """A row of Douyin's export (one line of an order), with other cells."""
    return {**DOUYIN, **cells}


def as_csv(
    rows: list[dict[str, str]], encoding: str = "utf-8-sig", separator: str = ",", ending: str = "\r\n"
) -> bytes:
    """Rows as a file; the headers are those of the first row."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], delimiter=separator, lineterminator=ending)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


class Office:
    """A home with an open run that imports files; `drop` puts one somewhere."""

    def __init__(self, path: Path):
        self.path = path
        config_dir = path / "config"
        if not config_dir.exists():
            shutil.copytree(config.ROOT / "config", config_dir)
            (config_dir / "shops.yaml").write_text(SHOPS, "utf-8")
        self.settings = config.Settings(config.Home(path / "home"), config_dir, {"ORDERPIPE_PII_KEY": KEY})
        self._stack = ExitStack()
        self.run = self._stack.enter_context(flow.open_run(self.settings, "run-1", say=lambda text: None))
        self.run.started_at = NOW

    def close(self) -> None:
        self._stack.close()

    def drop(self, content: bytes | list[dict[str, str]], name: str = "orders.csv") -> Path:
        path = self.path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else as_csv(content))
        return path

    def take(self, content: bytes | list[dict[str, str]], **options: Any) -> ImportReport:
        """Import a file and pool it."""
        report = import_file(self.run, self.drop(content), **options)
        if report.landed:
            flow.pool(self.run)
        return report

    def land(self, platform: str, shop: str, number: str, updated: datetime, content: dict[str, Any]) -> None:
        """Land and pool a platform's own order document."""
        documents = [(number, updated, json.dumps(content, ensure_ascii=False))]
        window = PulledWindow(platform, shop, "order", updated, updated + timedelta(hours=1), 1, documents, 1, 1)
        with self.run.writing("landing"):
            land(self.run.lake, self.settings, [window], run_id=self.run.id, now=NOW)
        flow.pool(self.run)

    def rows(self, query: str) -> list[dict[str, Any]]:
        cursor = self.run.lake.execute(query)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def order(self) -> dict[str, Any]:
        """The only order."""
        (row,) = self.rows("FROM core.orders")
        return row

    def failed_checks(self) -> list[str]:
        return [f"{check.name}: {check.detail}" for check in flow.check(self.run) if not check.ok]


@pytest.fixture
def new_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Office]]:
    """new_office() opens an office on a new home."""
    opened: list[Office] = []

    def make() -> Office:
        path = tmp_path_factory.mktemp("office") / "here"
        empty_home(path / "home")
        opened.append(Office(path))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def office(new_office: Callable[[], Office]) -> Office:
    return new_office()


@pytest.fixture(scope="session")
def row() -> Callable[..., dict[str, str]]:
    """row(**cells): a row of Douyin's export."""
    return douyin


@pytest.fixture(scope="session")
def to_csv() -> Callable[..., bytes]:
    """to_csv(rows, encoding, separator, ending)."""
    return as_csv
