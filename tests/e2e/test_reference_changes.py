"""What an operator edits takes effect on the orders that wait, not only on those that come."""

import csv
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def edited(hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A hub with a configuration folder of its own, and one waiting order of a mug from Zhejiang."""
    hub = hub(seed=51)
    folder = tmp_path / "edited"
    shutil.copytree(hub.env["ORDERPIPE_CONFIG"], folder)
    hub.env["ORDERPIPE_CONFIG"] = str(folder)
    monkeypatch.setenv("ORDERPIPE_CONFIG", str(folder))
    with (folder / "goods.csv").open(encoding="utf-8") as file:
        hub.sku = next(row["sku"] for row in csv.DictReader(file) if row["fragile"] == "false")
    hub.sandbox.orders("taobao-hz", state="paid", province="浙江省", skus=[hub.sku])
    hub.sandbox.step(600)
    return hub


def _edit(path: Path, change) -> None:
    path.write_text(change(path.read_text("utf-8")), "utf-8")


def _order(hub):
    return hub.rows("SELECT warehouse_id, hold_status FROM core.orders")[0]


def test_an_order_held_for_unknown_goods_ships_once_the_goods_master_knows_them(edited):
    goods = Path(edited.env["ORDERPIPE_CONFIG"]) / "goods.csv"
    whole = goods.read_text("utf-8")
    _edit(goods, lambda text: "\n".join(line for line in text.splitlines() if not line.startswith(edited.sku + ",")))
    edited.tick()
    assert _order(edited)["hold_status"] == "unknown_goods"
    assert edited.sandbox.receipts()["qimen"] == []
    goods.write_text(whole, "utf-8")
    edited.sandbox.step(60)
    report = edited.tick()
    assert not [lane for lane in report.pull.lanes if lane.kind == "order" and lane.new], "no order came"
    assert _order(edited) == {"warehouse_id": "HZ", "hold_status": None}
    assert len(edited.sandbox.receipts()["qimen"]) == 1
    assert edited.value("SELECT fragile FROM core.order_items") is False


def test_a_changed_rule_moves_an_order_that_was_not_sent_once_it_is_activated(edited):
    edited.tick(send=False)
    assert _order(edited)["warehouse_id"] == "HZ"
    rules = Path(edited.env["ORDERPIPE_CONFIG"]) / "rules" / "routing.yaml"
    _edit(rules, lambda text: text.replace("then: {warehouse: HZ, fallback: FS}", "then: {warehouse: FS}"))
    edited.sandbox.step(60)
    assert edited.tick(send=False).decide.decided == 0, "a file that is edited is not in force"
    assert _order(edited)["warehouse_id"] == "HZ"
    done = edited.command("rules", "activate", "routing", "--by", "tester", "--reason", "one warehouse")
    assert done.returncode == 0, done.stdout + done.stderr
    edited.tick()
    assert _order(edited)["warehouse_id"] == "FS"
    (pick_order,) = edited.sandbox.receipts()["qimen"]
    assert "WH-FS" in pick_order["body"]
    assert edited.value("SELECT count(*) FROM decision.rule_versions WHERE purpose = 'routing'") == 2
    assert edited.tick(send=False).decide.decided == 0, "nothing is decided twice for the same files"
