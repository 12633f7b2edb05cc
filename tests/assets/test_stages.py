"""The stages as Dagster runs them, against a real lake and a real sandbox."""

from datetime import datetime, timedelta

import pytest
from dagster import AssetKey

from assets.core import SEQ_FROM, SEQ_TO
from orderpipe import config, lake
from orderpipe.lake import dictionary
from orderpipe.platforms import PLATFORMS

LAG = 900  # simulated seconds after which every platform shows what happened


def place(world, shop, n=3, **wishes):
    numbers = world.orders(shop, n, state="paid", **wishes)
    world.step(LAG)
    return numbers


def row_count(result, asset):
    (event,) = (
        event for event in result.get_asset_materialization_events() if event.asset_key == AssetKey(asset.split("/"))
    )
    return event.materialization.metadata["dagster/row_count"].value


def metadata(result, asset):
    """What the asset's only materialisation of the run tells."""
    key = AssetKey(asset.split("/"))
    (event,) = (event for event in result.get_asset_materialization_events() if event.asset_key == key)
    return {name: value.value for name, value in event.materialization.metadata.items()}


def checks(result):
    """Every check result of the run by asset and name."""
    found = result.get_asset_check_evaluations()
    return {(check.asset_key.to_user_string(), check.check_name): check for check in found}


def failed_steps(result):
    return {event.step_key: event.step_failure_data for event in result.all_events if event.is_step_failure}


def query(sql):
    with lake.reader(config.load(), vault=True) as con:
        return con.execute(sql).fetchall()


def test_a_tick_takes_orders_from_every_shop_to_the_outbox_and_a_dispatch_to_the_warehouse(world, run_job, instance):
    numbers = place(world, "taobao-hz") + place(world, "shopify-us", province="浙江省")
    tick = run_job("tick")
    assert tick.success and all(check.passed for check in checks(tick).values())
    assert row_count(tick, "core/orders") == len(numbers)
    assert {run for (run,) in query("SELECT DISTINCT run_id FROM vault.raw.payloads")} == {tick.run_id}
    tags = instance.get_run_by_id(tick.run_id).tags
    assert (tags[SEQ_FROM], tags["dagster/max_runtime"], tags["dagster/priority"]) == ("1", "840", "10")

    (due,) = query("SELECT count(*) FROM outbox.instructions WHERE target = 'wms' AND status = 'pending'")[0]
    assert due > 0
    assert run_job("dispatch_wms").success
    assert len(world.receipts()["qimen"]) == due
    assert query("SELECT DISTINCT status FROM outbox.instructions WHERE target = 'wms'") == [("acknowledged",)]


def test_one_shop_with_a_revoked_token_turns_only_its_own_lane_red(world, run_job, monkeypatch):
    place(world, "taobao-hz")
    numbers = place(world, "shopify-us")
    monkeypatch.setenv("TAOBAO_SESSION", "revoked")
    monkeypatch.setenv("TAOBAO_REFRESH_TOKEN", "revoked")
    tick = run_job("tick")
    assert tick.success
    red = {asset: check.description for (asset, _), check in checks(tick).items() if not check.passed}
    assert set(red) == {"shops/taobao-hz"}
    cause = red["shops/taobao-hz"]
    assert "taobao-hz" in cause and "TAOBAO_REFRESH_TOKEN" in cause  # the shop, and what to set
    assert row_count(tick, "core/orders") == len(numbers)
    fresh = {event.asset_key.to_user_string() for event in tick.get_asset_materialization_events()}
    assert "shops/shopify-us" in fresh and "shops/taobao-hz" not in fresh
    lanes = dict(query("SELECT (shop_id, kind), (state, silent_ticks, error IS NOT NULL) FROM mart.shop_freshness"))
    assert {lane for lane, told in lanes.items() if told == ("failing", 1, True)} == {
        ("taobao-hz", kind) for kind in PLATFORMS["taobao"].kinds
    }
    assert {told for (shop, _), told in lanes.items() if shop == "shopify-us"} == {("fresh", 0, False)}


def test_a_broken_rule_file_turns_its_check_red_and_the_rules_in_force_go_on(world, run_job):
    place(world, "taobao-hz")
    tick = run_job("tick")
    assert metadata(tick, "rules/routing")["why"] == "as shipped"
    assert metadata(tick, "rules/routing")["file_differs"] is False
    for name in dictionary.tables():
        if name.startswith("decision."):
            assert row_count(tick, name.replace(".", "/")) == query(f"SELECT count(*) FROM {name}")[0][0], name
    assert row_count(tick, "decision/routes") == 3

    version = metadata(tick, "rules/routing")["version"]
    folder = config.load().config_dir / "rules"
    for name, old, new in (("routing", "warehouse: FS", "warehouse: XX"), ("stock", "suspend_at: 5", "suspend_at: 4")):
        text = (folder / f"{name}.yaml").read_text("utf-8")
        assert old in text
        (folder / f"{name}.yaml").write_text(text.replace(old, new), "utf-8")

    place(world, "taobao-hz")
    tick = run_job("tick")
    assert tick.success
    red = {asset: check.description for (asset, _), check in checks(tick).items() if not check.passed}
    assert list(red) == ["rules/routing"] and "unknown warehouse 'XX'" in red["rules/routing"]
    assert metadata(tick, "rules/stock")["file_differs"] is True
    assert metadata(tick, "rules/routing")["version"] == version
    assert query("SELECT count(*), any_value(rule_version) FROM decision.routes") == [(6, version)]

    # The file that can be read is tried on what was decided; nothing is decided by it.
    path = folder / "routing.yaml"
    path.write_text(path.read_text("utf-8").replace("warehouse: XX", "warehouse: HZ"), "utf-8")
    tried = run_job("backtest")
    assert metadata(tried, "rules/backtest")["routing: judged"] == 6
    assert metadata(tried, "rules/backtest")["stock: changed"] > 0
    assert query("SELECT count(*), any_value(rule_version) FROM decision.routes") == [(6, version)]


