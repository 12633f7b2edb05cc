"""`orderpipe import`: files are read, taken and told about; a dry run leaves no trace."""

import shutil

import pytest

from orderpipe import config

HEADERS = (
    "主订单编号,子订单编号,商品数量,商家编码,商品单价,订单应付金额,收件人手机号,订单提交时间,支付完成时间,订单状态\n"
)
ROW = '"\t{0}","\t{0}",1,CUP-500-BL,89.00,89.00,13812345678,2026-11-09 10:00:00,2026-11-09 10:01:00,待发货\n'
SHOPS = "- {id: douyin-hz, platform: douyin, name: D, timezone: Asia/Shanghai, currency: CNY, base_url: http://x}\n"


@pytest.fixture
def orderpipe(terminal, tmp_path):
    """A terminal on an empty home with one Douyin shop."""
    shutil.copytree(config.ROOT / "config", tmp_path / "config")
    (tmp_path / "config" / "shops.yaml").write_text(SHOPS)
    return terminal(ORDERPIPE_PII_KEY="5f" * 32, ORDERPIPE_CONFIG=str(tmp_path / "config"))


@pytest.fixture
def export(tmp_path):
    """export(*numbers): a file with these orders, as Excel in China saves it."""

    def export(*numbers, name="orders.csv"):
        path = tmp_path / name
        path.write_text(HEADERS + "".join(ROW.format(number) for number in numbers), encoding="gb18030")
        return str(path)

    return export


def test_a_file_is_imported_and_its_orders_are_found(orderpipe, export):
    done = orderpipe("import", export("6917750000000000001"))
    assert done.returncode == 0, done.stderr
    assert "imported" in done.stdout and "douyin_orders" in done.stdout and "gb18030" in done.stdout
    assert orderpipe("lookup", "6917750000000000001").returncode == 0
    again = orderpipe.json("import", export("6917750000000000001"))
    assert [(report["status"], report["landed"]) for report in again] == [("known", 0)]


def test_a_dry_run_tells_the_same_and_leaves_no_trace(orderpipe, export):
    (report,) = orderpipe.json("import", export("1", "4.8E+18"), "--dry-run", exit_code=1)
    assert (report["status"], report["rows"], report["refused"]) == ("checked", 2, 1)
    assert not orderpipe.home.exists()


def test_refused_rows_and_failed_files_are_told_with_exit_code_1(orderpipe, export, tmp_path):
    (tmp_path / "stock.csv").write_text("品名,库存\n杯子,3\n")
    done = orderpipe("import", str(tmp_path / "stock.csv"), export("1", "4.8E+18"))
    assert done.returncode == 1
    assert "refused: orders.csv, line 3: 编号被 Excel 改成科学计数法" in done.stdout
    assert "failed: stock.csv: no export is known by these headers" in done.stdout
    assert "13812345678" not in done.stdout + done.stderr
    assert orderpipe("lookup", "1").returncode == 0, "the other rows and files go on"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shop", "douyin-sz"), "no shop douyin-sz — use one of douyin-hz"),
        (("--mapping", "duyin_orders"), "did you mean douyin_orders?"),
        (("no-such-file.csv",), "no-such-file.csv: does not exist"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(orderpipe, export, options, message):
    done = orderpipe("import", export("1"), *options)
    assert done.returncode == 1 and message in done.stderr
