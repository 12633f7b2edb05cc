"""Marts: what people read, rebuilt whole from what stands upstream. A new mart is one file of sql/mart."""

from collections.abc import Iterable
from datetime import timedelta

import pyarrow as pa

from orderpipe.flow.pull import allowed_behind, lanes
from orderpipe.flow.run import Run
from orderpipe.lake import models
from orderpipe.lake.dictionary import table
from orderpipe.lake.reference import load_reference, load_warehouses


def mart_names() -> list[str]:
    """The names of all marts."""
    return [name.partition("/")[2] for name in models.stage_models("mart")]


def build_marts(run: Run, names: Iterable[str] | None = None) -> dict[str, int]:
    """Rebuild marts (default all); gives the rows of each. A mart that says what it said before writes nothing."""
    con, counts = run.lake, {}
    _load_lanes(run)
    load_reference(con, run.settings)
    load_warehouses(con, run.settings)
    con.execute(
        "CREATE OR REPLACE TABLE work.run AS SELECT $id AS id, $now::TIMESTAMPTZ AS started_at",
        {"id": run.id, "now": run.started_at},
    )
    with run.writing("marts"):
        for name in names if names is not None else mart_names():
            counts[name] = models.build(con, f"mart/{name}", f"work.mart_{name}")
            _store(run, name)
    return counts


def _store(run: Run, name: str) -> None:
    """Put a mart in the place of the stored one, in one transaction, unless they are equal."""
    con, target = run.lake, table(f"mart.{name}")
    columns = ", ".join(f'"{column}"' for column in target.columns)
    new, old = f"SELECT {columns} FROM work.mart_{name}", f"SELECT {columns} FROM {target.full_name}"
    if con.execute(f"SELECT EXISTS (({new}) EXCEPT ALL ({old})) OR EXISTS (({old}) EXCEPT ALL ({new}))").fetchone()[0]:
        with run.transaction("lake", f"mart {name}"):
            con.execute(f"DELETE FROM {target.full_name}")
            con.execute(f"INSERT INTO {target.full_name} ({columns}) {new}")
    con.execute(f"DROP TABLE work.mart_{name}")


def _load_lanes(run: Run) -> None:
    """Fill ref.lanes: every lane of config/shops.yaml and how far behind it may be."""
    rows = []
    for lane in lanes(run.settings):
        shop = run.settings.shops[lane.shop_id]
        allowed = allowed_behind(run.settings, lane)
        rows.append((lane.shop_id, lane.platform, shop.name, lane.kind, int(allowed / timedelta(minutes=1))))
    names = ("shop_id", "platform", "shop_name", "kind", "allowed_minutes")
    columns = list(zip(*rows, strict=True)) if rows else [[]] * len(names)
    types = [pa.string()] * 4 + [pa.int64()]
    lanes_table = pa.table([pa.array(c, t) for c, t in zip(columns, types, strict=True)], names=list(names))
    run.lake.register("lanes_of_shops", lanes_table)
    run.lake.execute("CREATE OR REPLACE TABLE ref.lanes AS SELECT * FROM lanes_of_shops")
    run.lake.unregister("lanes_of_shops")
