"""`orderpipe up`: everything on this machine in one command, against the sandbox unless shops.yaml names real shops.

Started here: the console, where receivers report to, the sandbox (the outside world in one process), and Dagster (web
UI, daemon, code server). All of it stops with this process.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import httpx

from orderpipe import config
from orderpipe.config import ROOT, Home, Settings
from orderpipe.errors import OrderpipeError
from orderpipe.lake.lease import lease
from orderpipe.supervise import Child, Stopped, Supervisor

HOST = "127.0.0.1"
CONSOLE_READY, SANDBOX_READY, DAGSTER_READY = 30.0, 60.0, 180.0  # seconds until we stop waiting
# Enough life to see on a screen, an order every eight seconds over all shops, each living its days in an hour; and
# so little past that the first pull, held back by the platforms' own rate limits, is done in half a minute.
WORLD = {"seed": 1, "history": 0.5, "orders_per_hour": 64, "pace": 20}
EVERY_MINUTE, QUARTER_HOURLY = "* * * * *", "*/15 * * * *"
Say = Callable[[str], None]


def _print(text: str) -> None:
    print(text, flush=True)


def up(
    settings: Settings,
    *,
    sandbox: bool | None = None,
    port: int = 3000,
    sandbox_port: int = 8790,
    console_port: int = 8080,
    say: Say = _print,
) -> int:
    """Start everything and stay until SIGINT or SIGTERM. Gives the exit code: 0, or 1 when something went wrong.

    sandbox: start it or not; None decides by whether any shop of shops.yaml stands on its URL. port: Dagster's web
    UI. console_port: where receivers report to.

    Raises LeaseTimeout when another `up` runs on the same ORDERPIPE_HOME: two daemons would do every tick twice.
    """
    url = f"http://{HOST}:{sandbox_port}"
    settings = beside_sandbox(settings, url, f"http://{HOST}:{console_port}")
    settings.home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.home.path.chmod(0o700)
    with lease(settings.home.lock("up"), "orderpipe up", timeout=0):
        try:
            with Supervisor(settings.home.path / "logs") as children:
                _run(children, settings, sandbox, port, url, console_port, say)
        except Stopped:
            say("已全部停止 · everything has stopped")
            return 0
        except OrderpipeError as error:
            say(f"已全部停止 · everything has stopped\n{error}")
            return 1


def _run(
    children: Supervisor, settings: Settings, sandbox: bool | None, port: int, url: str, console_port: int, say: Say
) -> NoReturn:
    sandbox = bool(sandbox_shops(settings, url)) if sandbox is None else sandbox
    _write_secrets(settings, sandbox)
    env = _environment(settings, tick_cron(settings, url))
    _start_console(children, env, console_port)
    if sandbox:
        say("正在启动沙箱 · starting the sandbox …")
        _start_sandbox(children, settings, env, url)
    say("正在启动 Dagster · starting Dagster …")
    dagster = _start_dagster(children, settings.home, env, port)
    _first_tick(children, dagster, f"http://{HOST}:{port}/graphql")
    say(_where_to_look(settings, port, console_port, url if sandbox else None))
    children.watch()


def beside_sandbox(settings: Settings, url: str, console: str = f"http://{HOST}:8080") -> Settings:
    """The same settings, where shops.yaml means this sandbox, and receivers report to this console, unless the
    environment names others."""
    beside = {"ORDERPIPE_SANDBOX_URL": url, "ORDERPIPE_CONSOLE_URL": console}
    return Settings(settings.home, settings.config_dir, {**beside, **settings.env})


def sandbox_shops(settings: Settings, url: str) -> list[str]:
    """The shops of shops.yaml that stand on this sandbox."""
    return [shop.id for shop in settings.shops.values() if shop.base_url.startswith(f"{url}/")]


def tick_cron(settings: Settings, url: str) -> str:
    """When ticks begin: every minute while all shops are the sandbox's, every quarter of an hour with real ones."""
    return EVERY_MINUTE if len(sandbox_shops(settings, url)) == len(settings.shops) else QUARTER_HOURLY


