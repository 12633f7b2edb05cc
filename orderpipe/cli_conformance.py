"""`orderpipe conformance`: point any order management system at the sandbox, and get a score sheet."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from orderpipe import config
from orderpipe.errors import OrderpipeError
from orderpipe.sandbox.conformance import ERRORS
from orderpipe.sandbox.conformance_sheet import HEADINGS, VERDICTS, verdict_of

app = typer.Typer(no_args_is_help=True, help="Point any order management system at the sandbox, and get a score sheet.")
Url = Annotated[str, typer.Option(envvar="ORDERPIPE_SANDBOX_URL", help="Address of the sandbox.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
DEFAULT_URL = "http://127.0.0.1:8791"
RECEIVERS = ("WMS_", "KUAIDI100_", "DINGTALK_")
LOOK_EVERY = 2.0  # seconds between two looks at where the play stands


@app.command()
def run(
    platform: Annotated[
        list[str] | None, typer.Option(help="Play only this platform; may be given more than once.")
    ] = None,
    scenario: Annotated[
        list[str] | None, typer.Option(help="Play only this scenario; may be given more than once.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The world is a function of seed and clock.")] = 7,
    speed: Annotated[
        float, typer.Option(help="Simulated seconds per second; above 1 the system must follow the clock URL.")
    ] = 1.0,
    stretch: Annotated[
        int,
        typer.Option(
            help="Simulated seconds of a scenario; more than your polling interval plus the lag of your windows."
        ),
    ] = 300,
    settle: Annotated[int, typer.Option(help="Simulated seconds of silence after the last scenario.")] = 1800,
    after: Annotated[int, typer.Option(help="Simulated seconds until the first scenario.")] = 60,
    port: Annotated[int, typer.Option(help="Port of the sandbox; 0 takes a free one.")] = 8791,
    env_file: Annotated[
        Path | None, typer.Option(help="Write addresses and credentials there instead of printing them.")
    ] = None,
) -> None:
    """Start a sandbox, print its addresses and credentials, play the scenarios, and stay until Ctrl-C."""
    command = [sys.executable, "-m", "orderpipe.sandbox", "--port", str(port), "--seed", str(seed)]
    command += ["--rate", str(speed), "--history", "0", "--orders-per-hour", "0"]
    command += ["--goods", str(config.load().config_dir / "goods.csv")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        ready = process.stdout.readline()
        if not ready:
            raise OrderpipeError(f"the sandbox did not start on port {port}", remedy="choose another --port")
        url = ready.split()[-1]
        asked: dict[str, Any] = {"stretch": stretch, "settle": settle, "after": after}
        if platform:
            asked["shops"] = _shops(url, platform)
        if scenario:
            asked["scenarios"] = scenario
        plan = _call("POST", url, "conformance", json=asked)
        _hand_out(environment(url, plan), env_file)
        _follow(url, process)
    except KeyboardInterrupt:
        pass
    finally:
        process.terminate()
        process.wait()


@app.command()
def start(
    url: Url = DEFAULT_URL,
    platform: Annotated[list[str] | None, typer.Option(help="Only this platform.")] = None,
    scenario: Annotated[list[str] | None, typer.Option(help="Only this scenario.")] = None,
    stretch: Annotated[int, typer.Option(help="Simulated seconds of a scenario.")] = 300,
    settle: Annotated[int, typer.Option(help="Simulated seconds of silence after the last scenario.")] = 1800,
    after: Annotated[int, typer.Option(help="Simulated seconds until the first scenario.")] = 0,
) -> None:
    """Play the scenarios in a sandbox that runs already; prints its addresses and credentials."""
    asked: dict[str, Any] = {"stretch": stretch, "settle": settle, "after": after}
    if platform:
        asked["shops"] = _shops(url, platform)
    if scenario:
        asked["scenarios"] = scenario
    _hand_out(environment(url, _call("POST", url, "conformance", json=asked)), None)


@app.command()
def score(
    held: Annotated[Path, typer.Option(help="CSV or NDJSON of the orders the system holds.")],
    url: Url = DEFAULT_URL,
    zone: Annotated[str, typer.Option(help="Offset of times written without one, e.g. +08:00.")] = "+00:00",
    html: Annotated[Path | None, typer.Option(help="Also write the score sheet as a page there.")] = None,
    as_json: Json = False,
) -> None:
    """Hold exported orders against the truth. Exit code 0 only when the play is over and nothing is wrong."""
    try:
        content = held.read_bytes()
    except OSError as error:
        raise OrderpipeError(f"{held} cannot be read: {error.strerror}", remedy="name the exported file") from None
    sheet = _call("POST", url, "conformance/score", content=content, params={"zone": zone})
    if html:
        from orderpipe.sandbox.conformance_sheet import html as page

        html.write_text(page(sheet), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(sheet, ensure_ascii=False, indent=2))
    else:
        print_sheet(sheet)
    raise typer.Exit(0 if sheet["passed"] else 1)


@app.command(name="list")
def list_scenarios(url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """The scenarios, and the platforms of a running sandbox that can play them."""
    from orderpipe.cli_output import print_table

    found = _call("GET", url, "conformance/scenarios")
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        names = ["id", "场景", "scenario", "what a careless system does", "platforms"]
        print_table(names, [(x["id"], x["zh"], x["en"], x["trap"], " ".join(x["platforms"])) for x in found])


def environment(url: str, plan: dict[str, Any]) -> dict[str, str]:
    """What the system under test is told: addresses, shop ids and credentials, as environment variables."""
    credentials = _call("GET", url, "credentials")
    told = {"SANDBOX_URL": url, "SANDBOX_CLOCK_URL": f"{url}/_control/clock"}
    for shop in plan["shops"]:
        name = shop["platform"].upper()
        told[f"{name}_BASE_URL"] = url + shop["base_path"]
        told[f"{name}_SHOP"] = shop["shop_id"]
        told |= {key: value for key, value in credentials.items() if key.startswith(f"{name}_")}
    told |= {"WMS_BASE_URL": f"{url}/qimen", "KUAIDI100_BASE_URL": f"{url}/kuaidi100"}
    return told | {key: value for key, value in credentials.items() if key.startswith(RECEIVERS)}


def print_sheet(sheet: dict[str, Any]) -> None:
    """The score sheet as text."""
    from orderpipe.cli_output import print_table

    names = ("orders", *ERRORS, "faults_fired")
    print_table(
        ["platform", "场景 scenario", *("\n".join(HEADINGS[name]) for name in names), "结论 verdict"],
        [
            (
                row["platform"], f"{row['zh']} {row['scenario']}", *(row[name] or "" for name in names),
                VERDICTS[row["verdict"]] + (f" ({row['note']})" if row["note"] else ""),
            )
            for row in sheet["rows"]
        ],
    )  # fmt: skip
    typer.echo()
    print_table(
        ["platform", "已有\nheld", "虚单\ninvented", "单号失真\nmangled", "调用\ncalls", "被拒 refused"],
        [
            (
                one["platform"], one["orders"] - one["lost"], one["invented"], one["mangled"], one["calls"]["calls"],
                ", ".join(f"{name} {n}" for name, n in one["calls"].items() if n and name != "calls"),
            )
            for one in sheet["platforms"]
        ],
    )  # fmt: skip
    total = sheet["total"]
    found = ", ".join(f"{total[name]} {HEADINGS[name][1]}" for name in (*ERRORS, "invented"))
    typer.echo(f"\n{verdict_of(sheet)}: {total['orders']} orders due, {found}")


def _shops(url: str, platforms: list[str]) -> list[str]:
    """The ids of the shops of some platforms."""
    settings = _call("GET", url, "settings")
    found = [shop_id for shop_id in settings["index_lag"] if shop_id.rpartition("-")[0] in platforms]
    known = {shop_id.rpartition("-")[0] for shop_id in settings["index_lag"]}
    if unknown := sorted(set(platforms) - known):
        raise OrderpipeError(f"no platform {', '.join(unknown)}", remedy=f"use one of {', '.join(sorted(known))}")
    return found


def _hand_out(told: dict[str, str], env_file: Path | None) -> None:
    text = "".join(f"{name}={value}\n" for name, value in told.items())
    if env_file is None:
        typer.echo(text)
        return
    descriptor = os.open(env_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    typer.echo(f"addresses and credentials: {env_file}")


def _follow(url: str, process: subprocess.Popen[str]) -> None:
    """Say which scenario begins, until the play is over; then wait to be stopped."""
    said = ""
    while process.poll() is None:
        plan = _call("GET", url, "conformance")
        playing = [s["scenario"] for s in plan["scenes"] if s["start"] <= plan["now"] < s["end"]]
        text = f"{plan['now']} {plan['state']} {' '.join(dict.fromkeys(playing))}"
        if text[21:] != said:
            said = text[21:]
            typer.echo(text)
            if plan["state"] == "done":
                typer.echo(f"export your orders, then: orderpipe conformance score --held FILE --url {url}")
        time.sleep(LOOK_EVERY)
    raise OrderpipeError("the sandbox has ended", remedy="start the run again")


def _call(verb: str, url: str, path: str, **sent: Any) -> Any:
    import httpx

    try:
        answer = httpx.request(verb, f"{url}/_control/{path}", timeout=60, trust_env=False, **sent)
    except httpx.TransportError as error:
        raise OrderpipeError(
            f"no sandbox answers at {url}: {error}", remedy="start `orderpipe conformance run`, or name it with --url"
        ) from None
    if answer.status_code != 200:
        raise OrderpipeError(str(answer.json().get("error", answer.status_code)), where=url)
    return answer.json()
