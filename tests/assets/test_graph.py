"""The asset graph as it is drawn in Dagster, kept as text: a change of lineage is a change somebody reviews.

After a change that is meant: python tests/assets/test_graph.py > tests/assets/graph.txt
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = Path(__file__).with_name("graph.txt")
STAGES = ("shops", "raw", "staging", "quarantine", "pii", "core", "rules", "decision", "outbox", "mart", "dispatch")
HEAVY = ("duckdb", "great_expectations", "pandas", "polars", "plotly", "pyarrow", "numpy", "httpx", "sqlglot")


def render() -> str:
    """Assets by stage with what they read and their checks, then jobs, schedules and sensors."""
    from definitions import defs

    graph = defs.resolve_asset_graph()
    stages: dict[str, list[str]] = {stage: [] for stage in STAGES}
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
        lines = stages[node.group_name]
        lines.append(f"{key.to_user_string()}" + (f" <- {parents}" if parents else ""))
        for check in sorted(node.check_keys):
            lines.append(f"    check {check.name}" + (" (blocking)" if graph.get(check).blocking else ""))
    lines = [line for stage, members in stages.items() for line in ("", f"[{stage}]", *members)]
    lines += ["", "[work]"]
    for job in defs.resolve_all_job_defs():
        if not job.name.startswith("__"):
            lines.append(f"job {job.name}: {', '.join(sorted(node.name for node in job.nodes))}")
    lines += [f"schedule {schedule.name}: {schedule.cron_schedule}" for schedule in defs.schedules]
    lines += sorted(f"sensor {sensor.name}" for sensor in defs.sensors)
    return "\n".join(lines).strip() + "\n"


def test_the_graph_is_the_one_that_was_reviewed():
    assert render() == SNAPSHOT.read_text("utf-8")


def test_every_asset_says_what_it_is_and_who_owns_it():
    from definitions import defs

    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description and node.owners == ["team:data"] and node.kinds, key
        assert any("\u4e00" <= letter <= "\u9fff" for letter in node.description) or key.path[0] == "staging", key


def test_every_stored_table_shows_its_columns():
    from definitions import defs
    from orderpipe.lake import dictionary

    graph = defs.resolve_asset_graph()
    for name, table in dictionary.tables().items():
        if name.startswith(("core.", "decision.", "pii.")):
            schema = graph.get(_key(name)).metadata["dagster/column_schema"]
            assert {column.name: column.type for column in schema.columns} == {
                column: described.type for column, described in table.columns.items()
            }


def test_every_lane_of_every_platform_has_its_asset():
    from assets.lineage import models
    from orderpipe.platforms import PLATFORMS

    lanes = {f"{platform}_{kind}s" for platform, client in PLATFORMS.items() for kind in client.kinds}
    assert {name for name, model in models("staging").items() if model.pulled} == lanes


def test_a_platform_without_a_shop_is_not_drawn(tmp_path):
    shop = (
        "- {id: s, platform: taobao, name: S, timezone: Asia/Shanghai, currency: CNY, base_url: http://127.0.0.1:1}\n"
    )
    (tmp_path / "shops.yaml").write_text(shop)
    keys = _keys({"ORDERPIPE_CONFIG": str(tmp_path)})
    assert "raw/taobao_orders" in keys and not [key for key in keys if "shopify" in key]


def test_the_graph_loads_even_when_shops_yaml_is_broken(tmp_path):
    (tmp_path / "shops.yaml").write_text("- id: [unclosed")
    keys = _keys({"ORDERPIPE_CONFIG": str(tmp_path)})
    assert {"raw/taobao_orders", "raw/shopify_orders", "core/orders"} <= set(keys)


def test_loading_the_definitions_imports_nothing_heavy():
    program = f"import sys, definitions; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert _python(program).strip() == "[]"


@pytest.mark.slow
def test_dagster_accepts_the_workspace(tmp_path):
    env = {**os.environ, "DAGSTER_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "--workspace", "workspace.yaml"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _key(name: str):
    from dagster import AssetKey

    return AssetKey(name.split("."))


def _keys(env: dict[str, str]) -> list[str]:
    program = """if True:
        import json, definitions
        graph = definitions.defs.resolve_asset_graph()
        print(json.dumps([key.to_user_string() for key in graph.get_all_asset_keys()]))"""
    return json.loads(_python(program, env))


def _python(program: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    print(render(), end="")
