"""The conformance kit finds what a system lost, and finds nothing where nothing is lost."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from orderpipe import cli_conformance, config, flow
from orderpipe.flow.verify import sweep
from orderpipe.lake import reader
from orderpipe.sandbox.conformance import ERRORS, SCENARIOS
from orderpipe.sandbox.conformance_sheet import html

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("platform", "shop_id", "platform_order_no", "updated_at", "status", "paid_amount", "currency")
STRETCH, SETTLE = 240, 1800
INCREMENT = "taobao.trades.sold.increment.get"


class Kit:
    """A sandbox on a stepped clock with a play in it."""

    def __init__(self, sandbox: Any, *scenarios: str, **choice: Any):
        self.sandbox = sandbox
        asked = {"stretch": STRETCH, "settle": SETTLE, **choice}
        if scenarios:
            asked["scenarios"] = list(scenarios)
        self.plan = sandbox.control("POST", "conformance", **asked)

    @property
    def state(self) -> str:
        return self.sandbox.control("GET", "conformance")["state"]

    def play(self, pull: Any = lambda: None, step: float = STRETCH / 2) -> None:
        """To the end; the system under test pulls after every step."""
        while self.state != "done":
            self.sandbox.step(SETTLE if self.state == "settling" else step)
            pull()

    def score(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        answer = self.sandbox.http.post(f"{self.sandbox.url}/_control/conformance/score", content=as_csv(rows))
        return answer.raise_for_status().json()

    def row(self, sheet: dict[str, Any], scenario: str) -> dict[str, Any]:
        [row] = [row for row in sheet["rows"] if row["scenario"] == scenario]
        return row


def as_csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def perfect(sandbox: Any, shop: str | None = None) -> list[dict[str, Any]]:
    """What a system without fault holds."""
    return [order | {"updated_at": order["modified"]} for order in sandbox.truth(shop) if order["listed"]]


# ---- candidates


@pytest.fixture
def orderpipe(tmp_path, monkeypatch):
    """The reference candidate: orderpipe's own tick against a sandbox, and its export."""

    def start(sandbox: Any) -> Any:
        told = {
            "ORDERPIPE_HOME": str(tmp_path / "home"),
            "ORDERPIPE_CONFIG": str(ROOT / "config"),
            "ORDERPIPE_PII_KEY": "5f" * 32,
            "ORDERPIPE_SANDBOX_URL": sandbox.url,
            "ORDERPIPE_CLOCK": f"{sandbox.url}/_control/clock",
            **sandbox.credentials,
        }
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        return config.load()

    return start


def recheck(settings: Any, *shops: str) -> None:
    """What orderpipe does every night: list the last day by a walk of its own, and pull what is missing."""
    with flow.open_run(settings) as run:
        sweep(run, run.started_at - timedelta(hours=24), flow.lanes(settings, shops))


def export(settings: Any) -> list[dict[str, Any]]:
    with reader(settings) as con:
        rows = con.execute(f"SELECT {', '.join(COLUMNS)} FROM core.orders").fetchall()
    return [dict(zip(COLUMNS, row, strict=True)) | {"updated_at": row[3].isoformat()} for row in rows]


class Careless:
    """A system as they are often written: walks newest first from page 1 on, and moves its watermark on page 1."""

    def __init__(self, talk: Any):
        self.talk = talk
        self.watermark = talk.gmt8(600)
        self.held: dict[str, dict[str, Any]] = {}

    def pull(self) -> None:
        since, until = self.watermark, self.talk.gmt8(30)
        page = 1
        while True:
            found = self.talk.top(
                INCREMENT, fields="tid,modified,status,payment", start_modified=since, end_modified=until,
                page_no=page, page_size=40,
            )  # fmt: skip
            rows = found.get("trades", {}).get("trade", [])
            if page == 1 and rows:
                self.watermark = rows[0]["modified"]
            for row in rows:
                at = datetime.fromisoformat(row["modified"] + "+08:00")
                self.held[str(row["tid"])] = {
                    "platform": "taobao", "shop_id": "taobao-hz", "platform_order_no": str(row["tid"]),
                    "updated_at": at.isoformat(), "status": row["status"], "paid_amount": "", "currency": "CNY",
                }  # fmt: skip
            if len(rows) < 40:
                return
            page += 1


