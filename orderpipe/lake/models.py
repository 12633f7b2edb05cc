"""The SQL models of sql/: pure SELECTs, one per file, run in the order a stage names them."""

import hashlib
from functools import cache
from pathlib import Path

from orderpipe.config import ROOT

SQL = ROOT / "sql"


@cache
def model(name: str) -> str:
    """The SELECT of sql/<stage>/<model>.sql, named `stage/model`. Raises FileNotFoundError when there is none."""
    return (SQL / f"{name}.sql").read_text("utf-8").strip().rstrip(";")


def stage_models(stage: str) -> list[str]:
    """The names of all models of a stage, sorted."""
    return sorted(f"{stage}/{path.stem}" for path in (SQL / stage).glob("*.sql"))


def build(con, name: str, into: str) -> int:
    """Materialise a model as a table of the connection (`staging.orders`), replacing it; gives its row count."""
    return con.execute(f"CREATE OR REPLACE TABLE {into} AS {model(name)}").fetchone()[0]


@cache
def code_version(config_dir: Path) -> str:
    """A hash of everything that decides whether a payload fits: functions, staging models and quality suites."""
    digest = hashlib.sha256((SQL / "functions.sql").read_bytes())
    for folder, pattern in ((SQL / "staging", "*.sql"), (config_dir / "quality", "*.yaml")):
        for path in sorted(folder.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