def _environment(settings: Settings, cron: str) -> dict[str, str]:
    """What children see. Secrets they read themselves from <home>/env."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        "ORDERPIPE_TICK_CRON": cron,
        **env,
        "ORDERPIPE_HOME": str(settings.home.path),
        "ORDERPIPE_CONFIG": str(settings.config_dir),
        "ORDERPIPE_SANDBOX_URL": settings.env["ORDERPIPE_SANDBOX_URL"],
        "ORDERPIPE_CONSOLE_URL": settings.env["ORDERPIPE_CONSOLE_URL"],
        "DAGSTER_HOME": str(settings.home.path / "dagster"),
        "GX_ANALYTICS_ENABLED": "false",
    }


def _write_secrets(settings: Settings, sandbox: bool) -> None:
    """Make what the first start needs, and replace nothing. Raises ConfigError when a lake has lost its key."""
    path = settings.home.env_file
    known = config.read_env_file(path)
    missing = config.missing_key(settings)
    if "KUAIDI100_SALT" not in settings.env:  # ours to choose: the courier is told with every subscription
        missing["KUAIDI100_SALT"] = secrets.token_hex(16)
    if sandbox:
        missing |= {name: value for name, value in _sandbox_credentials().items() if name not in settings.env}
    if missing:
        config.write_env_file(path, {**known, **missing})


def _sandbox_credentials() -> dict[str, str]:
    answer = subprocess.run(
        [sys.executable, "-m", "orderpipe.sandbox", "--env"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return dict(line.split("=", 1) for line in answer.stdout.splitlines() if "=" in line)


def _start_console(children: Supervisor, env: Mapping[str, str], port: int) -> None:
    argv = [sys.executable, "-m", "orderpipe.cli", "console", "--host", HOST, "--port", str(port)]
    child = children.start("console", argv, env=env, cwd=ROOT, port=port)
    children.wait_until_ready(child, f"http://{HOST}:{port}/healthz", CONSOLE_READY)


def _start_sandbox(children: Supervisor, settings: Settings, env: Mapping[str, str], url: str) -> None:
    """Start the world where it was. It lives in memory only, but is a function of its seed, its beginning and the
    clock: begun again at the same moment and moved to now, it holds the same orders that the lake has seen."""
    port, path = int(url.rpartition(":")[2]), settings.home.path / "sandbox.json"
    if not path.exists():
        path.write_text(json.dumps({**WORLD, "start": datetime.now(UTC).isoformat(timespec="seconds")}), "utf-8")
    world = json.loads(path.read_text("utf-8"))
    options = [text for name, value in world.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    goods = ["--goods", str(settings.config_dir / "goods.csv")]
    reports = ["--callback-url", env["ORDERPIPE_CONSOLE_URL"]]
    argv = [sys.executable, "-m", "orderpipe.sandbox", "--port", str(port), "--rate", "1", *options, *goods, *reports]
    child = children.start("sandbox", argv, env=env, cwd=ROOT, port=port)
    children.wait_until_ready(child, f"{url}/", SANDBOX_READY)
    clock = {"set": datetime.now(UTC).isoformat()}
    httpx.post(f"{url}/_control/clock", json=clock, trust_env=False, timeout=120).raise_for_status()
    _forget_tokens(settings.home, sandbox_shops(settings, url))


def _forget_tokens(home: Home, shops: list[str]) -> None:
    """Drop the tokens of sandbox shops: a world that began anew has never issued them."""
    if home.tokens.exists():
        tokens = json.loads(home.tokens.read_text("utf-8"))
        kept = {shop: token for shop, token in tokens.items() if shop not in shops}
        home.tokens.write_text(json.dumps(kept), "utf-8")


def _start_dagster(children: Supervisor, home: Home, env: Mapping[str, str], port: int) -> Child:
    folder = home.path / "dagster"
    folder.mkdir(exist_ok=True, mode=0o700)
    shutil.copyfile(ROOT / "deploy" / "local" / "dagster.yaml", folder / "dagster.yaml")
    where = ["--workspace", "workspace.yaml", "--host", HOST, "--port", str(port)]
    argv = [sys.executable, "-m", "dagster", "dev", *where]
    child = children.start("dagster", argv, env=env, cwd=ROOT, port=port)
    children.wait_until_ready(child, f"http://{HOST}:{port}/server_info", DAGSTER_READY)
    return child


def _first_tick(children: Supervisor, dagster: Child, graphql: str) -> None:
    """Launch a tick now, through the run queue, as the UI would; the schedule does the rest."""
    began = time.time()
    with httpx.Client(trust_env=False, timeout=60) as http:

        def ask(query: str, **variables: object) -> dict:
            answer = http.post(graphql, json={"query": query, "variables": variables}).raise_for_status().json()
            if answer.get("errors"):
                raise OrderpipeError(str(answer["errors"][0]["message"]), where="dagster", remedy=f"see {dagster.log}")
            return answer["data"]

        while not (location := ask(_LOCATION)["workspaceOrError"]["locationEntries"][0]["locationOrLoadError"]):
            if time.time() > began + DAGSTER_READY:
                raise OrderpipeError("the code location does not load", where="dagster", remedy=f"see {dagster.log}")
            children.sleep(0.3)
        if location["__typename"] == "PythonError":
            raise OrderpipeError(location["message"].strip(), where="definitions.py", remedy=f"see {dagster.log}")
        stale = [run["runId"] for run in ask(_STALE, before=began)["runsOrError"]["results"]]
        if stale:  # their processes died with the `up` that ran them; left as they are they would hold up every tick
            ask(_CANCEL, runs=stale)
        if ask(_WAITING)["runsOrError"]["results"]:
            return  # the schedule was faster
        tags = ask(_TAGS)["pipelineOrError"]["runTags"]  # the UI and the schedule add them, this call does not
        launched = ask(_LAUNCH, tags=tags)["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise OrderpipeError(str(launched), where="dagster", remedy=f"see {dagster.log}")


_LOCATION = """{
  workspaceOrError {... on Workspace {locationEntries {
    locationOrLoadError {__typename ... on PythonError {message}}}}}}"""
_STALE = """query ($before: Float!) {
  runsOrError(filter: {statuses: [STARTING, STARTED, CANCELING], createdBefore: $before}) {
    ... on Runs {results {runId}}}}"""
_CANCEL = """mutation ($runs: [String!]!) {
  terminateRuns(runIds: $runs, terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) {__typename}}"""
_WAITING = """{
  runsOrError(filter: {pipelineName: "tick", statuses: [QUEUED, NOT_STARTED, STARTING, STARTED]}) {
    ... on Runs {results {runId}}}}"""
_TAGS = """{
  pipelineOrError(params: {
    repositoryLocationName: "orderpipe", repositoryName: "__repository__", pipelineName: "tick"
  }) {... on Pipeline {runTags {key value}}}}"""
_LAUNCH = """mutation ($tags: [ExecutionTag!]!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "orderpipe", repositoryName: "__repository__", jobName: "tick"},
    runConfigData: {}, executionMetadata: {tags: $tags}
  }) {__typename ... on PythonError {message} ... on InvalidSubsetError {message}}}"""


def _where_to_look(settings: Settings, port: int, console_port: int, sandbox: str | None) -> str:
    home = os.path.relpath(settings.home.path)
    command = "orderpipe" if shutil.which("orderpipe") else os.path.relpath(Path(sys.executable).with_name("orderpipe"))
    lines = [
        "",
        f"  Dagster 控制台 · pipeline UI    http://{HOST}:{port}",
        f"  回传入口 · callbacks            http://{HOST}:{console_port}/callbacks/",
        *([f"  沙箱 · the sandbox world       {sandbox}/"] if sandbox else []),
        f'  查询 · first query             {command} sql "SELECT status, count(*) FROM core.orders GROUP BY ALL"',
        f"  状态与日志 · state and logs     {home}/  {home}/logs/",
        "  停止 · stop                    Ctrl-C",
        "",
    ]
    return "\n".join(lines)