@pytest.mark.long
@pytest.mark.slow
def test_orderpipe_loses_nothing(sandbox, orderpipe):
    world = sandbox(shops="taobao-hz")
    settings = orderpipe(world)
    kit = Kit(world, "shifted_page", "late_order", "very_late_order", "window_edges", "refund_before_shipping")
    world.step(STRETCH / 2)  # a pull in the middle of each scenario: its faults last as long as it does
    kit.play(lambda: flow.tick(settings, ["taobao-hz"]), step=STRETCH)
    recheck(settings, "taobao-hz")
    sheet = kit.score(export(settings))
    assert {row["scenario"]: row["verdict"] for row in sheet["rows"]} == {
        s["scenario"]: "passed" for s in sheet["rows"]
    }
    assert sheet["passed"] and sheet["final"]
    assert sheet["total"]["orders"] == 120 + 12 + 12 + 24 + 8
    [platform] = sheet["platforms"]
    assert platform["calls"]["signature"] == platform["calls"]["token_reused"] == platform["calls"]["limit"] == 0
    assert platform["calls"]["calls"] > 10


@pytest.mark.slow
@pytest.mark.long
def test_orderpipe_loses_nothing_on_two_platforms_at_once(sandbox, orderpipe):
    world = sandbox()
    settings = orderpipe(world)
    kit = Kit(world, "late_change", "unpaid_then_paid", "presale")
    world.step(STRETCH / 2)
    kit.play(lambda: flow.tick(settings, ["taobao-hz", "shopify-us"]), step=STRETCH)
    sheet = kit.score(export(settings))
    assert sheet["passed"], [row for row in sheet["rows"] if row["verdict"] == "failed"]
    assert {row["platform"] for row in sheet["rows"]} == {"taobao", "shopify"}


def test_a_careless_system_is_caught(sandbox, caller):
    world = sandbox(shops="taobao-hz")
    kit = Kit(world, "plain_walk", "shifted_page", "late_order")
    careless = Careless(caller(world))
    kit.play(careless.pull)
    sheet = kit.score(list(careless.held.values()))
    assert kit.row(sheet, "plain_walk")["verdict"] == "passed"
    shifted, late = kit.row(sheet, "shifted_page"), kit.row(sheet, "late_order")
    assert shifted["lost"] > 0 and shifted["faults_fired"] > 0 and shifted["verdict"] == "failed"
    assert late["lost"] == 6 and len(late["examples"]["lost"]) == 5
    assert not sheet["passed"] and sheet["total"]["lost"] == shifted["lost"] + 6


# ---- the judge, with files made by hand


@pytest.fixture
def played(sandbox):
    world = sandbox(shops="taobao-hz")
    kit = Kit(world, "money", "long_numbers")
    kit.play()
    return kit, perfect(world)


def test_the_truth_itself_passes(played):
    kit, rows = played
    sheet = kit.score(rows)
    assert sheet["passed"] and sheet["total"] == {"orders": 32, "invented": 0, **dict.fromkeys(ERRORS, 0)}


@pytest.mark.parametrize(
    ("error", "change"),
    [
        ("stale", {"updated_at": "2026-11-09T01:00:00Z"}),
        ("stale", {"updated_at": ""}),
        ("wrong_status", {"status": "completed"}),
        ("wrong_money", {"paid_amount": "0.01"}),
        ("wrong_money", {"currency": "USD"}),
    ],
)
def test_one_wrong_field_is_one_error(played, error, change):
    kit, rows = played
    rows[3] = rows[3] | change
    sheet = kit.score(rows)
    assert {name: n for name, n in sheet["total"].items() if n and name != "orders"} == {error: 1}
    assert not sheet["passed"]
    [row] = [row for row in sheet["rows"] if row["verdict"] == "failed"]
    assert row["examples"] == {error: [rows[3]["platform_order_no"]]}


def test_a_missing_and_a_doubled_order_are_counted(played):
    kit, rows = played
    sheet = kit.score([*rows[1:], rows[5], rows[5]])
    assert (sheet["total"]["lost"], sheet["total"]["duplicated"]) == (1, 2)


def test_a_number_that_went_through_a_float_is_lost_and_recognised(played):
    kit, rows = played
    for row in rows:
        row["platform_order_no"] = str(int(float(row["platform_order_no"])))
    sheet = kit.score(rows)
    [platform] = sheet["platforms"]
    assert sheet["total"]["lost"] == platform["invented"] == platform["mangled"] > 20


def test_the_platforms_own_words_and_other_spellings_are_accepted(played):
    kit, rows = played
    for row in rows:
        at = datetime.fromisoformat(row["updated_at"])
        row |= {"status": row["platform_status"], "updated_at": str(int(at.timestamp() * 1000)), "paid_amount": ""}
    rows[0]["updated_at"] = datetime.fromisoformat(perfect(kit.sandbox)[0]["updated_at"]).strftime("%Y-%m-%d %H:%M:%S")
    assert kit.score(rows)["passed"]


