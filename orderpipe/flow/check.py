"""Checks of every tick: nothing lost between raw and core, nothing twice. Cheap, on the whole lake."""

from dataclasses import dataclass

from orderpipe.flow.run import Run
from orderpipe.lake.models import model, stage_models


@dataclass(frozen=True)
class Check:
    """One check: ok, or detail says by how much it does not add up (numbers and ids, no personal data)."""

    name: str
    ok: bool
    detail: str


def check_names() -> list[str]:
    """The names of all checks; each is a file of sql/check/ whose one row gives ok and detail."""
    return [name.split("/")[1] for name in stage_models("check")]


def check(run: Run) -> list[Check]:
    """Run every check."""
    return [Check(name, *run.lake.execute(model(f"check/{name}")).fetchone()) for name in check_names()]