def test_one_shop_is_pulled_by_materialising_its_lane(world, instance):
    from dagster import materialize

    from definitions import defs

    place(world, "taobao-hz")
    place(world, "shopify-us")
    lane = AssetKey(["shops", "taobao-hz"])
    pulled = materialize(
        [defs.get_assets_def(lane)], instance=instance, selection=[lane], resources=defs.resources, raise_on_error=False
    )
    assert pulled.success
    assert query("SELECT DISTINCT shop_id FROM vault.raw.payloads") == [("taobao-hz",)]
    assert query("SELECT count(*) FROM vault.raw.payloads WHERE kind = 'order'") == [(3,)]


def test_a_window_can_be_pulled_again_for_one_shop(world, run_job):
    place(world, "taobao-hz")
    place(world, "shopify-us")
    run_job("tick")
    now = datetime.fromisoformat(world.now())
    window = {"window_from": (now - timedelta(hours=2)).isoformat(), "window_to": now.isoformat()}
    tick = run_job("tick", {"ops": {"pull": {"config": {"shops": ["taobao-hz"], **window}}}})
    assert tick.success
    landed = {
        event.asset_key.to_user_string(): [event.materialization.metadata[name].value for name in ("landed", "new")]
        for event in tick.get_asset_materialization_events()
        if "landed" in event.materialization.metadata and event.materialization.metadata["windows"].value
    }
    assert landed == {
        "shops/taobao-hz": [3, 0],
        "raw/taobao_orders": [3, 0],
        "raw/taobao_refunds": [0, 0],
        "raw/taobao_products": [0, 0],
    }


@pytest.mark.parametrize(
    ("wish", "cause"),
    [
        ({"shops": ["taobao-hx"]}, "taobao-hx"),
        ({"window_from": "2026-11-09T00:00:00", "window_to": "2026-11-09T01:00:00"}, "offset"),
        ({"window_from": "yesterday"}, "2026-11-11T00:00:00+08:00"),
    ],
)
def test_a_wish_that_makes_no_sense_fails_at_once_and_says_why(world, run_job, wish, cause):
    tick = run_job("tick", {"ops": {"pull": {"config": wish}}})
    assert not tick.success
    assert cause in failed_steps(tick)["pull"].user_failure_data.description


def test_nothing_is_decided_on_an_order_pool_that_does_not_add_up(world, run_job):
    place(world, "taobao-hz")
    run_job("tick")
    con = lake.connect(config.load())
    con.execute("DELETE FROM vault.raw.payloads WHERE seq = 1")
    con.close()
    place(world, "taobao-hz")
    tick = run_job("tick")
    assert not tick.success and not checks(tick)["core/orders", "landed_without_gaps"].passed
    assert AssetKey(["decision", "routes"]) not in {e.asset_key for e in tick.get_asset_materialization_events()}
    assert query("SELECT count(DISTINCT order_id) FROM decision.routes") == [(3,)]


def test_quality_names_the_documents_that_break_a_rule_and_no_event_holds_personal_data(world, run_job, instance):
    world.fault("taobao", "missing_field", times=1, match="fullinfo", field="created")
    place(world, "taobao-hz", 4)
    place(world, "shopify-us", 2)
    tick = run_job("tick")
    tags = instance.get_run_by_id(tick.run_id).tags
    batch = {"seq_from": int(tags[SEQ_FROM]), "seq_to": int(tags[SEQ_TO])}
    quality = run_job("quality", {"ops": {"expectations": {"config": batch}}})
    assert quality.success
    held = {seq for (seq,) in query("SELECT DISTINCT seq FROM vault.raw.quarantine")}
    verdict = checks(quality)["core/orders", "expectations"]
    flagged = {
        int(seq)
        for record in verdict.metadata["rules"].value.records
        if record.data["severity"] == "critical" and record.data["source_seqs"]
        for seq in record.data["source_seqs"].split(", ")
    }
    assert len(held) == 1 and flagged == held and not verdict.passed
    assert verdict.metadata["not_in_quarantine"].value == 0 and verdict.severity.value == "WARN"

    told = "\n".join(str(entry) for run in (tick, quality) for entry in instance.all_logs(run.run_id))
    personal = {value for values in world.personal().values() for value in values if len(value) >= 6}
    assert personal and not [value for value in personal if value in told]