def test_ndjson_keeps_long_numbers_exact(played):
    kit, rows = played
    wanted = ("platform", "shop_id", "platform_order_no", "updated_at")
    lines = [{name: row[name] for name in wanted} for row in rows]
    text = "\n".join(json.dumps(line | {"platform_order_no": int(line["platform_order_no"])}) for line in lines)
    answer = kit.sandbox.http.post(f"{kit.sandbox.url}/_control/conformance/score", content=text)
    assert answer.json()["passed"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty"),
        ("platform,shop_id\n", "line 1: no column platform_order_no, updated_at"),
        ("platform,shop_id,platform_order_no,updated_at\ntaobao,taobao-hz,1,yesterday\n", "line 2"),
        ('{"platform": "taobao"}', "line 1"),
        ("{not json", "line 1: not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(played, content, says):
    kit, _ = played
    answer = kit.sandbox.http.post(f"{kit.sandbox.url}/_control/conformance/score", content=content)
    assert answer.status_code == 400 and says in answer.json()["error"]


def test_nothing_is_held_against_a_system_before_it_could_know(sandbox):
    world = sandbox(shops="taobao-hz")
    kit = Kit(world, "plain_walk")
    world.step(STRETCH / 2)
    sheet = kit.score([])
    assert sheet["total"]["lost"] == 0 and not sheet["final"] and not sheet["passed"]
    assert kit.row(sheet, "plain_walk")["verdict"] == "pending"
    kit.play()
    assert kit.score([])["total"]["lost"] == 120


def test_an_idle_system_has_not_met_the_faults(sandbox):
    world = sandbox(shops="taobao-hz")
    kit = Kit(world, "throttle")
    kit.play()
    assert kit.row(kit.score(perfect(world)), "throttle")["verdict"] == "not_met"


# ---- what was called and sent


def test_bad_signatures_and_spent_refresh_tokens_are_counted(sandbox, caller):
    world = sandbox(shops="taobao-hz")
    kit = Kit(world, "money")
    talk = caller(world)
    window = {"fields": "tid", "start_modified": talk.gmt8(60), "end_modified": talk.gmt8()}
    assert talk.top(INCREMENT, **window, secret="wrong")["code"] == 25
    world.fault("taobao", "throttle")
    assert talk.top(INCREMENT, **window)["code"] == 7
    spent = talk.env["TAOBAO_REFRESH_TOKEN"]
    for _ in range(2):
        talk.top_raw("taobao.top.auth.token.refresh", refresh_token=spent, session="")
    [platform] = kit.score([])["platforms"]
    assert platform["calls"] == {"calls": 4, "signature": 1, "token": 0, "token_reused": 1, "limit": 1}


def test_shipping_a_refunded_order_is_seen_and_shipping_a_held_one_is_impossible(sandbox, caller):
    world = sandbox(shops="taobao-hz")
    kit = Kit(world, "refund_before_shipping", "hold")
    talk = caller(world)
    ship = {"out_sid": "SF1", "company_code": "SF"}
    world.step(STRETCH * 0.3 + 1)  # asked for a moment ago: nobody can know
    first, *_ = (order["platform_order_no"] for order in world.truth())
    assert "shipping" in talk.top("taobao.logistics.offline.send", tid=first, **ship)
    world.step(STRETCH)
    still_open = [
        order["platform_order_no"] for order in world.truth() if order["refunds"] and order["status"] == "after_sale"
    ]
    assert "shipping" in talk.top("taobao.logistics.offline.send", tid=still_open[-1], **ship)
    held = next(order["platform_order_no"] for order in world.truth() if order["hold"])
    assert talk.top("taobao.logistics.offline.send", tid=held, **ship)["code"] == 15
    kit.play()
    sheet = kit.score(perfect(world))
    row = kit.row(sheet, "refund_before_shipping")
    assert row["sent_wrongly"] == 1 and row["examples"]["sent_wrongly"] == [still_open[-1]]
    assert kit.row(sheet, "hold")["sent_wrongly"] == 0


# ---- the play


def test_every_scenario_plays_on_every_platform_that_is_served(sandbox):
    world = sandbox(shops=",".join(_served(sandbox)))
    kit = Kit(world, stretch=60)
    kit.play(step=600)
    played: dict[str, int] = {}
    for scene in world.control("GET", "conformance")["scenes"]:
        assert (scene["orders"] > 0) == (scene["not_played"] is None), scene
        played[scene["scenario"]] = played.get(scene["scenario"], 0) + scene["orders"]
    assert set(played) == {scenario.id for scenario in SCENARIOS}
    sheet = kit.score(perfect(world))
    assert sheet["total"]["lost"] == sheet["total"]["wrong_money"] == sheet["total"]["wrong_status"] == 0
    assert sheet["total"]["orders"] > 1000


def _served(sandbox) -> list[str]:
    """The shops whose platforms this sandbox serves."""
    from orderpipe.sandbox.app import PLATFORMS
    from orderpipe.sandbox.world import SHOPS

    modules = {module.NAME for module in PLATFORMS if hasattr(module, "platform_status")}
    return [shop.id for shop in SHOPS if shop.platform in modules]


def test_a_play_is_a_function_of_the_seed(sandbox):
    def numbers() -> list[str]:
        world = sandbox(shops="taobao-hz", seed=5)
        Kit(world, "money", "presale").play()
        return [order["platform_order_no"] + order["modified"] for order in world.truth()]

    assert numbers() == numbers()


def test_a_play_nobody_knows_is_refused(sandbox):
    world = sandbox(shops="taobao-hz")
    for wrong in ({"scenarios": ["meteor"]}, {"shops": ["ebay-us"]}, {"stretch": 1}, {"colour": "red"}):
        with pytest.raises(httpx.HTTPStatusError):
            world.control("POST", "conformance", **wrong)
    assert world.control("GET", "conformance") == {"state": "none"}
    answer = world.http.post(f"{world.url}/_control/conformance/score", content="platform")
    assert answer.status_code == 409


# ---- the sheet and the command


def test_the_page_escapes_what_it_shows_and_names_everything_in_both_languages(played):
    kit, rows = played
    sheet = kit.score(rows[1:])
    sheet["rows"][0]["note"] = sheet["rows"][0]["platform"] = "<script>alert(1)</script>"
    sheet["rows"][0]["examples"] = {"lost": ["<b>1</b>"]}
    page = html(sheet)
    assert "<script>" not in page and "<b>1" not in page and "&lt;script&gt;" in page
    assert "漏单" in page and "lost" in page and "未通过 FAILED" in page
    assert "http" not in page.replace("&", "")  # nothing is fetched from anywhere


def test_the_command_scores_and_says_by_its_exit_code(played, tmp_path):
    kit, rows = played
    held, page = tmp_path / "held.csv", tmp_path / "sheet.html"
    held.write_text(as_csv(rows))
    run = CliRunner().invoke
    found = run(cli_conformance.app, ["score", "--held", str(held), "--url", kit.sandbox.url, "--html", str(page)])
    assert found.exit_code == 0 and "通过 PASSED" in found.output and "金额" in page.read_text()
    held.write_text(as_csv(rows[1:]))
    found = run(cli_conformance.app, ["score", "--held", str(held), "--url", kit.sandbox.url, "--json"])
    assert found.exit_code == 1 and json.loads(found.output)["total"]["lost"] == 1
    found = run(cli_conformance.app, ["list", "--url", kit.sandbox.url, "--json"])
    assert {scenario["id"] for scenario in json.loads(found.output)} == {scenario.id for scenario in SCENARIOS}
    found = run(cli_conformance.app, ["start", "--url", kit.sandbox.url, "--platform", "taobao", "--scenario", "money"])
    told = dict(line.split("=", 1) for line in found.output.split())
    assert told["TAOBAO_BASE_URL"] == f"{kit.sandbox.url}/taobao" and told["TAOBAO_SHOP"] == "taobao-hz"
    assert told["TAOBAO_APP_KEY"] and "SHOPIFY_CLIENT_ID" not in told


@pytest.mark.slow
def test_run_starts_a_sandbox_hands_out_what_is_needed_and_plays_to_the_end(tmp_path):
    env_file, held = tmp_path / "oms.env", tmp_path / "held.csv"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "orderpipe.cli", "conformance", "run", "--platform", "taobao", "--scenario", "money",
            "--port", "0", "--speed", "100", "--stretch", "60", "--settle", "60", "--after", "0",
            "--env-file", str(env_file),
        ],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, text=True,
        # A shell that runs the tests in the background leaves them deaf to Ctrl-C, and what they start as well.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if "export your orders" in line:
                break
        told = dict(line.split("=", 1) for line in env_file.read_text().split())
        assert env_file.stat().st_mode & 0o077 == 0
        truth = httpx.get(f"{told['SANDBOX_URL']}/_control/truth/orders").json()
        held.write_text(as_csv([order | {"updated_at": order["modified"]} for order in truth]))
        found = CliRunner().invoke(cli_conformance.app, ["score", "--held", str(held), "--url", told["SANDBOX_URL"]])
        assert found.exit_code == 0, found.output
        assert any("playing money" in line for line in said) and any(" done" in line for line in said)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
