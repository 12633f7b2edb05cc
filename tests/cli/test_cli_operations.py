"""First start, verification against the platforms, replay: the commands an operator trusts."""

import json
import stat

from orderpipe import config
from orderpipe.lake import open_writer


def test_the_key_is_made_once_and_never_changed(terminal):
    fresh = terminal()
    assert "run `orderpipe doctor --init`" in fresh("doctor").stdout
    fresh.process("doctor", "--init")
    env_file = fresh.home / "env"
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    text = env_file.read_text()
    assert text.startswith("ORDERPIPE_PII_KEY=") and len(text.strip()) == len("ORDERPIPE_PII_KEY=") + 64
    env_file.write_text(text + "TAOBAO_SESSION=kept\n")
    fresh("doctor", "--init")
    assert env_file.read_text() == text + "TAOBAO_SESSION=kept\n"


def test_a_key_file_others_can_read_is_refused(terminal):
    careless = terminal()
    careless("doctor", "--init")
    (careless.home / "env").chmod(0o644)
    done = careless("lookup", "1")
    assert done.returncode == 1
    assert "chmod 600" in done.stderr


def test_the_doctor_names_every_missing_secret(terminal):
    done = terminal(ORDERPIPE_PII_KEY="5f" * 32)("doctor")
    assert done.returncode == 1
    assert "TAOBAO_APP_KEY is not set" in done.stdout
    assert "SHOPIFY_CLIENT_ID is not set" in done.stdout


def test_a_home_without_a_lake_says_what_to_do(terminal):
    done = terminal(ORDERPIPE_PII_KEY="5f" * 32)("sql", "SELECT 1")
    assert done.returncode == 1
    assert "orderpipe tick" in done.stderr


def test_a_wrong_shop_is_named_with_those_that_exist(terminal):
    somewhere = terminal(ORDERPIPE_PII_KEY="5f" * 32)
    for command in ("tick", "verify"):
        done = somewhere(command, "--shop", "taobao-hzz")
        assert done.returncode == 1, command
        assert "no shop taobao-hzz" in done.stderr
        assert "taobao-hz" in done.stderr.split("taobao-hzz")[1]


def test_a_gap_is_listed_and_healed(shop):
    orderpipe, world = shop
    missed, kept = world.orders("taobao-hz", n=2, state="paid")
    world.orders("shopify-us", state="paid", country="CN")
    world.step(1500)  # within the hour that a repair pulls again
    assert orderpipe("tick", "--no-send").returncode == 0
    assert orderpipe("verify").returncode == 0

    # A window that was never pulled: its order came, was recorded nowhere, and is not in the pool.
    settings = config.Settings(config.Home(orderpipe.home), config.ROOT / "config", orderpipe.env)
    con = open_writer(settings)
    con.execute("DELETE FROM vault.raw.payloads WHERE source_id = $1", [missed])
    (order_id,) = con.execute("SELECT order_id FROM core.orders WHERE platform_order_no = $1", [missed]).fetchone()
    for table in ("core.orders", "core.order_items", "core.order_versions", "core.order_events", "decision.routes"):
        con.execute(f"DELETE FROM {table} WHERE order_id = $1", [order_id])
    con.close()

    found = orderpipe.json("verify", exit_code=1)
    assert [gap["source_id"] for lane in found for gap in lane["gaps"]] == [missed]
    done = orderpipe("verify")
    assert "missing" in done.stdout and missed in done.stdout and "--repair" in done.stdout
    before = con_windows(settings)
    done = orderpipe("verify", "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    assert orderpipe("lookup", missed).returncode == 0
    assert con_windows(settings) == before, "a repair must not reach past the last window: the stretch would be skipped"
    assert orderpipe("lookup", kept).returncode == 0


def con_windows(settings):
    con = open_writer(settings)
    try:
        return con.execute(
            "SELECT shop_id, kind, max(window_to) FROM vault.raw.pull_windows GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    finally:
        con.close()


def test_a_replay_gives_the_same_tables_and_never_touches_what_is_there(orderpipe, tmp_path):
    there = tmp_path / "there"
    rebuilt = orderpipe.json("replay", "--into", str(there))
    assert all(table["same"] for table in rebuilt)
    assert {table["table"]: table["rows"] for table in rebuilt}["core.orders"] == 3
    done = orderpipe("replay", "--into", str(there))
    assert done.returncode == 1
    assert "the target is not empty" in done.stderr


def test_a_replay_that_differs_says_where(orderpipe, tmp_path):
    settings = config.Settings(config.Home(orderpipe.home), config.ROOT / "config", {"ORDERPIPE_PII_KEY": "5f" * 32})
    con = open_writer(settings)
    try:
        con.execute("UPDATE core.customers SET order_count = 99")
        done = orderpipe("replay", "--into", str(tmp_path / "there"), "--json")
        con.execute("UPDATE core.customers SET order_count = 1")
    finally:
        con.close()
    assert done.returncode == 1
    assert [table["table"] for table in json.loads(done.stdout) if not table["same"]] == ["core.customers"]


def test_a_tick_prints_json_that_tells_every_stage(shop):
    orderpipe, world = shop
    world.orders("taobao-hz", n=2, state="paid")
    world.step(900)
    done = orderpipe("tick", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["ok"] is True
    assert report["pool"]["pooled"] >= 2
    assert {sent["receiver"]: sent["acknowledged"] for sent in report["dispatch"]}["wms"] == 2
    assert all(check["ok"] for check in report["checks"])
