"""A file dropped into the inbox starts an import once it has stopped growing; the job takes it into the pool."""

import shutil

import pytest
from dagster import DagsterRun, DagsterRunStatus, RunRequest, SkipReason, build_sensor_context
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.utils import make_new_run_id

from assets import jobs
from orderpipe import config
from orderpipe.lake import reader
from sensors.inbox import inbox_sensor
from sensors.runs import GIVE_UP

SHOPS = "- {id: douyin-hz, platform: douyin, name: D, timezone: Asia/Shanghai, currency: CNY, base_url: http://x}\n"
HEADERS = "主订单编号,子订单编号,商品数量,商家编码,商品单价,订单应付金额,订单提交时间,支付完成时间,订单状态\n"
ROW = '"\t{0}","\t{0}",1,CUP-500-BL,89.00,89.00,2026-11-09 10:00:00,2026-11-09 10:01:00,待发货\n'
ONE = HEADERS + ROW.format(1)
FILES = "raw__import_orders"


@pytest.fixture
def box(home, tmp_path, monkeypatch):
    """box(name, text): puts a file into the inbox of a home with one Douyin shop."""
    shutil.copytree(config.ROOT / "config", tmp_path / "config")
    (tmp_path / "config" / "shops.yaml").write_text(SHOPS)
    monkeypatch.setenv("ORDERPIPE_CONFIG", str(tmp_path / "config"))

    def put(name, text=ONE):
        path = home / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    return put


class Looks:
    """Looks at the inbox one after the other, each with the cursor that the one before left."""

    def __init__(self, instance):
        self.instance, self.cursor = instance, None

    def __call__(self):
        with build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            answer = inbox_sensor(context)
            self.cursor = context.cursor
        return answer


@pytest.fixture
def look(instance):
    return Looks(instance)


def add_run(instance, status, tags):
    origin = RemoteJobOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("orderpipe"), "__repository__"), jobs.import_files.name
    )
    return instance.add_run(
        DagsterRun(jobs.import_files.name, make_new_run_id(), status=status, tags=tags or {}, remote_job_origin=origin)
    )


def files_of(request):
    return request.run_config["ops"][FILES]["config"]["files"]


def test_an_empty_inbox_starts_nothing_and_is_made(look, box, home):
    assert look().skip_message == "the inbox is empty"
    assert (home / "inbox").stat().st_mode & 0o077 == 0


def test_a_file_is_taken_when_it_has_stopped_growing(look, box):
    path = box("a.csv")
    assert "may still be growing" in look().skip_message
    path.write_text(path.read_text("utf-8") + ROW.format(2), "utf-8")
    assert isinstance(look(), SkipReason)
    request = look()
    assert isinstance(request, RunRequest) and files_of(request) == ["a.csv"]
    box("b.csv")
    assert files_of(look()) == ["a.csv"]
    assert files_of(look()) == ["a.csv", "b.csv"]


def test_asked_twice_it_starts_once_and_after_a_failure_again(look, instance, box):
    box("a.csv")
    look()
    first = look()
    assert look().run_key == first.run_key
    run = add_run(instance, DagsterRunStatus.STARTED, first.tags)
    assert run.run_id in look().skip_message
    instance.report_run_failed(run)
    assert look().run_key not in (None, first.run_key)


def test_the_same_file_dropped_again_starts_again(look, instance, box):
    path = box("a.csv")
    look()
    first = look()
    add_run(instance, DagsterRunStatus.SUCCESS, first.tags)
    path.unlink()
    assert isinstance(look(), SkipReason)
    box("a.csv")
    look()
    assert look().run_key not in (None, first.run_key)


def test_after_repeated_failures_it_pauses(look, instance, box, monkeypatch):
    box("a.csv")
    look()
    for _ in range(GIVE_UP):
        instance.report_run_failed(add_run(instance, DagsterRunStatus.STARTED, look().tags))
    assert f"the last {GIVE_UP} runs failed" in look().skip_message
    monkeypatch.setattr("sensors.runs.PAUSE", 0)
    assert isinstance(look(), RunRequest)


def test_the_job_takes_a_file_into_the_pool_and_files_it_away(look, run_job, box, home):
    box("a.csv", HEADERS + ROW.format(1) + ROW.format("4.8E+18"))
    box("stock.csv", "品名,库存\n杯子,3\n")
    box("later.csv", HEADERS + ROW.format(7))
    look()
    request = look()
    (home / "inbox" / "later.csv").unlink()
    result = run_job("import_files", request.run_config)
    assert result.success
    with reader(config.load()) as con:
        assert con.execute("SELECT platform_order_no, status FROM core.orders").fetchall() == [("1", "paid")]
        told = con.execute("SELECT params FROM outbox.instructions WHERE kind = 'alert'").fetchall()
    (check,) = [e for e in result.get_asset_check_evaluations() if e.check_name == "files_taken"]
    assert not check.passed and check.description == "1 个文件未能导入，1 行被拒绝"
    assert any("有文件未能导入" in str(alert) for alert in told)
    assert (home / "inbox" / "done" / "a.csv").exists() and (
        home / "inbox" / "failed" / "stock.csv.report.txt"
    ).exists()
    assert isinstance(look(), SkipReason)
