"""Replay: rebuild everything right of raw from the raw payloads, into an empty home, and compare."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orderpipe.config import Home, Settings
from orderpipe.errors import OrderpipeError
from orderpipe.flow import activation
from orderpipe.flow.decide import decide
from orderpipe.flow.pool import BITE, pool
from orderpipe.flow.run import Run, open_run
from orderpipe.lake import reader
from orderpipe.lake.connection import attach_vault
from orderpipe.lake.hashes import derived_tables, table_hashes
from orderpipe.rules.language import restore
from orderpipe.rules.purposes import purposes

COPY_AT_ONCE = 100_000


@dataclass(frozen=True)
class Replayed:
    """A derived table after a replay: its rows and hash there, and in the home it was replayed from."""

    table: str
    rows: int
    hash: str
    original_hash: str

    @property
    def same(self) -> bool:
        return self.hash == self.original_hash


def replay(
    settings: Settings, into: Path, *, bite: int = BITE, say: Callable[[str], None] | None = None
) -> list[Replayed]:
    """Copy the raw payloads of settings' home into a new home, pool and decide over them, give every table's hash.

    Nothing is sent: instructions of the replay stay in the new home, whose outbox nobody dispatches. bite: payloads
    per transaction; the result does not depend on it. Raises OrderpipeError when the target is not empty.
    """
    if into.exists() and any(into.iterdir()):
        raise OrderpipeError("the target is not empty", where=str(into), remedy="name a new folder with --into")
    copy = dataclasses.replace(settings, home=Home(into.absolute()))
    with open_run(copy, say=say) as run:
        _copy_payloads(run, settings)
        _adopt_rules(run, settings)
        pool(run, bite)
        decide(run)
        there = table_hashes(run.lake)
    with reader(settings, vault=True) as con:
        here = table_hashes(con)
    return [Replayed(name, *there[name], here[name][1]) for name in derived_tables()]


def _adopt_rules(run: Run, source: Settings) -> None:
    """Bring the rules into force that are in force in the home that is replayed."""
    with reader(source) as con:
        in_force = activation.stored(con)
    known = purposes(run.settings)
    rule_sets = [restore(text, known[name]) for name, text in in_force.items()]
    if rule_sets:
        with run.writing("rules"):
            activation.activate(run, rule_sets, actor="orderpipe", note="replay")


def _copy_payloads(run: Run, source: Settings) -> None:
    con = run.lake
    attach_vault(con, source, "source")
    (last,) = con.execute("SELECT coalesce(max(seq), 0) FROM source.raw.payloads").fetchone()
    with run.writing("replay"):
        for start in range(0, last, COPY_AT_ONCE):
            with run.transaction("vault", "replay"):
                con.execute(
                    """INSERT INTO vault.raw.payloads
                       SELECT * FROM source.raw.payloads WHERE seq > $start AND seq <= $end ORDER BY seq""",
                    {"start": start, "end": start + COPY_AT_ONCE},
                )
            run.say(f"copied {min(start + COPY_AT_ONCE, last)} of {last} payloads")
    con.execute("DETACH source")
