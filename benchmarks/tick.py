"""What a tick costs, stage by stage, and how much of a run under Dagster is Dagster's own.

One sandbox whose clock stands still; for every round two fresh homes live through the same first tick, one by the
`orderpipe` command, one as Dagster's `tick` job in a process of its own. Nothing is sent. Prints medians and ratios of
this machine, now; figures of two machines or two runs do not compare.

    python benchmarks/tick.py [--orders 1000] [--rounds 3]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
KEY = "be" * 32


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--orders", type=int, default=2000, help="orders waiting for the tick")
    options.add_argument("--rounds", type=int, default=3, help="rounds; one more runs first and is not counted")
    chosen = options.parse_args()
    sandbox = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "orderpipe.sandbox",
            "--port",
            "0",
            "--rate",
            "0",
            "--history",
            "0",
            "--orders-per-hour",
            "0",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = sandbox.stdout.readline().split()[-1]
        with tempfile.TemporaryDirectory() as folder:
            report(chosen, *rounds(Path(folder), url, chosen))
    finally:
        sandbox.terminate()


def rounds(folder: Path, url: str, chosen: argparse.Namespace) -> tuple[list[dict], list[dict]]:
    """Alternate the two ways; give their measurements, the first round left out."""
    # Few of them on Shopify: its rate limit (some twenty orders a second) would drown everything else.
    few = chosen.orders // 40
    for shop, orders in (("taobao-hz", chosen.orders - few), ("shopify-us", few)):
        control(url, "orders", shop=shop, n=orders, state="paid", spread=1200)
    control(url, "clock", step=600)
    plain, orchestrated = [], []
    for number in range(chosen.rounds + 1):
        for way, results in ((by_command, plain), (by_dagster, orchestrated)):
            home = folder / "home"
            results.append(way(environment(home, url)))
            shutil.rmtree(home)
        print(f"round {number} done" + ("" if number else " (warm-up)"), file=sys.stderr)
    return plain[1:], orchestrated[1:]


def by_command(env: dict[str, str]) -> dict:
    """`orderpipe tick --no-send`: seconds of the whole process, and of every stage as the command reports them."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "orderpipe.cli", "tick", "--no-send", "--json"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )
    wall = time.perf_counter() - started
    result = json.loads(done.stdout)
    if not result["ok"]:
        raise SystemExit(f"the tick had problems: {result['problems']}")
    return {"wall": wall, "stages": result["seconds"], "orders": result["decide"]["decided"]}


def by_dagster(env: dict[str, str]) -> dict:
    """Dagster's tick job in one process: seconds of the whole process, and of every step by its event log."""
    home = Path(env["DAGSTER_HOME"])
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    started = time.perf_counter()
    subprocess.run(
        [str(Path(sys.executable).with_name("dagster")), "job", "execute", "-f", "definitions.py", "-j", "tick"],
        cwd=ROOT, env=env, capture_output=True, check=True,
    )  # fmt: skip
    wall = time.perf_counter() - started
    code = (
        "import json; from dagster import DagsterInstance; i = DagsterInstance.get(); r = i.get_runs(limit=1)[0]; "
        "print(json.dumps({s.step_key: s.end_time - s.start_time for s in i.get_run_step_stats(r.run_id)}))"
    )
    steps = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return {"wall": wall, "stages": json.loads(steps.stdout.splitlines()[-1])}


def environment(home: Path, url: str) -> dict[str, str]:
    credentials = httpx.get(f"{url}/_control/credentials", trust_env=False).json()
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return env | credentials | {
        "PYTHONPATH": str(ROOT),
        "ORDERPIPE_HOME": str(home),
        "ORDERPIPE_CONFIG": str(ROOT / "config"),
        "ORDERPIPE_PII_KEY": KEY,
        "ORDERPIPE_SANDBOX_URL": url,
        "ORDERPIPE_CLOCK": f"{url}/_control/clock",
        "DAGSTER_HOME": str(home / "dagster"),
    }  # fmt: skip


def control(url: str, path: str, **body) -> None:
    httpx.post(f"{url}/_control/{path}", json=body, timeout=300, trust_env=False).raise_for_status()


def report(chosen: argparse.Namespace, plain: list[dict], orchestrated: list[dict]) -> None:
    """Medians over the rounds; Dagster's share is its process less its steps, round by round."""
    orders = plain[0]["orders"]
    print(f"first tick of {orders} orders from two shops, nothing sent; medians of {chosen.rounds} rounds, seconds")
    for title, results in (("orderpipe tick", plain), ("dagster job tick", orchestrated)):
        print(f"\n{title}: whole process {median(r['wall'] for r in results):.2f}")
        for stage in results[0]["stages"]:
            print(f"  {stage:<10} {median(r['stages'][stage] for r in results):.2f}")
        rest = median(r["wall"] - sum(r["stages"].values()) for r in results)
        more = ", Dagster itself" if results is orchestrated else ""
        print(f"  {'the rest':<10} {rest:.2f}  (start of Python, imports{more})")
    ratios = [b["wall"] / a["wall"] for a, b in zip(plain, orchestrated, strict=True)]
    extra = [b["wall"] - a["wall"] for a, b in zip(plain, orchestrated, strict=True)]
    print(f"\nDagster's share: {median(extra):.2f} s more than the command, ratio {median(ratios):.2f}, round by round")


def median(values) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
