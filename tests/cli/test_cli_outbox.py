"""`orderpipe outbox`: what waits for somebody, sending it again, pick orders on paper, the chain of receipts."""

import stat

import pytest

from orderpipe import config, flow

KEY = "5f" * 32


@pytest.fixture
def desk(terminal, sandbox, told):
    """A terminal beside a warehouse that took two of three orders and refused one."""
    world = sandbox()
    env = {"ORDERPIPE_PII_KEY": KEY, "ORDERPIPE_SANDBOX_URL": world.url, **world.credentials}
    one = terminal(**env, ORDERPIPE_CLOCK=f"{world.url}/_control/clock")
    settings = told(one.env)
    one.env["ORDERPIPE_CONFIG"] = str(settings.config_dir)
    with flow.open_run(settings, say=lambda text: None) as run:
        report = flow.dispatch(run, "wms")
    assert (report.acknowledged, report.rejected) == (2, 1)
    return one


def test_a_refusal_is_listed_and_sent_again_by_name(desk):
    (refused,) = desk.json("outbox", "list")
    assert refused["status"] == "rejected" and "NO-SUCH-SKU" in refused["last_error"]
    waiting = desk.json("outbox", "list", "--status", "pending", "--receiver", "courier")
    assert [row["kind"] for row in waiting] == ["waybill"] * 3
    nobody = desk("outbox", "requeue", refused["instruction_id"])
    assert nobody.returncode == 1 and "--by" in nobody.stderr
    who = ("--by", "李雷", "--reason", "货品已同步到仓库")
    assert desk.json("outbox", "requeue", "--all", "wms", *who, "--dry-run") == {"requeued": 0, "found": 1}
    assert desk.json("outbox", "list") == [refused]
    assert desk.json("outbox", "requeue", "--all", "wms", *who) == {"requeued": 1, "found": 1}
    assert desk.json("outbox", "list") == []
    unknown = desk("outbox", "requeue", "nonsense", *who)
    assert unknown.returncode == 1 and "orderpipe outbox list" in unknown.stderr


def test_pick_orders_are_printed_for_their_owner_only(desk, tmp_path):
    order, _ = desk.json("outbox", "print")
    page = tmp_path / "wave.html"
    done = desk("outbox", "print", "--out", str(page))
    assert done.returncode == 0 and str(page) in done.stdout
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert order["code"] in page.read_text("utf-8") and "13812345678" not in page.read_text("utf-8")
    assert "nothing" in desk("outbox", "print", "--warehouse", "FS", "--out", str(tmp_path / "none.html")).stdout
    assert not (tmp_path / "none.html").exists()


def test_receipts_are_followed_and_a_broken_chain_fails(desk):
    (chain,) = desk.json("outbox", "receipts")
    assert (chain["receiver"], chain["length"], chain["broken_at"]) == ("wms", 3, None)
    settings = config.Settings(config.Home(desk.home), config.ROOT / "config", {"ORDERPIPE_PII_KEY": KEY})
    with flow.open_run(settings, say=lambda text: None) as run, run.writing("tamper"):
        run.lake.execute("DELETE FROM outbox.receipts WHERE number = 1")
    assert desk.json("outbox", "receipts", exit_code=1)[0]["broken_at"] == 2
