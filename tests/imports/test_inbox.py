"""The inbox: files are imported once, by content, and filed away with their reports, whatever happens in between."""

import json
import multiprocessing
import os
import runpy
import shutil
import signal
import stat
from pathlib import Path

import pytest

from orderpipe.errors import ConfigError
from orderpipe.imports import inbox
from orderpipe.imports.importing import FileChanged, import_file

_CLEAN = multiprocessing.get_context("forkserver")
CHILD = Path(__file__).parent / "children" / "take_in.py"


@pytest.fixture
def box(office):
    """The inbox's folder."""
    return inbox.folder(office.settings)


@pytest.fixture
def put(box, to_csv, row):
    """put(name, rows): a file in the inbox."""

    def put(name, rows=None):
        path = box / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(rows if isinstance(rows, bytes) else to_csv(rows or [row()]))
        return path

    return put


def listed(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_a_file_is_filed_away_with_its_reports(office, box, put, row):
    put(
        "十一月.csv",
        [row(), row(主订单编号="4.8E+18"), row(主订单编号="\t2", 子订单编号="\t2", 收件人手机号="13900001111")],
    )
    (report,) = inbox.take_in(office.run)
    assert (report.status, report.landed, report.refused) == ("done", 3, 1)
    assert listed(box) == []
    assert listed(box / "done") == ["十一月.csv", "十一月.csv.report.json", "十一月.csv.report.txt"]
    told = json.loads((box / "done" / "十一月.csv.report.json").read_text("utf-8"))
    assert told["refusals"] == [
        {"line": 3, "problem": "id_in_scientific_notation", "reason": told["refusals"][0]["reason"]}
    ]
    text = (box / "done" / "十一月.csv.report.txt").read_text("utf-8")
    assert "第 3 行：编号被 Excel 改成科学计数法" in text and "被拒绝的行：1" in text and "新落地：3" in text
    for personal in ("王小明", "13812345678", "13900001111", "文三路88号"):
        assert personal not in text and personal not in json.dumps(told, ensure_ascii=False)
    for path in [box, box / "done", *(box / "done").iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert inbox.take_in(office.run) == []


def test_a_file_that_fails_is_filed_with_the_reason(office, box, put, row):
    put("stock.csv", "品名,库存\n杯子,3\n".encode())
    put("broken.csv", b"\xff\xfe\x00")
    reports = inbox.take_in(office.run)
    assert {report.status for report in reports} == {"failed"}
    assert {"stock.csv", "stock.csv.report.txt", "broken.csv"} <= set(listed(box / "failed"))
    assert "表头不属于任何已知的导出模板" in (box / "failed" / "stock.csv.report.txt").read_text("utf-8")
    assert [entry["status"] for entry in office.rows("FROM vault.raw.imports")] == ["failed", "failed"]
    assert office.rows("FROM vault.raw.payloads") == []


def test_the_same_content_again_is_not_imported_again_and_names_do_not_collide(office, box, put, row):
    put("a.csv")
    inbox.take_in(office.run)
    put("a.csv")
    put("b.csv", [row(主订单编号="\t2", 子订单编号="\t2")])
    first, second = inbox.take_in(office.run)
    assert (first.status, first.landed, second.landed) == ("known", 0, 1)
    assert [name for name in listed(box / "done") if "report" not in name] == ["a (2).csv", "a.csv", "b.csv"]
    assert "此前已导入" in (box / "done" / "a (2).csv.report.txt").read_text("utf-8")


def test_the_subfolder_names_the_shop(office, box, put, row):
    own = {
        "平台订单号": "1",
        "商品编码": "CUP-500-BL",
        "数量": "1",
        "单价": "9.90",
        "下单时间": "2026-11-09 10:00:00",
        "订单状态": "待发货",
    }
    put("lazada-my/orders.csv", [own])
    put("nowhere/orders.csv", [own])
    put("orders.csv", [own])
    reports = {report.shop_id: report for report in inbox.take_in(office.run)}
    assert reports["lazada-my"].landed == 1
    assert "there is no shop nowhere" in reports["nowhere"].error
    assert "does not tell its shop" in reports[""].error
    assert len([name for name in listed(box / "failed") if "report" not in name]) == 2


def test_what_is_still_being_written_and_what_is_no_file_waits(office, box, put):
    for name in ("orders.csv.part", "x.crdownload", ".hidden.csv", "~$orders.xlsx", "x.tmp", "old.csv.report.txt"):
        put(name)
    (box / "link.csv").symlink_to("/etc/hostname")
    os.mkfifo(box / "pipe.csv")
    put("good.csv")
    assert [file.name for file in inbox.waiting(office.settings)] == ["good.csv"]


def test_a_file_that_changes_while_it_is_read_is_left_for_another_time(office, box, put, row, monkeypatch):
    path = put("a.csv")
    real = inbox.folder

    def write_more(run, path, **options):
        report = import_file(run, path, **options)
        path.write_bytes(path.read_bytes() + b"\r\n")
        return report

    monkeypatch.setattr("orderpipe.imports.importing.import_file", write_more)
    inbox.take_in(office.run)
    assert path.exists() and real(office.settings) == box
    monkeypatch.undo()
    (report,) = inbox.take_in(office.run)
    assert (report.status, report.landed) == ("done", 0)
    assert len(office.rows("FROM vault.raw.payloads")) == 1


def test_a_file_that_grows_during_the_walk_lands_nothing_in_the_ledger(office, row, monkeypatch):
    path = office.drop([row()])

    def grow(text):
        path.write_bytes(path.read_bytes() + b" ")

    monkeypatch.setattr("orderpipe.imports.importing.LAND_AT", 1)
    office.run.say = grow
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(True)[1].replace(b"6917750000000000001", b"2"))
    with pytest.raises(FileChanged):
        import_file(office.run, path)
    assert office.rows("FROM vault.raw.imports") == []


def test_a_mistake_in_the_mappings_blames_no_file(office, box, put):
    put("a.csv")
    (office.settings.config_dir / "import_headers.yaml").write_text("douyin_orders: [", "utf-8")
    with pytest.raises(ConfigError):
        inbox.take_in(office.run)
    assert listed(box) == ["a.csv"]


def test_only_the_files_that_were_asked_for_are_taken(office, box, put, row):
    put("a.csv")
    put("b.csv", [row(主订单编号="\t2", 子订单编号="\t2")])
    assert [report.file for report in inbox.take_in(office.run, ["b.csv", "gone.csv"])] == ["b.csv"]
    assert listed(box) == ["a.csv"]


PLACES = ["land", "landed", "filing", "reported", "moved"]


@pytest.mark.parametrize("place", PLACES)
def test_a_crash_at_any_step_loses_and_doubles_nothing(office, put, row, place):
    """Killed before landing, in the middle of it, before the reports, between them and the move, after the move."""
    rows = [row(主订单编号=f"\t{n}", 子订单编号=f"\t{n}") for n in range(100, 112)]
    put("a.csv", rows)
    office.run.close()
    child = _CLEAN.Process(target=runpy.run_path, args=(str(CHILD), {"path": str(office.path), "place": place}))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    reports = inbox.take_in(office.run)
    assert [report.status for report in reports] in ([["done"]] if place in ("land", "landed") else [["known"], []])
    assert office.rows("SELECT count(*) AS n, count(DISTINCT source_id) AS ids FROM vault.raw.payloads") == [
        {"n": 12, "ids": 12}
    ]
    (entry,) = office.rows("FROM vault.raw.imports")
    assert (entry["status"], entry["documents"]) == ("done", 12)
    done = inbox.folder(office.settings) / "done"
    assert listed(done) == ["a.csv", "a.csv.report.json", "a.csv.report.txt"]
    assert inbox.waiting(office.settings) == []
    shutil.rmtree(office.path, ignore_errors=True)
